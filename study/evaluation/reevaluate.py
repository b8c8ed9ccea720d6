"""A study's stored generators, judged by another protocol. Nothing is trained, and the study's own records stay as they are."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from study.store.evaluated import read_evaluated
from study.store.store import Store
from trainables.data import load
from trainables.generators import load_generator
from trainables.loop import Diverged


@dataclass(frozen=True, kw_only=True, eq=False)
class Reevaluated:
    """What came of it."""

    protocol: EvaluationProtocol
    baselines: Mapping[str, float]  # metric -> what real data score by this evaluation protocol
    values: pd.DataFrame  # index trial_id: the images of its checkpoint, and every metric
    left_out: Mapping[str, str]  # trial_id -> why it has no numbers
    path: Path  # of the CSV

    def table(self, table: TrialTable) -> TrialTable:
        """The study's table, with these numbers for its own, where they are of a trial's last tick. The outcomes are the study's."""
        last = pd.DataFrame(table.images, index=table.trial_id).max(axis=1)
        final = self.values[self.values["images"] == last.reindex(self.values.index)].drop(columns="images")
        return replace(table, final=final.reindex(table.trial_id), baselines=self.baselines, curves={})


def reevaluate(
    store: Store, spec: StudySpec, evaluation: EvaluationConfig, *, said: Callable[[str, int, int], None] | None = None
) -> Reevaluated:
    """Measure the newest generator of every trial of a study as `judged` says; on the GPU where there is one.

    Kept in the study's folder after each trial: what is there of the same evaluation protocol and checkpoint is not measured again. said(trial_id, number,
    trials) is called before each that is. Raises UserError, with nothing written, for an evaluation protocol that cannot be had or other data than the study's.
    """
    assert store.study
    source, layout = load(spec.corners[0].data), store.layout
    if source.fingerprint != (split := store.study.protocol["split"]):
        raise UserError(
            f"{store.folder} must be judged beside what was held out when it was run (split {split}), or its generators may have trained on it; "
            f"{source.name} now has the split {source.fingerprint}"
        )
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
    there = evaluator.on(device)
    baselines = {name: baseline.value for name, baseline in evaluator.baselines.items()}
    path = layout.evaluated(evaluator.protocol.hash)
    write_whole(
        layout.evaluated_protocol(evaluator.protocol.hash),
        json.dumps({"protocol": evaluator.protocol.as_dict(), "baselines": baselines}, indent=2),
    )

    columns = ["images", *baselines]
    rows: dict[str, Any] = {}
    if path.exists():
        always = [name for name in columns if name not in METRICS or METRICS[name].needs not in OF_CLASSES]
        known = (
            read_evaluated(store.folder, evaluator.protocol.hash).reindex(columns=columns).dropna(subset=always)
        )  # rows of a program with fewer metrics are not whole
        rows = {str(trial_id): row for trial_id, row in known.to_dict("index").items()}

    def keep() -> pd.DataFrame:
        frame = pd.DataFrame(list(rows.values()), index=pd.Index(list(rows), name="trial_id"), columns=columns)
        write_whole(path, frame.to_csv())
        return frame

    left_out, values = {}, keep()
    for number, trial_id in enumerate(store.trials, 1):
        if not (stored := store.generators(trial_id)):
            left_out[trial_id] = "no generator is stored"
            continue
        newest = stored[-1]
        if trial_id in rows and rows[trial_id]["images"] == newest.images:
            continue
        if said:
            said(trial_id, number, len(store.trials))
        try:
            rows[trial_id] = {"images": newest.images, **measured(there, layout.generator(newest), device)}
        except FileNotFoundError:  # a driver keeps the newest only
            left_out[trial_id] = "it was trained on meanwhile; judge again"
        except Diverged as reason:
            left_out[trial_id] = str(reason)
        else:
            values = keep()
    return Reevaluated(protocol=evaluator.protocol, baselines=baselines, values=values, left_out=left_out, path=path)


def measured(evaluator: Evaluator, generator: Path, device: torch.device) -> dict[str, float]:
    values = evaluator(load_generator(generator, device=device))
    if bad := [name for name, value in values.items() if not math.isfinite(value)]:
        raise Diverged(f"{', '.join(bad)} not finite")
    return values
