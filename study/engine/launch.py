"""StudySpec -> Ray Tune -> Recorder -> Store. Launching on a folder that holds records goes on from them."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.error import TuneError

from analysis.metrics.measures import METRICS, OF_CLASSES
from study.api import StudyView, best_images, open_study
from study.engine import cluster
from study.engine.progress import Progress
from study.engine.provenance import provenance
from study.engine.searcher import Search, to_run
from study.engine.stopping import Stopping
from study.evaluation.evaluator import Judge
from study.evaluation.features import keep_classifier
from study.spec.study_spec import StudySpec, identity
from study.store.records import Closed, Ended, Measurement, Saved, StudyRecord
from study.store.store import RULER, Store, driver
from study.tracking.process import watching
from trainables.conditions import classes_of
from trainables.data import Source, load
from trainables.generators import GENERATOR
from trainables.grid import real_png
from trainables.models import conditional
from trainables.tricks import TRICKS
from trainables.tune import SAMPLES, STATE, GanTrainable, Shared

log = logging.getLogger(__name__)
logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)  # misses the result files that we turn off

MAX_CRASHES = 2  # of the whole run of Tune, which then goes on from the records
REAL = "real.png"


def launch(spec: StudySpec, folder: Path | str | None = None, *, address: str | None = None, progress: bool = True) -> StudyView:
    """Run the study until its trials are done, or it is stopped. Call it again to go on.

    folder: runs/NAME unless given. address: a Ray cluster's; else the Ray that this process uses, else one started here.
    Raises ValueError for what cannot run, before anything is started or written; RuntimeError while another driver has the folder.
    """
    folder = Path(folder or Path("runs") / spec.name)
    prepared = prepare(spec, folder, address=address)
    if not unfinished(spec, Store(folder)):
        with watching(folder, spec.tracking):  # what a mirror may have missed
            return open_study(folder, trust_plugins=True)
    with cluster.connected(address), sigterm_is_ctrl_c():  # after ray.init, which takes SIGTERM for itself
        cluster.check_versions()
        cluster.slots(spec, cluster.nodes(address))
        with Store.writing(folder) as store:
            store.write_study(prepared.study)
            (folder / REAL).write_bytes(real_png(prepared.source.train))
            keep_classifier(prepared.judge, prepared.source, folder / RULER)
            with watching(folder, spec.tracking), Progress(spec, store, shown=progress) as display:
                run_trials(spec, prepared, store, display)
    return open_study(folder, trust_plugins=True)


def run_trials(spec: StudySpec, prepared: "Prepared", store: Store, display: Progress) -> None:
    for crash in range(MAX_CRASHES + 1):
        try:
            tuner(spec, prepared, store, display).fit()
            return
        except (RuntimeError, TuneError) as error:  # the run broke, not a trial: the records are whole, so go on from them
            if crash == MAX_CRASHES:
                raise
            log.warning("the run broke and is started again: %s", error)


@dataclass(frozen=True)
class Prepared:
    """What all trials share."""

    source: Source
    judge: Judge
    study: StudyRecord


def prepare(spec: StudySpec, folder: Path, *, address: str | None) -> Prepared:
    """All that can be found wrong before Ray starts is found here. Writes nothing to the folder."""
    store = Store(folder)
    known = store.study if store.trials else None  # a study that opened no trial can be replaced
    if who := driver(folder):
        raise RuntimeError(
            f"{folder} has a driver already: {who}. `ganstudy status {folder}` looks at it, `ganstudy stop {folder}` ends it"
        )
    if known:
        refuse_other(known.spec, spec, folder)
    check_writable(folder)
    if nodes := cluster.nodes(address):
        cluster.slots(spec, nodes)
    source = load(spec.corners[0].data)
    check_networks(spec, source)
    told = [config.g.condition is not None for config in spec.corners]
    judge = Judge.build(
        source,
        features=spec.judge.features,
        weights=spec.judge.weights,
        n_fake=spec.judge.samples,
        kept=folder / RULER,
        conditional=any(told),
    )
    if spec.score.metric in METRICS and METRICS[spec.score.metric].needs in OF_CLASSES and not all(told):
        raise ValueError(f"score: {spec.score.metric} needs g.condition in every trial, as it is of the classes that were asked for")
    if spec.score.metric not in judge.floors:
        raise ValueError(f"score must be one of {sorted(judge.floors)}, which {source.name} can be judged by; given {spec.score.metric!r}")
    if known and known.ruler != judge.ruler.as_dict():
        changes = [f"{k}: {known.ruler.get(k)} there, {v} now" for k, v in judge.ruler.as_dict().items() if known.ruler.get(k) != v]
        raise ValueError(
            f"{folder} was measured with another ruler, and numbers of different rulers cannot be compared ({'; '.join(changes)}). Use another folder (--folder), or the data it was measured on"
        )
    facts = provenance()
    made = StudyRecord(
        spec=spec.as_dict(),
        ruler=judge.ruler.as_dict(),
        floors={name: floor.value for name, floor in judge.floors.items()},
        n_modes=judge.n_modes,
        accuracy=judge.accuracy,
        created=known.created if known else facts["started"],
        provenance=facts,
    )
    return Prepared(source, judge, made)


def unfinished(spec: StudySpec, store: Store) -> bool:
    """Whether there is a trial to run."""
    return len(store.trials) < spec.n_trials or bool(to_run(spec, store))


def refuse_other(known: Mapping[str, Any], spec: StudySpec, folder: Path) -> None:
    """ValueError where the folder holds another study than this one made longer."""
    old, new = identity(known), identity(spec.as_dict())
    if changes := [f"{key}: {old[key]} there, {new[key]} now" for key in old if old[key] != new.get(key)]:
        raise ValueError(
            f"{folder} holds another study ({'; '.join(changes)}). To go on with that one: `ganstudy resume {folder}`. "
            "To extend it, raise n_configs or seeds in its own file and launch that. For a new study, change `name` or give --folder"
        )


def check_writable(folder: Path) -> None:
    """ValueError where the folder cannot be made or written."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{folder} must be a folder that can be written; {there} {'cannot be' if there.is_dir() else 'is a file'}")


