"""TrialConfig: all settings that determine what a trial computes.

A setting has one dotted name in the search space, the config, the records, the tables and the plots.
`r1: true` enables a trick and `r1.gamma: 10` is its setting; `g.lr` belongs to the generator, `data.size` to the data.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from ganstudy.errors import UserError
from ganstudy.known_settings import KnownSettings
from ganstudy.registry import nearest
from ganstudy.written import shown
from trainables.entries import make_entry, settings_of
from trainables.messages import validation_message, yaml_hint
from trainables.needs import Need, given_names, needs_taker
from trainables.sections import (
    Count,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    Kimg,
    LatentConfig,
    NotNegative,
    Positive,
    Precision,
    Section,
    Share,
)
from trainables.tables import ARCHS, D_CONDITIONS, DATA, G_CONDITIONS, LOOPS, LOSSES, OPTIMISERS, TRICKS, UPDATES

_TABLES = (DATA, LOOPS, ARCHS, LOSSES, OPTIMISERS, UPDATES, TRICKS, G_CONDITIONS, D_CONDITIONS)
_SECTIONS = ("data", "g", "d", "latent")
_OPTIMISER_NAMES = ("optimiser", "d.optimiser")  # G's, and D's if it differs
PLACES_OF_DATA = ("data.root", "data.download")  # where the files are and how they get there; they change no result
UNIDENTIFIED = frozenset({"seed", "tick_kimg", *PLACES_OF_DATA})  # settings that config_id leaves out


class TrialConfig(Section):
    """All settings of a trial; immutable. Defaults must never change, because config_id hashes the settings that differ from them."""

    data: DataConfig = DataConfig()
    loop: str = "gan"
    """the training loop"""
    arch: str = "dcgan"
    """the architecture of both networks"""
    loss: str = "nonsaturating"
    """the adversarial loss"""
    margin: Annotated[Positive | None, needs_taker(LOSSES, "margin", "loss")] = None
    """margin of a loss that has one; null: the default of the loss"""
    g: GeneratorConfig = GeneratorConfig()
    d: DiscriminatorConfig = DiscriminatorConfig()
    latent: LatentConfig = LatentConfig()
    optimiser: str = "adam"
    """optimiser of G, and of D unless d.optimiser names another"""
    beta1: Share = 0.5
    """Adam: decay of the mean of gradients; SGD and RMSprop: momentum"""
    beta2: Annotated[Share, needs_taker(OPTIMISERS, "beta2", *_OPTIMISER_NAMES)] = 0.999
    """Adam: decay of the mean of squared gradients; RMSprop: alpha"""
    weight_decay: Annotated[NotNegative | None, needs_taker(OPTIMISERS, "weight_decay", *_OPTIMISER_NAMES)] = None
    """weight decay of the optimiser; null: the default of the optimiser"""
    update: str = "alternating"
    """the update rule: how D and G take turns"""
    update_settings: dict[str, Any] = Field(default_factory=dict, validate_default=True)  # settings of the update rule: {"k": 5}
    d_steps: Annotated[Count, needs_taker(UPDATES, "d_steps", "update")] = 1
    """updates of D before it is the turn of G"""
    g_steps: Annotated[Count, needs_taker(UPDATES, "g_steps", "update")] = 1
    """updates of G in its turn"""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 64
    """real images in a step of D, and fake images in a step of G"""
    tricks: dict[str, dict[str, Any]] = Field(default_factory=dict)  # {"r1": {"gamma": 10.0}}
    budget_kimg: Kimg = 20.0
    """length of the training, in thousands of real images shown to D"""
    tick_kimg: Kimg = 2.0
    """thousands of real images between two measurements"""
    precision: Precision = "tf32"
    """format of numbers on a GPU; bf16: networks in bfloat16 while they train, losses and penalties in float32"""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """seed of the trial"""

    @field_validator("tricks")
    @classmethod
    def _complete_tricks(cls, tricks: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Add the defaults to the settings of each enabled trick."""
        return {name: settings_of(make_entry(TRICKS, name, given)) for name, given in sorted(tricks.items())}

    @field_validator("update_settings")
    @classmethod
    def _complete_update(cls, given: dict[str, Any], others: ValidationInfo) -> dict[str, Any]:
        """Add the defaults to the settings of the update rule."""
        return settings_of(make_entry(UPDATES, others.data["update"], given)) if "update" in others.data else given

    @model_validator(mode="after")
    def _check(self) -> "TrialConfig":
        """Check that names are known and needs are met; then each entry checks the other settings."""
        DATA.pick(self.data.name)
        loop, arch = LOOPS.pick(self.loop), ARCHS.pick(self.arch)
        LOSSES.pick(self.loss)
        for name in self.optimisers:
            OPTIMISERS.pick(name)
        self._check_needs()
        for name, net in (("g.norm", self.g), ("d.norm", self.d)):
            if net.norm == "batch" and self.batch_size < 2:
                raise UserError(f"batch_size must be at least 2 with {name}: batch, which needs a variance over the batch; given 1")
        arch.check(self)
        if (self.g.condition is None) != (self.d.condition is None):
            raise UserError(
                "g.condition and d.condition must be set together, because G learns the class from D; "
                f"given {shown(self.g.condition)} and {shown(self.d.condition)}"
            )
        if self.g.condition is not None and self.d.condition is not None:
            if not getattr(loop, "conditional", False):
                able = sorted(name for name, other in LOOPS.items() if getattr(other, "conditional", False))
                raise UserError(f"g.condition needs a loop that draws classes (conditional = True), one of {able}; given {self.loop!r}")
            G_CONDITIONS.pick(self.g.condition).check(self)
            D_CONDITIONS.pick(self.d.condition).check(self)
        if hasattr(loop, "check"):
            loop.check(self)
        make_entry(UPDATES, self.update, self.update_settings).check(self)
        for name, given in self.tricks.items():
            make_entry(TRICKS, name, given).check(self)
        return self

    def _check_needs(self) -> None:
        flat = self.flat()
        for name, need in field_needs().items():
            if flat[name] != _default_of(name) and not need.met(flat.__getitem__):
                raise UserError(f"{name} needs {need}; given {shown(flat[name])} with {given_names(need, flat)}")

    @property
    def optimisers(self) -> tuple[str, str]:
        """Names of the optimisers of G and D."""
        return self.optimiser, self.d.optimiser or self.optimiser

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any]) -> "TrialConfig":
        """Build a config from {"d.lr": 1e-4, "r1": True, "r1.gamma": 10.0}. Raises UserError for unknown names, unmet needs and invalid values."""
        refuse_unknown(flat)
        nested: dict[str, Any] = {"tricks": {}, "update_settings": {}}
        for key, value in flat.items():
            head, _, rest = key.partition(".")
            if (switch := switch_of(key)) and not switch.met(flat.get):
                raise UserError(f"{key} needs {switch}; set that too, or remove {key}")
            if switch and head in UPDATES:
                nested["update_settings"][rest] = value
            elif head in TRICKS:
                if not rest and not isinstance(value, bool):
                    raise UserError(f"{key} enables a trick and must be true or false; given {shown(value)}" + yaml_hint(value))
                if flat[head]:
                    nested["tricks"].setdefault(head, {}).update({rest: value} if rest else {})
            elif head == "data":
                nested.setdefault("data", {})[rest or "name"] = value
            elif rest:
                nested.setdefault(head, {})[rest] = value
            else:
                nested[key] = value
        try:
            return cls.model_validate(nested)
        except ValidationError as error:
            raise UserError(validation_message(error)) from None

    def flat(self) -> dict[str, Any]:
        """Return the settings as one dict of dotted names. Disabled tricks are omitted."""
        out: dict[str, Any] = {}
        for key, value in self.model_dump().items():
            if key == "tricks":
                for trick, given in value.items():
                    out[trick] = True
                    out |= {f"{trick}.{k}": v for k, v in given.items()}
            elif key == "update_settings":
                out |= {f"{self.update}.{k}": v for k, v in value.items()}
            elif key == "data":
                out["data"] = value.pop("name")
                out |= {f"data.{k}": v for k, v in value.items()}
            elif isinstance(value, dict):
                out |= {f"{key}.{k}": v for k, v in value.items()}
            else:
                out[key] = value
        return out

    @property
    def config_id(self) -> str:
        """10 hex digits, equal for trials that differ only by seed. Hashes the settings that differ from the defaults, so new settings keep old ids."""
        defaults = settings()
        delta = {k: v for k, v in self.flat().items() if k not in UNIDENTIFIED and v != defaults[k]}
        return hashlib.sha256(json.dumps(delta, sort_keys=True).encode()).hexdigest()[:10]

    @property
    def trial_id(self) -> str:
        """config_id and seed."""
        return f"{self.config_id}-s{self.seed}"


