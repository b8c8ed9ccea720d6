"""StudySpec -> Ray Tune -> Recorder -> Store. Launching on a folder that holds records goes on from them."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.error import TuneError

from ganstudy.files import write_whole
from study.engine import cluster
from study.engine.prepare import Prepared, prepare
from study.engine.progress import Progress
from study.engine.recorder import Recorder
from study.engine.schedulers import EarlyStopping
from study.engine.searcher import Search, to_run
from study.engine.stopping import Stopping
from study.evaluation.classifiers import keep_classifier
from study.spec.plugins import plugin_folders
from study.spec.study_spec import StudySpec
from study.store.layout import Layout, default_folder
from study.store.store import Store
from study.tracking.process import watching
from trainables.grid import real_png
from trainables.tune import GanTrainable, Shared

log = logging.getLogger(__name__)
logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)  # misses the result files that we turn off

MAX_CRASHES = 2  # of the whole run of Tune, which then goes on from the records


def launch(spec: StudySpec, folder: Path | str | None = None, *, address: str | None = None, progress: bool = True) -> Store:
    """Run the study until its trials are done, or it is stopped, and return its records. See study.api.launch."""
    folder = Path(folder or default_folder(spec.name))
    prepared = prepare(spec, folder, address=address)
    if not unfinished(spec, Store(folder)):
        with watching(
            folder, spec.tracking, plugins=spec.plugins, plugin_folders=plugin_folders(spec.plugins)
        ):  # what a mirror may have missed
            return Store(folder)
    with cluster.connected(address), sigterm_is_ctrl_c():  # after ray.init, which takes SIGTERM for itself
        cluster.check_versions()
        cluster.slots(spec, cluster.nodes(address))
        with Store.writing(folder) as store:
            store.write_study(prepared.study)
            write_whole(store.layout.real, real_png(prepared.source.train))
            keep_classifier(prepared.evaluator.networks.classifier, prepared.source, store.layout.classifier)
            with (
                watching(folder, spec.tracking, plugins=spec.plugins, plugin_folders=plugin_folders(spec.plugins)),
                Progress(spec, store, shown=progress) as display,
            ):
                run_trials(spec, prepared, store, display)
    return Store(folder)


def run_trials(spec: StudySpec, prepared: Prepared, store: Store, display: Progress) -> None:
    for crash in range(MAX_CRASHES + 1):
        try:
            tuner(spec, prepared, store, display).fit()
            return
        except (RuntimeError, TuneError) as error:  # the run broke, not a trial: the records are whole, so go on from them
            if crash == MAX_CRASHES:
                raise
            log.warning("the run broke and is started again: %s", error)


def unfinished(spec: StudySpec, store: Store) -> bool:
    """Whether there is a trial to run."""
    return len(store.trials) < spec.n_trials or bool(to_run(spec, store))


def tuner(spec: StudySpec, prepared: Prepared, store: Store, display: Progress) -> tune.Tuner:
    """A Tune run of its own for each driver; what it keeps on disk, the checkpoints apart, is never read."""
    search, stopping = Search(spec, store), Stopping(store, budget_kimg=spec.budget_kimg)
    scheduler = EarlyStopping(spec) if spec.scheduler else None
    for record in store.trials.values():
        if scheduler:
            scheduler.replay(record)
    nodes = cluster.nodes(None)
    shared = Shared(source=prepared.source, evaluator=prepared.evaluator, plugins=spec.plugins, plugin_folders=plugin_folders(spec.plugins))
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
            storage_path=str(store.layout.runs.absolute()),
            name=store.layout.next_run(),
            callbacks=[Recorder(store, search, stopping, display)],
            stop=stopping,
            verbose=0,
        ),
    )


def dirname(trial: Any) -> str:
    return Layout.trial_run(trial.config["trial_id"], trial.trial_id)


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
