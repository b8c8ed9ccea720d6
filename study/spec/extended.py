"""Whether a search may go on in another space: it keeps all settings and values of the space before, and has more of them."""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from ganstudy import UserError
from study.spec.domains import extremes
from study.spec.enqueue import values_of, within
from study.spec.space import Space
from study.spec.study_spec import StudySpec
from trainables.config import TrialConfig


def lost(before: Space, now: Space) -> list[str]:
    """Return what the space before has and the space now has not, each as a phrase; [] if the new one holds the old one."""
    found = []
    for name, domain in before.domains.items():
        if name not in now.domains:
            found.append(f"{name} does not vary any more")
        elif name in before.variants:
            bundles = now.variants.get(name, {})
            found += [
                f"variant {each} of {name} has changed" for each, bundle in before.variants[name].items() if bundle != bundles.get(each)
            ]
        elif gone := [value for value in extremes(domain) if not within(now.domains[name], value)[0]]:
            found.append(f"{name} has no {' and no '.join(map(str, gone))} any more")
        elif _kind(domain) != _kind(now.domains[name]):
            found.append(f"{name} has another scale or step, or was a list")
    return found


def _kind(domain: BaseDistribution) -> tuple[Any, ...]:
    """Return what a domain keeps when it becomes wider."""
    if isinstance(domain, (FloatDistribution, IntDistribution)):
        return type(domain), domain.log, domain.step
    return (type(domain),)


def in_space(values: Mapping[str, Any], before: Space, base: Mapping[str, Any], now: StudySpec) -> dict[str, Any] | None:
    """Return the values that a config of the space before has in the space now; None if one is outside.

    base: the settings that did not vary. What varies only now has its value there, or its default.
    """
    try:
        return values_of(TrialConfig.from_flat(before.asked(values, base=base, seed=0).flat).flat(), now.space, now.base)
    except UserError:
        return None
