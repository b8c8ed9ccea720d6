"""TrialTable: the input of every function of this package. Rows are trials, columns are ticks, NaN marks missing values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, Unpack

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.foreign import files, sources
from analysis.foreign.columns import Columns, GivenEvidence, SourceColumns
from analysis.foreign.frames import table_fields
from analysis.outcomes import FAILURES, OUTCOMES, RISKS, WIN
from analysis.words import metrics_like, plural
from ganstudy import UserError
from ganstudy.direction import Direction
from ganstudy.ended import Ended

Strings = npt.NDArray[np.str_]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Scale = Literal["linear", "log"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TrialTable:
    """T trials with K ticks each. Raises UserError if shapes do not match or a name is unknown.

    NaN means "missing" here and nowhere else: a trial that stopped early, a metric that was not measured, an inactive conditional setting.
    """

    trial_id: Strings  # [T], unique
    config_id: Strings  # [T]; trials of one config differ only in their seed
    seed: npt.NDArray[np.int64]  # [T]
    phase: Strings  # [T]: explore, optimise, confirm, ablate
    ended: Strings  # [T]: values of `Ended`; "" while unfinished
    outcome: Strings  # [T]: keys of OUTCOMES; "" if unknown (unfinished or error)
    diagnosis: Strings  # [T]: the evidence for the outcome, as a sentence
    onset_kimg: Floats  # [T]: when the failure began; NaN if there is none
    settings: pd.DataFrame  # [T x settings], index trial_id; NaN or None where a conditional setting is inactive
    final: pd.DataFrame  # [T x metrics], index trial_id: the values at each trial's last tick
    curves: Mapping[str, Floats]  # metric or signal -> [T, K]
    images: Floats  # [T, K]: real images shown to D at each tick
    scientific: tuple[str, ...]  # the settings that the study asks about
    nuisance: tuple[str, ...]  # the settings that vary so that the comparison is fair
    directions: Mapping[str, Direction]  # metric -> direction; plain words are converted
    baselines: Mapping[str, float]  # metric -> what real data score
    scales: Mapping[str, Scale] = field(default_factory=dict)  # setting -> the scale on which its range was searched, if known
    foreign: bool = False  # runs of another program: no diagnosis; a missing setting does not apply, whatever the settings are called
    notes: tuple[str, ...] = ()  # what was left out or assumed where the trials were read, and what counts as a failure
    missing: str = ""  # which trials of the study are no evidence yet, as a sentence with which answers begin; "" if all are
    own_failures: Bools | None = None  # [T]: trials that failed by the study's own definition; None: by their outcome

    def __post_init__(self) -> None:
        for name in ("trial_id", "config_id", "phase", "ended", "outcome", "diagnosis"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.str_))
        object.__setattr__(self, "seed", np.asarray(self.seed, dtype=np.int64))
        for name in ("onset_kimg", "images"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        object.__setattr__(self, "directions", {name: Direction(given) for name, given in self.directions.items()})
        if taken := sorted({*RISKS, WIN} & {*map(str, self.directions)}):
            raise UserError(f"a metric must not be called {taken[0]!r}, which is an outcome of its own. Rename the column")
        n = len(self.trial_id)
        if n == 0:  # without trials the frames do not know their columns
            object.__setattr__(self, "settings", self.settings.reindex(columns=[*self.scientific, *self.nuisance]))
            object.__setattr__(self, "final", self.final.reindex(columns=list(self.directions)))
        if self.own_failures is not None:
            object.__setattr__(self, "own_failures", np.asarray(self.own_failures, dtype=np.bool_))
            _require_shape("own_failures must hold one value per trial", np.shape(self.own_failures), (n,))
        for name in ("trial_id", "config_id", "seed", "phase", "ended", "outcome", "diagnosis", "onset_kimg"):
            _require_shape(f"{name} must hold one value per trial", getattr(self, name).shape, (n,))
        ids = pd.Index(self.trial_id.astype(object))  # a list of a large table takes long
        if not ids.is_unique:
            raise UserError(f"trial ids must be unique; {n - ids.nunique()} of {n} are repeats")
        if self.images.ndim != 2 or len(self.images) != n:
            raise UserError(f"images must have shape [{n} trials, ticks]; got {self.images.shape}")
        for name, curve in self.curves.items():
            _require_shape(f"curve {name!r} must have the shape of images", np.shape(curve), self.images.shape)
        for name in ("settings", "final"):
            if not ids.equals(getattr(self, name).index):
                raise UserError(f"{name} must be indexed by trial_id, in its order; got {list(getattr(self, name).index)[:5]} …")
        _require_known("ended", self.ended.tolist(), (*map(str, Ended), ""))
        _require_known("outcome", self.outcome.tolist(), tuple(OUTCOMES))
        _require_known("scientific and nuisance", (*self.scientific, *self.nuisance), tuple(map(str, self.settings.columns)))

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        config: Sequence[str],
        objective: str | Sequence[str],
        direction: str | Mapping[str, str],
        seed: str | None = None,
        failed: str | None = None,
        evidence: GivenEvidence = "observed",
        nuisance: Sequence[str] = (),
        config_id: str | None = None,
        trial_id: str | None = None,
        state: str | None = None,
        steps: str | None = None,
    ) -> Self:
        """Return the runs of a pandas frame with one row per run, of any program and field. docs/other_runs.md has examples.

        config: the columns of the settings that the runs differ in; a missing value means that the setting does not apply to that run.
        objective: the column of the result at the end of a run, or several; without a value of the first, a run is no evidence.
        direction: "minimize" or "maximize", or one for each objective.
        seed: the column of seeds, whole numbers. Default: the runs of each config are numbered.
        failed: which runs failed: a condition such as "fid > 250 or fid is missing" (`analysis.conditions`), or a boolean column.
        evidence: "designed" if the settings were drawn at random or as a grid, independently of any result; else "observed".
        nuisance: settings that varied only so that the comparison is fair; they may also be in `config`.
        config_id: the column that names configs. Default: runs with equal settings are one config.
        trial_id: the column with a unique name of each run. Default: the index.
        state: the column that says how a run ended, in the words of Optuna, W&B or Ray Tune (`analysis.foreign.states`).
        steps: the column that says how far a run got; those with fewer steps than the longest were stopped early.

        `notes` of the table says what was left out or assumed. Raises UserError for columns that are missing or cannot have their role.
        """
        given = Columns(
            config=config, objective=objective, direction=direction, seed=seed, failed=failed, evidence=evidence, nuisance=nuisance,
            config_id=config_id, trial_id=trial_id, state=state, steps=steps,
        )  # fmt: skip
        return cls(**table_fields(frame, **given))

    @classmethod
    def from_csv(cls, path: str | Path, **columns: Unpack[Columns]) -> Self:
        """Return the runs of a CSV file, one per row. The other arguments are those of `from_frame`.

        An empty cell is missing, and so are nan and NA; None is a value.
        """
        return cls(**table_fields(files.csv_frame(Path(path)), **columns))

    @classmethod
    def from_optuna(cls, study: Any, **columns: Unpack[SourceColumns]) -> Self:
        """Return the trials of an `optuna.Study`. The other arguments are those of `from_frame`, all of them optional.

        config: default: all parameters. objective, direction: default: those of the study, named `value`, or `values_0`, `values_1`, …, unless
        the study names them. Attributes of the trials are columns (`seed="seed"`), as are `state`, `number` and `duration`, in seconds.
        """
        return cls(**sources.optuna_fields(study, columns))

    @classmethod
    def from_wandb(cls, runs: Any, **columns: Unpack[SourceColumns]) -> Self:
        """Return runs of Weights & Biases: `wandb.Api().runs("entity/project")`, or the path of the CSV that the project page exports.

        objective and direction are needed, config too for a CSV; otherwise it defaults to all of the runs' configs. The columns are the
        keys of the configs and of the summaries, nested ones joined by dots; a key of both is `config.KEY` and `summary.KEY`. Other arguments
        are those of `from_frame`.
        """
        return cls(**sources.wandb_fields(runs, columns))

    @classmethod
    def from_ray(cls, results: Any, **columns: Unpack[SourceColumns]) -> Self:
        """Return the trials of Ray Tune: the `ResultGrid` of `Tuner.fit()`, or the path of an experiment's folder, for which Ray is not needed.

        objective and direction are needed; config defaults to all settings. Nested keys are joined by slashes, as Ray does; a key of both a
        config and the results is `config/KEY`. steps: default: training_iteration; None if trials were to run for different times. Other
        arguments are those of `from_frame`.
        """
        return cls(**sources.ray_fields(results, columns))

    def __len__(self) -> int:
        return len(self.trial_id)

    def __repr__(self) -> str:
        asked = ", ".join(self.scientific) or "no setting"
        return f"TrialTable({plural(len(self), 'trial')} of {plural(len(set(self.config_id)), 'config')}, about {asked})"

    @property
    def evidence(self) -> Bools:
        """[T]: trials that statistics may use. A crashed or unfinished trial is no evidence about its settings."""
        return np.asarray(self.outcome != "")

    @cached_property
    def failed(self) -> Bools:
        """[T]: trials that failed: by the study's own definition, or else by an outcome of FAILURES. An undertrained trial has not failed."""
        return np.isin(self.outcome, FAILURES) if self.own_failures is None else self.own_failures

    @property
    def censored(self) -> Bools:
        """[T]: trials that a scheduler stopped before they failed, so that nobody knows whether they would have."""
        return np.asarray((self.ended == Ended.SCHEDULER.value) & ~self.failed)

    @property
    def dead(self) -> Bools:
        """[T]: trials with non-finite values, and trials stopped because further progress was impossible."""
        return np.asarray(self.ended == Ended.DEAD.value)

    @cached_property
    def fixed(self) -> dict[str, object]:
        """Settings with a single value wherever they are active: the conditions under which every conclusion holds."""
        varied = {*self.scientific, *self.nuisance}
        values = {str(name): self.settings[name].dropna().unique() for name in self.settings.columns if name not in varied}
        return {
            name: found[0] for name, found in values.items() if len(found) == 1 and (self.settings[name].notna() == self.active(name)).all()
        }

    def active(self, setting: str) -> Bools:
        """[T]: trials in which a setting has an effect.

        `r1.gamma` is active where `r1` is on, `lookahead.k` where `update` is lookahead; all other settings are active everywhere.
        In a foreign table a setting is active where it has a value.
        """
        if self.foreign:
            return self.settings[setting].notna().to_numpy(dtype=bool)
        head, dot, _ = setting.partition(".")
        for switch, at in ((head, True), ("update", head)):
            if dot and switch in self.settings and (on := np.array([value == at for value in self.settings[switch]])).any():
                return on
        return np.ones(len(self), dtype=bool)

    def where(self, mask: Bools) -> Self:
        """Return the trials where `mask` [T] is true, as a table of the same study."""
        _require_shape("mask must hold one truth value per trial", np.shape(mask), (len(self),))
        if np.all(mask):
            return self
        rows = np.flatnonzero(mask)
        arrays = {f.name: getattr(self, f.name)[rows] for f in fields(self) if isinstance(getattr(self, f.name), np.ndarray)}
        curves = {name: curve[rows] for name, curve in self.curves.items()}
        return replace(self, **arrays, settings=self.settings.iloc[rows], final=self.final.iloc[rows], curves=curves)

    def at_end(self, metric: str) -> Floats:
        """[T]: the metric of trials that completed their budget, NaN for all others. Raises UserError for an unknown metric.

        A trial that stopped early was measured before its end, and a dead trial has no final value.
        """
        self._require_metric(metric)
        values = self.final[metric].to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(self.ended == Ended.BUDGET.value, values, np.nan)

    def direction(self, metric: str) -> Direction:
        """Return the direction of a metric. Raises UserError for a metric without one."""
        self._require_metric(metric)
        if metric not in self.directions:
            raise UserError(f"a metric must have a direction; got {metric!r}; those with one are {sorted(self.directions)}")
        return self.directions[metric]

    def scale(self, metric: str) -> Scale:
        """Return "log" for a minimized metric with positive values only, so that effects are ratios; else "linear".

        Values at the end of trials that are evidence count; before there is one, all values.
        """
        values = self.at_end(metric)[self.evidence]
        values = values[np.isfinite(values)]
        values = values if len(values) else self.final[metric].dropna().to_numpy(dtype=np.float64)
        minimized = self.directions.get(metric) is Direction.MINIMIZE
        return "log" if minimized and len(values) > 0 and bool((values > 0).all()) else "linear"

    def setting_scale(self, setting: str) -> Scale:
        """Return the scale of a numeric setting: that of its range in the search space, if known; else "log" if it spans a decade and is
        spread more evenly on the log scale.

        A setting with values that are not positive is linear.
        """
        values = self.settings[setting].to_numpy(dtype=np.float64, na_value=np.nan)
        low, high = np.nanmin(values), np.nanmax(values)
        if low <= 0:
            return "linear"
        return self.scales.get(setting, "log" if high >= 10 * low and _unevenness(np.log(values)) < _unevenness(values) else "linear")

    def _require_metric(self, metric: str) -> None:
        if metric not in list(self.final.columns):  # an Index fails on what cannot be hashed
            known = sorted(map(str, self.final.columns))
            if not known:
                raise UserError(f"no trial has been measured yet, so there is no {metric!r}")
            raise UserError(f"no metric named {metric!r}; {metrics_like(metric, known)}")


