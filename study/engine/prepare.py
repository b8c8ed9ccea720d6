"""Checks a study before Ray starts, and prepares what its trials share."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.metrics.measures import METRICS, OF_CLASSES
from analysis.words import listed
from ganstudy import UserError
from ganstudy.command import command
from ganstudy.limits import limits_of
from ganstudy.masked import masked
from ganstudy.versions import refused, versions
from ganstudy.written import differing
from study.engine import cluster
from study.engine.extension import learned_again, of_space, refuse_unextended
from study.engine.loadable import refuse_unloadable_generators
from study.engine.provenance import provenance
from study.engine.reach import refuse_malformed
from study.engine.recorded import refuse_unmeasured, refuse_unrecorded
from study.engine.searcher import unfinished
from study.engine.separation import inseparable
from study.engine.warm_start import take
from study.evaluation.evaluator import Evaluator
from study.spec.able import refuse_unable, unlearned
from study.spec.bounds import refuse_out_of_bounds
from study.spec.identity import differences, shrunk
from study.spec.plugins import own_folders
from study.spec.study_spec import StudySpec
from study.store.layout import Layout, shown
from study.store.local_copy import bring
from study.store.lock import refuse_second_driver
from study.store.records import StudyRecord
from study.store.replaced import may_be_replaced
from study.store.run_layout import RunLayout
from study.store.store import Store
from study.tracking.checks import check_trackers
from trainables.config import TrialConfig
from trainables.data import Source, load
from trainables.models import conditional
from trainables.models.conditional import classes_of
from trainables.run import LOOPS

_MOST_BUILT = 100  # trials that are built to see that they can be: 1 to 50 ms each

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """What all trials of a study share, and the record of the study."""

    source: Source
    evaluator: Evaluator
    study: StudyRecord
    known: StudyRecord | None  # the study that the folder holds, if it has trials and goes on
    replaces: str  # how another study in the folder differs, which this one replaces since none of its trials was trained; "" without one
    done: bool  # whether the folder has no trial left to run
    versions: Mapping[str, str]  # of the driver
    allow_changed_code: bool  # whether trials may be trained by other code of ours
    notes: Sequence[str]  # sentences on what was read: the data, and the studies of warm_start


def prepare(spec: StudySpec, folder: Path, *, address: str | None, allow_changed_code: bool = False, extend: bool = False) -> Prepared:
    """Load the data, build the evaluator and check the study against the folder, the machine and the data. See launch.

    Raises UserError for everything that can be found wrong before Ray starts, and warns of what changes the meaning of trials in the folder.
    Writes nothing to the folder.
    """
    refuse_out_of_bounds(spec)
    if "optimise" in spec.phase_names:
        search = spec.of_phase("optimise")
        refuse_unable(search, download=True)
        if note := unlearned(search):
            log.warning(note)
    bring(folder, Layout(folder).classifier)
    store = Store(folder)
    refuse_second_driver(folder)
    replaces = _other(store, spec) if may_be_replaced(store) else ""
    if replaces:
        store = Store(folder, read=False)
    known = store.study if store.trials else None  # a study without trials may be replaced
    if known:
        _refuse_other(store, spec, extend=extend)
    done = not unfinished(spec, store)
    _refuse_copy(store, done=done)
    if known and not done:
        _refuse_other_versions(known.provenance, folder, allow_changed_code=allow_changed_code)
    _check_writable(folder)
    if address:
        refuse_malformed(address)
    check_trackers(spec.tracking)
    if nodes := cluster.nodes(address):
        cluster.slots(spec, nodes)
        refuse_unmeasured(spec, nodes)
    source = load(spec.corners[0].data)
    check_networks(spec, source)
    refuse_unloadable_generators(spec, source)
    conditions = [config.g.condition is not None for config in spec.corners]
    evaluator = Evaluator.build(
        source,
        features=spec.evaluation.features,
        weights=spec.evaluation.weights,
        n_fake=spec.evaluation.samples,
        kept=store.layout.classifier,
        conditional=any(conditions),
    )
    for name in [each.metric for each in spec.objectives] + [limit.name for limit in spec.limits]:
        if name in METRICS and METRICS[name].needs in OF_CLASSES and not all(conditions):
            raise UserError(
                f"{name} as an objective or a constraint needs g.condition in every trial, since it compares samples with the classes they were conditioned on"
            )
    refuse_unrecorded(spec, source, evaluator.baselines)
    if known and (changes := "; ".join(differing(known.protocol, evaluator.protocol.as_dict()))):
        if not may_be_replaced(store):
            raise UserError(
                f"the evaluation protocol must be the one of {shown(folder)}, or old and new metrics cannot be compared ({changes}). Use the same data, or another folder (--folder)"
            )
        known, done, replaces = None, False, changes
    earlier, notes = (of_space(known, spec), []) if known else take(spec, evaluator.protocol.as_dict())
    if known:
        _warn_of_another_meaning(known.spec, spec, folder)
    facts = provenance()
    made = StudyRecord(
        spec={**spec.as_dict(), "tracking": masked(spec.as_dict()["tracking"])},
        protocol=evaluator.protocol.as_dict(),
        baselines={name: baseline.value for name, baseline in evaluator.baselines.items()},
        n_modes=evaluator.n_modes,
        accuracy=evaluator.accuracy,
        created=known.created if known else facts["started"],
        provenance=facts,
        plugin_folders=own_folders(spec.plugins),
        earlier=earlier,
    )
    return Prepared(
        source,
        evaluator,
        made,
        known,
        replaces,
        done,
        versions(),
        allow_changed_code,
        [
            *source.notes,
            *_ticks(spec),
            *notes,
            *([] if done else learned_again(store, spec)),
            *([] if store.trials or spec.goal != "explain" else inseparable(spec)),
        ],
    )


def _ticks(spec: StudySpec) -> list[str]:
    """Return a note if the study gives a tick that is longer than its trials. The default tick may be longer."""
    tick = spec.base.get("tick_kimg", 0.0)
    if tick <= spec.budget_kimg:
        return []
    return [
        f"tick_kimg {tick:g} is above budget_kimg {spec.budget_kimg:g}: trials are measured only before they train and at their end. Lower tick_kimg to see when a failure began"
    ]


def _refuse_copy(store: Store, *, done: bool) -> None:
    """Raise UserError if trials are left to train and the folder is a copy, which has no checkpoints and is replaced by the next `submit`."""
    if (copied := store.layout.copied).exists() and not done:
        raise UserError(
            f"{shown(store.folder)} must not be a copy of a study on a cluster to train in; {copied.name} says that it is one, of {copied.read_text()}. "
            f"Go on there with {command('submit')}, or give another folder (--folder)"
        )


def _other(store: Store, spec: StudySpec) -> str:
    """Return how the study in a folder differs from this one, as a phrase. "" if this one goes on with it, or if there is none."""
    if not store.study or not store.trials:
        return ""
    known, now = store.study.spec, spec.as_dict()
    return "; ".join(differences(known, now)) or ("it has more configs or seeds" if shrunk(known, now) else "")


def _refuse_other(store: Store, spec: StudySpec, *, extend: bool) -> None:
    """Raise UserError if the folder holds another study. More configs or seeds of the same study are allowed; a larger space if `extend`."""
    assert store.study
    known, there = store.study.spec, shown(store.folder)
    if changes := differences(known, spec.as_dict(), extended=extend):
        raise UserError(
            f"{there} holds another study ({'; '.join(changes)}). To resume that one: {command('resume', there)}. "
            "To extend it, raise n_configs or seeds in its study file, or add phases, and launch it; with --extend, a search may also get a larger space. "
            f"For a new study, change `name` or give --folder; a search can learn from this one by `warm_start: [{there}]`"
        )
    if known["space"] != spec.as_dict()["space"]:
        refuse_unextended(store, spec)
    for reason in shrunk(known, spec.as_dict()):
        raise UserError(f"{reason}. Raise it, or give another --folder ({there} has the trials)")


def _refuse_other_versions(known: Mapping[str, str], folder: Path, *, allow_changed_code: bool) -> None:
    """Raise UserError if the last driver of the folder ran other versions, since the study would mix results of two programs."""
    if reason := refused(known, versions(), allow_changed_code=allow_changed_code, there=f"in {shown(folder)}", here="now"):
        raise UserError(f"{reason}. Or train in another folder (--folder)")


def _warn_of_another_meaning(known: Mapping[str, Any], spec: StudySpec, folder: Path) -> None:
    """Warn of what may change but makes another answer of the same trials: the definition of a failure, and the question."""
    if known.get("failure") != spec.failure:
        was, now = (text or "an outcome that is a failure" for text in (known.get("failure"), spec.failure))
        log.warning("a trial of %s now counts as failed by another rule, also one that has ended: %s; before: %s", shown(folder), now, was)
    if known.get("constraints", {}) != spec.constraints:
        was, now = (
            listed([str(limit) for limit in limits_of(each)]) or "none" for each in (known.get("constraints", {}), spec.constraints)
        )
        log.warning("the constraints of %s are now: %s; before: %s. They hold for trials that have ended too", shown(folder), now, was)
    if known["question"] != spec.question:
        log.warning("%s now answers another question: %s Before: %s", shown(folder), spec.question, known["question"])


def _check_writable(folder: Path) -> None:
    """Raise UserError if the folder cannot be created or written, or belongs to `ganstudy train`."""
    if RunLayout(folder).history.exists() and not Layout(folder).records.exists():
        raise UserError(f"{folder} must not be the folder of a run of {command('train')}; it is one. Give another folder with --folder")
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(
            f"{folder} must be a writable folder; {existing} {'is not writable' if existing.is_dir() else 'is a file'}. Give another folder with --folder"
        )


def check_networks(spec: StudySpec, source: Source) -> None:
    """Raise UserError if the networks, tricks or data settings of any config do not fit the data.

    Refuses an architecture, an output or a trick that cannot work on the data's shape, conditions on data without labels, and a data.size
    that exceeds the training set. Builds a trial for each value of a choice, and those of the design, up to a number of them.
    """
    for config in spec.corners:
        classes = classes_of(config, source)
        conditional.build_generator(config, source.shape, classes=classes)
        conditional.build_discriminator(config, source.shape, classes=classes)
    sizes = [spec.base.get("data.size"), *spec.space.values("data.size")]
    if (largest := max((size for size in sizes if size), default=0)) > len(source.train):
        raise UserError(f"data.size must be at most the {len(source.train)} training samples of {source.name}; given {largest}")
    for config in list({made_of(config): config for config in spec.different}.values())[:_MOST_BUILT]:
        LOOPS.pick(config.loop)(config, source)


def made_of(config: TrialConfig) -> tuple[Any, ...]:
    """Return the settings that decide what a trial is made of, and so what it costs: all but numbers that are not whole."""
    return tuple(
        sorted(
            (name, value) for name, value in config.flat().items() if name != "seed" and not isinstance(value, float) and value is not None
        )
    )