def check_networks(spec: StudySpec, source: Source) -> None:
    """ValueError where an architecture, an output or a trick of the study cannot work on the data's shape, classes are asked of data without labels, or data.size is more than there is."""
    for config in spec.corners:
        classes = classes_of(config, source)
        conditional.generator(config, source.shape, classes=classes)
        conditional.discriminator(config, source.shape, classes=classes)
    for name, trick in TRICKS.items():
        if True in (spec.base.get(name), *spec.space.values(name)):
            trick().d_shape(source.shape)
    sizes = [spec.base.get("data.size"), *spec.space.values("data.size")]
    if (largest := max((size for size in sizes if size), default=0)) > len(source.train):
        raise ValueError(f"data.size must be at most the {len(source.train)} training images of {source.name}; given {largest}")


class Recorder(tune.Callback):
    """Tells the Store, then the searcher, what becomes of each trial."""

    def __init__(self, store: Store, search: Search, stopping: Stopping, display: Progress):
        self.store, self.search, self.stopping, self.display = store, search, stopping, display

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any) -> None:
        """`done` is set by the trial (budget, dead), by the stopper (dead) or by the scheduler. A run that died at once has measured nothing."""
        hopeless = self.stopping.reasons.get(trial.config["trial_id"], "")
        ended = Ended(result["ended"] or (Ended.DEAD if hopeless else Ended.SCHEDULER)) if result["done"] else None
        measured = Measurement(**{k: result[k] for k in ("images", "seconds", "judge_seconds", "values")})
        self.tell(
            trial,
            measured if result["values"] else None,
            Closed(ended=ended, reason=result["reason"] or hopeless) if ended else None,
            result["effective"],
        )

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """What breaks after the last result (its checkpoint, say) takes nothing back: needs_run makes up for it at the next start."""
        if (closed := self.store.trials[trial.config["trial_id"]].closed) and closed.ended is not Ended.ERROR:
            return
        self.tell(
            trial, None, Closed(ended=Ended.ERROR, reason=Path(trial.error_file).read_text() if trial.error_file else "the worker is gone")
        )

    def on_checkpoint(self, iteration: int, trials: list[Any], trial: Any, checkpoint: tune.Checkpoint, **info: Any) -> None:
        """Keeps the newest whole, and of the best the generator; Tune's own num_to_keep would write the whole run's state at every tick."""
        record, folder = self.store.trials[trial.config["trial_id"]], self.store.folder.absolute()
        images = trial.last_result["images"]
        samples = folder / "trials" / record.trial_id / "samples" / f"{images:09d}.png"
        samples.parent.mkdir(parents=True, exist_ok=True)
        samples.write_bytes((Path(checkpoint.path) / SAMPLES).read_bytes())
        self.store.write(record.trial_id, saved=Saved(images=images, path=str(Path(checkpoint.path).relative_to(folder))))
        record = self.store.trials[record.trial_id]
        best = best_images(record, self.search.spec.score.metric, self.search.spec.score.direction)
        for old in record.saved[:-1]:
            unneeded = (STATE, SAMPLES) if old.images == best else (STATE, SAMPLES, GENERATOR)
            for name in unneeded:
                (folder / old.path / name).unlink(missing_ok=True)

    def tell(self, trial: Any, measured: Measurement | None, closed: Closed | None, effective: dict[str, Any] | None = None) -> None:
        trial_id = trial.config["trial_id"]
        if self.store.write(trial_id, measured=measured, closed=closed, effective=effective) and measured:
            self.search.measured(trial_id, measured)
        if closed:
            self.search.closed(self.store.trials[trial_id])
        self.display.heard(self.store.trials[trial_id])


