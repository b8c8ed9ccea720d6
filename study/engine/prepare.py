"""Everything that can be found wrong with a study before Ray starts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.metrics.measures import METRICS, OF_CLASSES
from ganstudy import UserError
from study.engine import cluster
from study.engine.provenance import provenance
from study.evaluation.evaluator import Evaluator
from study.spec.study_spec import StudySpec, identity
from study.store.lock import refuse_second_driver
from study.store.records import StudyRecord
from study.store.store import Store
from trainables.data import Source, load
from trainables.models import conditional
from trainables.models.conditional import classes_of
from trainables.tricks import TRICKS


@dataclass(frozen=True)
class Prepared:
    """What all trials share."""

    source: Source
    evaluator: Evaluator
    study: StudyRecord


def prepare(spec: StudySpec, folder: Path, *, address: str | None) -> Prepared:
    """All that can be found wrong before Ray starts is found here. Writes nothing to the folder."""
    store = Store(folder)
    known = store.study if store.trials else None  # a study that opened no trial can be replaced
    refuse_second_driver(folder)
    if known:
        refuse_other(known.spec, spec, folder)
    check_writable(folder)
    if nodes := cluster.nodes(address):
        cluster.slots(spec, nodes)
    source = load(spec.corners[0].data)
    check_networks(spec, source)
    told = [config.g.condition is not None for config in spec.corners]
    evaluator = Evaluator.build(
        source,
        features=spec.evaluation.features,
        weights=spec.evaluation.weights,
        n_fake=spec.evaluation.samples,
        kept=store.layout.classifier,
        conditional=any(told),
    )
    if spec.objective.metric in METRICS and METRICS[spec.objective.metric].needs in OF_CLASSES and not all(told):
        raise UserError(f"objective: {spec.objective.metric} needs g.condition in every trial, as it is of the classes that were asked for")
    if spec.objective.metric not in evaluator.baselines:
        raise UserError(
            f"objective must be one of {sorted(evaluator.baselines)}, which {source.name} can be judged by; given {spec.objective.metric!r}"
        )
    if known and known.protocol != evaluator.protocol.as_dict():
        changes = [
            f"{k}: {known.protocol.get(k)} there, {v} now" for k, v in evaluator.protocol.as_dict().items() if known.protocol.get(k) != v
        ]
        raise UserError(
            f"{folder} was measured with another evaluation protocol, so its numbers cannot be compared with new ones ({'; '.join(changes)}). Use another folder (--folder) or the same data"
        )
    facts = provenance()
    made = StudyRecord(
        spec=spec.as_dict(),
        protocol=evaluator.protocol.as_dict(),
        baselines={name: baseline.value for name, baseline in evaluator.baselines.items()},
        n_modes=evaluator.n_modes,
        accuracy=evaluator.accuracy,
        created=known.created if known else facts["started"],
        provenance=facts,
    )
    return Prepared(source, evaluator, made)


def refuse_other(known: Mapping[str, Any], spec: StudySpec, folder: Path) -> None:
    """Raises UserError where the folder holds another study than this one made longer."""
    old, new = identity(known), identity(spec.as_dict())
    if changes := [f"{key}: {old[key]} there, {new[key]} now" for key in old if old[key] != new.get(key)]:
        raise UserError(
            f"{folder} holds another study ({'; '.join(changes)}). To go on with that one: `ganstudy resume {folder}`. "
            "To extend it, raise n_configs or seeds in its own file and launch that. For a new study, change `name` or give --folder"
        )


def check_writable(folder: Path) -> None:
    """Raises UserError where the folder cannot be made or written."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{folder} must be a folder that can be written; {there} {'cannot be' if there.is_dir() else 'is a file'}")


def check_networks(spec: StudySpec, source: Source) -> None:
    """Raises UserError where an architecture, an output or a trick of the study cannot work on the data's shape, classes are asked of data without labels, or data.size is more than there is."""
    for config in spec.corners:
        classes = classes_of(config, source)
        conditional.build_generator(config, source.shape, classes=classes)
        conditional.build_discriminator(config, source.shape, classes=classes)
    for name, trick in TRICKS.items():
        if True in (spec.base.get(name), *spec.space.values(name)):
            trick().d_shape(source.shape)
    sizes = [spec.base.get("data.size"), *spec.space.values("data.size")]
    if (largest := max((size for size in sizes if size), default=0)) > len(source.train):
        raise UserError(f"data.size must be at most the {len(source.train)} training images of {source.name}; given {largest}")
