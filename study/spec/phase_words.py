"""The phases of a study in words."""

from collections.abc import Mapping
from typing import Any

from analysis.words import plural
from study.spec.planned import GOALS, configs_of_phases, name_of, phases_of


def phase_words(spec: Mapping[str, Any], *, distinct: int | None = None, confirmed: int | None = None) -> dict[str, str]:
    """Return what each phase of a study does: {"explore": "balanced, 32 configs × 2 seeds", "confirm": "the best 10 configs, up to 5 seeds"}.

    The only phase of a study without `phases` has the name of its goal. distinct: how many configs of the design differ in more than the seed, if known.
    confirmed: how many configs the race had, if known.
    """
    words: dict[str, str] = {}
    configs = configs_of_phases(spec)
    if confirmed is not None:
        configs |= {name: min(configs[name], confirmed) for name in ("confirm", "ablate") if name in configs}
    for name, phase in phases_of(spec).items():
        match name:
            case "confirm" | "ablate" if not configs[name]:
                words[name] = "no config could be confirmed"
            case "confirm":
                words[name] = f"{_the_best(configs[name])}, up to {plural(phase['seeds'], 'fresh seed')}"
            case "ablate":
                words[name] = f"each setting of {_the_best(configs[name])} back at its default"
            case _:
                scheduler = f", stopped early by {phase['scheduler']['name']}" if phase.get("scheduler") else ""
                n = phase["n_configs"]
                repeated = f" ({distinct} distinct)" if name == "explore" and distinct is not None and distinct < n else ""
                words[name if "phases" in spec else GOALS[name]] = (
                    f"{name_of(phase['sampler'])}, {plural(n, 'config')}{repeated} × {plural(phase['seeds'], 'seed')}{scheduler}"
                )
    return words


def _the_best(n: int) -> str:
    return "the best config" if n == 1 else f"the best {n} configs"
