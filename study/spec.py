"""StudySpec: what a study asks, and with what means. Checked before anything starts; study/files.py reads it from YAML."""

import importlib
import os
import sys
from collections.abc import Mapping
from itertools import combinations, product
from typing import Annotated, Any, Literal

from optuna.distributions import CategoricalDistribution
from pydantic import ConfigDict, Field, field_validator, model_validator

from analysis import Direction
from analysis.metrics import METRICS
from ganstudy.registry import nearest
from study import design
from study.features import refuse_unknown_features
from study.mirrors import Tracking
from study.space import NEVER_VARIES, Asked, Space, SpecError, as_given, check_names, extremes, live, read_space
from study.spaces import with_published
from trainables.config import TrialConfig, settings, switch_of
from trainables.sections import Count, Positive, Section, joined
from trainables.tricks import TRICKS

SAMPLERS = {"explain": ("sobol", "factorial", "random"), "optimise": ("tpe", "random")}


class Score(Section):
    metric: str = "fd"
    direction: Annotated[Direction, Field(strict=False)] = Direction.MINIMIZE  # as a word in study files

    @model_validator(mode="before")
    @classmethod
    def _its_own_direction(cls, given: Any) -> Any:
        """`score: coverage` is enough: METRICS knows which way is better."""
        if not isinstance(given, (str, Mapping)):
            raise SpecError(("score",), f"score must be the name of a metric, or {{metric: …, direction: …}}; given {given!r}")
        given = {"metric": given} if isinstance(given, str) else dict(given)
        if isinstance(name := given.get("metric", "fd"), str):
            if name not in METRICS:
                raise SpecError(("score",), f"no metric named {name!r}; {nearest(name, METRICS)}there are {sorted(METRICS)}")
            direction = METRICS[name].direction
            if direction is None:
                raise SpecError(
                    ("score",), f"score must be a metric that is better the less, or the more; {name} is best near what real data score"
                )
            given.setdefault("direction", direction)
        return given


class Asha(Section):
    """Asynchronous successive halving, by its usual names. Li et al. 2020."""

    name: Literal["asha"] = "asha"
    grace_kimg: Positive  # the first rung
    reduction_factor: Annotated[float, Field(gt=1)] = 3.0  # one in so many goes on from a rung


class Judged(Section):
    """How samples are judged: the ruler of the study."""

    features: str = "auto"  # what distances are measured in; `ganstudy list` prints all
    weights: str | None = None  # a file of weights for pretrained features; None: from torch's cache, or downloaded into it
    samples: Annotated[int, Field(ge=100)] | None = None  # generated samples judged at each tick; None: by data set

    @field_validator("features")
    @classmethod
    def _known(cls, features: str) -> str:
        try:
            refuse_unknown_features(features)
        except ValueError as error:
            raise SpecError(("judge", "features"), str(error)) from None
        return features


class Resources(Section):
    """Of one trial."""

    cpu: Positive = 1.0
    gpu: Annotated[float, Field(ge=0)] | None = None  # None: one where the cluster has any; below 1: a share of one
    memory_gb: Positive | None = None
    concurrent: Count | None = None  # trials at a time; None: as many as fit

    @field_validator("gpu")
    @classmethod
    def _whole_above_one(cls, gpu: float | None) -> float | None:
        if gpu is not None and gpu > 1 and gpu != int(gpu):
            raise SpecError(("resources", "gpu"), f"resources.gpu must be a share of one GPU or a whole number of them; given {gpu}")
        return gpu


