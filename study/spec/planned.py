"""The phases of a study as its records have them, and how many trials they are. Imports no torch, since reading a study must not take seconds."""

from collections.abc import Mapping
from typing import Any

GOALS = {"explore": "explain", "optimise": "optimise"}  # of the phases that propose configs
PHASE_OF = {goal: phase for phase, goal in GOALS.items()}
OF_A_PHASE = ("goal", "sampler", "n_configs", "seeds", "scheduler")  # keys of a study with one phase


def name_of(sampler: Any) -> str:
    """Return the name of a sampler, given as its name or as {"name": …, argument: value}."""
    return sampler if isinstance(sampler, str) else str(sampler["name"])


def phases_of(spec: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the phases of a study, as StudySpec.as_dict() gives it, each with its keys; of a study with one phase too."""
    if "phases" in spec:
        return dict(spec["phases"])
    phase = PHASE_OF[spec.get("goal", "explain")]
    keys = (*(key for key in OF_A_PHASE if key not in ("goal", "scheduler")), *(("scheduler",) if phase == "optimise" else ()))
    return {phase: {key: spec.get(key) for key in keys}}


def planned_trials(spec: Mapping[str, Any]) -> int:
    """Return how many trials a study, as StudySpec.as_dict() gives it, has at most. A race may end sooner, and some settings are at their defaults already."""
    return sum(planned_of_phases(spec).values())


def planned_of_phases(spec: Mapping[str, Any]) -> dict[str, int]:
    """Return how many trials each phase of a study has at most."""
    phases, configs = phases_of(spec), configs_of_phases(spec)
    most: dict[str, int] = {name: configs[name] * phases[name]["seeds"] for name in (*GOALS, "confirm") if name in phases}
    if "ablate" in phases:
        most["ablate"] = configs["ablate"] * phases["confirm"]["seeds"] * sum(len(part) for part in spec["space"].values())
    return most


def configs_of_phases(spec: Mapping[str, Any]) -> dict[str, int]:
    """Return how many configs each phase of a study trains at most; of ablate, how many it starts from. No phase has more than the one before."""
    phases = phases_of(spec)
    configs: dict[str, int] = {name: phases[name]["n_configs"] for name in GOALS if name in phases}
    if confirm := phases.get("confirm"):
        configs["confirm"] = min(confirm["top"], sum(configs.values()))
        if ablate := phases.get("ablate"):
            configs["ablate"] = min(ablate["of"], configs["confirm"])
    return configs
