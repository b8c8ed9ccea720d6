"""Evaluates a study's stored generators with another evaluation protocol. Trains nothing and does not change the records."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from analysis import TrialTable
from analysis.metrics.measures import METRICS, OF_CLASSES
from ganstudy import UserError
from ganstudy.files import write_whole
from study.evaluation.evaluator import Evaluator
from study.evaluation.protocol import EvaluationProtocol
from study.spec.sections import EvaluationConfig
from study.spec.study_spec import StudySpec
from study.store.evaluated import read_evaluated, with_final
from study.store.layout import shown
from study.store.local_copy import bring, bring_below, publish, stored
from study.store.local_copy import generator as generator_file
from study.store.store import Store
from trainables.config import PLACES_OF_DATA
from trainables.data import load
from trainables.generators import load_generator
from trainables.loop import Diverged


@dataclass(frozen=True, kw_only=True, eq=False)
class Reevaluated:
    """Result of a re-evaluation."""

    protocol: EvaluationProtocol
    baselines: Mapping[str, float]  # metric -> real-data baseline
    values: pd.DataFrame  # index trial_id; columns: images of the checkpoint, and every metric
    left_out: Mapping[str, str]  # trial_id -> why it was not evaluated
    path: Path  # CSV file of the values

    def table(self, table: TrialTable) -> TrialTable:
        """The study's table with these metrics, for trials evaluated at their last tick. Outcomes do not change."""
        return with_final(table, self.values, self.baselines)


def places_of_data(changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return changes of a study that is evaluated. Raises UserError unless all say where the data are now, and nothing else."""
    if other := [name for name in changes if name not in PLACES_OF_DATA]:
        raise UserError(
            f"only the place of the data may change where a study is evaluated ({', '.join(PLACES_OF_DATA)}); given {other[0]}. "
            "Features, weights and samples have options of their own"
        )
    return changes


def reevaluate(
    store: Store, spec: StudySpec, evaluation: EvaluationConfig, *, progress: Callable[[str, int, int], None] | None = None
) -> Reevaluated:
    """Evaluate the newest generator of every trial, on the GPU if there is one.

    Saves after each trial, and skips a trial whose newest checkpoint was already evaluated with this protocol. Calls progress(trial_id, number,
    trials) before each evaluation. Raises UserError, before anything is written, for unavailable features or weights, for other data
    than the study's, and if no generator is stored.
    """
    assert store.study
    source, layout = load(spec.corners[0].data), store.layout
    if source.fingerprint != (split := store.study.protocol["split"]):
        raise UserError(
            f"{shown(store.folder)} must be evaluated with the data split of its training ({split}), or held-out samples may have been trained on; "
            f"{source.name} now has the split {source.fingerprint}"
        )
    bring(store.folder, layout.classifier)
    bring_below(store.folder, layout.evaluations)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    conditional = any(config.g.condition is not None for config in spec.corners)
    evaluator = Evaluator.build(
        source,
        features=evaluation.features,
        weights=evaluation.weights,
        n_fake=evaluation.samples,
        kept=layout.classifier,
        conditional=conditional,
    )
    on_device = evaluator.on(device)
    baselines = {name: baseline.value for name, baseline in evaluator.baselines.items()}
    path = layout.evaluated(evaluator.protocol.hash)
    if not path.exists() and not any(stored(store.folder, record.saved) for record in store.trials.values()):
        copied = layout.copied
        origin = f": it is a copy without checkpoints, of {copied.read_text()}. Evaluate there" if copied.exists() else ""
        raise UserError(
            f"{shown(store.folder)} must hold the generator of a trial to evaluate; it has none{origin or '. Evaluate once a trial has reached a tick'}"
        )
    told = json.dumps({"protocol": evaluator.protocol.as_dict(), "baselines": baselines}, indent=2)
    publish(store.folder, write_whole(layout.evaluated_protocol(evaluator.protocol.hash), told))

    columns = ["images", *baselines]
    rows: dict[str, Any] = {}
    if path.exists():
        always = [name for name in columns if name not in METRICS or METRICS[name].needs not in OF_CLASSES]
        # drops rows that lack a metric, which an older version of this program wrote
        known = read_evaluated(store.folder, evaluator.protocol.hash).reindex(columns=columns).dropna(subset=always)
        rows = {str(trial_id): row for trial_id, row in known.to_dict("index").items()}

    def keep() -> pd.DataFrame:
        frame = pd.DataFrame(list(rows.values()), index=pd.Index(list(rows), name="trial_id"), columns=columns)
        write_whole(path, frame.to_csv())
        return frame

    left_out, values = {}, keep()
    try:
        for number, trial_id in enumerate(store.trials, 1):
            if not (there := stored(store.folder, store.trials[trial_id].saved)):
                if trial_id not in rows:
                    left_out[trial_id] = "no generator is stored"
                continue
            newest = there[-1]
            if trial_id in rows and rows[trial_id]["images"] == newest.images:
                continue
            if progress:
                progress(trial_id, number, len(store.trials))
            file = generator_file(store.folder, newest)
            try:
                generator = load_generator(file, device=device)
            except FileNotFoundError:  # an active driver replaced it with a newer one
                left_out[trial_id] = "its generator was replaced during training; evaluate again"
                continue
            except UserError:
                left_out[trial_id] = "its generator file is damaged"
                continue
            try:
                rows[trial_id] = {"images": newest.images, **on_device(generator)}
            except Diverged as reason:
                left_out[trial_id] = str(reason)
            else:
                values = keep()
    finally:
        publish(store.folder, path)
    return Reevaluated(protocol=evaluator.protocol, baselines=baselines, values=values, left_out=left_out, path=path)