# All settings ----------------------------------------------------------------------------------------


def settings() -> Mapping[str, Any]:
    """Return dotted name -> default for all settings: fields of TrialConfig, trick switches, and settings of tricks and update rules."""
    return _settings((*TRICKS.items(), *UPDATES.items()))


@lru_cache(maxsize=8)  # recomputed only if a plugin adds a trick or an update rule
def _settings(entries: tuple[tuple[str, type[Any]], ...]) -> Mapping[str, Any]:
    out = TrialConfig().flat() | dict.fromkeys(TRICKS, False)
    for name, entry in entries:
        out |= {f"{name}.{setting}": value for setting, value in settings_of(entry()).items()}
    return MappingProxyType(out)


def known_settings() -> KnownSettings:
    """Return all settings as plain values, with their defaults and needs."""
    return _known_settings(tuple(name for table in _TABLES for name in table), (*TRICKS.items(), *UPDATES.items()))


@lru_cache(maxsize=8)  # recomputed only if a plugin adds an entry
def _known_settings(names: tuple[str, ...], entries: tuple[tuple[str, type[Any]], ...]) -> KnownSettings:
    defaults = _settings(entries)
    needs = {name: (need.names, tuple(need.values())) for name in defaults if (need := need_of(name))}
    return KnownSettings(defaults, needs, tuple(TRICKS), UNIDENTIFIED)


