"""The smallest study that is one: points, tiny networks, four configurations."""

from typing import Any

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
    "judge_samples": 200,
}
