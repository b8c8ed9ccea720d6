"""Variants: names for several settings at once."""

from collections.abc import Mapping
from typing import Any

Variants = Mapping[str, Mapping[str, Any]]  # variant -> its settings


def variant_of(variants: Variants, flat: Mapping[str, Any]) -> str | None:
    """Return the variant whose settings these are, the one with the most if there are several; None if there is none. flat: all settings, with defaults."""
    equal = [name for name, bundle in variants.items() if all(flat.get(setting) == value for setting, value in bundle.items())]
    return max(equal, key=lambda name: len(variants[name]), default=None)
