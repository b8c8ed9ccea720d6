"""What makes a study the same study when it is launched again."""

from collections.abc import Mapping
from typing import Any

from ganstudy.written import differing, written
from study.spec.planned import OF_A_PHASE, phases_of
from trainables.config import PLACES_OF_DATA

_GROW = {"explore": ("n_configs", "seeds"), "optimise": ("n_configs", "seeds"), "confirm": ("top", "seeds"), "ablate": ("of",)}


def identity(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a StudySpec.as_dict() that must stay the same when a study resumes.

    The question, the definition of a failure, which only changes how records are read, the resources, the tracking and the places of files
    may change; the numbers of configs and seeds may grow, and phases may be added. The constraints may change too: by them, records are read and
    a search judges all trials again.
    """
    free = {"question", "failure", "constraints", "n_configs", "seeds", "resources", "tracking", "max_failures", "phases"}
    spec = {"stop_hopeless": True, "enqueue": [], "warm_start": [], **spec}  # older studies do not have them
    spec["objective"] = spec.pop("objectives", None) or spec["objective"]
    base = {name: value for name, value in spec["base"].items() if name not in PLACES_OF_DATA}
    # without the path of the weights, since the evaluation protocol has their hash
    evaluator = {name: value for name, value in spec["evaluation"].items() if name != "weights"}
    return {key: value for key, value in {**spec, "base": base, "evaluation": evaluator}.items() if key not in free}


def differences(known: Mapping[str, Any], given: Mapping[str, Any], *, extended: bool = False) -> list[str]:
    """Return what makes a given StudySpec.as_dict() another study than the known one of a folder, each as a phrase; [] if it is the same.

    extended: its space may differ, and what follows from that: base without the settings that vary now, and `enqueue` with values for them.
    """
    one_phase = "phases" not in known and "phases" not in given
    if extended:
        known = _in_space_of(known, given)
    if not one_phase and (gone := {name: phase for name, phase in phases_of(known).items() if name not in phases_of(given)}):
        return [f"it has the phases {written(gone)} too"]
    old, new = (_by_phase(spec) if not one_phase else identity(spec) for spec in (known, given))
    return differing(old, {key: new.get(key) for key in old})  # keys that an older study does not have may be anything


def _in_space_of(known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the known spec with the space of the given one, and with what follows from it."""
    varying = {name for part in given["space"].values() for name in part}
    base = {name: value for name, value in known["base"].items() if name not in varying or name in given["base"]}
    before, now = known.get("enqueue", []), given["enqueue"]
    alike = len(before) == len(now) and all(old.items() <= new.items() for old, new in zip(before, now, strict=True))
    return {**known, "space": given["space"], "base": base, "enqueue": now if alike else before}


def _by_phase(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identity of a study with the keys of each phase under its name."""
    alike = {key: value for key, value in identity(spec).items() if key not in OF_A_PHASE}
    of_phases = {
        f"phases.{name}.{key}": value for name, phase in phases_of(spec).items() for key, value in phase.items() if key not in _GROW[name]
    }
    return {**alike, **of_phases}


def shrunk(known: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Return the numbers that may grow but are smaller in the given study than in the known one of a folder, each as a phrase."""
    one_phase = "phases" not in known and "phases" not in given
    now = phases_of(given)
    return [
        f"{key if one_phase else f'phases.{name}.{key}'} must be at least {phase[key]}, as in the folder; given {now[name][key]}"
        for name, phase in phases_of(known).items()
        for key in _GROW[name]
        if name in now and now[name][key] < phase[key]
    ]
