"""What happened to a run, from its curves: one of OUTCOMES with the signal that says so, its limit and where that comes from, and since when.

Limits are relative to what real data score and to the run itself. The rules are asked in order, and the first that applies speaks: a
cause before its effect, so that a run which lost its modes late is not called collapsed as if it had never had them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.curves import Curves
from analysis.table import ENDED, Bools, Floats


@dataclass(frozen=True)
class Limit:
    value: float
    source: str  # where it comes from


MODES = Limit(0.75, "three quarters of the real modes")  # fewer are lost for good, not missed by a small sample
COVERAGE = Limit(1 / 6, "a sixth of what real data reach")  # blurred samples of every mode cover more than that, those of a few modes less
FULL = Limit(1 / 2, "half of what real data reach")  # from here on, what is still won is polish
PRECISION = Limit(1 / 3, "a third of what real data reach")
SPREAD = Limit(1 / 3, "a third of the real variance within a mode")
ALIKE = Limit(0.01, "a hundredth of the real number of different samples")  # all samples are one
COPIES = Limit(0.5, "half way from what real data score to what copies do")
LIFELIKE = Limit(3 / 4, "three quarters of what real data reach")  # copies look as real as what they copy
LEG = Limit(0.25, "a quarter of the way from untrained to real, in log fd")  # more than noise from tick to tick
SWINGS = Limit(4, "to the data and back, twice")
RISING = Limit(0.08, "in the last doubling of the images")  # more than noise from tick to tick
NEARING = Limit(0.03, "in the last doubling of the images")
FAST = Limit(0.05, "in the last doubling of the images")
GROWING = Limit(0.2, "in the last doubling of the images")  # two modes of ten
CERTAIN = Limit(0.95, "D is right in 19 cases of 20")
CHANCE = Limit(0.55, "hardly better than a coin")
DISTANCE = Limit(0.0, "at 0 D tells nothing")
PATIENCE, PATIENCE_TICKS = 0.25, 3  # of the budget, and ticks, through which nothing came
OVERFLOW = Limit(float(np.log(np.finfo(np.float32).max)), "beyond, the exponential of a logit is no float32, and a sigmoid has no gradient")


@dataclass(frozen=True)
class Diagnosis:
    """`signal` has this `value`, beyond its `limit` (which comes from `source`), since `onset_kimg`; all empty where nothing is wrong."""

    outcome: str  # one of OUTCOMES; "" where nothing can be said
    because: str
    signal: str = ""
    value: float | None = None
    limit: float | None = None
    source: str = ""
    onset_kimg: float | None = None

    @property
    def evidence(self) -> str:
        """The sentence for it."""
        since = "" if self.onset_kimg is None else f" since {self.onset_kimg:g} kimg"
        if self.value is None or self.limit is None:
            return self.because + since
        return f"{self.because}{since}: {self.signal} {self.value:.3g}, limit {self.limit:.3g} ({self.source})"


def diagnose(
    images: Sequence[float],
    curves: Mapping[str, Sequence[float | None]],
    *,
    ended: str,
    floors: Mapping[str, float],
    n_modes: int | None,
    finite: bool = False,
) -> Diagnosis:
    """What happened to a run whose ticks came after so many real `images` [K] and showed these `curves`, name -> [K] (None: not measured).

    `ended` is one of ENDED; a run that still trains ("") is diagnosed as far as it came. One that is
    "dead" left the finite numbers, unless `finite` says that it was ended since it was `hopeless`. `floors` is what real data score, `n_modes` the
    number of real modes (None: not known). Raises ValueError for an unknown way to end, and for curves of unlike lengths.
    """
    if ended not in ENDED:
        raise ValueError(f"ended must be among {list(ENDED)}; got {ended!r}")
    if ended == "error":
        return Diagnosis("", "the program or the machine broke: no evidence")
    if not len(images):
        images, curves = [0.0], {}
    if images[-1] == 0:
        return diverged_after(0.0) if ended == "dead" else Diagnosis("", "not trained yet: no evidence")
    if ended == "dead" and not finite:
        return diverged_after(images[-1] / 1000)
    run = Curves.of(images, curves, floors=floors, n_modes=n_modes)
    for rule in RULES:
        if found := rule(run, ended):
            return found
    reached = run.share("coverage")[-1]
    return Diagnosis("healthy", f"covers {reached:.0%} of what real data do" if np.isfinite(reached) else "ended with finite numbers")


def hopeless(
    images: Sequence[float],
    curves: Mapping[str, Sequence[float | None]],
    *,
    budget: float,
    floors: Mapping[str, float],
    n_modes: int | None,
) -> str:
    """Since when a run that still trains can be ended, as nothing will come any more, and why; "" while something may.

    It fails, comes no nearer to the data, and D is always right or always wrong, or all samples are one: through a quarter of its `budget`
    of images, and three ticks. How often a run that would have come to something is ended by this: docs/diagnosis.md.
    """
    run = Curves.of(images, curves, floors=floors, n_modes=n_modes)
    ticks = stuck(run)
    if len(ticks) < PATIENCE_TICKS or run.images[-1] - run.images[ticks[0]] < PATIENCE * budget:
        return ""
    found = diagnose(images, curves, ended="", floors=floors, n_modes=n_modes)
    return f"{run.images[ticks[0]] / 1000:g} kimg: {found.outcome}, {found.evidence}"


def stuck(run: Curves) -> list[int]:
    """The trained ticks, up to the last one, through which a run fails, without coming nearer, by a sign that training goes on in vain."""
    vain = (
        (run.accuracy >= CERTAIN.value)
        | (run["d/distance"] <= DISTANCE.value)
        | (run.logits > OVERFLOW.value)
        | (run.different < ALIKE.value)
    )
    ticks: list[int] = []
    for i in reversed(range(len(run))):
        if run.images[i] == 0 or good(run)[i] or not vain[i] or run.left[i] - run.left[-1] > NEARING.value:
            break
        ticks.insert(0, i)
    return ticks


# The rules ---------------------------------------------------------------------------------------


def good(run: Curves) -> Bools:
    """[K]: enough modes, and enough of the data covered; what was not measured is not held against it."""
    return (run.modes >= MODES.value) & ~(run.share("coverage") < COVERAGE.value)


def missing(run: Curves) -> tuple[str, Floats, Limit]:
    """What a run that is not good lacks, in words, [K] and its limit."""
    if run.modes[-1] < MODES.value:
        return "share of the modes", run.modes, MODES
    return "share of the real coverage", run.share("coverage"), COVERAGE


def diverged_after(kimg: float) -> Diagnosis:
    return Diagnosis("diverged", "left the finite numbers", onset_kimg=kimg)


def diverged(run: Curves, ended: str) -> Diagnosis | None:
    if good(run)[-1] or not (size := run.late(run.logits)) > OVERFLOW.value:
        return None
    return _found("diverged", "logits without a gradient, and samples that fail", "|logit| of D", size, OVERFLOW,
                  run.since(run.logits > OVERFLOW.value))  # fmt: skip


def oscillating(run: Curves, ended: str) -> Diagnosis | None:
    turns = run.swings(run.left, LEG.value)
    if len(turns) - 1 < SWINGS.value:
        return None
    return _found("oscillating", "finds the data and loses them again", "swings of fd", len(turns) - 1, SWINGS, run.images[turns[1]] / 1000)


def memorising(run: Curves, ended: str) -> Diagnosis | None:
    copied, floor = run["memorisation"], run.floors.get("memorisation", np.nan)
    limit = Limit(floor + COPIES.value * (1 - floor), COPIES.source)
    if not good(run)[-1] or not copied[-1] > limit.value:
        return None
    # Samples off the data all lie nearest to the few outermost real ones: chance, not copies.
    if run.share("precision")[-1] < LIFELIKE.value:
        return None
    return _found("memorising", "copies training data", "memorisation", copied[-1], limit, run.since(copied > limit.value))


def late_collapse(run: Curves, ended: str) -> Diagnosis | None:
    was_good, lost = good(run), run.left - np.fmin.accumulate(run.left)
    if was_good[-1] or not run.left.min() <= 1 - LEG.value:
        return None
    if lost[-1] >= LEG.value:
        return _found("late_collapse", "came near the data, then lost them", "share of the way to the data, lost again,", lost[-1], LEG,
                      run.since(lost >= LEG.value))  # fmt: skip
    if was_good.any() and run.gained(run.left) > 0:
        signal, share, limit = missing(run)
        return _found("late_collapse", "was good, then went wrong", signal, share[-1], limit, run.since(~was_good))
    return None


def discriminator_failed(run: Curves, ended: str) -> Diagnosis | None:
    if good(run)[-1]:
        return None
    if (distance := run.late(run["d/distance"])) <= DISTANCE.value:
        return _found("discriminator_failed", "D holds fakes for real as much as the real", "d/distance", distance, DISTANCE,
                      run.since(run["d/distance"] <= DISTANCE.value))  # fmt: skip
    if (accuracy := run.late(run.accuracy)) <= CHANCE.value and run.share("precision")[-1] < PRECISION.value:
        return _found("discriminator_failed", "D cannot tell samples from data, though they look unlike", "accuracy of D", accuracy, CHANCE,
                      run.since(run.accuracy <= CHANCE.value))  # fmt: skip
    return None


def discriminator_too_strong(run: Curves, ended: str) -> Diagnosis | None:
    if good(run)[-1] or not (accuracy := run.late(run.accuracy)) >= CERTAIN.value:
        return None
    because = "D is hardly ever wrong, and all samples are alike" if run.different[-1] < ALIKE.value else "D is hardly ever wrong"
    return _found("discriminator_too_strong", because, "accuracy of D", accuracy, CERTAIN, run.since(run.accuracy >= CERTAIN.value))


def undertrained(run: Curves, ended: str) -> Diagnosis | None:
    coverage, modes = run.share("coverage"), run.modes
    won, grown, nearer = run.gained(coverage), run.gained(modes), -run.gained(run.left)
    cut = ended == "scheduler"
    if modes[-1] < MODES.value:
        if grown >= GROWING.value and modes[-1] >= modes.max():
            return _found("undertrained", "it still finds modes", "share of the modes won", grown, GROWING)
        return None
    if won > RISING.value and coverage[-1] >= coverage.max() and (cut or coverage[-1] < FULL.value):
        return _found("undertrained", "its coverage still rises", "share of the real coverage won", won, RISING)
    if coverage[-1] < COVERAGE.value and nearer > FAST.value and run.left[-1] <= run.left.min():
        return _found("undertrained", "it comes nearer fast", "share of the way to the data, in log fd,", nearer, FAST)
    if cut and nearer > NEARING.value:
        return _found("undertrained", "was cut short while it improved", "share of the way to the data, in log fd,", nearer, NEARING)
    return None


def mode_collapse(run: Curves, ended: str) -> Diagnosis | None:
    kind = "total" if run.different[-1] < ALIKE.value or run["modes"][-1] <= 1 else "partial"
    if not good(run)[-1]:
        signal, share, limit = missing(run)
        return _found("mode_collapse", f"{kind}: too little of the data", signal, share[-1], limit, run.since(share < limit.value))
    if (spread := run["mode_spread"])[-1] < SPREAD.value:
        return _found(
            "mode_collapse", "within modes: they have shrunk", "mode_spread", spread[-1], SPREAD, run.since(spread < SPREAD.value)
        )
    return None


RULES: tuple[Callable[[Curves, str], Diagnosis | None], ...] = (
    diverged,
    oscillating,
    memorising,
    late_collapse,
    discriminator_failed,
    discriminator_too_strong,
    undertrained,
    mode_collapse,
)


def _found(outcome: str, because: str, signal: str, value: float, limit: Limit, onset_kimg: float | None = None) -> Diagnosis:
    return Diagnosis(outcome, because, signal, float(value), limit.value, limit.source, onset_kimg)
