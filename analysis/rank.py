"""A ranking of configs by what a new run of each would do, with its uncertainty."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis import estimate
from analysis.beside import with_settings
from analysis.confirmed import confirmed, has_confirmed
from analysis.posterior import Draws, Posterior, posterior
from analysis.table import Floats, TrialTable, as_table
from analysis.words import number, plural
from ganstudy import UserError

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(5)  # integrates over the seeds of a new run
_STEPS = 10_000
_FIRST = 200  # places of a large study whose configs are drawn again, more often
_CONFIRMED = ". Only trials with fresh seeds count, those of phase confirm, and only their configs are ranked"
_POOL = 200_000  # simulated new runs of the study that a new run is compared with


def rank(table: TrialTable, by: str = "fd", *, seed: int = 0) -> pd.DataFrame:
    """Return one row per config, best first. `by` is a metric; `seed` seeds the draws.

    Configs are ordered by `beats`, the probability that a new run of the config beats a new run of another config of the study. A run that
    fails loses against one that does not. So a config with failed or dead runs is placed by its risk.

    Columns:

    * config_id, place (equal configs share one), place_low, place_high (95 %), p_best (the probability that no config has a larger `beats`), beats; of a single
      config all of these but place are NaN;
    * n_seeds (trials that are evidence), n_failed, n_dead, n (those that did not fail, completed their budget and have a value), n_poor_fit (those
      of n with a poor fit: `analysis.ranked` says why they count by their value);
    * mean: of these n values as they are (geometric on the log scale). The first of many means is too good, because it was chosen;
    * estimate, low, high (95 %): the expected mean of new runs that do not fail, shrunk toward the other configs as far as chance explains
      their differences (`analysis.hierarchy`). This has no such bias;
    * p_fail, p_fail_low, p_fail_high: the risk that a new run fails, shrunk likewise. If no config has two judged trials, the study's share of failures
      for all, without interval;
    * the scientific settings, and the nuisance settings in which the configs differ; one whose name is taken is `config.NAME`.

    In a study of more than 1,500 configs, the population is learned from a random sample of at least 1,000 of them. There the intervals of the
    first 200 places are from 800 draws and those of all others from 200, which hold 94 % on average.

    If the study confirmed its best configs with fresh seeds, only those trials count, and only those configs are ranked (`analysis.confirmed`).

    attrs["note"] states the assumptions. If no config has two values, nothing tells chance from differences: `estimate` is the mean as it is,
    without interval, place_low, place_high, p_best and beats are NaN, and configs that always failed are last. A config without a value and without a failure has no place.
    Raises UserError for an unknown metric or a table without finished trials.
    """
    if not as_table(table).evidence.any():
        table.direction(by)  # an unknown metric is the first thing to say
        raise UserError("a ranking needs finished trials; this table has none")
    table = confirmed(table)
    found = posterior(table, by, seed=seed)
    counted = table.where(table.evidence)
    frame = found.configs[["n_seeds", "n", "n_failed", "n_dead", "n_poor_fit"]].join(_alike(_places(found, seed), found.configs))
    # a study in which all runs failed still has values at the end, which order them
    failed_mean = pd.Series(found.sign * counted.at_end(by)).groupby(counted.config_id).mean()
    frame = frame.assign(last=failed_mean.reindex(frame.index)).sort_values(["order", "last"], kind="stable")
    frame["place"] = pd.Series(np.arange(1.0, len(frame) + 1), frame.index).where(_differs(frame[["order", "last"]])).ffill()
    frame["place_low"] = frame[["place", "place_low"]].min(axis=1, skipna=False)
    frame["place_high"] = frame[["place", "place_high"]].max(axis=1, skipna=False)
    unknown = pd.Series(counted.config_id).value_counts(sort=False).rename("n_seeds").drop(frame.index)
    frame = pd.concat([frame, pd.DataFrame({"n_seeds": unknown, "n": 0, "n_failed": 0, "n_dead": 0, "n_poor_fit": 0}, index=unknown.index)])
    columns = [
        "place",
        "place_low",
        "place_high",
        "p_best",
        "beats",
        "n_seeds",
        "n_failed",
        "n_dead",
        "n",
        "n_poor_fit",
        "mean",
        "estimate",
        "low",
        "high",
    ]
    result = with_settings(frame[[*columns, "p_fail", "p_fail_low", "p_fail_high"]], counted)
    result.attrs |= {
        "by": by,
        "direction": table.direction(by).value,
        "scale": found.scale,
        "note": _note(found) + (_CONFIRMED if has_confirmed(table) else ""),
    }
    return result


def standing(objectives: Floats, spreads: Floats, risks: Floats, rng: np.random.Generator) -> Floats:
    """Return the probability [D, C] that a new run of each config beats a new run of any config, itself included, for each draw.

    objectives, spreads, risks [D, C]: draws; less is better. The opponent is a new run of a config chosen at random.
    """
    return _Opponent.of(objectives, spreads, risks, rng).beaten_by(objectives, spreads, risks)


@dataclass(frozen=True, eq=False)
class _Opponent:
    """A new run of a config chosen at random."""

    failing: float  # the probability that it fails
    low: float
    step: float
    worse: Floats  # the share of runs that are worse than low, low + step, …, if they do not fail; empty if all fail

    @classmethod
    def of(cls, objectives: Floats, spreads: Floats, risks: Floats, rng: np.random.Generator) -> "_Opponent":
        at = rng.integers(objectives.size, size=min(objectives.size, _POOL))
        runs = objectives.ravel()[at] + spreads.ravel()[at] * rng.standard_normal(len(at))
        runs = runs[rng.random(len(at)) >= risks.ravel()[at]]
        failing = float(risks.mean())
        if not len(runs):
            return cls(failing, 0.0, 1.0, np.zeros(0))
        # a table over equal steps is ten times as fast as a search
        low, high = np.quantile(runs, [0.001, 0.999])
        step = max((high - low) / _STEPS, 1e-300)
        return cls(failing, low, step, 1 - np.searchsorted(np.sort(runs), low + step * np.arange(_STEPS + 1)) / len(runs))

    def beaten_by(self, objectives: Floats, spreads: Floats, risks: Floats) -> Floats:
        """Return the probability [D, C] that a new run of each config beats it, for each draw [D, C]."""
        if not len(self.worse):
            return np.full(objectives.shape, 0.5)
        wins = np.zeros(objectives.shape)
        for node, weight in zip(_NODES, _WEIGHTS / _WEIGHTS.sum(), strict=True):
            at = objectives + spreads * node
            at -= self.low  # in place from here: new arrays of this size would take as long as the sums
            at /= self.step
            np.clip(at, 0, _STEPS, out=at)
            won = self.worse.take(at.astype(np.intp))
            won *= weight
            wins += won
        return (1 - risks) * (self.failing + (1 - self.failing) * wins) + risks * self.failing / 2


def _differs(frame: pd.DataFrame) -> pd.Series:
    """Return whether each row differs from the one before it; NaN equals NaN."""
    before = frame.shift()
    differs = ((frame != before) & ~(frame.isna() & before.isna())).to_numpy(dtype=bool).any(axis=1)
    return pd.Series(differs | (np.arange(len(frame)) == 0), frame.index)


def _places(found: Posterior, seed: int) -> pd.DataFrame:
    """Return the columns of `_standings`, and those of `_intervals`."""
    configs = found.configs
    if found.objectives is None or found.spreads is None or found.risks is None:
        # the values as they are; configs that always failed are last
        values = found.sign * configs["objective"]
        wins = 1 - (values.rank() - 0.5) / max(values.notna().sum(), 1)
        failing = configs["risk"].mean()
        beats = (1 - configs["risk"]) * (failing + (1 - failing) * wins) + configs["risk"] * failing / 2
        unknown = pd.DataFrame(np.nan, index=configs.index, columns=["beats", "p_best", "place_low", "place_high"])
        return unknown.assign(order=-beats.fillna(-1.0)).join(_intervals(found, found, configs))
    opponent = _Opponent.of(found.sign * found.objectives, found.spreads, found.risks, np.random.default_rng(seed))
    draws = opponent.beaten_by(found.sign * found.objectives, found.spreads, found.risks)
    frame = _standings(draws, _ranks(draws), configs).join(_intervals(found, found, configs))
    if found.population:  # more draws of the first places
        first = np.argsort(frame["order"].to_numpy())[:_FIRST]
        finer, rows = found.finer(first), configs.iloc[first]
        assert finer.objectives is not None
        assert finer.spreads is not None
        assert finer.risks is not None
        again = opponent.beaten_by(found.sign * finer.objectives, finer.spreads, finer.risks)
        others = np.sort(np.delete(draws, first, axis=1), axis=1)
        for_each = len(again) // len(others)
        better = np.array([others.shape[1] - np.searchsorted(others[i // for_each], row, side="right") for i, row in enumerate(again)])
        of_first = _standings(again, _ranks(again) + better, rows, n=len(configs)).join(_intervals(found, finer, rows))
        frame.iloc[first] = of_first[frame.columns].to_numpy()
    return frame


def _alike(frame: pd.DataFrame, configs: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of `_places` with the same numbers for configs with the same values and failures: their draws differ by chance alone."""
    known = configs[["n_judged", "n", "n_failed", "n_dead", "mean", "squares"]].astype(np.float32)  # equal but for rounding
    same = known.groupby(list(known), dropna=False, sort=False).ngroup()
    of_group = frame.groupby(same)
    shared = of_group.transform("mean")
    return shared.assign(place_low=of_group["place_low"].transform("min"), place_high=of_group["place_high"].transform("max"))


