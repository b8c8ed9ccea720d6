"""StudySpec: the question, the space, the design and the resources of a study, checked before anything starts."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, SerializeAsAny, TypeAdapter, ValidationError, ValidationInfo, field_validator, model_validator

from ganstudy import UserError
from ganstudy.limits import Limit, limits_of
from study.spec import checks, design
from study.spec.domains import as_given
from study.spec.enqueue import read_enqueue
from study.spec.errors import SpecError
from study.spec.failure import check_failure
from study.spec.files import line_of, read_yaml
from study.spec.objectives import Objective, read_constraints, read_objectives
from study.spec.phases import Phases, as_keys, first_phase
from study.spec.planned import GOALS, OF_A_PHASE, PHASE_OF, name_of, phases_of, planned_trials
from study.spec.plugins import import_plugins, plugins_of
from study.spec.published import with_published
from study.spec.ranges import NEVER_VARIES
from study.spec.read import read_changed, read_model
from study.spec.sampling import Sampling, read_sampler
from study.spec.schedulers import Scheduler, read_scheduler
from study.spec.sections import EvaluationConfig, Resources
from study.spec.sound import refuse_unsound
from study.spec.space import Proposal, Space, check_names, read_space
from study.spec.tracking import TRACKERS, Tracking
from trainables.config import TrialConfig, settings
from trainables.messages import NAME, validation_message
from trainables.sections import Section, joined
from trainables.signal_names import signal_names


class StudySpec(Section):
    """A study, frozen. Made by StudySpec.load(file), StudySpec.from_dict(mapping), or from its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)

    name: Annotated[str, Field(pattern=NAME, max_length=100)]
    """name of the study; its folder is runs/NAME"""
    question: Annotated[str, Field(min_length=1)]
    """the question that the study answers"""
    goal: Literal["explain", "optimise"] = "explain"
    """explain: a randomised design, which supports claims about causes; optimise: a search for good settings"""
    plugins: tuple[str, ...] = ()
    """modules to import before the settings are checked, also on every worker"""
    base: dict[str, Any] = Field(default_factory=dict)
    """settings that do not vary, under their dotted names"""
    space: Space
    """settings that vary: scientific ones, which the question is about, and nuisance ones, for a fair comparison"""
    sampler: Sampling = "balanced"
    """what proposes configs: a design for goal: explain, a sampler of Optuna for goal: optimise, whose arguments may be given"""
    enqueue: tuple[dict[str, Any], ...] = ()
    """configs that a search tries first: settings that vary, the word defaults, or a recipe; the other settings have their defaults"""
    warm_start: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """folders of studies whose finished trials the sampler also learns from"""
    n_configs: Annotated[int, Field(ge=1, le=design.MAX_CONFIGS)]
    """number of configs; may be left out with sampler: factorial"""
    seeds: Annotated[int, Field(ge=1, le=1_000)] = 1
    """trials of each config; of a search, at most: configs that may still win get more than one"""
    design_seed: Annotated[int, Field(ge=0, le=design.MAX_SEED)] = 0
    """another number gives another design, with other seeds"""
    objective: Objective = Objective()
    """the metric that ranks, or that a search optimises"""
    objectives: tuple[Objective, ...] = (Objective(),)
    """in place of objective: several metrics, the main one first"""
    constraints: dict[str, str] = Field(default_factory=dict)
    """limits that a config must keep to: a metric, a signal or failed, and <= or >= a number"""
    scheduler: SerializeAsAny[Scheduler] | None = None
    """what stops bad trials early; for goal: optimise only"""
    phases: Phases | None = None
    """what runs one after another, in place of goal, sampler, n_configs, seeds and scheduler"""
    evaluation: EvaluationConfig = EvaluationConfig()
    """how generators are evaluated"""
    resources: Resources = Resources()
    """the resources of one trial"""
    failure: str | None = None
    """when a trial has failed, such as "coverage < 0.5"; null: by its outcome"""
    stop_hopeless: bool = True
    """whether to end trials that fail and make no progress any more"""
    max_failures: Annotated[int, Field(ge=0, le=1_000)] = 2
    """how often a trial that ended in an error is started again"""
    tracking: Tracking = Tracking()
    """where the study is shown elsewhere: Weights & Biases, TensorBoard, MLflow, an Optuna storage"""

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, given: Any, info: ValidationInfo) -> Any:
        """Import plugins, since they register names, then read the space and fill in defaults that depend on other keys."""
        given = dict(given)
        given["plugins"] = plugins_of(given)
        import_plugins(given["plugins"], folders=(info.context or {}).get("plugin_folders", ()))
        if isinstance(given.get("space"), (str, Mapping)):
            base = given.get("base")
            given["space"] = read_space(with_published(given["space"], base if isinstance(base, Mapping) else {}))
        if given.get("phases") is not None:
            given |= first_phase(given)
        given |= read_objectives(given)
        given["sampler"] = read_sampler(given.get("sampler", "tpe" if given.get("goal") == "optimise" else "balanced"))
        if given.get("scheduler") is not None:
            given["scheduler"] = read_scheduler(given["scheduler"])
        if name_of(given["sampler"]) in design.FACTORIAL and isinstance(space := given.get("space"), Space):
            given.setdefault("n_configs", design.cells_of(space))
        return given

    @field_validator("enqueue", mode="before")
    @classmethod
    def _configs(cls, given: Any, info: ValidationInfo) -> Any:
        if not {"base", "space"} <= info.data.keys():
            return ()  # one of them is refused
        return read_enqueue(given, info.data["space"], info.data["base"], folders=(info.context or {}).get("plugin_folders", ()))

    @field_validator("failure")
    @classmethod
    def _readable(cls, text: str | None) -> str | None:
        try:
            if text is not None:
                check_failure(text, signal_names())
        except UserError as error:
            raise SpecError(("failure",), str(error)) from None
        return text

    @field_validator("constraints", mode="before")
    @classmethod
    def _limits(cls, given: Any) -> dict[str, str]:
        return read_constraints(given)

    @field_validator("tracking")
    @classmethod
    def _settings_of_trackers(cls, tracking: Tracking) -> Tracking:
        for name, value in (tracking.model_extra or {}).items():  # trackers of plugins
            try:
                TypeAdapter(TRACKERS[name].config).validate_python(value)
            except ValidationError as error:
                raise SpecError(("tracking", name), validation_message(error, prefix=f"tracking.{name}.")) from None
        return tracking

    @field_validator("base")
    @classmethod
    def _settings_of_trials(cls, base: dict[str, Any]) -> dict[str, Any]:
        for name in base:
            near = get_close_matches(str(name), [*cls.model_fields, *settings()], n=1)
            if name not in settings() and near and near[0] in cls.model_fields:
                raise SpecError(
                    ("base", str(name)), f"no setting named {name!r}; did you mean {near[0]!r}, a key of the study beside base?"
                )
        check_names(base, ("base",))
        if "seed" in base:
            raise SpecError(("base", "seed"), f"seed must not be in base: {NEVER_VARIES['seed']}")
        try:
            return {name: joined(value) if name == "data.classes" else value for name, value in base.items()}
        except UserError as error:
            raise SpecError(("base", "data.classes"), str(error)) from None

    @model_validator(mode="after")
    def _sound(self) -> "StudySpec":
        for phase in self.phase_names:
            if phase in GOALS:
                try:
                    refuse_unsound(self.of_phase(phase))
                except SpecError as error:
                    where = ("phases", phase) if self.phases and error.where[:1] not in (("base",), ("space",)) else ()
                    raise SpecError((*where, *error.where), str(error)) from None
        return self

    # Derived values -------------------------------------------------------------------------------

    @property
    def phase(self) -> str:
        """The first phase, or the only one."""
        return PHASE_OF[self.goal]

    @property
    def phase_names(self) -> list[str]:
        """The phases in the order in which they run."""
        return list(self.phases.names) if self.phases else [self.phase]

    def of_phase(self, phase: str) -> "StudySpec":
        """Return the study that has only this phase, explore or optimise."""
        if self.phases is None:
            assert phase == self.phase
            return self
        return self.model_copy(update=as_keys(self.phases, phase))

    def with_phase(self, phase: str, **keys: Any) -> "StudySpec":
        """Return the study with another phase, or with other values of a phase that it has. Raises SpecError."""
        given = self.as_dict()
        phases = phases_of(given)
        known = {key: value for key, value in given.items() if key not in OF_A_PHASE}
        return StudySpec.from_dict({**known, "phases": {**phases, phase: {**phases.get(phase, {}), **keys}}})

    @property
    def budget_kimg(self) -> float:
        """The training budget of each trial; it never varies."""
        return float(self.base.get("budget_kimg", settings()["budget_kimg"]))

    @property
    def stops_by(self) -> Objective:
        """The objective by which the scheduler stops trials."""
        named = self.scheduler.objective if self.scheduler else None
        return next((each for each in self.objectives if each.metric == named), self.objective)

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The constraints."""
        return limits_of(self.constraints)

    @property
    def is_open_ended(self) -> bool:
        """Whether results decide how many trials there are: in a race, and in a search that gives more seeds to good configs."""
        return self.phases is not None or (self.goal == "optimise" and self.seeds > 1)

    @property
    def n_trials(self) -> int:
        """The number of trials; of an open-ended study, at most."""
        if self.phases is None:
            return self.n_configs * self.seeds
        phases = self.phases.model_dump(include=set(self.phase_names), exclude={"optimise": {"scheduler"}})
        return planned_trials({"phases": phases, "space": {"all": self.space.domains}})

    def with_gpu(self, gpu: float) -> "StudySpec":
        """Return the same study whose trials request so much of a GPU."""
        return self.model_copy(update={"resources": self.resources.model_copy(update={"gpu": gpu})})

    def asked(self, values: Mapping[str, Any], seed: int) -> Proposal:
        """Return the trial with these values of the space. Includes switches that are off, but no settings of tricks that are off."""
        return self.space.asked(values, base=self.base, seed=seed)

    def config(self, values: Mapping[str, Any], seed: int = 0) -> TrialConfig:
        """Return the config with these values of the space."""
        return TrialConfig.from_flat(self.asked(values, seed).flat)

    @property
    def corners(self) -> list[TrialConfig]:
        """One config for each valid combination of architectures, outputs, conditions and variants. Raises SpecError if none is valid."""
        return checks.corners(self.space, self.base)

    @property
    def different(self) -> list[TrialConfig]:
        """Configs that differ in what they are made of: for each choice and each end of a range of whole numbers, and those of the design."""
        designed = (
            [TrialConfig.from_flat(proposal.flat) for proposal in self.designed()[: self.n_configs]] if self.goal == "explain" else []
        )
        return [*checks.each_value(self.space, self.base), *designed]

    def designed(self) -> list[Proposal]:
        """Return all trials of a study with goal: explain, in starting order: each config once, then each config with the next seed."""
        rows = design.rows_of(name_of(self.sampler), self.space, n_configs=self.n_configs, design_seed=self.design_seed)
        return [
            self.asked(row, design.seed_of(self.design_seed, config=i, replicate=replicate))
            for replicate in range(self.seeds)
            for i, row in enumerate(rows)
        ]

    @classmethod
    def load(cls, path: Any, changes: Mapping[str, Any] | None = None) -> "StudySpec":
        """Read a study file. Its plugins may be beside it. `changes` are like --set: {"budget_kimg": 50, "seeds": 2}.

        Raises UserError if it is invalid, with file and line, or the change.
        """
        path, changes = Path(path), changes or {}
        given = read_yaml(path)
        return read_changed(cls, given, changes, plugin_folders=[path.parent], place=lambda error: f"{path}{line_of(path, error.where)}")

    @classmethod
    def from_dict(cls, given: Mapping[str, Any], *, plugin_folders: Sequence[Path | str] = ()) -> "StudySpec":
        """Read a mapping of the form of a study file. plugin_folders: where its plugins may be, beside the current folder.

        Raises SpecError, with the path of keys, if it is invalid.
        """
        return read_model(cls, given, plugin_folders=plugin_folders)

    def as_dict(self) -> dict[str, Any]:
        """Return the form of a study file: from_dict(as_dict()) == self."""
        variants = self.space.variants
        space = {
            part: {
                name: dict(variants[name]) if name in variants else as_given(domain) for name, domain in getattr(self.space, part).items()
            }
            for part in ("scientific", "nuisance")
        }
        left_out = {
            "space",
            "phases",
            "objective" if len(self.objectives) > 1 else "objectives",
        }  # from_dict fills in the other objective key
        one_phase = self.model_dump(mode="json", exclude=left_out)
        if self.phases is None:
            return {**one_phase, "space": space}
        phases = self.phases.model_dump(mode="json", include=set(self.phase_names))
        return {**{key: value for key, value in one_phase.items() if key not in OF_A_PHASE}, "phases": phases, "space": space}