class StudySpec(Section):
    """Frozen. Made by StudySpec.load(file), StudySpec.from_dict(mapping), or by its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    question: Annotated[str, Field(min_length=1)]
    goal: Literal["explain", "optimise"] = "explain"
    plugins: tuple[str, ...] = ()  # modules imported before the settings are looked at, on every worker too
    base: dict[str, Any] = Field(default_factory=dict)  # dotted settings that do not vary
    space: Space
    sampler: Literal["sobol", "factorial", "random", "tpe"] = "sobol"
    n_configs: Annotated[int, Field(ge=1, le=10_000)]
    seeds: Annotated[int, Field(ge=1, le=1_000)] = 1  # runs of each configuration
    design_seed: Annotated[int, Field(ge=0)] = 0
    score: Score = Score()
    scheduler: Asha | None = None
    judge: Judged = Judged()
    resources: Resources = Resources()
    max_failures: Annotated[int, Field(ge=0)] = 2  # a trial whose program or machine broke is tried this many times more
    tracking: Tracking = Tracking()

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, given: Any) -> Any:
        """Plugins first, as they bring names; then what follows from the rest."""
        given = dict(given)
        plugins = given.get("plugins", ())
        if isinstance(plugins, (list, tuple)) and all(isinstance(module, str) for module in plugins):
            given["plugins"] = tuple(plugins)
            import_plugins(given["plugins"])
        if isinstance(given.get("space"), (str, Mapping)):
            base = given.get("base")
            given["space"] = read_space(with_published(given["space"], base if isinstance(base, Mapping) else {}))
        given.setdefault("sampler", "tpe" if given.get("goal") == "optimise" else "sobol")
        scheduler = given.get("scheduler")
        if scheduler == "pbt" or (isinstance(scheduler, Mapping) and scheduler.get("name") == "pbt"):
            raise SpecError(
                ("scheduler",),
                "population-based training is not done here: a run whose settings change in flight has no config and explains nothing",
            )
        if given["sampler"] == "factorial" and isinstance(space := given.get("space"), Space):
            given.setdefault("n_configs", design.cells_of(space))
        return given

    @field_validator("base")
    @classmethod
    def _settings_of_trials(cls, base: dict[str, Any]) -> dict[str, Any]:
        check_names(base, ("base",))
        if "seed" in base:
            raise SpecError(("base", "seed"), f"seed cannot be set: {NEVER_VARIES['seed']}")
        try:
            return {name: joined(value) if name == "data.classes" else value for name, value in base.items()}
        except ValueError as error:
            raise SpecError(("base", "data.classes"), str(error)) from None

    @model_validator(mode="after")
    def _sound(self) -> "StudySpec":
        if self.sampler not in SAMPLERS[self.goal]:
            raise SpecError(
                ("sampler",), f"sampler must be one of {list(SAMPLERS[self.goal])} where goal is {self.goal}; given {self.sampler!r}"
            )
        if self.goal == "explain" and self.scheduler:
            raise SpecError(
                ("scheduler",),
                "goal: explain runs every trial to its end, since a run that was cut short because it looked bad explains nothing; leave scheduler out, or use goal: optimise",
            )
        if self.goal == "optimise" and self.seeds > 1:
            raise SpecError(("seeds",), "goal: optimise runs each proposal once; repeated runs belong to goal: explain")
        if self.sampler == "factorial" and self.n_configs % design.cells_of(self.space):
            raise SpecError(
                ("n_configs",),
                f"n_configs must be a multiple of the {design.cells_of(self.space)} combinations of the scientific settings, or left out; given {self.n_configs}",
            )
        self._check_settings()
        return self

    def _check_settings(self) -> None:
        """Every value that the space can give must make a TrialConfig, alone and beside the choices of the others."""
        for name in self.space.domains:
            if name in self.base:
                raise SpecError(("base", name), f"{name} is in base and varies in the space; it must be in one of them")
        for where, names in {"base": self.base, "space": self.space.domains}.items():
            for name in names:
                if (switch := switch_of(name)) and not (switch.on(self.base) or switch.value in self.space.values(switch.setting)):
                    either = f"{switch.setting}: [{str(settings()[switch.setting]).lower()}, {str(switch.value).lower()}]"
                    raise SpecError(
                        (where, name),
                        f"{name} is a knob of {name.partition('.')[0]}, which this study never turns on; add `{switch}` to base, or `{either}` to the space",
                    )
        for choice, variants in self.space.variants.items():
            for variant, bundle in variants.items():
                for name in bundle:
                    if (switch := switch_of(name)) and not switch.on({**self.base, **bundle}):
                        raise SpecError(
                            ("space", "scientific", choice, variant, name),
                            f"{name} is a knob of {name.partition('.')[0]}, which the variant {variant} does not turn on; add `{switch}` to it",
                        )
        for name, value in self.base.items():
            self._try({name: value}, ("base", name))
        for name, distribution in self.space.domains.items():
            for value in extremes(distribution):
                self._try({name: value}, ("space", self._part(name), name))
        if self.goal == "explain":
            for asked in self.designed():
                try:
                    TrialConfig.from_flat(asked.flat)
                except ValueError as error:
                    raise SpecError(
                        ("space",), f"every configuration of the design must make sense; one of them does not: {error}"
                    ) from None
        choices = {name: d.choices for name, d in self.space.domains.items() if isinstance(d, CategoricalDistribution)}
        for a, b in combinations(choices, 2):
            for pair in product(choices[a], choices[b]):
                self._try(dict(zip((a, b), pair, strict=True)), ("space", self._part(b), b))

    def _try(self, some: Mapping[str, Any], where: tuple[str, ...]) -> None:
        """The base with some settings of the space, the rest of the space at the first of its values."""
        on = {switch.setting: switch.value for name in some if (switch := switch_of(name))}
        rest = {name: extremes(domain)[0] for name, domain in self.space.domains.items() if name not in TRICKS and name not in some}
        try:
            TrialConfig.from_flat(live({**self.base, **self.space.spelt_out(rest), **on, **self.space.spelt_out(some)}))
        except ValueError as error:
            raise SpecError(where, str(error)) from None

    def _part(self, name: str) -> str:
        return "scientific" if name in self.space.scientific else "nuisance"

    # What it comes to ----------------------------------------------------------------------------

    @property
    def phase(self) -> str:
        return "explore" if self.goal == "explain" else "optimise"

    @property
    def budget_kimg(self) -> float:
        """Of each trial: it never varies."""
        return float(self.base.get("budget_kimg", settings()["budget_kimg"]))

    @property
    def n_trials(self) -> int:
        return self.n_configs * self.seeds

    def asked(self, point: Mapping[str, Any], seed: int) -> Asked:
        """A trial: base and point, the switches that are off included, the knobs of tricks that are off not."""
        named = {name: point[name] for name in self.space.variants if name in point}
        return Asked(live({**self.base, **self.space.spelt_out(point), "seed": seed}), named)

    def config(self, point: Mapping[str, Any], seed: int = 0) -> TrialConfig:
        return TrialConfig.from_flat(self.asked(point, seed).flat)

    @property
    def corners(self) -> list[TrialConfig]:
        """One of each combination of architecture, output, conditions and variants that the study has and that makes sense, the rest of its space
        at the first of its values, its tricks off. SpecError where none makes sense."""
        first = {name: extremes(domain)[0] for name, domain in self.space.domains.items() if name not in TRICKS}
        varying = [name for name in ("arch", "g.output", "g.condition", "d.condition", *self.space.variants) if name in first]
        found, reason = [], ""
        for values in product(*(extremes(self.space.domains[name]) for name in varying)):
            try:
                found.append(self.config({**first, **dict(zip(varying, values, strict=True))}))
            except ValueError as error:
                reason = str(error)
        if not found:
            raise SpecError(("space",), f"no combination of {', '.join(varying)} makes sense: {reason}")
        return found

    def designed(self) -> list[Asked]:
        """All trials of a study that explains, in the order in which they start: every configuration once, then again with the next seed."""
        points = design.points(self)
        return [self.asked(point, design.seed_of(self, i, replicate)) for replicate in range(self.seeds) for i, point in enumerate(points)]

    @classmethod
    def load(cls, path: Any, changes: Mapping[str, Any] | None = None) -> "StudySpec":
        """Read a study file. `changes` are like --set: {"budget_kimg": 50, "seeds": 2}. ValueError with file and line for anything that cannot hold."""
        from study.files import load_spec

        return load_spec(path, changes or {})

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "StudySpec":
        """Of the form that a study file has. ValueError in words."""
        from study.files import checked

        return checked(given)

    def as_dict(self) -> dict[str, Any]:
        """The form that a study file has: from_dict(as_dict()) == self."""
        variants = self.space.variants
        space = {
            part: {
                name: dict(variants[name]) if name in variants else as_given(domain) for name, domain in getattr(self.space, part).items()
            }
            for part in ("scientific", "nuisance")
        }
        return {**self.model_dump(mode="json", exclude={"space"}), "space": space}


def identity(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Of a StudySpec.as_dict(): what may not change while a study folder goes on, all but its wording, its length and its means."""
    free = {"question", "n_configs", "seeds", "resources", "tracking", "max_failures"}
    base = {name: value for name, value in spec["base"].items() if name not in ("data.root", "data.download")}
    judge = {name: value for name, value in spec["judge"].items() if name != "weights"}  # the ruler holds their hash
    return {key: value for key, value in {**spec, "base": base, "judge": judge}.items() if key not in free}


def import_plugins(modules: tuple[str, ...]) -> None:
    """Import them, from the folder where the command was called too, as other programs with plugins do."""
    if modules and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # a plugin may raise anything at all; its author needs to see what
            raise SpecError(("plugins",), f"the plugin {module!r} must be importable; it raised {type(error).__name__}: {error}") from error
