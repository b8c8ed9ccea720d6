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
    phases = phases_of(spec)
    proposed = {name: phases[name] for name in GOALS if name in phases}
    most: dict[str, int] = {name: phase["n_configs"] * phase["seeds"] for name, phase in proposed.items()}
    if confirm := phases.get("confirm"):
        most["confirm"] = min(confirm["top"], sum(phase["n_configs"] for phase in proposed.values())) * confirm["seeds"]
        if ablate := phases.get("ablate"):
            settings = sum(len(part) for part in spec["space"].values())
            most["ablate"] = min(ablate["of"], confirm["top"]) * confirm["seeds"] * settings
    return most
