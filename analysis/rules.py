"""The rules that turn the curves of a trial into its outcome, in the order in which they are tried.

Limits are relative to the real-data baselines and to the trial itself. The first rule that matches decides. Causes come before effects: a
trial that lost its modes late is a late collapse, not a mode collapse. docs/diagnosis.md explains each rule.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.curves import Curves
from analysis.table import Bools, Floats
from ganstudy.ended import Ended
from ganstudy.units import to_kimg


@dataclass(frozen=True)
class Limit:
    value: float
    source: str  # why this value


_LOST = Limit(1, "a real mode that is missing beyond chance")
_MANY = Limit(1 / 4, "a quarter of the real modes")
_HALF = Limit(1 / 2, "half of the real modes")
_FAIR = Limit(1 / 6, "a sixth of the real-data baseline")  # blurred samples of all modes are above it, samples of a few modes below
_FULL = Limit(1 / 2, "half of the real-data baseline")
_PRECISION = Limit(1 / 3, "a third of the real-data baseline")
_SPREAD = Limit(1 / 3, "a third of the real variance within a mode")
SAME = Limit(0.01, "a hundredth of the diversity of real data")  # all samples are the same
_COPIES = Limit(0.5, "halfway from the real-data baseline to exact copies")
_REALISTIC = Limit(3 / 4, "three quarters of the real-data baseline")  # copies look as real as their originals
_SWING = Limit(0.25, "a quarter of the way from untrained to real, in log fd")  # more than noise between ticks
_LEAST_SWING = 0.1  # of the way, for a trial that covered little of it
_SWINGS = Limit(4, "to the data and back, twice")
_RISING = Limit(0.08, "over the last doubling of images")  # more than noise between ticks …
_NOISE = 0.02  # … which may lower the last value of a coverage that rises
APPROACHING = Limit(0.03, "over the last doubling of images")
_STOPPED = Limit(0.02, "over the last doubling of images")
_FAST = Limit(0.05, "over the last doubling of images")
_GROWING = Limit(0.2, "over the last doubling of images")  # two modes of ten
CERTAIN = Limit(0.95, "D is right in 19 of 20 cases")
_ALWAYS = 0.9  # accuracy of D at every tick, if D was too strong from the beginning
_CHANCE = Limit(0.55, "barely better than chance")
DISTANCE = Limit(0.0, "at 0 D does not separate real from fake")
EARLY = Limit(5.0, "about 80 steps of 64 images: no GAN has settled by then")  # kimg
OVERFLOW = Limit(float(np.log(np.finfo(np.float32).max)), "beyond it exp(logit) overflows float32 and a sigmoid has no gradient")


@dataclass(frozen=True)
class Diagnosis:
    """An outcome and its evidence: `signal` has this `value`, beyond its `limit`, since `onset_kimg`. Healthy trials have no signal."""

    outcome: str  # a key of OUTCOMES; "" if there is no evidence
    because: str
    signal: str = ""
    value: float | None = None
    limit: float | None = None
    source: str = ""  # of the limit
    onset_kimg: float | None = None

    @property
    def evidence(self) -> str:
        """The evidence as a sentence."""
        since = "" if self.onset_kimg is None else f" since {self.onset_kimg:g} kimg"
        if self.value is None or self.limit is None:
            return self.because + since
        return f"{self.because}{since}: {self.signal} {self.value:.3g}, limit {self.limit:.3g} ({self.source})"


def _good(trial: Curves) -> Bools:
    """[K]: no mode is missing, and half of the baseline's coverage is reached. What was not measured does not count against the trial."""
    return ~(trial.modes_lost >= _LOST.value) & ~(trial.reached < _FULL.value)


def fair(trial: Curves) -> Bools:
    """[K]: at most a quarter of the modes is missing, and a sixth of the baseline's coverage is reached."""
    return ~(trial.modes_lost > _MANY.value * (trial.n_modes or 0)) & ~(trial.reached < _FAIR.value)


def _settled(trial: Curves, ended: str) -> bool:
    """Whether the trial is not good, and nothing suggests that more training alone would help."""
    return not _good(trial)[-1] and not (fair(trial)[-1] and _undertrained(trial, ended))


def _deficit(trial: Curves) -> tuple[str, Floats, Limit]:
    """The signal that keeps a trial from being fair: its name, its values [K], and its limit."""
    if trial.n_modes and trial.modes_lost[-1] > _MANY.value * trial.n_modes:
        return "share of the modes lost", trial.modes_lost / trial.n_modes, _MANY
    return _reached(trial), trial.reached, _FAIR


def _reached(trial: Curves) -> str:
    return "share of the way to the data, in log fd," if trial.pointlike else "coverage relative to real data"


