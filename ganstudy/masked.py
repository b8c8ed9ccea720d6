"""Hides passwords of addresses in records, logs and messages."""

import re
from collections.abc import Mapping
from typing import Any

_HIDDEN = "***"
_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]*(?=@)|([?&]password=)[^&\s]*", re.IGNORECASE)


def masked(value: Any) -> Any:
    """Return the value with *** in place of each password in its texts: scheme://user:PASSWORD@host, or ?password=PASSWORD.

    Looks into mappings and lists.
    """
    if isinstance(value, str):
        return _PASSWORD.sub(lambda found: f"{found[1] or found[2]}{_HIDDEN}", value)
    if isinstance(value, Mapping):
        return {name: masked(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(inner) for inner in value]
    return value


def is_masked(value: Any) -> bool:
    """Whether a text in the value lacks its password, because it was hidden."""
    if isinstance(value, str):
        return any(found[0].endswith(_HIDDEN) for found in _PASSWORD.finditer(value))
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return any(is_masked(inner) for inner in inside)
