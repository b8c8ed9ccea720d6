"""StudyView and TrialView: a study and a trial as recorded, to read. Works while the study runs, and needs no Ray."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis import Diagnosis, Direction, TrialTable
from analysis.confirmed import confirmed
from analysis.words import plural
from ganstudy import UserError
from ganstudy.command import command
from ganstudy.files import write_output
from ganstudy.numbers import whole
from study.evaluation.protocol import EvaluationProtocol
from study.spec.planned import phases_of
from study.spec.plugins import import_plugins
from study.store.best import best_trials
from study.store.columns import Recorded, columns_of, ended_as
from study.store.diagnosis import diagnosis, has_failed
from study.store.evaluated import measured_by, read_evaluated
from study.store.generators import whole_generator
from study.store.layout import Layout, not_records, shown
from study.store.local_copy import generator, newest_grids, protocols, read, stored
from study.store.records import Saved, StudyRecord, TrialRecord
from study.store.settings import settings_of
from study.store.store import Store
from study.store.tables import history_frame, trial_table, trials_frame, trials_where

if TYPE_CHECKING:
    from torch import Tensor

    from study.evaluation.reevaluate import Reevaluated
    from study.spec.study_spec import StudySpec
    from trainables.config import TrialConfig
    from trainables.generators import Generator

_SEEDS = 3  # trials that a config needs to be called one of the best, where the study has as many


class StudyView:
    """A study as recorded when its folder was opened. Open it again to see newer records."""

    def __init__(self, recorded: Recorded, *, trust_plugins: bool):
        self.recorded, self.folder, self.layout = recorded, recorded.folder, Layout(recorded.folder)
        self.study: StudyRecord = recorded.studies[-1]
        self.plugins: tuple[str, ...] = tuple(self.study.spec["plugins"])
        self.trusted = trust_plugins or not self.plugins
        self.interrupted = False  # whether Ctrl-C or SIGTERM has stopped the launch that returned this view
        if trust_plugins:
            import_plugins(self.plugins, folders=self.study.plugin_folders)

    def __repr__(self) -> str:
        return f"StudyView({shown(self.folder)!r}: {plural(len(self.recorded.trial_ids), 'trial')} of {self.study.spec['name']!r})"

    @property
    def store(self) -> Store:
        """All records in memory. Of a large study, the other attributes take a fraction of the time and memory."""
        return self.recorded.store

    @property
    def spec(self) -> "StudySpec":
        """The spec of the study as last launched. Raises UserError if its plugins are not trusted."""
        from study.spec.study_spec import StudySpec  # here: it imports torch, which takes seconds

        self._need_trust()
        return StudySpec.from_dict(self.study.spec, plugin_folders=self.study.plugin_folders)

    def spec_with(self, changes: Mapping[str, Any]) -> "StudySpec":
        """Return the spec with changed values, such as {"n_configs": 48}. Raises UserError for an unknown name."""
        from study.spec.read import read_changed  # here: both import torch, which takes seconds
        from study.spec.study_spec import StudySpec

        folders = [Path(folder) for folder in self.study.plugin_folders]
        return read_changed(StudySpec, self.spec.as_dict(), changes, plugin_folders=folders, place=lambda error: shown(self.folder))

    @property
    def protocol(self) -> "EvaluationProtocol":
        """How the metrics were measured. Metrics are comparable only between protocols with the same `hash`."""
        return EvaluationProtocol(**self.study.protocol)

    @property
    def objective(self) -> str:
        """The metric that the study optimises and ranks by; of several, the main one."""
        return next(iter(self.study.objectives))

    @property
    def direction(self) -> Direction:
        """Whether the study minimizes or maximizes its objective."""
        return self.study.objectives[self.objective]

    def trials(self) -> pd.DataFrame:
        """Return one row per trial, indexed by trial_id: how it ended, its outcome and onset, settings, last metrics and diagnosis.

        A setting with the name of a metric or signal is `config.NAME`, such as `config.precision`. attrs["baselines"] holds the real-data
        baselines, attrs["settings"] the settings and their columns.
        """
        return trials_frame(self.recorded.columns, protocol=self.protocol.hash)

    def history(self, *, settings: bool = False) -> pd.DataFrame:
        """Return one row per trial and tick: images, seconds and all metrics; settings: also the trial's. attrs["baselines"]: as `trials`."""
        return history_frame(self.recorded.columns, settings=settings)

    def evaluated(self) -> dict[str, pd.DataFrame]:
        """Return the results of `evaluate`: the hash of each evaluation protocol -> images and metrics, indexed by trial_id.

        Each frame's attrs hold its evaluation protocol and its real-data baselines.
        """
        return {protocol: read_evaluated(self.folder, protocol) for protocol in protocols(self.folder)}

    def evaluate(
        self,
        *,
        features: str | None = None,
        weights: str | None = None,
        samples: int | None = None,
        changes: Mapping[str, Any] = {},
        progress: Callable[[str, int, int], None] | None = None,
    ) -> "Reevaluated":
        """Measure all stored generators again, with another evaluation protocol. Nothing is trained; earlier results are reused.

        None keeps the study's value. changes: where the data are now, {"data.root": "/new"}. progress(trial_id, number, trials): called before each.
        """
        from study.evaluation.reevaluate import places_of_data, reevaluate  # here: it imports torch, which takes seconds
        from study.spec.sections import evaluation_as

        evaluation = evaluation_as(self.spec.as_dict()["evaluation"], features=features, weights=weights, samples=samples)
        return reevaluate(self.store, self.spec_with(places_of_data(changes)), evaluation, progress=progress)

    def table(self, *, where: str | None = None, protocol: str | None = None) -> TrialTable:
        """Return the trials as a table for the functions of `analysis`.

        where: only those that meet a condition on settings or the seed. protocol: the hash of an evaluation protocol by which `evaluate`
        measured the generators; default: the study's own.
        """
        table = trial_table(self.recorded.columns)
        if protocol is not None and protocol != self.protocol.hash:
            table = measured_by(protocol, table, self.folder)
        return table if where is None else trials_where(table, self.trials(), where)

    def best(
        self, n: int | None = None, *, by: str | None = None, where: str | None = None, min_seeds: int | None = None
    ) -> "list[TrialView]":
        """Return the n best configs by `analysis.rank` (default: one), each as the median of its trials that did not fail (the better one of two).

        Configs are ranked by the probability that a new run beats a new run of another config; a failed run loses. by: a metric; default:
        the objective. where: a condition on columns of trials(), such as "d.lr < 1e-3 and coverage > 0.8" (`analysis.where`), which more
        than half of a config's trials must meet. min_seeds: trials that a config needs; default: the seeds of the study, at most 3. If no
        config has as many, those with the most are ranked, with a warning. If all trials of a config failed, their median stands for it.

        With several objectives, and without `by`, the configs of the Pareto front are the best ones: all by default, sorted by their probability
        of being on it (`analysis.pareto`, which gives these). Configs that do not keep to the study's constraints are left out, with a warning of
        how many; raises UserError if none is left.

        After phase confirm, only its trials count, so only the configs that it trained again can be among the best.
        """
        if min_seeds is None:
            min_seeds = min(_SEEDS, *(phase["seeds"] for phase in phases_of(self.study.spec).values() if "seeds" in phase))
        table = confirmed(trial_table(self.recorded.columns, curves=False, settings=False))
        found = best_trials(
            table, self.trials, n, by=list(self.study.objectives) if by is None else [by],
            limits=self.study.limits, where=where, min_seeds=min_seeds, folder=self.folder,
        )  # fmt: skip
        return [self.trial(trial_id) for trial_id in found]

    def trial(self, trial_id: str) -> "TrialView":
        """Return a trial by its id or a unique prefix of it."""
        known = self.recorded.trial_ids if isinstance(trial_id, str) else ()
        matches = [trial_id] if trial_id in known else [other for other in known if other.startswith(trial_id)]
        if len(matches) != 1:
            raise UserError(
                f"a trial id or a unique prefix of one is needed; {trial_id!r} matches {plural(len(matches), 'trial')} of {shown(self.folder)}. "
                f"{command('show', shown(self.folder))} lists all ids"
            )
        return TrialView(self, self.recorded.record(matches[0]))

    def _need_trust(self) -> None:
        if not self.trusted:
            raise UserError(
                f"{shown(self.folder)} uses plugins {list(self.plugins)}, which are code and must be trusted to be imported. "
                "To import them, pass trust_plugins=True to open_study (on the command line: --trust-plugins)"
            )


class TrialView:
    """One trial of a study."""

    def __init__(self, study: StudyView, record: TrialRecord):
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
        from trainables.config import known_settings  # here: it imports torch, which takes seconds

        return settings_of(self.record, self.study.study, known_settings())

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
        n, generator = whole(n, "n"), self.generator()
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
