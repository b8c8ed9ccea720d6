"""Drives a search without Ray: trials are proposed, end in some order with a value that follows from their settings, and drivers are killed."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from study.engine.searcher import Search
from study.spec.study_spec import StudySpec
from study.store.records import Closed, Ended, Measurement, Saved
from study.store.store import Store

IMAGES = 40_000
SLOTS = 3
RANGES = {"scientific": {"d.lr": "range"}, "nuisance": {"g.lr": "range", "beta1": "range"}}
CONDITIONAL = {"scientific": {"r1": [False, True]}, "nuisance": {"r1.gamma": "range", "d.lr": "range", "g.lr": "range"}}


def asked(sampler: Any, space: Any, **more: Any) -> StudySpec:
    base = {"data": "ring8", "arch": "mlp", "budget_kimg": 40.0}
    return StudySpec.from_dict(
        {"name": "s", "question": "?", "goal": "optimise", "base": base, "space": space, "n_configs": 18, "sampler": sampler, **more}
    )


def ended(flat: Mapping[str, Any]) -> tuple[Ended, float]:
    """How a trial of these settings ends, and its value: better up to a learning rate above which it dies."""
    d, g = math.log10(flat["d.lr"]), math.log10(flat["g.lr"])
    return Ended.DEAD if d > -3 else Ended.BUDGET, (d + 2.9) ** 2 + (g + 4) ** 2 + (0.0 if flat.get("r1") else 0.3)


def drive(folder: Path, spec: StudySpec, events: range) -> list[Mapping[str, Any]]:
    """Let these events happen: a trial is proposed while a slot is free, else one ends. Return the settings of all trials so far."""
    with Store.writing(folder) as store:
        search = Search(spec, store)
        for _ in [record for record in store.trials.values() if not record.closed]:
            search.suggest("again")
        for event in events:
            running = [record for record in store.trials.values() if not record.closed]
            if len(running) < SLOTS and isinstance(search.suggest(f"tune{event}"), dict):
                continue
            if not running:
                break
            record = running[int(np.random.default_rng(event).integers(len(running)))]
            how, value = ended(record.flat)
            measured = Measurement(images=IMAGES, seconds=1.0, evaluation_seconds=0.1, values={"fd": value})
            store.write(record.trial_id, saved=Saved(images=IMAGES, path="x"))
            store.write(record.trial_id, measured=measured, closed=Closed(ended=how))
            search.measured(record.trial_id, measured)
            search.closed(store.trials[record.trial_id])
            search.on_trial_complete(f"tune{event}")
        return [record.flat for record in store.trials.values()]
