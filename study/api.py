"""The Python interface: launch a study, open its folder, read its results. Reading needs no Ray and works while the study runs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis import Direction, TrialTable
from analysis.words import plural
from ganstudy import UserError
from ganstudy.command import command
from study.evaluation.protocol import EvaluationProtocol
from study.spec.plugins import import_plugins
from study.store.best import best_trials
from study.store.cached import Cached
from study.store.columns import InMemory, Recorded
from study.store.evaluated import measured_by, read_evaluated
from study.store.layout import Layout, shown
from study.store.local_copy import opened, protocols
from study.store.records import StudyRecord
from study.store.store import Store
from study.store.tables import history_frame, trial_table, trials_frame, trials_where
from study.trial_view import TrialView

if TYPE_CHECKING:
    from study.evaluation.reevaluate import Reevaluated
    from study.spec.study_spec import StudySpec

_SEEDS = 3  # trials that a config needs to be called one of the best, where the study has as many


def launch(
    spec: "StudySpec",
    folder: Path | str | None = None,
    *,
    address: str | None = None,
    progress: bool = True,
    allow_changed_code: bool = False,
) -> "StudyView":
    """Run a study until all trials are done or it is stopped, and return its view. Call it again to resume.

    folder: where the study is stored, a path or an address such as s3://bucket/runs/digits; default runs/NAME. address: a Ray cluster; default: the Ray instance of this process, or a new local one.
    allow_changed_code: go on with a folder, or use nodes of the cluster, of other ganstudy code, which the trials record and the report says.
    Raises UserError if the study cannot run, before it starts or writes anything, and if another process runs this folder.
    """
    from study.engine.launch import launch as run  # here: Ray takes seconds to import, and reading a study does not need it

    store = run(spec, folder, address=address, progress=progress, allow_changed_code=allow_changed_code)
    return open_study(store.folder, trust_plugins=True)


def open_study(folder: Path | str, *, trust_plugins: bool = False) -> "StudyView":
    """Return the study in a folder, or at s3://bucket/runs/my. Raises UserError if there is none. trust_plugins: import its plugins, which are code."""
    folder = opened(folder)
    return StudyView(Cached(folder) if Cached.is_for(folder) else InMemory(Store(folder)), trust_plugins=trust_plugins)


class StudyView:
    """A study as recorded when its folder was opened. Open it again to see newer records."""

    def __init__(self, recorded: Recorded, *, trust_plugins: bool):
        self.recorded, self.folder, self.layout = recorded, recorded.folder, Layout(recorded.folder)
        self.study: StudyRecord = recorded.studies[-1]
        self.plugins: tuple[str, ...] = tuple(self.study.spec["plugins"])
        self.trusted = trust_plugins or not self.plugins
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
        from study.spec.changes import with_changes
        from study.spec.study_spec import StudySpec  # here: it imports torch, which takes seconds

        return StudySpec.from_dict(
            with_changes(self.spec.as_dict(), changes, StudySpec.model_fields), plugin_folders=self.study.plugin_folders
        )

    @property
    def protocol(self) -> "EvaluationProtocol":
        """How the metrics were measured. Metrics are comparable only between protocols with the same `hash`."""
        return EvaluationProtocol(**self.study.protocol)

    @property
    def objective(self) -> str:
        """The metric that the study optimises and ranks by."""
        return str(self.study.spec["objective"]["metric"])

    @property
    def direction(self) -> Direction:
        """Whether the study minimizes or maximizes its objective."""
        return Direction(self.study.spec["objective"]["direction"])

    def trials(self) -> pd.DataFrame:
        """Return one row per trial, indexed by trial_id: how it ended, its outcome and onset, settings, last metrics and diagnosis.

        attrs["baselines"] holds the real-data baselines.
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

    def best(self, n: int = 1, *, by: str | None = None, where: str | None = None, min_seeds: int | None = None) -> "list[TrialView]":
        """Return the n best configs by `analysis.rank`, each as the median of its trials that did not fail (the better one of two).

        Configs are ranked by the probability that a new run beats a new run of another config; a failed run loses. by: a metric; default:
        the objective. where: a condition on columns of trials(), such as "d.lr < 1e-3 and coverage > 0.8" (`analysis.where`), which more
        than half of a config's trials must meet. min_seeds: trials that a config needs; default: the seeds of the study, at most 3. If no
        config has as many, those with the most are ranked, with a warning. If all trials of a config failed, their median stands for it.
        """
        by = by or self.objective
        min_seeds = min(_SEEDS, self.study.spec["seeds"]) if min_seeds is None else min_seeds
        found = best_trials(
            trial_table(self.recorded.columns, curves=False), self.trials, n, by=by, where=where, min_seeds=min_seeds, folder=self.folder
        )
        return [self.trial(trial_id) for trial_id in found]

    def trial(self, trial_id: str) -> "TrialView":
        """Return a trial by its id or a unique prefix of it."""
        known = self.recorded.trial_ids
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