def _unevenness(values: Floats) -> float:
    """The largest difference between the distribution of values and an even one over their range."""
    known = np.sort(values[np.isfinite(values)])
    even = (known - known[0]) / (known[-1] - known[0])
    return float(np.abs(even - np.linspace(0, 1, len(known))).max())


def as_table(given: object) -> TrialTable:
    """Return a TrialTable as it is. Raises UserError for anything else, and says how to make a table of it."""
    if isinstance(given, TrialTable):
        return given
    how = (
        "analysis.TrialTable.from_frame(frame, config=[…], objective=…, direction=…)"
        if isinstance(given, pd.DataFrame)
        else "open_study(folder).table(), or TrialTable.from_frame, from_csv, from_optuna, from_wandb or from_ray"
    )
    raise UserError(f"this function needs an analysis.TrialTable; got a {type(given).__name__}. Make one with {how}")


def _require_shape(must: str, given: tuple[int, ...], allowed: tuple[int, ...]) -> None:
    if given != allowed:
        raise UserError(f"{must}; got shape {given}, must be {allowed}")


def _require_known(what: str, given: Iterable[object], allowed: tuple[str, ...]) -> None:
    unknown = sorted(set(map(str, set(given))) - set(allowed))
    if unknown:
        raise UserError(f"{what} must be among {list(allowed)}; got {unknown}")
