"""An order of configs with its uncertainty."""

import numpy as np
import pandas as pd

from analysis import estimate
from analysis.table import Floats, Scale, TrialTable
from analysis.words import number

DRAWS = 4000  # places are whole numbers: 4000 draws settle their 2.5 % and 97.5 % points


def rank(table: TrialTable, by: str = "fd", *, seed: int = 0) -> pd.DataFrame:
    """One row per config, best first; `seed` decides the simulated places.

    Columns: config_id, n_seeds (trials that count), n (of them, those that reached the end and have a score), n_dead, mean, low, high
    (95 %), place, place_low, place_high, fail_rate, then the scientific knobs; the frame's attrs["note"] says what was assumed.

    Sorted by the bad end of the interval, so that a config with one lucky seed does not lead. A config with a dead run stands below every
    config without one: its surviving seeds were chosen by survival. Runs cut short have no score; a config of only those has no place.
    The interval of places is simulated from the joint posterior of means and pooled variance, and widened to hold `place`.
    """
    direction, scale = table.direction(by), table.scale(by)
    table = table.where(table.evidence)
    if not len(table):
        raise ValueError("a ranking needs finished trials; this table has none")
    trials = pd.DataFrame({"config_id": table.config_id, "dead": table.dead, "failed": table.failed, "score": table.at_end(by)})
    grouped = trials.groupby("config_id", sort=False)
    frame = grouped.agg(n_seeds=("dead", "size"), n=("score", "count"), n_dead=("dead", "sum"), fail_rate=("failed", "mean"))
    scored = trials.dropna(subset="score")
    means = estimate.config_means(scored["score"].to_numpy(), scored["config_id"].to_numpy(dtype=np.str_), scale=scale)
    frame = frame.join(means[["mean", "low", "high"]])
    sign = 1.0 if direction == "min" else -1.0
    bound = frame["high" if direction == "min" else "low"].fillna(frame["mean"])
    # strictly: no dead run before dead runs, then a score before none, then the bound
    order = pd.DataFrame({"dead": frame["n_dead"] > 0, "unscored": frame["n"] == 0, "bound": sign * bound})
    frame = frame.loc[order.sort_values(["dead", "unscored", "bound"], kind="stable").index]
    frame["place"] = np.where(frame["n"] > 0, (frame["n"] > 0).cumsum(), np.nan)
    spread = means.attrs
    places = _places(frame[frame["n"] > 0], sign=sign, scale=scale, sd=spread["sd"], df=spread["df"], seed=seed)
    frame = frame.join(places)
    knobs = table.knobs.groupby(table.config_id, sort=False)[list(table.scientific)].first()
    columns = ["n_seeds", "n", "n_dead", "mean", "low", "high", "place", "place_low", "place_high", "fail_rate"]
    result = frame[columns].join(knobs).reset_index()
    result.attrs = {"by": by, "direction": direction, "scale": scale, "note": _note(by, spread["sd"], spread["df"], scale)}
    return result


def _places(frame: pd.DataFrame, *, sign: float, scale: Scale, sd: float, df: int, seed: int) -> pd.DataFrame:
    """Columns place_low and place_high, NaN where no config has two seeds."""
    if df == 0:
        return pd.DataFrame({"place_low": np.nan, "place_high": np.nan}, index=frame.index)
    rng = np.random.default_rng(seed)
    centre = frame["mean"].to_numpy(dtype=np.float64)
    centre = np.log(centre) if scale == "log" else centre
    sigma = sd * np.sqrt(df / rng.chisquare(df, size=(DRAWS, 1)))  # one variance for all, so each mean alone is Student's t
    draws = sign * (centre + sigma / np.sqrt(frame["n"].to_numpy()) * rng.standard_normal((DRAWS, len(frame))))
    # a dead run puts its config below all without, whatever is drawn
    dead = frame["n_dead"].to_numpy() > 0
    draws = np.where(dead, draws + 2 * np.ptp(draws) + 1, draws)
    places: Floats = draws.argsort(axis=1).argsort(axis=1) + 1.0
    low, high = np.quantile(places, [1 - estimate.TAIL, estimate.TAIL], axis=0, method="nearest")
    place = frame["place"].to_numpy(dtype=np.float64)
    return pd.DataFrame({"place_low": np.minimum(low, place), "place_high": np.maximum(high, place)}, index=frame.index)


def _note(by: str, sd: float, df: int, scale: Scale) -> str:
    if df == 0:
        return "one seed each: no spread to measure, so no intervals"
    spread = f"factor {number(float(np.exp(sd)))}" if scale == "log" else number(sd)
    return f"assumes that seeds spread alike in all configurations (pooled standard deviation of {by}: {spread}, {df} degrees of freedom)"
