"""Checks that trials of a study record what its objectives, its constraints and its definition of a failure read."""

from collections.abc import Collection, Mapping
from contextlib import suppress

from analysis.grades import GRADES
from analysis.metrics import METRICS
from analysis.words import metrics_like
from ganstudy import UserError
from ganstudy.limits import FAILED
from ganstudy.units import to_kimg
from study.engine import cluster, sharing
from study.spec.design import DESIGNS
from study.spec.failure import Failure
from study.spec.study_spec import StudySpec
from trainables.config import TrialConfig
from trainables.data import Source
from trainables.loop import Diverged
from trainables.run import LOOPS
from trainables.signal_names import MEMORY, OF_GPU, signal_names

_CONFIGS = 16  # of the space, tried until one of them records a signal
_BATCHES = 8  # trained for each of them: more than D's steps per step of G in any published space


def refuse_unrecorded(spec: StudySpec, source: Source, metrics: Collection[str]) -> None:
    """Raise UserError unless objectives, constraints and `failure` name metrics among `metrics`, those of the data, or signals of some trial.

    Trains a few batches of some configs if there is a signal to look for.
    """
    read = {
        **dict.fromkeys((each.metric for each in spec.objectives), "objective" if len(spec.objectives) == 1 else "objectives"),
        **dict.fromkeys((limit.name for limit in spec.limits if limit.name != FAILED), "constraints"),
        **dict.fromkeys(Failure(spec.failure, signal_names()).names if spec.failure else (), "failure"),
    }
    for name, key in read.items():
        if name in METRICS and name not in metrics:
            raise UserError(
                f"{key} must name a metric that can be measured with data: {source.name}, or a signal; given {name!r}; {metrics_like(name, sorted(metrics))}"
            )
    wanted = {name: key for name, key in read.items() if name not in METRICS and name not in GRADES and name not in OF_GPU}
    if not wanted:
        return
    points = DESIGNS.pick("random")(spec.space, n_configs=_CONFIGS, design_seed=spec.design_seed)
    found: set[str] = set()
    for point in points:
        with suppress(UserError):  # a search may propose settings that do not go together; it asks again
            found |= _signals(spec.config(point), source)
        if found >= wanted.keys():
            return
    name, key = next((name, key) for name, key in wanted.items() if name not in found)
    raise UserError(
        f"{key}: {name} must be a signal that trials of this study record; none of {_CONFIGS} configs does. They record {sorted(found)}"
    )


def refuse_unmeasured(spec: StudySpec, nodes: list[Mapping[str, float]]) -> None:
    """Raise UserError if an objective, a constraint or `failure` reads the memory of a GPU that trials on these nodes do not measure.

    Nodes that are not known yet are not checked.
    """
    names = [each.metric for each in spec.objectives] + [limit.name for limit in spec.limits]
    names += Failure(spec.failure, signal_names()).names if spec.failure else []
    if not nodes or not (read := [name for name in names if name in OF_GPU]):
        return
    request = cluster.per_trial(spec, cluster.total(nodes))["gpu"]
    if not request:
        raise UserError(f"{read[0]} needs a GPU for each trial, since it is measured there; the trials of this study train on CPUs")
    if read[0] == MEMORY and (cluster.lanes(spec, nodes) or sharing.most(spec, nodes) > 1):
        raise UserError(
            f"{MEMORY} needs a process for each trial, since trials that share one share its memory; set resources.gpu: 1, or resources.lanes: false"
        )


def _signals(config: TrialConfig, source: Source) -> set[str]:
    """Return the signals of the first tick of a trial; none if it diverges at once."""
    kimg = _BATCHES * to_kimg(config.batch_size)
    run = LOOPS.pick(config.loop)(config.model_copy(update={"budget_kimg": kimg, "tick_kimg": kimg}), source)
    try:
        return {name for tick in run.ticks() for name in tick.signals}
    except Diverged:
        return set()
