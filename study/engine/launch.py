"""Runs a study: StudySpec -> Ray Tune -> Recorder -> Store. Launching on a folder with records resumes the study."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.error import TuneError

from ganstudy import UserError
from ganstudy.command import command
from ganstudy.files import write_whole
from study.console import terminal
from study.engine import cluster, sharing
from study.engine.lanes import Lane
from study.engine.prepare import Prepared, prepare
from study.engine.progress import Progress
from study.engine.recorder import Recorder
from study.engine.schedulers import early_stopping
from study.engine.searcher import Search, unfinished
from study.engine.stopping import Stopping
from study.engine.watch import Watch
from study.engine.workers import dispatching
from study.evaluation.classifiers import keep_classifier
from study.spec.plugins import plugin_folders
from study.spec.study_spec import StudySpec
from study.store.layout import Layout, default_folder
from study.store.store import Store
from study.tracking.process import watching
from trainables.grid import real_png
from trainables.tune import GanTrainable, Shared

log = logging.getLogger(__name__)
logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)  # it warns about result files that we turn off

_MAX_CRASHES = 2  # crashes of the whole Tune run; after each, a new Tune run resumes from the records


def launch(
    spec: StudySpec,
    folder: Path | str | None = None,
    *,
    address: str | None = None,
    progress: bool = True,
    allow_changed_code: bool = False,
) -> Store:
    """Run the study until its trials are done or it is stopped. Returns its records. See study.api.launch."""
    if not isinstance(spec, StudySpec):
        raise UserError(f"launch needs a StudySpec; given {spec!r}. Read a study file with StudySpec.load(path)")
    folder = Path(folder or default_folder(spec.name))
    prepared = prepare(spec, folder, address=address, allow_changed_code=allow_changed_code)
    for note in prepared.source.notes if progress else ():
        terminal().print(note, soft_wrap=True)
    if not unfinished(spec, Store(folder)):
        known = Store(folder).study
        if known and (known.spec.get("failure"), known.spec["question"]) != (spec.failure, spec.question):
            with Store.writing(folder) as store:
                store.write_study(prepared.study)
        with _tracked(folder, spec):  # to complete the trackers
            return Store(folder)
    with cluster.connected(address), _sigterm_as_sigint():  # after ray.init, which installs its own SIGTERM handler
        cluster.check_versions(allow_changed_code=allow_changed_code)
        cluster.slots(spec, cluster.nodes(address))
        shared, lanes, facts = _shared(spec, prepared), 0, dict[str, Any]()
        if sharing.most(spec, cluster.nodes(address)):
            lanes, loads = sharing.measured(spec, shared, cluster.nodes(address))
            facts = sharing.as_record(lanes, loads)
            if progress:
                terminal().print(sharing.sentence(lanes, loads), soft_wrap=True)
        with Store.writing(folder) as store:
            store.write_study(replace(prepared.study, sharing=facts))
            write_whole(store.layout.real, real_png(prepared.source.train))
            keep_classifier(prepared.evaluator.networks.classifier, prepared.source, store.layout.classifier)
            with _tracked(folder, spec), Progress(spec, store, shown=progress) as display:
                _run_trials(spec, shared, store, display, lanes=lanes)
    return Store(folder)


def _tracked(folder: Path, spec: StudySpec) -> AbstractContextManager[None]:
    return watching(folder, spec.tracking, plugins=spec.plugins, plugin_folders=plugin_folders(spec.plugins))


def _run_trials(spec: StudySpec, shared: Shared, store: Store, display: Progress, *, lanes: int) -> None:
    """Run all trials. If Tune itself crashes, start a new Tune run that resumes from the records. Raises UserError for a fault of the machine.

    lanes: how many share each GPU, halved whenever a trial runs out of memory; 0 if the study says it.
    """
    stopping = Stopping(store, budget_kimg=spec.budget_kimg, stop_hopeless=spec.stop_hopeless, hours=spec.resources.study_hours)
    crashes = 0
    while True:
        now = spec.with_gpu(sharing.share(lanes)) if lanes else spec
        stopping.full, stopping.fewer_if_full = False, lanes > 1
        try:
            with _trainable(now, shared) as trainable:
                _tuner(now, trainable, store, display, stopping).fit()
        except (RuntimeError, TuneError) as error:  # Tune crashed, not a trial, so the records are complete
            if store.unwritten:  # in a callback, whose exceptions Tune turns into its own
                raise store.unwritten from None
            if crashes == _MAX_CRASHES:
                raise
            crashes += 1
            log.warning("Ray Tune crashed; resuming from the records: %s", error)
            continue
        if store.unwritten:  # Tune only logs what is raised while it saves
            raise store.unwritten
        if stopping.fault:
            raise UserError(
                f"the study has stopped: {stopping.fault}. Mend this, then resume: {command('resume', store.folder)}. "
                f"It cost the trials none of their tries; {command('status', store.folder)} shows what is done"
            )
        if not stopping.full or stopping.is_asked() or stopping.time_is_up():
            return
        lanes //= 2
        log.warning("a trial ran out of a GPU's memory; from now on %s", sharing.sentence(lanes, []))


def _shared(spec: StudySpec, prepared: Prepared) -> Shared:
    timeout_min = spec.resources.timeout_min
    return Shared(
        source=prepared.source,
        evaluator=prepared.evaluator,
        plugins=spec.plugins,
        plugin_folders=plugin_folders(spec.plugins),
        capture=spec.resources.capture == "auto",
        deterministic=spec.resources.deterministic,
        timeout_s=timeout_min and 60 * timeout_min,
        versions=prepared.versions,
        allow_changed_code=prepared.allow_changed_code,
    )


@contextmanager
def _trainable(spec: StudySpec, shared: Shared) -> Iterator[Any]:
    """The trainable of the study's trials. With lanes, their worker processes end with the block."""
    if cluster.lanes(spec, cluster.nodes(None)):
        with dispatching() as dispatcher:
            yield tune.with_parameters(Lane, dispatcher=dispatcher, shared=[ray.put(shared)], timeout_min=spec.resources.timeout_min)
    else:
        yield tune.with_parameters(GanTrainable, shared=shared)


def _tuner(spec: StudySpec, trainable: Any, store: Store, display: Progress, stopping: Stopping) -> tune.Tuner:
    """A new Tune run. Of the files that Tune writes, only the checkpoints are ever read."""
    search, watch = Search(spec, store, time_is_up=stopping.time_is_up), Watch(timeout_min=spec.resources.timeout_min)
    nodes = cluster.nodes(None)
    return tune.Tuner(
        tune.with_resources(trainable, cluster.per_trial(spec, cluster.total(nodes))),
        tune_config=tune.TuneConfig(
            search_alg=search,
            scheduler=early_stopping(spec, store.trials.values()),
            num_samples=-1,
            max_concurrent_trials=cluster.slots(spec, nodes),
            reuse_actors=True,
            trial_dirname_creator=_dirname,
        ),
        run_config=tune.RunConfig(
            storage_path=str(store.layout.runs.absolute()),
            name=store.layout.next_run(),
            callbacks=[Recorder(store, search, stopping, display, watch), watch],
            stop=stopping,
            # Tune's default saves once more when a trial is done, so the weights of a diverged trial would replace its last finite ones.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )


def _dirname(trial: Any) -> str:
    return Layout.trial_run(trial.config["trial_id"], trial.trial_id)


@contextmanager
def _sigterm_as_sigint() -> Iterator[None]:
    """Turn SIGTERM, which clusters send, into SIGINT, on which Tune stops cleanly."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)
