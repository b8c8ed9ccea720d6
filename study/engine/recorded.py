"""Checks that trials of a study record what its objective and its definition of a failure read."""

from collections.abc import Collection
from contextlib import suppress

from analysis.grades import GRADES
from analysis.metrics import METRICS
from analysis.words import metrics_like
from ganstudy import UserError
from ganstudy.units import to_kimg
from study.spec.design import DESIGNS
from study.spec.failure import Failure
from study.spec.study_spec import StudySpec
from trainables.config import TrialConfig
from trainables.data import Source
from trainables.loop import Diverged
from trainables.run import LOOPS

_CONFIGS = 16  # of the space, tried until one of them records a signal
_BATCHES = 8  # trained for each of them: more than D's steps per step of G in any published space


def refuse_unrecorded(spec: StudySpec, source: Source, metrics: Collection[str]) -> None:
    """Raise UserError unless the objective and the metrics of `failure` are among `metrics`, those of the data, or are signals of some trial.

    Trains a few batches of some configs if there is a signal to look for.
    """
    read = {spec.objective.metric: "objective", **dict.fromkeys(Failure(spec.failure).names if spec.failure else (), "failure")}
    for name, key in read.items():
        if name in METRICS and name not in metrics:
            raise UserError(
                f"{key} must name a metric that can be measured with data: {source.name}, or a signal; given {name!r}; {metrics_like(name, sorted(metrics))}"
            )
    wanted = {name: key for name, key in read.items() if name not in METRICS and name not in GRADES}
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


def _signals(config: TrialConfig, source: Source) -> set[str]:
    """Return the signals of the first tick of a trial; none if it diverges at once."""
    kimg = _BATCHES * to_kimg(config.batch_size)
    run = LOOPS.pick(config.loop)(config.model_copy(update={"budget_kimg": kimg, "tick_kimg": kimg}), source)
    try:
        return {name for tick in run.ticks() for name in tick.signals}
    except Diverged:
        return set()