def _ranks(draws: Floats) -> npt.NDArray[np.int32]:
    """Return the place [D, C] of each config in each draw [D, C]; 1 is the largest."""
    places = np.empty(draws.shape, dtype=np.int32)
    np.put_along_axis(places, draws.argsort(axis=1)[:, ::-1], np.arange(1, draws.shape[1] + 1, dtype=np.int32)[None, :], axis=1)
    return places


def _standings(draws: Floats, places: npt.NDArray[np.int32], configs: pd.DataFrame, *, n: int | None = None) -> pd.DataFrame:
    """Return the columns order (less is better), beats, p_best, place_low and place_high of configs, which are all n configs or some of them."""
    n = n or len(configs)
    beats = draws.mean(axis=0)
    low, high = np.quantile(places, [1 - estimate.UPPER_TAIL, estimate.UPPER_TAIL], axis=0, method="nearest")
    return pd.DataFrame(
        {
            "order": -beats,
            "beats": (n * beats - 0.5) / (n - 1) if n > 1 else np.nan,  # a run of the config itself is beaten half of the time
            "p_best": (places == 1).mean(axis=0) if n > 1 else np.nan,  # a config without rivals is no better than any
            "place_low": low.astype(np.float64) if n > 1 else np.nan,
            "place_high": high.astype(np.float64) if n > 1 else np.nan,
        },
        index=configs.index,
    )


