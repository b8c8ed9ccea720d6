"""TrialConfig: everything that decides what a trial computes, and nothing else.

One dotted name stands for a setting everywhere: in the space, the config, the records, the tables and the axis labels.
`r1: true` switches a trick on, `r1.gamma: 10` is a knob of it; `g.lr` belongs to the generator, `data.size` to the data.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from ganstudy.registry import Registry, nearest
from trainables.sections import (
    Count,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    Kimg,
    LatentConfig,
    NotNegative,
    Positive,
    Section,
    Share,
)

if TYPE_CHECKING:
    from trainables.tricks.base import Trick
    from trainables.updates.base import Update


class TrialConfig(Section):
    """Frozen. A default never changes: config_id, the name of a configuration for ever, hashes what differs from the defaults."""

    data: DataConfig = DataConfig()
    loop: str = "gan"
    arch: str = "dcgan"
    loss: str = "nonsaturating"
    margin: Positive | None = None  # None: the loss's own
    g: GeneratorConfig = GeneratorConfig()
    d: DiscriminatorConfig = DiscriminatorConfig()
    latent: LatentConfig = LatentConfig()
    optimiser: str = "adam"
    beta1: Share = 0.5  # share of the past in the mean of gradients: Adam's, and momentum
    beta2: Share = 0.999  # share of the past in the mean of their squares: Adam's, and RMSprop's alpha
    weight_decay: NotNegative | None = None  # None: as much as the optimiser has
    update: str = "alternating"
    update_knobs: dict[str, Any] = Field(default_factory=dict, validate_default=True)  # of the update rule: {"k": 5}
    d_steps: Count = 1  # D updates, after which come
    g_steps: Count = 1  # G updates
    batch_size: Count = 64
    tricks: dict[str, dict[str, Any]] = Field(default_factory=dict)  # {"r1": {"gamma": 10.0}}
    budget_kimg: Kimg = 20.0  # thousands of real images shown to D
    tick_kimg: Kimg = 2.0  # pause and measure this often
    seed: Annotated[int, Field(ge=0)] = 0

    @field_validator("tricks")
    @classmethod
    def _whole_tricks(cls, tricks: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Every knob of every trick that is on, its defaults included."""
        return {name: knobs_of(make_trick(name, knobs)) for name, knobs in sorted(tricks.items())}

    @field_validator("update_knobs")
    @classmethod
    def _whole_update(cls, knobs: dict[str, Any], others: ValidationInfo) -> dict[str, Any]:
        """Every knob of the update rule, its defaults included."""
        return knobs_of(make_update(others.data["update"], knobs)) if "update" in others.data else knobs

    @model_validator(mode="after")
    def _known_and_sensible(self) -> "TrialConfig":
        from trainables.conditions import check_conditions
        from trainables.data import check
        from trainables.losses import LOSSES
        from trainables.models import ARCHS
        from trainables.optimisers import check_optimisers
        from trainables.run import LOOPS

        check(self.data)
        LOOPS.pick(self.loop)
        if self.margin is not None and LOSSES.pick(self.loss).with_margin is None:
            having = sorted(name for name, loss in LOSSES.items() if loss.with_margin)
            raise ValueError(f"margin needs a loss that has one, one of {having}; given {self.margin} with {self.loss!r}")
        LOSSES.pick(self.loss)
        if self.latent.truncation is not None and self.latent.distribution != "truncated":
            raise ValueError(
                f"latent.truncation needs latent.distribution: truncated; given {self.latent.truncation} with {self.latent.distribution!r}"
            )
        for name, slope, activation in (("g", self.g.slope, self.g.activation), ("d", self.d.slope, self.d.activation)):
            if slope is not None and activation != "leaky_relu":
                raise ValueError(f"{name}.slope needs {name}.activation: leaky_relu; given {slope} with {activation!r}")
        ARCHS.pick(self.arch).check(self)
        check_optimisers(self)
        check_conditions(self)
        make_update(self.update, self.update_knobs).check(self)
        for name, knobs in self.tricks.items():
            make_trick(name, knobs).check(self)
        return self

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any]) -> "TrialConfig":
        """{"d.lr": 1e-4, "r1": True, "r1.gamma": 10.0} -> TrialConfig. ValueError for an unknown name, a knob of a trick that is off, a bad value."""
        from trainables.tricks import TRICKS

        refuse_unknown(flat)
        nested: dict[str, Any] = {"tricks": {}, "update_knobs": {}}
        for key, value in flat.items():
            head, _, knob = key.partition(".")
            if (switch := switch_of(key)) and not switch.on(flat):
                raise ValueError(f"{key} is a knob of {head}, which is off; give '{switch}' too, or leave {key} out")
            if switch and switch.setting == "update":
                nested["update_knobs"][knob] = value
            elif head in TRICKS:
                if not knob and not isinstance(value, bool):
                    raise ValueError(f"{key} is a trick: true or false; given {value!r}" + yaml_hint(value))
                if flat[head]:
                    nested["tricks"].setdefault(head, {}).update({knob: value} if knob else {})
            elif head == "data":
                nested.setdefault("data", {})[knob or "name"] = value
            elif knob:
                nested.setdefault(head, {})[knob] = value
            else:
                nested[key] = value
        try:
            return cls.model_validate(nested)
        except ValidationError as error:
            raise ValueError(in_words(error)) from None

    def flat(self) -> dict[str, Any]:
        """One level of dotted names. Tricks that are off are not named."""
        out: dict[str, Any] = {}
        for key, value in self.model_dump().items():
            if key == "tricks":
                for trick, knobs in value.items():
                    out[trick] = True
                    out |= {f"{trick}.{k}": v for k, v in knobs.items()}
            elif key == "update_knobs":
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
        """10 hex digits, equal for trials that differ only by seed. Hashes what differs from the defaults, so that a new setting keeps old ids."""
        defaults, aside = settings(), {"seed", "tick_kimg", "data.root", "data.download"}
        delta = {k: v for k, v in self.flat().items() if k not in aside and v != defaults[k]}
        return hashlib.sha256(json.dumps(delta, sort_keys=True).encode()).hexdigest()[:10]

    @property
    def trial_id(self) -> str:
        return f"{self.config_id}-s{self.seed}"


