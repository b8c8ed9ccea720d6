"""Ablations of a config: each of its settings back at its default, one at a time."""

from collections.abc import Mapping
from typing import Any

from study.spec.study_spec import StudySpec
from trainables.config import settings


def ablated(spec: StudySpec, config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return, for each setting of the space that a config does not have at its default, the values of the space with this one back at its default.

    config: the proposed settings and variants of a trial. The default of variants is the first one. A trick that goes back to off takes its settings
    with it. A default may lie outside the space.
    """
    values = {name: config[name] for name in spec.space.domains if name in config}
    known = settings()
    defaults = {name: next(iter(spec.space.variants[name])) if name in spec.space.variants else known[name] for name in values}
    return {name: {**values, name: defaults[name]} for name, value in values.items() if value != defaults[name]}
