"""Forms of a setting in the space of a study, as its records have them: a list of choices, a range {low, high, log, step}, or variants by name."""

from collections.abc import Mapping
from typing import Any, TypeGuard


def are_variants(form: object) -> TypeGuard[Mapping[str, Mapping[str, Any]]]:
    """Whether a form is one of variants. One of them may be called low, as a key of a range is."""
    return isinstance(form, Mapping) and any(isinstance(bundle, Mapping) for bundle in form.values())


def is_range(form: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether a form is a range. One of choices, too, may be "low"."""
    return isinstance(form, Mapping) and "low" in form and not are_variants(form)
