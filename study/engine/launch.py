"""Runs a study: StudySpec -> Ray Tune -> Recorder -> Store. Launching on a folder with records resumes the study."""

import logging
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.exceptions import OutOfMemoryError
from ray.tune.error import TuneError

from analysis.words import listed
from ganstudy import UserError
from ganstudy.command import command
from ganstudy.files import write_whole
from study.console import terminal
from study.engine import cluster, sharing
from study.engine.lanes import Lane
from study.engine.nodes import request
from study.engine.prepare import Prepared, prepare
from study.engine.progress import Progress
from study.engine.quiet import mute_repeats, no_loggers_imported
from study.engine.reasons import SPARE_MEMORY
from study.engine.recorder import Recorder
from study.engine.schedulers import scheduler_of
from study.engine.searcher import Search, unfinished
from study.engine.stopping import Stopping
from study.engine.watch import Watch
from study.engine.workers import dispatching
from study.evaluation.classifiers import keep_classifier
from study.spec.plugins import plugin_folders
from study.spec.study_spec import StudySpec
from study.store.layout import Layout, default_folder, shown
from study.store.local_copy import created
from study.store.lock import driving
from study.store.replaced import set_aside
from study.store.store import Store
from study.tracking.process import watching
from trainables.grid import real_png
from trainables.tune import GanTrainable, Shared

log = logging.getLogger(__name__)
mute_repeats()

_MAX_CRASHES = 2  # crashes of the whole Tune run without a tick in between; after each, a new Tune run resumes from the records


def launch(
    spec: StudySpec,
    folder: Path | str | None = None,
    *,
    address: str | None = None,
    progress: bool = True,
    allow_changed_code: bool = False,
    extend: bool = False,
    say_last: Callable[[str], None] = print,
) -> Store:
    """Run the study until its trials are done or it is stopped. Returns its records. See study.api.launch.

    say_last: called with what trackers could not do, and how the rest is sent.
    """
    if not isinstance(spec, StudySpec):
        raise UserError(f"launch needs a StudySpec; given {spec!r}. Read a study file with StudySpec.load(path)")
    folder = created(folder or default_folder(spec.name))
    prepared = prepare(spec, folder, address=address, allow_changed_code=allow_changed_code, extend=extend)
    for note in prepared.notes if progress else ():
        terminal().print(note, soft_wrap=True)
    if prepared.done:
        _complete(prepared, folder, spec)
        with _tracked(folder, spec, say_last):  # to complete the trackers
            return Store(folder)
    with cluster.connected(address), _sigterm_as_sigint():  # after ray.init, which installs its own SIGTERM handler
        cluster.check_versions(allow_changed_code=allow_changed_code)
        cluster.slots(spec, cluster.nodes(address))
        shared, lanes, facts = _shared(spec, prepared), 0, dict[str, Any]()
        with driving(folder) as object_lock:  # before the measurement, which takes a while
            if sharing.most(spec, cluster.nodes(address)):
                lanes, loads = sharing.measured(spec, shared, cluster.nodes(address))
                facts = sharing.as_record(lanes, loads)
                if progress:
                    terminal().print(sharing.sentence(lanes, loads), soft_wrap=True)
            if prepared.replaces:
                _make_room(folder, prepared.replaces, progress=progress)
            with Store.appending(folder, object_lock) as store:
                store.write_study(replace(prepared.study, sharing=facts))
                store.publish(write_whole(store.layout.real, real_png(prepared.source.train)))
                keep_classifier(prepared.evaluator.networks.classifier, prepared.source, store.layout.classifier)
                if store.layout.classifier.exists():
                    store.publish(store.layout.classifier)
                store.had_work = True
                with _tracked(folder, spec, say_last), Progress(spec, store, shown=progress) as display:
                    _run_trials(spec, shared, store, display, lanes=lanes)
                    if spec.is_open_ended and not unfinished(spec, store):
                        assert store.study
                        store.write_study(replace(store.study, n_trials=len(store.trials)))
    return store


def _complete(prepared: Prepared, folder: Path, spec: StudySpec) -> None:
    """Record what has changed of a study without trials left to run: how its trials are read, its trackers, and how many trials it turned out to have."""
    known, n_trials = prepared.known, len(Store(folder).trials) if spec.is_open_ended else None
    if known and (known.n_trials != n_trials or _read_anew(known.spec) != _read_anew(prepared.study.spec)):
        with Store.writing(folder) as store:
            store.write_study(replace(prepared.study, sharing=known.sharing, n_trials=n_trials))


