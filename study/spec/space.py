"""Space: the settings that a study varies, as Optuna distributions, and which of them live where.

`r1.gamma` lives only where `r1` is on, `lookahead.k` only where `update` is `lookahead`; nobody has to write that condition.
A variant is a name for several settings at once: `method: {plain: {}, clipped: {loss: wasserstein, weight_clipping: true}}`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from analysis.metrics import METRICS
from ganstudy import UserError
from study.spec.errors import SpecError
from study.spec.ranges import NEVER_VARIES, NO_RANGE, RANGES
from trainables.config import field_needs, live, refuse_unknown, settings, switch_of
from trainables.messages import yaml_hint
from trainables.tricks import TRICKS

TAKEN = (  # columns of StudyView.trials(), beside settings and metrics
    *("number", "config_id", "phase", "protocol", "ended", "outcome", "onset_kimg", "images", "seconds", "evaluation_seconds", "seed"),
    *("diagnosis", "reason", "failures"),
)


Variants = Mapping[str, Mapping[str, Any]]  # name -> the settings that it stands for


@dataclass(frozen=True)
class Proposal:
    """A trial as asked for: its settings, and the names of the variants that some of them come from, {"method": "clipped"}."""

    flat: dict[str, Any]
    variants: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Space:
    """scientific: what the study asks about. nuisance: what must vary for the answer to be fair. Dotted setting -> Optuna distribution.

    `variants` says what the choices of some scientific names stand for.
    """

    scientific: Mapping[str, BaseDistribution]
    nuisance: Mapping[str, BaseDistribution] = field(default_factory=dict)
    variants: Mapping[str, Variants] = field(default_factory=dict)

    @property
    def domains(self) -> dict[str, BaseDistribution]:
        """All of them: variants first, and a setting after those that it needs."""
        everything = {**self.scientific, **self.nuisance}
        decided = {setting for variants in self.variants.values() for bundle in variants.values() for setting in bundle}

        def waits(name: str) -> bool:
            need = field_needs().get(name)
            return switch_of(name) is not None or (
                need is not None and any(other in everything or other in decided for other in need.names)
            )

        return dict(sorted(everything.items(), key=lambda item: (item[0] not in self.variants, waits(item[0]))))

    def spelt_out(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """A point's settings, those that its variants stand for in place of the variants' names."""
        bundles = [self.variants[name][chosen] for name, chosen in point.items() if name in self.variants]
        settings = {name: value for name, value in point.items() if name not in self.variants}
        return {name: value for bundle in (*bundles, settings) for name, value in bundle.items()}

    def asked(self, point: Mapping[str, Any], *, base: Mapping[str, Any], seed: int) -> Proposal:
        """A trial: base and point, the switches that are off included, the settings of tricks that are off not."""
        named = {name: point[name] for name in self.variants if name in point}
        return Proposal(live({**base, **self.spelt_out(point), "seed": seed}), named)

    def part(self, name: str) -> str:
        return "scientific" if name in self.scientific else "nuisance"

    def values(self, name: str) -> list[Any]:
        """That the study can give a setting, by itself or by a variant: all choices, the ends of a range, [] where it does not vary."""
        own = extremes(self.domains[name]) if name in self.domains else []
        return own + [bundle[name] for variants in self.variants.values() for bundle in variants.values() if name in bundle]


def domain(name: str, given: Any, where: tuple[str, ...]) -> BaseDistribution:
    """A list of choices, {low, high, log, step}, or the word `range` for the line of RANGES -> a distribution. SpecError otherwise."""
    kind = type(settings()[name])
    if given == "range":
        if name not in RANGES:
            because = f": {NO_RANGE[name].reason}" if name in NO_RANGE else ""
            raise SpecError(where, f"{name} has no range of its own{because}; give a list of choices or {{low: …, high: …}}")
        return RANGES[name].domain
    if isinstance(given, list):
        if len(given) < 2 or len({repr(choice) for choice in given}) < len(given):
            raise SpecError(
                where, f"{name} needs two different choices or more; given {given}. A value that does not vary belongs into base"
            )
        return CategoricalDistribution(given)
    if not isinstance(given, Mapping):
        raise SpecError(
            where,
            f"{name} must be a list of choices, {{low: …, high: …, log: true}} or the word range; given {given!r}. A value that does not vary belongs into base",
        )
    if unknown := given.keys() - {"low", "high", "log", "step"}:
        raise SpecError((*where, sorted(unknown)[0]), f"{name} takes low, high, log and step; given {sorted(unknown)[0]!r}")
    low, high, logarithmic, step = given.get("low"), given.get("high"), given.get("log", False), given.get("step")
    for key, bound in {"low": low, "high": high}.items():
        if not isinstance(bound, (int, float)) or isinstance(bound, bool):
            raise SpecError(where, f"{name} needs low and high, both numbers; {key} is {bound!r}")
    assert low is not None
    assert high is not None
    if not low < high:
        raise SpecError(where, f"{name} needs low < high; given low {low}, high {high}")
    if not isinstance(logarithmic, bool):
        raise SpecError(where, f"{name} takes log: true or log: false; given {logarithmic!r}{yaml_hint(logarithmic)}")
    if logarithmic and not low > 0:
        raise SpecError(where, f"{name} is on a log scale, so low must be above 0; given {low}")
    try:
        if kind is int or (kind is type(None) and isinstance(low, int) and isinstance(high, int)):
            return IntDistribution(low, high, log=logarithmic, step=step or 1)
        return FloatDistribution(float(low), float(high), log=logarithmic, step=step)
    except (ValueError, TypeError) as error:
        raise SpecError(where, f"{name}: {error}") from None


def as_given(distribution: BaseDistribution) -> list[Any] | dict[str, Any]:
    """The form of a study file, for the records: domain(name, as_given(d)) == d."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    form: dict[str, Any] = {"low": distribution.low, "high": distribution.high}
    if distribution.log:
        form["log"] = True
    if distribution.step != (1 if isinstance(distribution, IntDistribution) else None):
        form["step"] = distribution.step
    return form


