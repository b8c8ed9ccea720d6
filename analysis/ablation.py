"""What each setting of a confirmed config is worth: the config beside itself with one setting back at its default, on the same seeds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.confirmed import ABLATE, CONFIRM
from analysis.estimate import UPPER_TAIL
from analysis.interval import FACTOR, too_few
from analysis.ranked import as_ranked
from analysis.table import Scale, TrialTable
from analysis.words import number, plural, value_text
from ganstudy import UserError
from ganstudy.direction import Direction

_ERROR = 0.05  # of all ablations of a study together
_LEAST_PAIRS = 2  # of which a spread is known
_ROUNDING = 1e-9  # relative to the differences: they vary by less only because numbers are rounded


@dataclass(frozen=True, kw_only=True)
class Ablated:
    """A confirmed config and the same with one setting back at its default.

    effect, low, high: the mean difference between the objectives of both on the same seeds, default minus config, or on the log scale the ratio default / config,
    with its 95 % interval (Student's t). effect: NaN without a pair of runs that did not fail; low, high: NaN without two of them, or if the difference is
    the same in all, so that no spread tells it from chance.
    """

    config_id: str
    ablated_id: str
    setting: str
    value: object
    default: object  # of variants, the first one
    by: str
    scale: Scale
    direction: Direction
    pairs: int  # seeds with which both reached the end of their budget and did not fail
    effect: float
    low: float
    high: float
    p: float  # of the paired test; NaN where the interval is
    differs: bool  # Holm's test over all ablations of the table, at 5 %
    failed: int  # runs that failed
    runs: int
    default_failed: int
    default_runs: int

    @property
    def untold(self) -> bool:
        """Whether the ends of the interval are too far apart to tell anything."""
        return self.scale == "log" and self.high > FACTOR * self.low

    @property
    def _none(self) -> float:
        """The effect of a setting that changes nothing."""
        return 1.0 if self.scale == "log" else 0.0

    @property
    def sentence(self) -> str:
        """The ablation in words."""
        change = f"{self.setting} from {value_text(self.value)} back to its default {value_text(self.default)}"
        risk = (
            f"{self.default_failed} of {self.default_runs} runs failed, {self.failed} of {self.runs} before"
            if self.default_failed or self.failed
            else ""
        )
        if self.pairs < _LEAST_PAIRS:
            return f"{change}: " + (risk or f"{plural(self.pairs, 'pair')} of runs, too few to tell a difference in {self.by}")
        if self.effect == self._none:
            return f"{change}: the same {self.by} in all of {self.pairs} pairs of runs" + (f"; {risk}" if risk else "")
        effect_of = (
            f"{self.by} {number(self.effect)} times as large" if self.scale == "log" else f"{self.by} changes by {number(self.effect)}"
        )
        if not np.isfinite(self.low):
            told = f"{effect_of} in each of {self.pairs} pairs of runs, without a spread that tells a difference from chance"
            return f"{change}: {told}" + (f"; {risk}" if risk else "")
        size = f"{effect_of}, {number(self.low)} to {number(self.high)}, 95 %, {plural(self.pairs, 'seed')}"
        if self.untold:
            size = f"{effect_of}; {too_few(self.pairs)}"
        worse = (self.effect > self._none) == (self.direction is Direction.MINIMIZE)
        verdict = ("worse" if worse else "better") if self.differs else "no difference beyond chance"
        return f"{change}: {verdict} ({size})" + (f"; {risk}" if risk else "")


def ablations(table: TrialTable, by: str = "fd", *, defaults: Mapping[str, object] | None = None) -> list[Ablated]:
    """Return every ablation of the table: the best confirmed configs first, and of each the settings that cost most without.

    An ablated config belongs to the confirmed ones from which it differs in one scientific or nuisance setting; settings that depend on it do
    not count. defaults: of the settings; a config with another value of the setting is no ablation. Runs are paired by seed.

    Raises UserError for an unknown metric and for a table without trials of phase ablate.
    """
    direction = table.direction(by)
    counted = as_ranked(table.where(table.evidence), (by,))
    if not (counted.phase == ABLATE).any():
        raise UserError("ablations need trials of phase ablate; this table has none")
    scale = table.scale(by)
    values = counted.at_end(by)
    values = np.where(counted.failed, np.nan, np.log(values) if scale == "log" else values)
    runs = pd.DataFrame({"config": counted.config_id, "seed": counted.seed, "value": values, "failed": counted.failed})
    chosen = np.isin(counted.phase, (CONFIRM, ABLATE))
    of = {config: frame.set_index("seed") for config, frame in runs[chosen].groupby("config")}
    found = []
    for config, ablated, setting, value, back in _pairs(counted):
        if defaults and setting in defaults and not _same(back, "default" if defaults[setting] is None else defaults[setting]):
            continue
        one, other = of[config], of[ablated]
        differences = (other["value"] - one["value"]).dropna().to_numpy()
        effect, low, high, p = _paired(differences)
        own = np.exp if scale == "log" else np.asarray
        found.append(
            Ablated(
                config_id=config,
                ablated_id=ablated,
                setting=setting,
                value=value,
                default=back,
                by=by,
                scale=scale,
                direction=direction,
                pairs=len(differences),
                effect=float(own(effect)),
                low=float(own(low)),
                high=float(own(high)),
                p=p,
                differs=False,
                failed=int(one["failed"].sum()),
                runs=len(one),
                default_failed=int(other["failed"].sum()),
                default_runs=len(other),
            )
        )
    certain = _holm([each.p for each in found])
    found = [Ablated(**{**vars(each), "differs": differs}) for each, differs in zip(found, certain, strict=True)]
    best = runs[np.isin(counted.phase, CONFIRM)].groupby("config")["value"].mean().mul(direction.sign).sort_values().index.tolist()

    def cost(each: Ablated) -> tuple[int, float]:
        loss = direction.sign * (np.log(each.effect) if scale == "log" else each.effect)
        return best.index(each.config_id), -loss if np.isfinite(loss) else 0.0

    return sorted(found, key=cost)


def _pairs(table: TrialTable) -> Iterator[tuple[str, str, str, object, object]]:
    """Yield confirmed config, ablated config, setting, and its value in both."""
    names = [name for name in (*table.scientific, *table.nuisance) if name in table.settings]
    phases = {phase: table.where(np.asarray(table.phase == phase)) for phase in (CONFIRM, ABLATE)}
    first = {phase: some.settings[names].groupby(some.config_id, sort=False).first() for phase, some in phases.items()}
    for config, mine in first[CONFIRM].to_dict("index").items():
        for ablated, other in first[ABLATE].to_dict("index").items():
            apart = [
                name for name in names if not _same(mine[name], other[name]) and not _missing(mine[name]) and not _missing(other[name])
            ]
            if len(apart) == 1:
                yield str(config), str(ablated), apart[0], mine[apart[0]], other[apart[0]]


def _missing(value: object) -> bool:
    return value is None or value != value


def _same(a: object, b: object) -> bool:
    return a == b or (_missing(a) and _missing(b))


def _paired(differences: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float, float, float]:
    """Return the mean, its 95 % interval and the p of Student's paired test; NaN for what too few pairs, or pairs without a spread, do not tell."""
    n = len(differences)
    mean = float(differences.mean()) if n else np.nan
    if n < _LEAST_PAIRS or np.ptp(differences) <= _ROUNDING * np.abs(differences).max():
        return mean, np.nan, np.nan, np.nan
    error = float(differences.std(ddof=1)) / np.sqrt(n)
    half = float(stats.t.ppf(UPPER_TAIL, n - 1)) * error
    return mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, n - 1))


def _holm(ps: list[float]) -> list[bool]:
    """Return which of the tests Holm's procedure (1979) rejects at 5 %; NaN is never rejected."""
    rejected = [False] * len(ps)
    known = sorted((p, i) for i, p in enumerate(ps) if np.isfinite(p))
    for rank, (p, i) in enumerate(known):
        if p > _ERROR / (len(known) - rank):
            break
        rejected[i] = True
    return rejected
