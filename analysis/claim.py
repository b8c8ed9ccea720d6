"""Claim: one comparison of a study with its numbers and its sentence."""

from dataclasses import dataclass
from typing import Literal

from analysis.model.terms import Kind
from analysis.outcomes import RISKS, WIN
from analysis.table import Scale
from analysis.words import number, plural, signed
from ganstudy.direction import Direction

Evidence = Literal["ablated", "confirmed", "designed", "observed"]


@dataclass(frozen=True)
class Count:
    """Number of trials and configs on one side of a comparison, and how many of the trials failed."""

    trials: int
    configs: int
    failed: int

    @property
    def share(self) -> float:
        """The share of the trials that failed; NaN without trials."""
        return self.failed / self.trials if self.trials else float("nan")

    def __str__(self) -> str:
        return f"{plural(self.trials, 'trial')} of {plural(self.configs, 'config')}"


@dataclass(frozen=True, kw_only=True, repr=False)
class Claim:
    """The effect of one level of a setting, compared with another level, on an outcome.

    On the "linear" scale `effect` is a difference (of rates or of means), on the "log" scale a ratio of geometric means. For the outcome
    "win" it is the difference in the share of the study's other runs that a run beats, failed runs counted last. A range is compared between
    its highest and its lowest third; for a bend, `effect` is the middle against the ends on a parabola; for an interaction, it is a
    difference of differences, or a ratio of ratios.
    """

    settings: tuple[str, ...]  # one, or the two of an interaction
    kind: Kind
    levels: tuple[str, ...]  # of each setting
    references: tuple[str, ...]
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
    peak: bool = False  # of a bend: whether the curve differs from both ends where it turns; if not, it is only no straight line
    details: tuple[str, ...] = ()  # of an interaction: the effect at each level of the other setting
    adjusted: tuple[str, ...] = ()  # what the effect is adjusted for, in words
    replaced: bool = False  # of a kind of failure: whether other failures take its place, so that as many trials fail
    held: str = ""  # why it is not claimed although it holds at the error rate of the whole answer
    sentence: str = ""

    def __repr__(self) -> str:
        return f"Claim({'claimed' if self.claimed else 'not claimed'}: {self.sentence})"

    @property
    def setting(self) -> str:
        """The setting, or two joined by " × "."""
        return " × ".join(self.settings)

    @property
    def level(self) -> str:
        """The level, or two joined by a comma."""
        return ", ".join(self.levels)

    @property
    def reference(self) -> str:
        """The level that it is compared with, or two joined by a comma."""
        return ", ".join(self.references)

    @property
    def compared(self) -> str:
        """What is compared with what."""
        if self.kind == "interaction":
            return f"{self.levels[0]} against {self.references[0]}, by {self.levels[1]} against {self.references[1]}"
        return f"{self.level} against {self.reference}"

    @property
    def no_effect(self) -> float:
        """The value of `effect` that means no effect: 0 for a difference, 1 for a ratio."""
        return 1.0 if self.scale == "log" else 0.0

    @property
    def in_points(self) -> bool:
        """Whether the effect is a difference of rates or shares."""
        return self.outcome in RISKS or self.outcome == WIN

    @property
    def helps(self) -> bool:
        """Whether the effect is an improvement, claimed or not."""
        return (self.effect < self.no_effect) == (self.direction is Direction.MINIMIZE)

    def shown(self, effect: float) -> str:
        """An effect as text: "−54 points", "× 0.43", "+0.2"."""
        if self.in_points:
            return f"{signed(100 * effect, '.0f')} points"
        return f"× {number(effect)}" if self.scale == "log" else signed(effect, ".3g")

    def interval(self, *, family: bool) -> str:
        """The 95 % interval as text."""
        low, high = (self.family_low, self.family_high) if family else (self.low, self.high)
        if self.in_points:
            return f"{signed(100 * low, '.0f')} to {signed(100 * high, '.0f')}"
        return f"{number(low)} to {number(high)}"