def tuner(spec: StudySpec, prepared: Prepared, store: Store, display: Progress) -> tune.Tuner:
    """A Tune run of its own for each driver; what it keeps on disk, the checkpoints apart, is never read."""
    from study.engine.schedulers import Halving

    search, stopping = Search(spec, store), Stopping(store, budget_kimg=spec.budget_kimg)
    scheduler = Halving(spec) if spec.scheduler else None
    for record in store.trials.values():
        if scheduler:
            scheduler.replay(record)
    runs, nodes = store.folder.absolute() / "tune", cluster.nodes(None)
    shared = Shared(source=prepared.source, judge=prepared.judge, plugins=spec.plugins, plugin_folders=plugin_folders(spec.plugins))
    return tune.Tuner(
        tune.with_resources(tune.with_parameters(GanTrainable, shared=shared), cluster.per_trial(spec, cluster.total(nodes))),
        tune_config=tune.TuneConfig(
            search_alg=search,
            scheduler=scheduler,
            num_samples=-1,
            max_concurrent_trials=cluster.slots(spec, nodes),
            reuse_actors=True,
            trial_dirname_creator=dirname,
        ),
        run_config=tune.RunConfig(
            storage_path=str(runs),
            name=f"run{len(list(runs.glob('*'))):03}",
            callbacks=[Recorder(store, search, stopping, display)],
            stop=stopping,
            verbose=0,
        ),
    )


def plugin_folders(modules: Sequence[str]) -> tuple[str, ...]:
    """Where the driver found them. Workers on the same files look there too; elsewhere a plugin must be importable by itself."""
    tops = [sys.modules[module.partition(".")[0]] for module in modules]
    return tuple(str(Path(top.__file__).parents[top.__file__.endswith("__init__.py")]) for top in tops if top.__file__)


def dirname(trial: Any) -> str:
    return f"{trial.config['trial_id']}_{trial.trial_id}"  # a trial that failed comes back as another of Tune's


@contextmanager
def sigterm_is_ctrl_c() -> Iterator[None]:
    """Tune stops cleanly on SIGINT and knows nothing of SIGTERM, which is what clusters send."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)