def _read_anew(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a study that may change once its trials are done. Older records lack what is not set."""
    parts = {name: spec.get(name) or None for name in ("question", "failure", "constraints")}
    return {**parts, **{f"tracking.{name}": config for name, config in (spec.get("tracking") or {}).items() if config is not None}}


def _make_room(folder: Path, differing: str, *, progress: bool) -> None:
    """Keep what is left of another study in the folder apart, and say so."""
    there = set_aside(folder)
    if progress:
        terminal().print(
            f"{folder} held a study of which no trial was trained ({differing}); this one replaces it, and its records are kept in {there}.",
            soft_wrap=True,
        )


def _tracked(folder: Path, spec: StudySpec, say_last: Callable[[str], None]) -> AbstractContextManager[None]:
    return watching(folder, spec.tracking, plugins=spec.plugins, plugin_folders=plugin_folders(spec.plugins), say_last=say_last)


def _run_trials(spec: StudySpec, shared: Shared, store: Store, display: Progress, *, lanes: int) -> None:
    """Run all trials. Raises UserError for a fault of the machine.

    lanes: how many share each GPU; 0 if the study says it. Trials that run out of memory there are then tried alone, and if they fit, half as many
    trials share each GPU from then on. One that does not fit alone fails, and the number stays.
    """
    stopping = Stopping(store, spec)
    with _ctrl_c(stopping):
        while True:
            stopping.shared, stopping.full = lanes > 1, set()
            _run_tune(spec.with_gpu(sharing.share(lanes)) if lanes else spec, shared, store, display, stopping)
            if not stopping.full or stopping.ends():
                return
            if untried := stopping.full - stopping.fit:
                log.warning("a GPU that trials share has run out of memory; now tried alone: %s", listed(sorted(untried)))
                stopping.shared, stopping.alone = False, True
                ran_out, stopping.full = stopping.full, set()
                _run_tune(spec.with_gpu(1), shared, store, display, stopping, only=untried)
                stopping.alone = False
                if stopping.ends():
                    return
                if not ran_out <= stopping.fit:
                    continue
            lanes //= 2
            assert store.study
            store.write_study(replace(store.study, sharing=sharing.halved(store.study.sharing, lanes)))
            log.warning("what ran out of memory fits alone; from now on %s", sharing.sentence(lanes, []))


def _run_tune(
    spec: StudySpec, shared: Shared, store: Store, display: Progress, stopping: Stopping, *, only: Collection[str] | None = None
) -> None:
    """Run trials until they are done or `stopping` ends the Tune run. If Tune itself crashes, start a new Tune run that resumes from the records.

    only: the trials to run; all of the study unless given. Raises UserError for a fault of the machine.
    """
    crashes, n_ticks = 0, -1
    while True:
        try:
            with _trainable(spec, shared) as trainable, no_loggers_imported():
                _tuner(spec, trainable, store, display, stopping, only=only).fit()
        except (RuntimeError, TuneError) as error:  # Tune crashed, not a trial, so the records are complete
            if store.unwritten:  # in a callback, whose exceptions Tune turns into its own
                raise store.unwritten from None
            before, n_ticks = n_ticks, sum(len(record.measurements) for record in store.trials.values())
            crashes = crashes + 1 if n_ticks == before else 1
            if crashes > _MAX_CRASHES and isinstance(error.__cause__, OutOfMemoryError):
                raise UserError(
                    f"trials must fit into the memory of their node; Ray has ended one {crashes} times for want of it, without a tick in between: {error}. "
                    f"To go on, {SPARE_MEMORY}, then resume: {command('resume', shown(store.folder))}"
                ) from None
            if crashes > _MAX_CRASHES:
                raise
            log.warning("Ray Tune crashed; resuming from the records: %s", error)
            continue
        break
    if store.unwritten:  # Tune only logs what is raised while it saves
        raise store.unwritten
    if stopping.faults.reason:
        raise UserError(
            f"the study has stopped: {stopping.faults.reason}. Mend this, then resume: {command('resume', shown(store.folder))}; or launch a corrected study file. "
            f"It cost the trials none of their tries; {command('status', shown(store.folder))} shows what is done"
        )


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


def _tuner(
    spec: StudySpec, trainable: Any, store: Store, display: Progress, stopping: Stopping, *, only: Collection[str] | None
) -> tune.Tuner:
    """A new Tune run. Of the files that Tune writes, only the checkpoints are ever read."""
    nodes = cluster.nodes(None)
    search = Search(spec, store, time_is_up=stopping.time_is_up, avoided=stopping.faults.nodes.avoided, only=only)
    watch, amounts = Watch(timeout_min=spec.resources.timeout_min), cluster.per_trial(spec, cluster.total(nodes))
    return tune.Tuner(
        tune.with_resources(
            trainable, lambda config: request(amounts, config["avoided"])
        ),  # a pickled copy is called: the config alone is new
        tune_config=tune.TuneConfig(
            search_alg=search,
            scheduler=scheduler_of(spec, store),
            num_samples=-1,
            max_concurrent_trials=cluster.slots(spec, nodes),
            reuse_actors=True,
            trial_dirname_creator=_dirname,
        ),
        run_config=tune.RunConfig(
            **store.checkpoints.storage,
            name=store.checkpoints.next_run(),
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
def _ctrl_c(stopping: Stopping) -> Iterator[None]:
    """Stop the trials on SIGINT, whichever Tune run they are in. A second one raises KeyboardInterrupt.

    Tune's own handler, which cluster.ENVIRONMENT turns off, knows only one Tune run, and stays in place after it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        stopping.interrupted = stopping.store.interrupted = True
        signal.signal(signal.SIGINT, before)
        log.warning("stopping; ticks in progress are lost. Ctrl-C once more ends the study at once")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _sigterm_as_sigint() -> Iterator[None]:
    """Turn SIGTERM, which clusters send, into SIGINT, on which the study stops cleanly."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)