def how_good(trial: Curves) -> str:
    if not np.isfinite(reached := trial.reached[-1]):
        return "ended with finite values"
    return f"came {reached:.0%} of the way to the data" if trial.pointlike else f"coverage is {reached:.0%} of that of real data"


def _covered(trial: Curves) -> float:
    """The largest share of the way that the trial has covered."""
    return 1 - float(np.nanmin(trial.remaining, initial=1.0))


def _overpowered(trial: Curves) -> bool:
    """Whether D was right in 9 of 10 cases at every tick and in 19 of 20 in the second half, so that this caused what followed."""
    trained = trial.accuracy[trial.images > 0]
    return bool(np.isfinite(trained).all() and trained.min(initial=1.0) >= _ALWAYS and trial.late_mean(trial.accuracy) >= CERTAIN.value)


def _swing(trial: Curves) -> Limit:
    """How far fd must move to count. On data with a long way, all of what a mediocre trial covers is less than a quarter of it."""
    if (half := _covered(trial) / 2) >= _SWING.value:
        return _SWING
    return Limit(max(half, _LEAST_SWING), "half of the way that the trial covered at best, in log fd, but at least a tenth of the whole")


def non_finite(kimg: float) -> Diagnosis:
    return Diagnosis("diverged", "values have not been finite", onset_kimg=kimg)


def _diverged(trial: Curves, ended: str) -> Diagnosis | None:
    if not _settled(trial, ended) or not (size := trial.late_mean(trial.logits)) > OVERFLOW.value:
        return None
    onset = trial.onset(trial.logits > OVERFLOW.value)
    return _found("diverged", "logits overflow and samples are bad", "|logit| of D", size, OVERFLOW, onset)


def _too_early(trial: Curves, ended: str) -> Diagnosis | None:
    if _good(trial)[-1] or (kimg := to_kimg(trial.images[-1])) >= EARLY.value:
        return None
    return _found("undertrained", "has hardly begun", "kimg", kimg, EARLY)


def _oscillating(trial: Curves, ended: str) -> Diagnosis | None:
    if _overpowered(trial):
        return None
    swing = _swing(trial)
    turns = trial.turning_points(trial.remaining, swing=swing.value)
    if len(turns) - 1 < _SWINGS.value:
        return None
    onset = to_kimg(trial.images[turns[1]])
    return _found("oscillating", "approaches the data and loses them again", "swings of fd", len(turns) - 1, _SWINGS, onset)


def _memorising(trial: Curves, ended: str) -> Diagnosis | None:
    copied, baseline = trial["memorisation"], trial.baselines.get("memorisation", np.nan)
    limit = Limit(baseline + _COPIES.value * (1 - baseline), _COPIES.source)
    if not fair(trial)[-1] or not copied[-1] > limit.value:
        return None
    # samples far from the data share the few outermost real points as nearest neighbours, so a high score means nothing there
    if trial.relative("precision")[-1] < _REALISTIC.value:
        return None
    return _found("memorising", "copies training data", "memorisation", copied[-1], limit, trial.onset(copied > limit.value))


def _late_collapse(trial: Curves, ended: str) -> Diagnosis | None:
    if not _settled(trial, ended) or _overpowered(trial):
        return None
    was_fair, swing, lost = fair(trial), _swing(trial), trial.remaining - np.fmin.accumulate(trial.remaining)
    if _covered(trial) >= 2 * _LEAST_SWING and lost[-1] >= swing.value:
        onset = trial.onset(lost >= swing.value)
        return _found("late_collapse", "approached the data, then lost them", "share of the way lost again", lost[-1], swing, onset)
    trained = trial.images > 0
    more_lost = trial.modes_lost[-1] - trial.modes_lost[trained].min() > _MANY.value * (trial.n_modes or 0)
    less_reached = trial.reached[-1] < np.nanmax(trial.reached[trained], initial=0.0) / 2
    if not was_fair[-1] and was_fair[trained].any() and (more_lost or less_reached) and trial.recent_gain(trial.remaining) > 0:
        signal, share, limit = _deficit(trial)
        return _found("late_collapse", "was good, then got worse", signal, share[-1], limit, trial.onset(~was_fair))
    return None


def _discriminator_failed(trial: Curves, ended: str) -> Diagnosis | None:
    if not _settled(trial, ended):
        return None
    if (distance := trial.late_mean(trial["d/distance"])) <= DISTANCE.value:
        onset = trial.onset(trial["d/distance"] <= DISTANCE.value)
        return _found("discriminator_failed", "D rates fake samples as highly as real ones", "d/distance", distance, DISTANCE, onset)
    if trial.diversity[-1] < SAME.value or not trial.relative("precision")[-1] < _PRECISION.value:
        return None
    if (accuracy := trial.late_mean(trial.accuracy)) <= _CHANCE.value:
        because = "D cannot separate samples from data, although they differ"
        return _found("discriminator_failed", because, "accuracy of D", accuracy, _CHANCE, trial.onset(trial.accuracy <= _CHANCE.value))
    return None


