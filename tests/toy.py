"""The smallest study that is one: points, tiny networks, four configurations."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from study.drive import launch
from study.query import StudyView
from study.spec import StudySpec

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


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]


def doubled(folder: Path) -> int:
    """Measurements that stand in the records twice."""
    seen = Counter((line["trial"], line["measured"]["images"]) for line in lines(folder) if "measured" in line)  # type: ignore[index]
    return sum(n - 1 for n in seen.values())
