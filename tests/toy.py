"""The smallest study: 2-D points, tiny networks, four configs."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from study.api import launch
from study.engine.prepare import prepare
from study.spec.study_spec import StudySpec
from study.store.records import Closed, Ended, Measurement, Saved
from study.store.store import Store
from study.views import StudyView
from trainables.config import TrialConfig
from trainables.trial import Trial

TOY: dict[str, Any] = {
    "name": "toy",
    "question": "Does R1 keep a small GAN on a ring from failing?",
    "base": {
        "data": "ring8",
        "arch": "mlp",
        "g.width": 8,
        "d.width": 8,
        "latent.dim": 4,
        "g.norm": "none",
        "budget_kimg": 0.6,
        "tick_kimg": 0.2,
        "batch_size": 50,
    },
    "space": {"scientific": {"r1": [False, True]}, "nuisance": {"g.lr": {"low": 1e-4, "high": 1e-2, "log": True}}},
    "n_configs": 4,
    "evaluation": {"samples": 200},
}


def run(spec: StudySpec, folder: Path) -> StudyView:
    return launch(spec, folder, progress=False)


def in_this_process(spec: StudySpec, folder: Path) -> None:
    """Write the folder of a finished study without Ray."""
    prepared = prepare(spec, folder, address=None)
    with Store.writing(folder) as store:
        store.write_study(prepared.study)
        for proposal in spec.designed():
            config = TrialConfig.from_flat(proposal.flat)
            store.write(config.trial_id, opened={"phase": spec.phase, **asdict(proposal)})
            trial, finished = Trial(config, prepared.source, prepared.evaluator), False
            while not finished:
                measured = trial.advance()
                finished = measured.finished
                values = {name: value for name, value in measured.values.items() if name != "images_per_second"}  # differs between runs
                store.write(
                    config.trial_id,
                    measured=Measurement(images=measured.images, seconds=0.0, evaluation_seconds=0.0, values=values),
                    closed=Closed(ended=Ended.BUDGET) if finished else None,
                )
                path = f"tune/{config.trial_id}/{measured.images}"
                (folder / path).mkdir(parents=True)
                trial.save(folder / path)
                store.write(config.trial_id, saved=Saved(images=measured.images, path=path))


def _lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]


def doubled(folder: Path) -> int:
    """Return the number of repeated measurements in the records."""
    seen = Counter((line["trial"], line["measured"]["images"]) for line in _lines(folder) if "measured" in line)  # type: ignore[index]
    return sum(n - 1 for n in seen.values())


def values(view: StudyView) -> Mapping[str, Any]:
    """trial -> [(images, values without timings)]."""
    return {
        trial: [(m.images, {k: v for k, v in m.values.items() if k != "images_per_second"}) for m in record.measurements]
        for trial, record in view.store.trials.items()
    }
