"""TrialView: one trial of a study, its config, values, checkpoints and generator."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis import Diagnosis
from ganstudy import UserError
from ganstudy.files import write_output
from study.store.columns import columns_of, ended_as, settings_of
from study.store.diagnosis import diagnosis, has_failed
from study.store.generators import whole_generator
from study.store.layout import not_records, shown
from study.store.local_copy import generator, newest_grids, read, stored
from study.store.records import Saved, TrialRecord
from study.store.tables import history_frame

if TYPE_CHECKING:
    from torch import Tensor

    from study.api import StudyView
    from trainables.config import TrialConfig
    from trainables.generators import Generator


class TrialView:
    """One trial of a study."""

    def __init__(self, study: "StudyView", record: TrialRecord):
        self.study, self.record = study, record

    def __repr__(self) -> str:
        last = self.record.last
        return f"TrialView({self.trial_id!r}, {self.outcome or 'unfinished'}" + (
            f", {self.study.objective} {last.values[self.study.objective]:.4g})" if last and self.study.objective in last.values else ")"
        )

    @property
    def trial_id(self) -> str:
        """The id: the hash of the config, and the seed."""
        return self.record.trial_id

    @property
    def config(self) -> "TrialConfig":
        """The config with its seed. Raises UserError if the study's plugins are not trusted."""
        from trainables.config import TrialConfig  # here: it imports torch, which takes seconds

        self.study._need_trust()
        return TrialConfig.from_flat(self.record.flat)

    @property
    def settings(self) -> dict[str, Any]:
        """All settings, with defaults. Defaults of plugins are missing if the plugins are not trusted."""
        return settings_of(self.record)

    @property
    def outcome(self) -> str:
        """A key of analysis.outcomes.OUTCOMES, or "" if the trial has not ended."""
        return ended_as(self.record, self.study.study).outcome

    @property
    def failed(self) -> bool:
        """Whether the trial failed, by the study's own definition if it has one. A trial that has not ended has not failed."""
        return has_failed(self.record, self.study.study, self.diagnosis)

    @property
    def diagnosis(self) -> Diagnosis:
        """The diagnosis with its evidence. For a trial that still trains, it is based on the ticks so far."""
        return diagnosis(self.record, self.study.study)

    def history(self) -> pd.DataFrame:
        """Return one row per tick, as `StudyView.history`."""
        return history_frame(columns_of([self.record], self.study.study))

    @property
    def values(self) -> Mapping[str, float]:
        """The metrics and signals of the last tick."""
        return self.record.last.values if self.record.last else {}

    @property
    def stored(self) -> list[Saved]:
        """The checkpoints with a stored generator, oldest first."""
        return stored(self.study.folder, self.record.saved)

    def generator_path(self, *, best_tick: bool = False) -> Path:
        """Return the newest stored generator, or with best_tick the one with the best objective. Raises UserError if there is none."""
        if not (saved := self.stored):
            raise UserError(f"{self.trial_id} must have a stored generator; {shown(self.study.folder)} contains none of this trial")
        at = self.record.best_images(self.study.objective, self.study.direction) if best_tick else saved[-1].images
        return generator(self.study.folder, next(each for each in saved if each.images == at))

    def generator(self, *, best_tick: bool = False) -> "Generator":
        """Return the generator, an nn.Module in evaluation mode: z [N, latent.dim] -> images.

        best_tick: use the stored checkpoint with the best objective. That value is biased, because it is the best of several noisy ones;
        evaluate the generator again before you report it.
        """
        from trainables.generators import load_generator  # here: it imports torch, which takes seconds

        self.study._need_trust()
        return load_generator(self.generator_path(best_tick=best_tick))

    def sample(self, n: int, *, seed: int = 0, label: str | int | None = None) -> "Tensor":
        """Return n samples [n, *shape]: images as floats in [-1, 1], points in their own units.

        label: a class, by name or number, for a conditional generator; default: all classes.
        """
        generator = self.generator()
        labels = None if label is None else [generator.label_of(str(label))] * n
        return generator.sample(n, seed=seed, labels=labels)

    def grid_png(self, *, seed: int = 0, label: str | None = None, best_tick: bool = False) -> bytes:
        """Return a grid of new samples as a PNG: of a conditional generator a row per class, or only `label`. Raises UserError for NaN."""
        from trainables.grid import new_grid  # here: it imports torch, which takes seconds

        return new_grid(self.generator(best_tick=best_tick), seed=seed, label=label, name=self.trial_id)

    def export(self, path: Path | str, *, best_tick: bool = False) -> Path:
        """Write the generator to a safetensors file with its config in the header, and return the path.

        trainables.generators.load_generator loads it. Raises UserError if the stored generator is damaged; then nothing is written.
        """
        return write_output(not_records(Path(path)), whole_generator(self.generator_path(best_tick=best_tick)))

    def as_dict(self) -> dict[str, Any]:
        """Return the id, outcome, config and last metrics as plain values, for JSON."""
        return {"trial_id": self.trial_id, "outcome": self.outcome, "config": dict(self.record.flat), "values": dict(self.values)}

    def samples_png(self) -> bytes | None:
        """Return the newest stored sample grid, or None if there is none."""
        grid = newest_grids(self.study.folder, [self.trial_id]).get(self.trial_id)
        return read(self.study.folder, grid) if grid else None
