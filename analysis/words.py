"""Numbers, counts and values as text, in one place so that sentences, tables and figures format them alike."""

import math
from collections import Counter
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

import numpy as np
import numpy.typing as npt

from ganstudy.registry import nearest

_LISTED = 20  # names in a message
_CHOSEN = 6  # significant digits that a number of a study file has at most


def metrics_like(name: object, known: Sequence[str]) -> str:
    """Return advice for a name that is not among the known metrics: the nearest one, all if they are few, or what lists them."""
    if near := nearest(name, known):
        return near.strip()
    return f"there are {list(known)}" if len(known) <= _LISTED else "`ganstudy list metrics` and `ganstudy list signals` print all"


def number(value: float, digits: int = 3) -> str:
    """So many significant digits; a dash for NaN."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if 999.5 <= abs(value) < 999_999.5:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}".replace("-", "−")


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


def signed(value: float, style: str) -> str:
    """A difference with its sign: 12.0, ".0f" -> "+12"; "0" if nothing is left of it."""
    text = f"{value:+{style}}"
    return ("0" if not text.strip("+-0.") else text).replace("-", "−").replace("inf", "∞")


def mean_on(scale: str) -> str:
    """What a mean of values on a scale is called: "geometric mean" on "log", else "mean"."""
    return "geometric mean" if scale == "log" else "mean"


def percent(share: float) -> str:
    """0.123 -> "12 %"."""
    return f"{round(100 * share)} %".replace("-", "−") if math.isfinite(share) else "–"


def counted(share: float) -> str:
    """The share of runs that were counted, as `percent`; only none of them is "0 %", and only all of them is "100 %"."""
    if 0 < share < 1 and round(100 * share) in (0, 100):
        return "< 1 %" if share < 0.5 else "> 99 %"
    return percent(share)


def plural(n: int, noun: str, many: str = "") -> str:
    """2, "trial" -> "2 trials". many: the plural, if it does not only add an s."""
    return f"{n} {noun}" if n == 1 else f"{n} {many or noun + 's'}"


def listed(items: list[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def value_text(value: object) -> str:
    """The value of a setting: True -> "on", 0.9999 -> "0.9999", 0.000342719847 -> "0.000343".

    A number that somebody chose has few digits and is shown as it is; of one that was drawn from a range, three digits are shown, also of its
    distance from 1 (0.9999 is another decay than 1). It can be copied into a study file, so a minus is a hyphen.
    """
    if isinstance(value, bool | np.bool_):
        return "on" if value else "off"
    if not isinstance(value, float) or not math.isfinite(value):
        return str(value)
    text = f"{value:.{_CHOSEN}g}"
    if float(text) != value:
        apart = abs(1 - value)
        digits = 3 + (math.ceil(-math.log10(apart)) - 1 if 0 < apart < 0.1 else 0)
        text = f"{value:.0f}" if 999.5 <= abs(value) < 999_999.5 else f"{value:.{digits}g}"
    return text


def value_texts(values: Sequence[object]) -> list[str]:
    """The values of a setting as texts that differ: where two would be the same, numbers have all digits, and texts stand in quotes."""
    texts = [value_text(value) for value in values]
    taken = Counter(texts)
    return [_exact(value) if taken[text] > 1 else text for value, text in zip(values, texts, strict=True)]


def _exact(value: object) -> str:
    exact = repr(float(value)) if isinstance(value, float) else value_text(value)
    return f"'{exact}'" if isinstance(value, str) else exact
