"""Which setting is the reason why settings are invalid, so that a message can point at its line."""

from collections.abc import Iterable, Mapping
from typing import Any

from ganstudy import UserError
from trainables.config import TrialConfig, live


def culprit(flat: Mapping[str, Any], *, first: Iterable[str] = ()) -> str | None:
    """Return the setting because of which these settings are invalid; None if there is no such setting.

    It is the one that the message begins with, or else one without which the others are valid, or else give another message. Of several,
    those in `first` come first.
    """
    message = _problem(flat)
    names = sorted(flat, key=lambda name: name not in first)
    # without a switch, the settings that need it do not apply either
    without = {name: _problem(live({other: value for other, value in flat.items() if other != name})) for name in names}
    named = [name for name in names if message.startswith((f"{name} ", f"{name}:"))]
    return next(iter([*named, *(n for n in names if not without[n]), *(n for n in names if without[n] != message)]), None)


def _problem(flat: Mapping[str, Any]) -> str:
    """Return the message of what is wrong with the settings; "" if nothing is."""
    try:
        TrialConfig.from_flat(flat)
    except UserError as error:
        return str(error)
    return ""
