"""Grades: how bad a trial is, as numbers that rank and explain can use like metrics."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.curves import Curves
from analysis.outcomes import FAILURES
from analysis.rules import Diagnosis
from ganstudy.direction import Direction

GRADES: Mapping[str, Direction] = {
    "modes_lost": Direction.MINIMIZE,  # real modes that are missing beyond chance at the last tick
    "fd_ratio": Direction.MINIMIZE,  # Fréchet distance at the last tick, divided by the real-data baseline
    "onset_kimg": Direction.MAXIMIZE,  # when the failure began; failed trials only
}


def grades(
    images: Sequence[float],
    curves: Mapping[str, Sequence[float | None]],
    found: Diagnosis,
    *,
    baselines: Mapping[str, float],
    n_modes: int | None,
) -> dict[str, float]:
    """Return the GRADES of a trial with the diagnosis `found`, without those that are unknown. Other arguments as in `diagnose`."""
    if not len(images):
        return {}
    trial = Curves.of(images, curves, baselines=baselines, n_modes=n_modes)
    values = {"fd_ratio": trial.fd_ratio[-1]}
    if n_modes and {"modes", "modes_lost"} & curves.keys():
        values["modes_lost"] = trial.modes_lost[-1]
    if found.outcome in FAILURES and found.onset_kimg is not None:
        values["onset_kimg"] = found.onset_kimg
    return {name: float(value) for name, value in values.items() if np.isfinite(value)}
