"""Numbers, counts and settings in words: one place, so that sentences, tables and figures say the same thing alike."""

import math

import numpy as np

OUTCOMES = {
    "healthy": "healthy",
    "undertrained": "undertrained",
    "mode_collapse": "mode collapse",
    "late_collapse": "late collapse",
    "oscillating": "oscillating",
    "discriminator_too_strong": "D too strong",
    "discriminator_failed": "D failed",
    "diverged": "diverged",
    "memorising": "memorising",
    "": "unknown",
}
RISKS = {
    "failed": "failing",
    "mode_collapse": "mode collapse",
    "late_collapse": "late collapse",
    "oscillating": "oscillating",
    "discriminator_too_strong": "a too strong D",
    "discriminator_failed": "a failing D",
    "diverged": "diverging",
    "memorising": "memorising",
    "undertrained": "being undertrained",
}

SCORES = {"seconds": "training time"}  # that are not the last value of a metric


def number(value: float) -> str:
    """Three significant digits; a dash for what is not there."""
    if not math.isfinite(value):
        return "–"
    if 1000 <= abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.3g}".replace("-", "−")


def aligned(value: float) -> str:
    """As `number`, but with its trailing zeros: for columns."""
    return f"{value:#.3g}".rstrip(".").replace("-", "−") if math.isfinite(value) and 0.001 <= abs(value) < 1000 else number(value)


def percent(share: float) -> str:
    """0.123 -> "12 %"."""
    return f"{100 * share:.0f} %".replace("-", "−") if math.isfinite(share) else "–"


def plural(n: int, noun: str) -> str:
    """2, "trial" -> "2 trials"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def listed(items: list[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def value_text(value: object) -> str:
    """A knob's value: True -> "on", 0.0003 -> "0.0003"."""
    if isinstance(value, bool | np.bool_):
        return "on" if value else "off"
    return number(value) if isinstance(value, float) else str(value)