def _discriminator_too_strong(trial: Curves, ended: str) -> Diagnosis | None:
    if not _settled(trial, ended) or not (accuracy := trial.late_mean(trial.accuracy)) >= CERTAIN.value:
        return None
    because = "D is almost never wrong" + (", and all samples are the same" if trial.diversity[-1] < SAME.value else "")
    onset = trial.onset(trial.accuracy >= CERTAIN.value)
    return _found("discriminator_too_strong", because, "accuracy of D", accuracy, CERTAIN, onset)


def _undertrained(trial: Curves, ended: str) -> Diagnosis | None:
    """What a good trial still gains is refinement, unless the scheduler stopped it."""
    stopped_early = ended == Ended.SCHEDULER
    if _good(trial)[-1] and not stopped_early:
        return None
    reached, modes = trial.reached, trial.modes
    gain, grown, approached = trial.recent_gain(reached), trial.recent_gain(modes), -trial.recent_gain(trial.remaining)
    if trial.modes_lost[-1] > _MANY.value * (trial.n_modes or 0):
        if grown >= _GROWING.value and modes[-1] >= modes.max():
            return _found("undertrained", "still finds new modes", "gain in the share of the modes", grown, _GROWING)
        return None
    if gain > _RISING.value and reached[-1] >= np.nanmax(reached) - _NOISE and (stopped_early or reached[-1] < _FULL.value):
        return _found("undertrained", "coverage still rises", f"gain in {_reached(trial)}", gain, _RISING)
    if reached[-1] < _FULL.value and approached > _FAST.value and trial.remaining[-1] <= np.nanmin(trial.remaining):
        return _found("undertrained", "still approaches the data fast", "share of the way to the data, in log fd,", approached, _FAST)
    if stopped_early and approached > _STOPPED.value:
        because = "was stopped early while it improved"
        return _found("undertrained", because, "share of the way to the data, in log fd,", approached, _STOPPED)
    return None


def _mode_collapse(trial: Curves, ended: str) -> Diagnosis | None:
    if trial.diversity[-1] < SAME.value:
        onset = trial.onset(trial.diversity < SAME.value)
        return _found(
            "mode_collapse", "total: all samples are the same", "diversity relative to real data", trial.diversity[-1], SAME, onset
        )
    if trial.n_modes and (lost := trial.modes_lost / trial.n_modes)[-1] > _HALF.value:
        kind = "total: a single mode is left" if trial["modes"][-1] <= 1 else "partial: fewer than half of the modes are left"
        return _found("mode_collapse", kind, "share of the modes lost", lost[-1], _HALF, trial.onset(lost > _HALF.value))
    if (spread := trial["mode_spread"])[-1] < _SPREAD.value:
        onset = trial.onset(spread < _SPREAD.value)
        return _found("mode_collapse", "within modes: each mode has shrunk", "mode_spread", spread[-1], _SPREAD, onset)
    return None


def _mode_dropping(trial: Curves, ended: str) -> Diagnosis | None:
    if not (lost := trial.modes_lost)[-1] >= _LOST.value:
        return None
    because = f"{lost[-1]:.0f} of {trial.n_modes} modes missing"
    return _found("mode_dropping", because, "modes_lost", lost[-1], _LOST, trial.onset(lost >= _LOST.value))


def _poor_fit(trial: Curves, ended: str) -> Diagnosis | None:
    if not (reached := trial.reached)[-1] < _FULL.value:
        return None
    fidelity = trial.relative("precision")[-1]
    because = "no mode is missing, but samples " + (
        "are unlike the data" if fidelity < _REALISTIC.value else "cover too little of the data" if np.isfinite(fidelity) else "fit poorly"
    )
    return _found("poor_fit", because, _reached(trial), reached[-1], _FULL, trial.onset(reached < _FULL.value))


RULES: tuple[Callable[[Curves, str], Diagnosis | None], ...] = (
    _diverged,
    _too_early,
    _oscillating,
    _memorising,
    _late_collapse,
    _discriminator_failed,
    _discriminator_too_strong,
    _undertrained,
    _mode_collapse,
    _mode_dropping,
    _poor_fit,
)


def _found(outcome: str, because: str, signal: str, value: float, limit: Limit, onset_kimg: float | None = None) -> Diagnosis:
    return Diagnosis(outcome, because, signal, float(value), limit.value, limit.source, onset_kimg)
