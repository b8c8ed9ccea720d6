"""The base config of a study, which configs are compared with."""

from collections.abc import Mapping
from typing import Any

from trainables.config import live, settings


def base_of(spec: Mapping[str, Any]) -> dict[str, object]:
    """Return the settings of the base config that apply, those of the study file over the defaults, and the first variant of each choice of variants.

    spec: StudySpec.as_dict().
    """
    space = spec["space"]
    first = {name: next(iter(form)) for part in space.values() for name, form in part.items() if name not in settings() and form}
    return {**live({**settings(), **spec["base"]}), **first}
