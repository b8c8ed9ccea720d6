"""Space: the settings that a study varies, as Optuna distributions.

Conditions are known: `r1.gamma` is active only where `r1` is on, `lookahead.k` only where `update` is `lookahead`.
A variant is a name for several settings at once: `method: {plain: {}, clipped: {loss: wasserstein, weight_clipping: true}}`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from analysis.metrics import METRICS
from ganstudy import UserError
from ganstudy.written import shown
from study.spec.domains import domain, extremes
from study.spec.errors import SpecError
from study.spec.ranges import NEVER_VARIES
from study.spec.variants import Variants
from trainables.config import field_needs, live, need_of, refuse_unknown, settings, switch_of
from trainables.messages import yaml_hint
from trainables.tricks import TRICKS

TAKEN = (  # columns of StudyView.trials() other than settings and metrics; variants may not have these names
    *(
        "number",
        "config_id",
        "phase",
        "protocol",
        "ended",
        "outcome",
        "failed",
        "onset_kimg",
        "images",
        "seconds",
        "evaluation_seconds",
        "seed",
    ),
    *("fd_ratio", "diagnosis", "reason", "failures"),
)


@dataclass(frozen=True)
class Proposal:
    """A proposed trial: its settings by dotted name, and the variants that it uses, such as {"method": "clipped"}."""

    flat: dict[str, Any]
    variants: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Space:
    """Dotted setting -> Optuna distribution.

    scientific: settings that the question is about. nuisance: settings that must vary so that the comparison is fair.
    variants: for the scientific names that choose among variants, the settings of each variant.
    """

    scientific: Mapping[str, BaseDistribution]
    nuisance: Mapping[str, BaseDistribution] = field(default_factory=dict)
    variants: Mapping[str, Variants] = field(default_factory=dict)

    @property
    def domains(self) -> dict[str, BaseDistribution]:
        """All distributions: variants first, and each setting after the settings that it needs."""
        everything = {**self.scientific, **self.nuisance}
        decided = {setting for variants in self.variants.values() for bundle in variants.values() for setting in bundle}

        def waits(name: str) -> bool:
            need = field_needs().get(name)
            return switch_of(name) is not None or (
                need is not None and any(other in everything or other in decided for other in need.names)
            )

        return dict(sorted(everything.items(), key=lambda item: (item[0] not in self.variants, waits(item[0]))))

    @property
    def conditional(self) -> list[str]:
        """The settings that apply in a part of the configs only, since another setting of the space decides that."""
        found: list[str] = []
        for name in self.domains:
            need = need_of(name)
            decides = [other for other in need.names if self.values(other)] if need else []
            if (
                need
                and decides
                and not any(other not in found and all(v in need.values() for v in self.values(other)) for other in decides)
            ):
                found.append(name)
        return found

    def spelt_out(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values of the space with the settings of its variants in place of the variants' names."""
        bundles = [self.variants[name][chosen] for name, chosen in values.items() if name in self.variants]
        settings = {name: value for name, value in values.items() if name not in self.variants}
        return {name: value for bundle in (*bundles, settings) for name, value in bundle.items()}

    def asked(self, values: Mapping[str, Any], *, base: Mapping[str, Any], seed: int) -> Proposal:
        """Return the trial with these values and the base. Includes switches that are off, but no settings of tricks that are off."""
        named = {name: values[name] for name in self.variants if name in values}
        return Proposal(live({**base, **self.spelt_out(values), "seed": seed}), named)

    def part(self, name: str) -> str:
        """Return "scientific" or "nuisance"."""
        return "scientific" if name in self.scientific else "nuisance"

    def values(self, name: str) -> list[Any]:
        """Return the values of a setting, from its domain and from variants: all choices, the ends of a range, [] if it does not vary."""
        own = extremes(self.domains[name]) if name in self.domains else []
        return own + [bundle[name] for variants in self.variants.values() for bundle in variants.values() if name in bundle]


# Reading a study file --------------------------------------------------------------------------------


def check_names(names: Mapping[str, Any], where: tuple[str, ...]) -> None:
    """Raises SpecError for a name that is not a setting, and for a nested mapping in base."""
    for name, value in names.items():
        if isinstance(value, Mapping) and where == ("base",):
            inner = next(iter(value), "…")
            raise SpecError(
                (*where, name),
                f"settings must be written with dots, as {name}.{inner}: {value.get(inner, '…')}; given a mapping under {name}",
            )
        try:
            refuse_unknown([name])
        except UserError as error:
            raise SpecError((*where, name), str(error)) from None


