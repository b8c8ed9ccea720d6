"""Checks before a study starts that the generators of its plugins can be saved and loaded."""

from typing import Any

from ganstudy import UserError
from study.spec.design import DESIGNS
from study.spec.study_spec import StudySpec
from trainables.data import Source
from trainables.generators import refuse_unloadable
from trainables.run import LOOPS
from trainables.tricks import TRICKS

_CONFIGS = 32  # of the space; each combination of what returns a generator is checked once among them


def refuse_unloadable_generators(spec: StudySpec, source: Source) -> None:
    """Raise UserError if a trick or a loop of a plugin returns a generator whose file could not be loaded.

    Trials check it too, at their first tick. Builds the networks of some configs if a plugin's trick or loop has a method `generator`.
    """
    seen: set[tuple[str, ...]] = set()
    for point in DESIGNS.pick("random")(spec.space, n_configs=_CONFIGS, design_seed=spec.design_seed) if spec.plugins else ():
        try:
            config = spec.config(point)
        except UserError:  # a search may propose settings that do not go together; it asks again
            continue
        entries: dict[str, Any] = {config.loop: LOOPS.pick(config.loop), **{name: TRICKS.pick(name) for name in config.tricks}}
        own = [name for name, entry in entries.items() if entry.generator.__module__.partition(".")[0] != "trainables"]
        if not own or (config.arch, *own) in seen:
            continue
        seen.add((config.arch, *own))
        refuse_unloadable(LOOPS.pick(config.loop)(config, source).generator(), config, source.shape)