def at(distribution: BaseDistribution, u: float) -> Any:
    """The value at u in [0, 1), so that any design of uniforms is a design of settings."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(u * len(distribution.choices))]
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    low, high = float(distribution.low), float(distribution.high)
    whole = isinstance(distribution, IntDistribution)
    if whole:
        low, high = low - 0.5, high + 0.5  # each whole number gets its share
    value = low * (high / low) ** u if distribution.log else low + u * (high - low)
    if distribution.step is not None and not (whole and distribution.step == 1):
        value = distribution.low + distribution.step * round((value - distribution.low) / distribution.step)
    if whole:
        return int(min(max(round(value), distribution.low), distribution.high))
    return float(min(max(value, distribution.low), distribution.high))


def extremes(distribution: BaseDistribution) -> list[Any]:
    """Values that tell whether a distribution stays within what a setting allows."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    return [distribution.low, distribution.high]


# As a study file writes it --------------------------------------------------------------------------


def check_names(names: Mapping[str, Any], where: tuple[str, ...]) -> None:
    for name, value in names.items():
        if isinstance(value, Mapping) and where == ("base",):
            inner = next(iter(value), "…")
            raise SpecError(
                (*where, name), f"settings are written with dots: {name}.{inner}: {value.get(inner, '…')}, not nested under {name}"
            )
        try:
            refuse_unknown([name])
        except UserError as error:
            raise SpecError((*where, name), str(error)) from None


def read_space(given: Mapping[str, Any]) -> Space:
    """{"scientific": {name: domain, …}, "nuisance": …} -> Space. SpecError, which knows where, for what cannot hold."""
    parts: dict[str, dict[str, Any]] = {}
    variants: dict[str, Variants] = {}
    for part, domains in given.items():
        if part not in ("scientific", "nuisance"):
            raise SpecError(
                ("space", part),
                f"space has scientific (what is asked about) and nuisance (what must vary for a fair answer); given {part!r}",
            )
        if not isinstance(domains, Mapping):
            raise SpecError(("space", part), f"space.{part} must name settings and their domains; given {domains!r}")
        for name, value in domains.items():
            where = ("space", part, name)
            if are_variants(name, value):
                if part != "scientific":
                    raise SpecError(where, f"the variants of {name} belong into space.scientific")
                parts.setdefault(part, {})[name], variants[name] = read_variants(name, value, where), value
                continue
            check_names({name: value}, ("space", part))
            if name in NEVER_VARIES:
                raise SpecError(where, f"{name} cannot vary: {NEVER_VARIES[name]}")
            if name in TRICKS and value == "range":
                value = [False, True]
            parts.setdefault(part, {})[name] = domain(name, value, where)
    for name in parts.get("nuisance", {}):
        if name in parts.get("scientific", {}):
            raise SpecError(("space", "nuisance", name), f"{name} is scientific and nuisance; it must be one of them")
    if not parts.get("scientific"):
        raise SpecError(("space",), "space.scientific must name at least one setting: the one that the question is about")
    owner: dict[str, str] = {}  # what decides a setting
    for name, bundle in [(name, bundle) for name, bundles in variants.items() for bundle in bundles.values()]:
        for setting in bundle:
            other = owner.setdefault(setting, name)
            if setting in parts["scientific"] or setting in parts.get("nuisance", {}) or other != name:
                by = f"by {other} too" if other != name else "by itself"
                raise SpecError(
                    ("space", "scientific", name), f"{setting} is set by a variant of {name}, and varies {by}; one of them must decide"
                )
    return Space(scientific=parts["scientific"], nuisance=parts.get("nuisance", {}), variants=variants)


def are_variants(name: str, given: Any) -> bool:
    """Whether a name that is no setting stands for bundles of settings."""
    return name not in settings() and isinstance(given, Mapping) and any(isinstance(bundle, Mapping) for bundle in given.values())


def read_variants(name: str, variants: Variants, where: tuple[str, ...]) -> CategoricalDistribution:
    """The choice among bundles of settings: {"plain": {}, "clipped": {"loss": "wasserstein", "weight_clipping": True}}. SpecError for what makes none."""
    if not name.isidentifier():
        raise SpecError(where, f"variants need a name that is a word, such as method; given {name!r}")
    if name in TAKEN or name in METRICS:
        raise SpecError(where, f"variants need a name of their own, such as method; {name!r} is a column of the trials' table")
    if len(variants) < 2:
        raise SpecError(where, f"{name} needs two variants or more; given {list(variants)}")
    seen: dict[str, str] = {}
    for variant, bundle in variants.items():
        if not isinstance(variant, str):
            raise SpecError(where, f"the names of variants must be text; {name} has {variant!r}" + yaml_hint(variant))
        if not isinstance(bundle, Mapping):
            raise SpecError(where, f"the variants of {name} must each be a mapping of settings, {{}} for the base; {variant} is {bundle!r}")
        check_names(bundle, (*where, variant))
        for setting in bundle:
            if setting in NEVER_VARIES:
                raise SpecError((*where, variant, setting), f"{setting} cannot vary: {NEVER_VARIES[setting]}")
        alike = seen.setdefault(repr(sorted(bundle.items())), variant)
        if alike != variant:
            raise SpecError((*where, variant), f"two variants of {name} must not be the same; {alike} and {variant} are")
    return CategoricalDistribution(list(variants))