def refuse_unknown(names: Iterable[str]) -> None:
    """Raise UserError for an unknown setting."""
    known = settings()
    for name in names:
        if name not in known:
            head = str(name).partition(".")[0]
            same = [other for other in known if other.startswith(f"{head}.")]
            others = f"{head} has {', '.join(same)}" if same else f"`ganstudy list settings` prints all {len(known)}"
            raise UserError(f"no setting named {shown(name)}; {nearest(name, known).strip() or others}")


# What a setting needs --------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def field_needs() -> Mapping[str, Need]:
    """Return dotted name -> Need for the fields of TrialConfig that have one."""
    found: dict[str, Need] = {}
    for section in ("", *_SECTIONS):
        model = TrialConfig.model_fields[section].annotation if section else TrialConfig
        for field, info in model.model_fields.items():  # type: ignore[union-attr]  # sections are models
            for need in info.metadata:
                if isinstance(need, Need):
                    found[f"{section}.{field}" if section else field] = need.within(section)
    return found


@lru_cache(maxsize=1)
def _field_defaults() -> Mapping[str, Any]:
    """Return the defaults of TrialConfig's own fields. Builds no TrialConfig, because its validation calls this function."""
    out = {name: info.default for name, info in TrialConfig.model_fields.items() if name not in _SECTIONS}
    for section in _SECTIONS:
        out |= {f"{section}.{name}": value for name, value in TrialConfig.model_fields[section].default.model_dump().items()}
    return out | {"data": out.pop("data.name")}


def _default_of(name: str) -> Any:
    """Return the default of a field of TrialConfig by its dotted name."""
    return _field_defaults()[name]


def switch_of(name: str) -> Need | None:
    """Return the need `r1: true` of r1.gamma or `update: lookahead` of lookahead.k; None for a field of TrialConfig or a trick."""
    head, _, rest = name.partition(".")
    if rest and head in TRICKS:
        return Need((head,), lambda: (True,))
    return Need(("update",), lambda: (head,)) if rest and head in UPDATES else None


def need_of(name: str) -> Need | None:
    """Return the need of a setting; None if it always applies."""
    return switch_of(name) or field_needs().get(name)


def lives(name: str, flat: Mapping[str, Any]) -> bool:
    """Return whether a setting applies, given the others: its need is met by settings that apply themselves. Missing settings have their defaults."""
    return known_settings().applies(name, flat)


def live(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that apply: no `r1.gamma` if r1 is off, no `g.slope` unless g.activation is leaky_relu."""
    return known_settings().live(flat)
