"""The outcome of a trial, diagnosed from its curves: the signal that decides it, its limit, the source of that limit, and the onset."""

from collections.abc import Mapping, Sequence

from analysis.curves import Curves
from analysis.rules import APPROACHING, CERTAIN, DISTANCE, EARLY, OVERFLOW, RULES, SAME, Diagnosis, fair, how_good, non_finite
from ganstudy import UserError
from ganstudy.ended import Ended
from ganstudy.units import to_kimg

_PATIENCE, _PATIENCE_TICKS = 0.25, 3  # share of the budget, and number of ticks, without progress
_HUNDREDFOLD = 100.0  # a fall of the distance that shows that training works


def diagnose(
    images: Sequence[float],
    curves: Mapping[str, Sequence[float | None]],
    *,
    ended: str,
    baselines: Mapping[str, float],
    n_modes: int | None,
    finite: bool = False,
) -> Diagnosis:
    """Return the outcome of a trial and the evidence for it.

    `images` [K] counts the real images shown before each tick; `curves` maps a metric or signal to its values [K], None if not measured.
    `ended` is a value of `Ended`, or "" for a trial that still trains, which is diagnosed from the ticks so far. A "dead" trial has
    non-finite values, unless `finite` says that it was stopped as `hopeless`. `baselines` are the real-data baselines; `n_modes` is the
    number of real modes, None if unknown. Raises UserError for an unknown `ended` and for curves of different lengths.
    """
    if ended not in ("", *Ended):
        raise UserError(f"ended must be one of {[*map(str, Ended), '']}; got {ended!r}")
    if ended == Ended.ERROR:
        return Diagnosis("", "crashed: no evidence")
    if not len(images):
        images, curves = [0.0], {}
    if images[-1] == 0:
        return non_finite(0.0) if ended == Ended.DEAD else Diagnosis("", "not trained yet: no evidence")
    if ended == Ended.DEAD and not finite:
        return non_finite(to_kimg(images[-1]))
    trial = Curves.of(images, curves, baselines=baselines, n_modes=n_modes)
    for rule in RULES:
        if found := rule(trial, ended):
            return found
    return Diagnosis("healthy", how_good(trial))


def hopeless(
    images: Sequence[float],
    curves: Mapping[str, Sequence[float | None]],
    *,
    budget: float,
    baselines: Mapping[str, float],
    n_modes: int | None,
) -> str:
    """Return since when and why further training of a trial is hopeless; "" if it is not.

    A trial is hopeless if, for a quarter of its `budget` (in images) and three ticks, it is not fair, comes no closer to the data, and has no
    useful training signal: D is almost always right, or rates fakes as highly as real data, or its logits overflow, or all samples are
    the same. A trial is never hopeless in its first 5 kimg, nor if its distance has fallen a hundredfold.
    docs/diagnosis.md states how often this stops a trial that would have recovered. Other arguments as in `diagnose`.
    """
    trial = Curves.of(images, curves, baselines=baselines, n_modes=n_modes)
    if to_kimg(trial.images[-1]) < EARLY.value or trial.fall >= _HUNDREDFOLD:
        return ""
    ticks = _stuck(trial)
    if len(ticks) < _PATIENCE_TICKS or trial.images[-1] - trial.images[ticks[0]] < _PATIENCE * budget:
        return ""
    found = diagnose(images, curves, ended="", baselines=baselines, n_modes=n_modes)
    return f"{to_kimg(trial.images[ticks[0]]):g} kimg: {found.outcome}, {found.evidence}"


def _stuck(trial: Curves) -> list[int]:
    """Return the trained ticks, up to the last one, at which a trial is not fair, comes no closer, and has no useful training signal."""
    no_signal = (
        (trial.accuracy >= CERTAIN.value)
        | (trial["d/distance"] <= DISTANCE.value)
        | (trial.logits > OVERFLOW.value)
        | (trial.diversity < SAME.value)
    )
    was_fair, ticks = fair(trial), list[int]()
    for i in reversed(range(len(trial))):
        approached = trial.remaining[i] - trial.remaining[-1] > APPROACHING.value
        if trial.images[i] == 0 or was_fair[i] or not no_signal[i] or approached:
            break
        ticks.insert(0, i)
    return ticks
