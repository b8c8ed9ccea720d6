"""Checks before a study starts that the generators of its plugins can be saved and loaded."""

from ganstudy import UserError
from study.spec.design import DESIGNS
from study.spec.study_spec import StudySpec
from trainables.data import Source
from trainables.generators import refuse_unloadable
from trainables.run import LOOPS
from trainables.tricks import TRICKS

_CONFIGS = 32  # of the space; each combination of plugins' tricks and loops among them is checked once


def refuse_unloadable_generators(spec: StudySpec, source: Source) -> None:
    """Raise UserError if a trick or a loop of a plugin returns a generator whose file could not be loaded.

    Trials check it too, at their first tick. Builds the networks of some configs if the study has plugins.
    """
    seen: set[tuple[str, ...]] = set()
    for point in DESIGNS.pick("random")(spec.space, n_configs=_CONFIGS, design_seed=spec.design_seed) if spec.plugins else ():
        try:
            config = spec.config(point)
        except UserError:  # a search may propose settings that do not go together; it asks again
            continue
        makers = (config.arch, config.loop, *(name for name in config.tricks if TRICKS[name].__module__.partition(".")[0] != "trainables"))
        if makers not in seen:
            seen.add(makers)
            refuse_unloadable(LOOPS.pick(config.loop)(config, source).generator(), config, source.shape)
