"""What people call: launch a study, open one, and read it. Reading works while the study runs, and needs no Ray."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import Diagnosis, Direction, TrialTable, rank
from ganstudy import UserError
from ganstudy.files import write_output
from study.evaluation.protocol import EvaluationProtocol
from study.spec.plugins import import_plugins
from study.store.diagnosis import diagnosis
from study.store.evaluated import read_evaluated
from study.store.records import Saved, StudyRecord, TrialRecord
from study.store.store import Store
from study.store.tables import ended_as, history_frame, settings_of, trial_table, trials_frame

if TYPE_CHECKING:
    from torch import Tensor

    from study.spec.study_spec import StudySpec
    from trainables.config import TrialConfig
    from trainables.generators import Generator

log = logging.getLogger(__name__)


def launch(spec: "StudySpec", folder: Path | str | None = None, *, address: str | None = None, progress: bool = True) -> "StudyView":
    """Run the study until its trials are done, or it is stopped. Call it again to go on.

    folder: runs/NAME unless given. address: a Ray cluster's; else the Ray that this process uses, else one started here.
    Raises UserError for what cannot run, before anything is started or written, and while another driver has the folder.
    """
    from study.engine.launch import launch as run  # here, since Ray costs seconds, which reading a study must not

    return open_study(run(spec, folder, address=address, progress=progress).folder, trust_plugins=True)


def open_study(folder: Path | str, *, trust_plugins: bool = False) -> "StudyView":
    """The study in a folder. Raises UserError if there is none. A study's plugins are code: they are imported only where they are trusted."""
    store = Store(Path(folder))
    if store.study is None:
        there = "holds no records" if Path(folder).is_dir() else "is not there"
        raise UserError(f"{folder} must be the folder of a study, with {store.path.name} in it; it {there}")
    return StudyView(store, store.study, trust_plugins=trust_plugins)