def _intervals(found: Posterior, draws: Draws, configs: pd.DataFrame) -> pd.DataFrame:
    """Return the columns mean, estimate, low, high, p_fail, p_fail_low and p_fail_high of the configs that were drawn, on the metric's own scale."""
    tails = [1 - estimate.UPPER_TAIL, estimate.UPPER_TAIL]
    own = np.exp if found.scale == "log" else np.asarray
    frame = pd.DataFrame(
        {"mean": own(configs["mean"]), "estimate": own(configs["objective"]), "p_fail": configs["risk"]}, index=configs.index
    )
    unknown = np.full((2, len(configs)), np.nan)
    low, high = unknown if draws.objectives is None else own(np.quantile(draws.objectives, tails, axis=0))
    valued = configs["n"] > 0
    frame["low"], frame["high"] = pd.Series(low, configs.index).where(valued), pd.Series(high, configs.index).where(valued)
    frame["p_fail_low"], frame["p_fail_high"] = unknown if draws.risks is None else np.quantile(draws.risks, tails, axis=0)
    return frame


def _note(found: Posterior) -> str:
    """Return the assumptions as a sentence."""
    by_value = ""
    if poor := int(found.configs["n_poor_fit"].sum()):
        by_value = f". {plural(poor, 'run')} with a poor fit {'counts' if poor == 1 else 'count'} by {found.by}, and not as failed"
    order = f"Place: by the chance that a new run beats a new run of another config; a failed run loses{by_value}"
    if found.objectives is None or found.spreads is None:
        if not found.configs["n"].any():
            why = (
                "All runs failed"
                if found.configs["n_failed"].sum() == found.configs["n_judged"].sum()
                else "No run that did not fail has a value"
            )
            return f"{order}. {why}, so there is no {found.by} to estimate: places follow its values at the end, if there are any, and equal configs share one"
        return (
            f"Place: by {found.by} as it is and the risk of failing; configs that always failed are last, and equal configs share a place{by_value}. No config has two values, so there is "
            "no spread to measure: no intervals, and the first place is too good by an unknown factor, because it is the best of many"
        )
    seeds, configs = float(np.median(found.spreads)), float(np.median(found.objectives.std(axis=1)))
    sizes = [f"factor {number(float(np.exp(x)))}" if found.scale == "log" else number(x) for x in (seeds, configs)]
    return (
        f"{order}. The estimate is for runs that do not fail, drawn toward the other configs as far as chance explains the differences "
        f"(standard deviation between seeds: {sizes[0]}; between configs: {sizes[1]}). It assumes that the configs are alike enough to learn "
        "from each other, and that no other setting of theirs is known to matter"
    )
