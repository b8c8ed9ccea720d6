"""Ablations of a config: each of its settings back at the base, one at a time."""

from collections.abc import Mapping
from typing import Any

from study.spec.study_spec import StudySpec
from trainables.config import settings


def ablated(spec: StudySpec, config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return, for each setting of the space in which a config differs from the base, the values of the space with this one back at the base.

    config: the proposed settings and variants of a trial. The base of a setting that varies is its default; of variants, the first one. A trick that
    goes back to off takes its settings with it.
    """
    defaults = settings()
    values = {name: config[name] for name in spec.space.domains if name in config}
    base = {name: next(iter(spec.space.variants[name])) if name in spec.space.variants else defaults[name] for name in values}
    return {name: {**values, name: base[name]} for name, value in values.items() if value != base[name]}
