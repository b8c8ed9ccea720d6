"""StudySpec: what a study asks, and with what means. Checked before anything starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, field_validator, model_validator

from ganstudy import UserError
from ganstudy.registry import nearest
from study.spec import checks, design
from study.spec.errors import SpecError
from study.spec.files import line_of, read_yaml
from study.spec.plugins import import_plugins
from study.spec.published import with_published
from study.spec.ranges import NEVER_VARIES
from study.spec.renamed import RENAMED_KEYS
from study.spec.samplers import DESIGNS, SAMPLERS
from study.spec.schedulers import Scheduler, read_scheduler
from study.spec.sections import EvaluationConfig, Objective, Resources
from study.spec.space import Proposal, Space, as_given, check_names, read_space
from study.spec.tracking import Tracking
from trainables.config import TrialConfig, settings
from trainables.messages import validation_message
from trainables.sections import Section, joined


class StudySpec(Section):
    """Frozen. Made by StudySpec.load(file), StudySpec.from_dict(mapping), or by its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    question: Annotated[str, Field(min_length=1)]
    goal: Literal["explain", "optimise"] = "explain"
    plugins: tuple[str, ...] = ()  # modules imported before the settings are looked at, on every worker too
    base: dict[str, Any] = Field(default_factory=dict)  # dotted settings that do not vary
    space: Space
    sampler: str = "sobol"
    n_configs: Annotated[int, Field(ge=1, le=10_000)]
    seeds: Annotated[int, Field(ge=1, le=1_000)] = 1  # runs of each configuration
    design_seed: Annotated[int, Field(ge=0)] = 0
    objective: Objective = Objective()
    scheduler: SerializeAsAny[Scheduler] | None = None
    evaluation: EvaluationConfig = EvaluationConfig()
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
        if given.get("scheduler") is not None:
            given["scheduler"] = read_scheduler(given["scheduler"])
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
        except UserError as error:
            raise SpecError(("base", "data.classes"), str(error)) from None

    @model_validator(mode="after")
    def _sound(self) -> "StudySpec":
        known = list(DESIGNS if self.goal == "explain" else SAMPLERS)
        if self.sampler not in known:
            raise SpecError(("sampler",), f"sampler must be one of {known} where goal is {self.goal}; given {self.sampler!r}")
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
        checks.check_settings(self.space, self.base, self.designed if self.goal == "explain" else None)
        return self

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

    def asked(self, point: Mapping[str, Any], seed: int) -> Proposal:
        """A trial: base and point, the switches that are off included, the settings of tricks that are off not."""
        return self.space.asked(point, base=self.base, seed=seed)

    def config(self, point: Mapping[str, Any], seed: int = 0) -> TrialConfig:
        return TrialConfig.from_flat(self.asked(point, seed).flat)

    @property
    def corners(self) -> list[TrialConfig]:
        """One of each combination of architecture, output, conditions and variants that the study has and that makes sense, the rest of its space
        at the first of its values, its tricks off. Raises SpecError where none makes sense."""
        return checks.corners(self.space, self.base)

    def designed(self) -> list[Proposal]:
        """All trials of a study that explains, in the order in which they start: every configuration once, then again with the next seed."""
        points = DESIGNS.pick(self.sampler)(self.space, n_configs=self.n_configs, design_seed=self.design_seed)
        return [
            self.asked(point, design.seed_of(self.design_seed, config=i, replicate=replicate))
            for replicate in range(self.seeds)
            for i, point in enumerate(points)
        ]

    @classmethod
    def load(cls, path: Any, changes: Mapping[str, Any] | None = None) -> "StudySpec":
        """Read a study file. `changes` are like --set: {"budget_kimg": 50, "seeds": 2}. Raises UserError with file and line for anything that cannot hold."""
        path = Path(path)
        given = read_yaml(path)
        for name, value in (changes or {}).items():
            given = changed(given, name, value)
        try:
            return checked(given)
        except SpecError as error:
            raise SpecError(error.where, f"{path}{line_of(path, error.where)}: {error}") from None

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "StudySpec":
        """Of the form that a study file has. Raises SpecError, which knows where, for anything that cannot hold."""
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
    evaluator = {name: value for name, value in spec["evaluation"].items() if name != "weights"}  # the evaluation protocol holds their hash
    return {key: value for key, value in {**spec, "base": base, "evaluation": evaluator}.items() if key not in free}


def checked(given: Mapping[str, Any]) -> StudySpec:
    """StudySpec.from_dict."""
    for key in given:
        if key in RENAMED_KEYS:
            raise SpecError((key,), f"the key {key!r} is called {RENAMED_KEYS[key]!r} now; rename it")
        if key not in StudySpec.model_fields:
            place = " (is it a setting? those belong into base)" if key in settings() else ""
            raise SpecError(
                (key,), f"a study has no {key!r}{place}; {nearest(key, StudySpec.model_fields)}it has {list(StudySpec.model_fields)}"
            )
    try:
        return StudySpec.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        if isinstance(inner := first.get("ctx", {}).get("error"), SpecError):
            raise inner from None
        where = tuple(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise SpecError(where, f"a study needs {where[0] if len(where) == 1 else '.'.join(where)}: it is not there") from None
        if first["type"] == "extra_forbidden":
            known = fields_of(where[:-1])
            raise SpecError(
                where, f"there is no {'.'.join(where)!r}; {nearest(where[-1], known)}{'.'.join(where[:-1])} has {known}"
            ) from None
        raise SpecError(where, validation_message(error)) from None


def fields_of(where: tuple[str, ...]) -> list[str]:
    """The keys of a section of StudySpec: of ("tracking", "wandb") entity, project …"""
    model: Any = StudySpec
    for name in where:
        kinds = [model.model_fields[name].annotation]
        kinds = [*get_args(kinds[0]), *kinds]
        model = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
    return list(model.model_fields)


def changed(given: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """The mapping with one --set: a key of the study (n_configs, resources.gpu, tracking.wandb.mode), or else a setting of its base."""
    head, *rest = name.split(".")
    if head in RENAMED_KEYS:
        raise UserError(f"the key {head!r} is called {RENAMED_KEYS[head]!r} now: --set {'.'.join([RENAMED_KEYS[head], *rest])}=…")
    if head not in StudySpec.model_fields or head in ("base", "space"):
        space = given.get("space")
        if any(name in part for part in (space.values() if isinstance(space, Mapping) else ()) if isinstance(part, Mapping)):
            raise UserError(f"{name} varies in this study, so it cannot be set; change its domain in the study file")
        return {**given, "base": {**(given.get("base") or {}), name: value}}
    if not rest:
        return {**given, head: value}
    inner = given.get(head)
    return {**given, head: _inside(inner if isinstance(inner, Mapping) else {}, rest, value)}


def _inside(given: Mapping[str, Any], keys: list[str], value: Any) -> dict[str, Any]:
    if len(keys) == 1:
        return {**given, keys[0]: value}
    inner = given.get(keys[0])
    return {**given, keys[0]: _inside(inner if isinstance(inner, Mapping) else {}, keys[1:], value)}
