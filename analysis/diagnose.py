"""What a run came to, by plain rules over how it ended and what was last measured."""

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.table import ENDED

MODES_SHARE = 0.75  # fewer than three quarters of the real modes: a mode is lost for good, not missed by a small sample
COVERAGE_SHARE = 1 / 3  # of the coverage that real data reach among themselves


@dataclass(frozen=True)
class Diagnosis:
    """`outcome` is healthy, mode_collapse, diverged, or "" where nothing can be said; `evidence` is the sentence for it."""

    outcome: str
    evidence: str


def outcome(ended: str, last: Mapping[str, float], *, n_modes: int | None, floors: Mapping[str, float]) -> Diagnosis:
    """Judges one run by its last tick; a run cut short by the scheduler is judged where it stood.

    `last` holds the metrics of the last tick (uses `modes` and `coverage`, where they are there), `n_modes` the number of modes of the
    real data, `floors` what real data score. Raises ValueError for an unknown way to end.
    """
    if ended not in ENDED:
        raise ValueError(f"ended must be among {list(ENDED)}; got {ended!r}")
    if ended in ("", "error"):
        return Diagnosis("", "unfinished: no evidence yet" if ended == "" else "the program or the machine broke: no evidence")
    if ended == "dead":
        return Diagnosis("diverged", "training died before its budget was spent")
    seen = []
    if n_modes is not None and "modes" in last:
        seen.append(f"{last['modes']:g} of {n_modes} modes")
        if last["modes"] < MODES_SHARE * n_modes:
            return Diagnosis("mode_collapse", f"ended with {seen[-1]}, fewer than {MODES_SHARE:.0%}")
    if "coverage" in last and "coverage" in floors:
        seen.append(f"coverage {last['coverage']:.2f}, where real data reach {floors['coverage']:.2f}")
        if last["coverage"] < COVERAGE_SHARE * floors["coverage"]:
            return Diagnosis("mode_collapse", f"ended with {seen[-1]}: less than a third of it")
    return Diagnosis(
        "healthy", f"ended with {' and '.join(seen)}" if seen else "ended with finite numbers; neither modes nor coverage were judged"
    )