def read_space(given: Mapping[str, Any]) -> Space:
    """Read {"scientific": {name: domain, …}, "nuisance": …}. Raises SpecError, with the path of keys, if it is invalid."""
    parts: dict[str, dict[str, Any]] = {}
    variants: dict[str, Variants] = {}
    for part, domains in given.items():
        if part not in ("scientific", "nuisance"):
            raise SpecError(
                ("space", part),
                f"the parts of space are scientific (what the question is about) and nuisance (what varies for a fair comparison); given {shown(part)}",
            )
        if not isinstance(domains, Mapping):
            raise SpecError(("space", part), f"space.{part} must be a mapping of settings to their values; given {shown(domains)}")
        for name, value in domains.items():
            where = ("space", part, name)
            if _are_variants(name, value):
                if part != "scientific":
                    raise SpecError(where, f"variants must be in space.scientific; {name} is in space.{part}. Move it")
                parts.setdefault(part, {})[name], variants[name] = _read_variants(name, value, where), value
                continue
            check_names({name: value}, ("space", part))
            if name in NEVER_VARIES:
                raise SpecError(where, f"{name} cannot vary: {NEVER_VARIES[name]}")
            if name in TRICKS and value == "range":
                value = [False, True]
            parts.setdefault(part, {})[name] = domain(name, value, where)
    for name in parts.get("nuisance", {}):
        if name in parts.get("scientific", {}):
            raise SpecError(("space", "nuisance", name), f"{name} must be scientific or nuisance; it is both. Remove one of them")
    if not parts.get("scientific"):
        raise SpecError(("space",), "space.scientific must name at least one setting: the one that the question is about")
    owner: dict[str, str] = {}  # setting -> the name whose variants set it
    for name, bundle in [(name, bundle) for name, bundles in variants.items() for bundle in bundles.values()]:
        for setting in bundle:
            other = owner.setdefault(setting, name)
            if setting in parts["scientific"] or setting in parts.get("nuisance", {}) or other != name:
                also = f"variants of {other}" if other != name else "its own values in the space"
                raise SpecError(
                    ("space", "scientific", name),
                    f"{setting} must be set in one place; variants of {name} set it, and so do {also}. Remove one of them",
                )
    return Space(scientific=parts["scientific"], nuisance=parts.get("nuisance", {}), variants=variants)


def _are_variants(name: str, given: Any) -> bool:
    """Whether a name of the space stands for variants: it is not a setting, and its values are mappings."""
    return name not in settings() and isinstance(given, Mapping) and any(isinstance(bundle, Mapping) for bundle in given.values())


def _read_variants(name: str, variants: Variants, where: tuple[str, ...]) -> CategoricalDistribution:
    """Return the choice among variants: {"plain": {}, "clipped": {"loss": "wasserstein", "weight_clipping": True}}. Raises SpecError if one is invalid."""
    if not (isinstance(name, str) and name.isidentifier()):  # YAML reads 1 and true as other than text
        raise SpecError(where, f"the name of variants must be one word, such as method; given {shown(name)}")
    if name in TAKEN or name in METRICS:
        raise SpecError(
            where, f"the name of variants must not be a column of the trials' table; given {shown(name)}. Use another name, such as method"
        )
    if len(variants) < 2:
        raise SpecError(where, f"{name} must have at least two variants; given {list(variants)}")
    seen: dict[str, str] = {}
    for variant, bundle in variants.items():
        if not isinstance(variant, str):
            raise SpecError(where, f"the names of variants must be strings; {name} has {shown(variant)}" + yaml_hint(variant))
        if not isinstance(bundle, Mapping):
            raise SpecError(
                where, f"each variant of {name} must be a mapping of settings, or {{}} for the base alone; {variant} is {shown(bundle)}"
            )
        check_names(bundle, (*where, variant))
        for setting in bundle:
            if setting in NEVER_VARIES:
                raise SpecError((*where, variant, setting), f"{setting} cannot vary: {NEVER_VARIES[setting]}")
        equal = seen.setdefault(repr(sorted(bundle.items())), variant)
        if equal != variant:
            raise SpecError((*where, variant), f"the variants of {name} must differ; {equal} and {variant} are equal")
    return CategoricalDistribution(list(variants))
