"""How many images a trial may have before its values say what it will come to, by its settings."""

from collections.abc import Mapping
from typing import Any

from ganstudy.units import KIMG
from trainables.config import settings

_HALFLIVES = 3  # after so many, an eighth of an average of weights is left of what G was before


def allowance(given: Mapping[str, Any], *, budget_kimg: float) -> float:
    """Return the images after which a trial may be judged first.

    given: the settings that it was proposed with; others have their defaults. The longest of: three half-lives of `ema`, which evaluates an average
    of G's past; the warm-up of learning rates or of a penalty; the start of `swa`, before which another generator is evaluated.
    """
    known = settings()

    def value(name: str) -> Any:
        return given.get(name, known.get(name))

    budget, found = KIMG * budget_kimg, [0.0]
    for name in given:
        if name.endswith(".warmup"):
            found.append(float(value(name)) * budget)
    if value("ema") and _HALFLIVES * value("ema.rampup") > 1:  # a shorter average follows G closely from the start
        found.append(_HALFLIVES * KIMG * value("ema.halflife_kimg"))
    if value("swa"):
        found.append((1 - value("swa.share")) * budget)
    return max(found)


def pace(given: Mapping[str, Any]) -> float:
    """Return how many images of D go into an update of G, relative to alternating updates: 5 with d_steps: 5."""
    known = settings()
    return float(given.get("d_steps", known["d_steps"])) / float(given.get("g_steps", known["g_steps"]))