class StudyView:
    """What a folder's records held when it was opened. Open it again for what came since."""

    def __init__(self, store: Store, study: StudyRecord, *, trust_plugins: bool):
        self.store, self.study, self.folder = store, study, store.folder
        self.plugins: tuple[str, ...] = tuple(study.spec["plugins"])
        self.trusted = trust_plugins or not self.plugins
        if trust_plugins:
            import_plugins(self.plugins)

    def __repr__(self) -> str:
        return f"StudyView({str(self.folder)!r}: {len(self.store.trials)} trials of {self.study.spec['name']!r})"

    @property
    def spec(self) -> "StudySpec":
        from study.spec.study_spec import StudySpec  # here, since it imports torch, which costs seconds

        self._need_trust()
        return StudySpec.from_dict(self.study.spec)

    @property
    def protocol(self) -> "EvaluationProtocol":
        """What the numbers were measured with; those of another evaluation protocol (another `hash`) are not to be compared with these."""
        return EvaluationProtocol(**self.study.protocol)

    @property
    def objective(self) -> str:
        """The metric that the study ranks by."""
        return str(self.study.spec["objective"]["metric"])

    @property
    def direction(self) -> Direction:
        """Whether the study minimizes or maximizes its score."""
        return Direction(self.study.spec["objective"]["direction"])

    def trials(self) -> pd.DataFrame:
        """A row per trial, by trial_id: how it ended, its outcome with its onset, its settings, what was last measured, and the diagnosis in words.

        attrs["baselines"]: what real data score.
        """
        return trials_frame(self.store, protocol=self.protocol.hash)

    def history(self) -> pd.DataFrame:
        """A row per trial and tick: images, seconds, and all that was measured. attrs["baselines"]: what real data score."""
        return history_frame(self.store)

    def evaluated(self) -> dict[str, pd.DataFrame]:
        """Hash of an evaluation protocol -> what `ganstudy evaluate` measured by it: images and metrics by trial_id; its evaluation protocol and baselines are in the frame's attrs."""
        return {protocol: read_evaluated(self.folder, protocol) for protocol in self.store.layout.protocols()}

    def table(self) -> TrialTable:
        """What the functions of `analysis` take."""
        return trial_table(self.store)

    def best(self, n: int = 1, *, by: str | None = None, where: str | None = None, min_seeds: int = 3) -> "list[TrialView]":
        """The best n configurations, each by its median run among those that reached the end.

        Ranked on the bad end of the mean's 95 % interval, not on a lucky seed. where: a pandas query over trials(), such as
        "coverage > 0.8", that more than half of a configuration's runs must meet. Where no configuration has min_seeds runs, those with the most are ranked, which is logged.
        """
        by = by or self.objective
        table = self.table()
        if where:
            trials = self.trials()
            try:
                chosen = trials.query(where).index
            except (pd.errors.UndefinedVariableError, SyntaxError, TypeError, ValueError) as error:
                raise UserError(
                    f"where must be a condition on columns of trials(), such as 'coverage > 0.8'; given {where!r}: {error}"
                ) from None
            passed = pd.Series(np.isin(table.trial_id, chosen)).groupby(table.config_id).mean()
            table = table.where(np.isin(table.config_id, passed.index[passed > 0.5]))  # on all their runs, not on the lucky ones
        if not table.evidence.any():
            raise UserError(
                f"the best of {self.folder} must be among finished trials" + (f" with {where}" if where else "") + "; there are none"
            )
        ranked = rank(table, by)
        ranked = ranked[ranked["n"] > 0]
        if not len(ranked):
            raise UserError(
                f"the best must have reached the end of their budget; no run of {self.folder} has" + (f" with {where}" if where else "")
            )
        most = int(ranked["n"].max())
        if most < min_seeds:
            log.warning("no configuration has %d finished runs; ranking those with %d", min_seeds, most)
        ranked = ranked[ranked["n"] >= min(min_seeds, most)]
        scores = pd.Series(table.at_end(by), index=table.trial_id).dropna()
        views = []
        for config in ranked["config_id"].head(n):
            mine = scores[[trial for trial in table.trial_id[table.config_id == config] if trial in scores.index]].sort_values()
            views.append(self.trial(str(mine.index[(len(mine) - 1) // 2])))
        return views

    def trial(self, trial_id: str) -> "TrialView":
        """By its id, or the beginning of it where that is unique."""
        matches = [known for known in self.store.trials if known.startswith(trial_id)]
        if len(matches) != 1 and trial_id not in self.store.trials:
            raise UserError(
                f"a trial id, or the unique beginning of one, is needed; given {trial_id!r}, which {len(matches)} trials of {self.folder} begin with"
            )
        return TrialView(self, self.store.trials[trial_id if trial_id in self.store.trials else matches[0]])

    def diagnosis(self, record: TrialRecord) -> Diagnosis:
        """What happened to a trial. One that has not ended has no outcome yet."""
        return ended_as(record, self.study)

    def settings(self, record: TrialRecord) -> dict[str, Any]:
        """As asked, completed by the defaults of what was not said. Without trust, a plugin's own defaults are unknown and left out."""
        return settings_of(record)

    def _need_trust(self) -> None:
        if not self.trusted:
            raise UserError(
                f"{self.folder} uses plugins {list(self.plugins)}, which are code; open_study(folder, trust_plugins=True) (--trust-plugins) imports them"
            )


class TrialView:
    """One trial of a folder."""

    def __init__(self, study: StudyView, record: TrialRecord):
        self.study, self.record = study, record

    def __repr__(self) -> str:
        last = self.record.last
        return f"TrialView({self.trial_id!r}, {self.outcome or 'unfinished'}" + (
            f", {self.study.objective} {last.values[self.study.objective]:.4g})" if last else ")"
        )

    @property
    def trial_id(self) -> str:
        return self.record.trial_id

    @property
    def config(self) -> "TrialConfig":
        from trainables.config import TrialConfig  # here, since it imports torch, which costs seconds

        self.study._need_trust()
        return TrialConfig.from_flat(self.record.flat)

    @property
    def outcome(self) -> str:
        """A key of analysis.outcomes.OUTCOMES; "" while it has not ended."""
        return self.study.diagnosis(self.record).outcome

    @property
    def diagnosis(self) -> Diagnosis:
        """What happened to it, with the evidence; of a trial that still trains, as far as it came."""
        return diagnosis(self.record, self.study.study)

    @property
    def values(self) -> Mapping[str, float]:
        """What was last measured."""
        return self.record.last.values if self.record.last else {}

    @property
    def stored(self) -> list[Saved]:
        """Its checkpoints whose generator is kept, the newest last."""
        return self.study.store.generators(self.trial_id)

    def generator_path(self, *, best_tick: bool = False) -> Path:
        """Its newest generator.safetensors, or that of the tick where its score was best. Raises UserError if none was saved."""
        if not (saved := self.stored):
            raise UserError(f"{self.trial_id} must have saved a generator; none is in {self.study.folder}")
        at = self.record.best_images(self.study.objective, self.study.direction) if best_tick else saved[-1].images
        return self.study.store.layout.generator(next(each for each in saved if each.images == at))

    def generator(self, *, best_tick: bool = False) -> "Generator":
        """z [N, latent.dim] -> images: a ready nn.Module, in evaluation mode. best_tick: as it was when its score was best.

        The least of several noisy scores flatters; judge such a generator again before quoting its score.
        """
        from trainables.generators import load_generator  # here, since it imports torch, which costs seconds

        self.study._need_trust()
        return load_generator(self.generator_path(best_tick=best_tick))

    def sample(self, n: int, *, seed: int = 0, label: str | int | None = None) -> "Tensor":
        """[n, *shape], floats in [-1, 1] (points: as they are). label: a class by its name or number, of a conditional generator; else of all."""
        generator = self.generator()
        if label is None:
            return generator.sample(n, seed=seed)
        import torch  # here, since it costs seconds

        return generator.sample(n, seed=seed, labels=torch.full((n,), generator.label_of(str(label))))

    def grid_png(self, *, seed: int = 0, label: str | None = None, best_tick: bool = False) -> bytes:
        """A grid of fresh samples; of a conditional generator a row for each class, or all of the class `label`."""
        from trainables.grid import grid_png, grid_samples  # here, since it imports torch, which costs seconds

        generator = self.generator(best_tick=best_tick)
        shape = tuple(generator.sample(1).shape[1:])
        samples = grid_samples(generator, shape, seed=seed, label=None if label is None else generator.label_of(label))
        return grid_png(samples, extent=1.0 if len(shape) == 3 else 1.2 * float(samples.abs().max()))

    def export(self, path: Path | str, *, best_tick: bool = False) -> Path:
        """Copy the generator: safetensors, its config in the header; trainables.generators.load_generator makes a network of it."""
        return write_output(Path(path), self.generator_path(best_tick=best_tick).read_bytes())

    def samples_png(self) -> bytes | None:
        """Its newest sample grid; None if it saved none."""
        grids = self.study.store.layout.grids(self.trial_id)
        return grids[-1].read_bytes() if grids else None
