"""Claim: one comparison of a study with its numbers and its sentence."""

from dataclasses import dataclass
from typing import Literal

from analysis.model.outcomes import WIN
from analysis.model.terms import Kind
from analysis.outcomes import RISKS
from analysis.table import Scale
from analysis.words import number, percent, plural
from ganstudy.direction import Direction

Evidence = Literal["ablated", "confirmed", "designed", "observed"]


@dataclass(frozen=True)
class Count:
    """Number of trials and configs on one side of a comparison, and how many of the trials failed."""

    trials: int
    configs: int
    failed: int

    def __str__(self) -> str:
        return f"{plural(self.trials, 'trial')} of {plural(self.configs, 'config')}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The effect of one level of a setting, compared with another level, on an outcome.

    On the "linear" scale `effect` is a difference (of rates or of means), on the "log" scale a ratio of geometric means. For the outcome
    "win" it is the probability that a run with the level beats one without, failed runs counted last. For a range, `level` and
    `reference` are the ends of the range; for an interaction, `effect` is a difference of differences, or a ratio of ratios.
    """

    setting: str  # two joined by " × " for an interaction
    kind: Kind
    level: str
    reference: str
    outcome: str  # a key of RISKS, the name of a metric, or "win"
    scale: Scale
    direction: Direction  # of the outcome: risks are minimized
    effect: float
    low: float  # 95 %, for this comparison alone
    high: float
    p: float  # for this comparison alone
    claimed: bool  # whether the study may state it: it holds at the error rate of the whole answer
    family_p: float  # adjusted for all comparisons of the answer; NaN for nuisance settings
    family_low: float  # 95 % for all comparisons of the answer at once
    family_high: float
    corrected: float  # the effect, corrected for being picked out of many comparisons; equals `effect` if not claimed
    n_with: Count
    n_without: Count
    evidence: Evidence
    role: Literal["scientific", "nuisance"]
    context: str  # adjustment, fixed settings, which trials
    details: tuple[str, ...] = ()  # of an interaction: the effect at each level of the other setting; of a claim held back: why
    sentence: str = ""

    @property
    def no_effect(self) -> float:
        """The value of `effect` that means no effect: 0 for a difference, 1 for a ratio, 1/2 for a probability to win."""
        return 1.0 if self.scale == "log" else 0.5 if self.outcome == WIN and self.kind != "interaction" else 0.0

    @property
    def helps(self) -> bool:
        """Whether the effect is an improvement, claimed or not."""
        return (self.effect < self.no_effect) == (self.direction is Direction.MINIMIZE)

    def shown(self, effect: float) -> str:
        """An effect as text: "−54 points", "× 0.43", "78 %"."""
        if self.scale == "log":
            return f"× {number(effect)}"
        if self.outcome == WIN:
            return percent(effect)
        return f"{100 * effect:+.0f} points".replace("-", "−") if self.outcome in RISKS else f"{effect:+.3g}".replace("-", "−")

    def interval(self, *, family: bool) -> str:
        """The 95 % interval as text."""
        low, high = (self.family_low, self.family_high) if family else (self.low, self.high)
        if self.outcome in RISKS:
            return f"{100 * low:+.0f} to {100 * high:+.0f}".replace("-", "−")
        if self.outcome == WIN:
            return f"{percent(low)} to {percent(high)}"
        return f"{number(low)} to {number(high)}"
