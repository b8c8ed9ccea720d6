"""Numbers, counts and values as text, in one place so that sentences, tables and figures format them alike."""

import math
from collections import Counter
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

import numpy as np
import numpy.typing as npt


def number(value: float) -> str:
    """Three significant digits; a dash for NaN."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if 1000 <= abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.3g}".replace("-", "−")


def bound(value: float, values: npt.NDArray[np.float64], *, least: bool) -> str:
    """A bound as text: a number of as few digits as it takes to divide `values` as the bound itself does.

    With `least`, the values on one side are those from the bound on; otherwise those up to it. NaN is on no side.
    """
    here = values >= value if least else values <= value
    exact = Decimal(repr(float(value)))
    rounding = ROUND_FLOOR if least else ROUND_CEILING
    for text in (number(value), *(_rounded(exact, digits, rounding) for digits in range(3, 18))):
        rounded = float(text.replace(",", "").replace("−", "-"))
        if np.array_equal(here, values >= rounded if least else values <= rounded):
            return text
    return repr(float(value)).replace("-", "−")


def _rounded(exact: Decimal, digits: int, rounding: str) -> str:
    """A number rounded to some significant digits in one direction."""
    rounded = Context(prec=digits, rounding=rounding).create_decimal(exact)
    return f"{float(rounded):.{digits}g}".replace("-", "−")


def aligned(value: float) -> str:
    """As `number`, but with trailing zeros: for columns."""
    return f"{value:#.3g}".rstrip(".").replace("-", "−") if math.isfinite(value) and 0.001 <= abs(value) < 1000 else number(value)


def percent(share: float) -> str:
    """0.123 -> "12 %"."""
    return f"{round(100 * share)} %".replace("-", "−") if math.isfinite(share) else "–"


def plural(n: int, noun: str) -> str:
    """2, "trial" -> "2 trials"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def listed(items: list[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def value_text(value: object) -> str:
    """The value of a setting: True -> "on", 0.0003 -> "0.0003"."""
    if isinstance(value, bool | np.bool_):
        return "on" if value else "off"
    return number(value) if isinstance(value, float) else str(value)


def value_texts(values: Sequence[object]) -> list[str]:
    """The values of a setting as texts, each with as many digits as it needs to differ from the others."""
    texts = [value_text(value) for value in values]
    taken = Counter(texts)
    return [
        repr(float(value)).replace("-", "−") if taken[text] > 1 and isinstance(value, float) else text
        for value, text in zip(values, texts, strict=True)
    ]
