"""The smallest study that is one: points, tiny networks, four configurations."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from study.api import StudyView, launch
from study.engine.prepare import prepare
from study.spec.study_spec import StudySpec
from study.store.records import Closed, Ended, Measurement, Saved
from study.store.store import Store
from trainables.config import TrialConfig
from trainables.generators import GENERATOR, save_generator
from trainables.run import LOOPS

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
    "judge": {"samples": 200},
}


def run(spec: StudySpec, folder: Path) -> StudyView:
    return launch(spec, folder, progress=False)


def in_this_process(spec: StudySpec, folder: Path) -> None:
    """A finished study, as its driver writes it, without Ray."""
    prepared = prepare(spec, folder, address=None)
    with Store.writing(folder) as store:
        store.write_study(prepared.study)
        for asked in spec.designed():
            config = TrialConfig.from_flat(asked.flat)
            store.write(config.trial_id, opened={"phase": spec.phase, **asdict(asked)})
            loop = LOOPS.pick(config.loop)(config, prepared.source, device=torch.device("cpu"))
            for tick in loop.ticks():
                values = {**prepared.judge(loop.sampler()), **tick.signals}
                closed = Closed(ended=Ended.BUDGET) if tick.images >= 1000 * config.budget_kimg else None
                store.write(
                    config.trial_id,
                    measured=Measurement(images=tick.images, seconds=0.0, judge_seconds=0.0, values=values),
                    closed=closed,
                )
                path = f"tune/{config.trial_id}/{tick.images}"
                (folder / path).mkdir(parents=True)
                save_generator(loop.sampler(), config, prepared.source.shape, folder / path / GENERATOR)
                store.write(config.trial_id, saved=Saved(images=tick.images, path=path))


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]


def doubled(folder: Path) -> int:
    """Measurements that stand in the records twice."""
    seen = Counter((line["trial"], line["measured"]["images"]) for line in lines(folder) if "measured" in line)  # type: ignore[index]
    return sum(n - 1 for n in seen.values())