def settings() -> dict[str, Any]:
    """Dotted name -> default, of every setting there is: those of TrialConfig, each trick's switch, and the knobs of tricks and update rules."""
    from trainables.tricks import TRICKS
    from trainables.updates import UPDATES

    out = TrialConfig().flat() | dict.fromkeys(TRICKS, False)
    entries: dict[str, type[Trick] | type[Update]] = {**TRICKS, **UPDATES}
    for name, entry in entries.items():
        out |= {f"{name}.{knob}": value for knob, value in knobs_of(entry()).items()}
    return out


@dataclass(frozen=True)
class Switch:
    """What a knob waits for: a setting at a value."""

    setting: str
    value: bool | str

    def __str__(self) -> str:
        return f"{self.setting}: {str(self.value).lower()}"

    def on(self, flat: Mapping[str, Any]) -> bool:
        return bool(flat.get(self.setting) == self.value)


def switch_of(name: str) -> Switch | None:
    """`r1: true` for r1.gamma, `update: lookahead` for lookahead.k; None for a setting that always counts."""
    from trainables.tricks import TRICKS
    from trainables.updates import UPDATES

    head, _, knob = name.partition(".")
    if knob and head in TRICKS:
        return Switch(head, True)
    return Switch("update", head) if knob and head in UPDATES else None


def refuse_unknown(names: Iterable[str]) -> None:
    known = settings()
    for name in names:
        if name not in known:
            hint = nearest(name, known) or f"settings are {', '.join(sorted(known))}"
            raise ValueError(f"no setting named {name!r}; {hint.strip()}")


def knobs_of(entry: "Trick | Update") -> dict[str, Any]:
    return asdict(entry)


def make_trick(name: str, knobs: Mapping[str, Any]) -> "Trick":
    """A checked Trick. ValueError for an unknown trick or knob, or a knob out of its bounds."""
    from trainables.tricks import TRICKS

    return _make(TRICKS, name, knobs)


def make_update(name: str, knobs: Mapping[str, Any]) -> "Update":
    """A checked update rule. ValueError for an unknown rule or knob, or a knob out of its bounds."""
    from trainables.updates import UPDATES

    return _make(UPDATES, name, knobs)


Entry = TypeVar("Entry", bound="Trick | Update")


def _make(table: Registry[type[Entry]], name: str, knobs: Mapping[str, Any]) -> Entry:
    cls = table.pick(name)
    own = [field.name for field in fields(cls)]
    for knob in knobs:
        if knob not in own:
            raise ValueError(f"{name} has no knob {knob!r}; {nearest(knob, own)}it has {own}")
    try:
        return cls(**knobs)
    except ValidationError as error:
        raise ValueError(in_words(error, prefix=f"{name}.")) from None


def in_words(error: ValidationError, *, prefix: str = "") -> str:
    """What pydantic found, one sentence a finding: the dotted name, what must hold, what was given. prefix: of the trick or rule whose knob it is."""
    lines = []
    for found in error.errors():
        name = prefix + ".".join(str(part) for part in found["loc"])
        if found["type"] == "value_error":  # ours, a whole sentence already
            sentence = str(found["ctx"]["error"])
            lines.append(f"{name}: {sentence}" if prefix else sentence)
        else:
            must = found["msg"].removeprefix("Input should be ")
            lines.append(f"{name.replace('data.name', 'data')} must be {must}; given {found['input']!r}" + yaml_hint(found["input"]))
    return "; ".join(lines)


def yaml_hint(value: object) -> str:
    return " (YAML 1.2 reads on, off, yes and no as text: write true or false)" if str(value).lower() in {"on", "off", "yes", "no"} else ""
