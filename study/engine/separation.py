"""Whether the configs of a design can separate the effects of its settings, in sentences."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from optuna.distributions import CategoricalDistribution

from analysis.confounding import Confounded, confounded
from study.spec.design import DESIGNS
from study.spec.planned import name_of
from study.spec.study_spec import StudySpec

_SENTENCES = 10  # for two settings, and for interactions; a bad design has hundreds
_GROWN = (2, 4, 8)  # times as many configs
_ALWAYS, _CANNOT = 0.999, "cannot be told apart"
_MOST = 10_000  # configs of a grown design; one of more takes too long to make for a hint


def unseparated(spec: StudySpec) -> list[str]:
    """Return a sentence for each pair of settings, and each setting and interaction, that the configs of a design cannot separate; the worst first.

    It says how many configs of the same design would separate them: 2, 4 or 8 times as many.
    """
    settings = designed(spec, spec.n_configs)
    found = confounded(settings, spec.space.scientific)
    sizes = [spec.n_configs * factor for factor in _GROWN if spec.n_configs * factor <= _MOST]
    if not found or not sizes:
        return [_sentence(spec, each, None, sizes) for each in found[:_SENTENCES]]
    grown = designed(spec, sizes[-1])
    left = {size: {(each.setting, each.others) for each in confounded(grown[:size], spec.space.scientific)} for size in sizes}
    sentences = []
    for kind, noun in ((1, "pairs of settings"), (2, "pairs of a setting and an interaction")):
        here = [each for each in found if len(each.others) == kind]
        for each in here[:_SENTENCES]:
            enough = next((size for size, names in left.items() if (each.setting, each.others) not in names), None)
            sentences.append(_sentence(spec, each, enough, sizes))
        if len(here) > _SENTENCES:
            sentences.append(f"The same holds for {len(here) - _SENTENCES} more {noun}.")
    return sentences


def inseparable(spec: StudySpec) -> list[str]:
    """Return those sentences of `unseparated` that name two settings which always vary together, so that a study cannot answer for either.

    None for a design of more than 10,000 configs, which would delay the launch.
    """
    if spec.n_configs > _MOST:
        return []
    found = confounded(designed(spec, spec.n_configs), spec.space.scientific)
    always = any(len(each.others) == 1 and abs(each.r) > _ALWAYS for each in found)
    return [each for each in unseparated(spec) if _CANNOT in each and "the interaction of" not in each] if always else []


def _factorial_fits(spec: StudySpec) -> bool:
    """Whether every combination of the scientific settings fits into the configs."""
    domains = spec.space.scientific.values()
    return (
        spec.sampler != "factorial"
        and all(isinstance(domain, CategoricalDistribution) for domain in domains)
        and math.prod(len(domain.choices) for domain in domains if isinstance(domain, CategoricalDistribution)) <= spec.n_configs
    )


def _sentence(spec: StudySpec, each: Confounded, enough: int | None, sizes: Sequence[int]) -> str:
    other = each.others[0] if len(each.others) == 1 else f"the interaction of {' and '.join(each.others)}"
    where = f"the {each.n} configs" + ("" if each.n == spec.n_configs else " in which they apply")
    how = _CANNOT if abs(each.r) > _ALWAYS else "can hardly be told apart"
    advice = (
        f"{enough} configs separate them."
        if enough
        else (f"Up to {sizes[-1]} configs of this design do not separate them" if sizes else "This design cannot grow")
        + ("; vary fewer settings." if spec.sampler == "balanced" else "; sampler: balanced is made to.")
    )
    if how == _CANNOT and {each.setting, *each.others} <= spec.space.scientific.keys() and _factorial_fits(spec):
        advice = "sampler: factorial separates them."
    return f"The effects of {each.setting} and {other} {how} in {where} (correlation {each.r:.2f}). {advice}"


def designed(spec: StudySpec, n_configs: int) -> pd.DataFrame:
    """Return the settings of the first n_configs configs; None where a setting is inactive."""
    rows = DESIGNS.pick(name_of(spec.sampler))(spec.space, n_configs=n_configs, design_seed=spec.design_seed)
    proposals = [spec.asked(row, seed=0) for row in rows]
    given = [{**proposal.flat, **proposal.variants} for proposal in proposals]
    return pd.DataFrame(
        {name: _column(name, given, choice=isinstance(d, CategoricalDistribution)) for name, d in spec.space.domains.items()}
    )


def _column(name: str, given: Sequence[Mapping[str, Any]], *, choice: bool) -> list[Any]:
    # the text of a choice, since null is a choice of some settings, and numbers of a list are levels
    return [(repr(values[name]) if choice else values[name]) if name in values else None for values in given]
