"""A ranking of configs with its uncertainty."""

import numpy as np
import pandas as pd

from analysis import estimate
from analysis.table import Floats, Scale, TrialTable
from analysis.words import number
from ganstudy import UserError
from ganstudy.direction import Direction

_DRAWS = 4000  # places are whole numbers: 4000 draws settle their 2.5 % and 97.5 % quantiles


def rank(table: TrialTable, by: str = "fd", *, seed: int = 0) -> pd.DataFrame:
    """Return one row per config, best first. `by` is a metric; `seed` seeds the simulation of places.

    Columns: config_id, n_seeds (trials that are evidence), n (those of them that completed their budget and have a value), n_dead, mean,
    low, high (95 %), place, place_low, place_high, fail_rate, then the scientific settings. attrs["note"] states the assumptions.

    Configs are sorted by the worse end of the interval, so that one lucky seed does not lead. A config with a dead trial ranks below every
    config without one, because its other seeds are selected by survival. Trials that stopped early have no value; a config with no other
    trials has no place. Intervals of places are simulated from the joint posterior of means and pooled variance, and extended to
    include `place`. Raises UserError for an unknown metric or a table without finished trials.
    """
    direction, scale = table.direction(by), table.scale(by)
    table = table.where(table.evidence)
    if not len(table):
        raise UserError("a ranking needs finished trials; this table has none")
    trials = pd.DataFrame({"config_id": table.config_id, "dead": table.dead, "failed": table.failed, "value": table.at_end(by)})
    grouped = trials.groupby("config_id", sort=False)
    frame = grouped.agg(n_seeds=("dead", "size"), n=("value", "count"), n_dead=("dead", "sum"), fail_rate=("failed", "mean"))
    measured = trials.dropna(subset="value")
    means = estimate.config_means(measured["value"].to_numpy(), measured["config_id"].to_numpy(dtype=np.str_), scale=scale)
    frame = frame.join(means[["mean", "low", "high"]])
    worse_end = "high" if direction is Direction.MINIMIZE else "low"
    bound = frame[worse_end].fillna(frame["mean"])
    # in this order: no dead trial before dead trials, a value before none, then the bound
    order = pd.DataFrame({"dead": frame["n_dead"] > 0, "unmeasured": frame["n"] == 0, "bound": direction.sign * bound})
    frame = frame.loc[order.sort_values(["dead", "unmeasured", "bound"], kind="stable").index]
    frame["place"] = np.where(frame["n"] > 0, (frame["n"] > 0).cumsum(), np.nan)
    spread = means.attrs
    places = _places(frame[frame["n"] > 0], sign=direction.sign, scale=scale, sd=spread["sd"], df=spread["df"], seed=seed)
    frame = frame.join(places)
    settings = table.settings.groupby(table.config_id, sort=False)[list(table.scientific)].first()
    columns = ["n_seeds", "n", "n_dead", "mean", "low", "high", "place", "place_low", "place_high", "fail_rate"]
    result = frame[columns].join(settings).reset_index()
    result.attrs = {"by": by, "direction": direction.value, "scale": scale, "note": _note(by, spread["sd"], spread["df"], scale)}
    return result


def _places(frame: pd.DataFrame, *, sign: float, scale: Scale, sd: float, df: int, seed: int) -> pd.DataFrame:
    """Return the columns place_low and place_high; NaN if no config has two seeds."""
    if df == 0:
        return pd.DataFrame({"place_low": np.nan, "place_high": np.nan}, index=frame.index)
    rng = np.random.default_rng(seed)
    centre = frame["mean"].to_numpy(dtype=np.float64)
    centre = np.log(centre) if scale == "log" else centre
    sigma = sd * np.sqrt(
        df / rng.chisquare(df, size=(_DRAWS, 1))
    )  # one variance for all configs, so each mean has Student's t distribution
    draws = sign * (centre + sigma / np.sqrt(frame["n"].to_numpy()) * rng.standard_normal((_DRAWS, len(frame))))
    # a config with a dead trial ranks below all others in every draw
    dead = frame["n_dead"].to_numpy() > 0
    draws = np.where(dead, draws + 2 * np.ptp(draws) + 1, draws)
    places: Floats = draws.argsort(axis=1).argsort(axis=1) + 1.0
    low, high = np.quantile(places, [1 - estimate.UPPER_TAIL, estimate.UPPER_TAIL], axis=0, method="nearest")
    place = frame["place"].to_numpy(dtype=np.float64)
    return pd.DataFrame({"place_low": np.minimum(low, place), "place_high": np.maximum(high, place)}, index=frame.index)


def _note(by: str, sd: float, df: int, scale: Scale) -> str:
    if df == 0:
        return "one seed per config: no spread to measure, so no intervals"
    spread = f"factor {number(float(np.exp(sd)))}" if scale == "log" else number(sd)
    return f"assumes the same spread between seeds in all configs (pooled standard deviation of {by}: {spread}, {df} degrees of freedom)"
