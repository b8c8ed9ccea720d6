"""Small finished studies of made-up values, with enough trials for a ranking."""

from pathlib import Path
from typing import Any

from played import play

from study.spec.study_spec import StudySpec
from study.store.records import TrialRecord

GIVEN: dict[str, Any] = {
    "name": "ring",
    "question": "What does R1 do?",
    "base": {"data": "ring8", "arch": "mlp", "budget_kimg": 1.0, "tick_kimg": 0.5},
    "space": {"scientific": {"r1": [False, True]}, "nuisance": {"g.lr": {"low": 1e-4, "high": 1e-2, "log": True}}},
    "n_configs": 8,
    "seeds": 2,
    "failure": "coverage < 0.3",
}
SEVERAL = {"objectives": ["fd", {"coverage": "maximize"}], "constraints": {"coverage": ">= 0.5"}}


def value(record: TrialRecord) -> dict[str, float] | None:
    """Small learning rates drop modes, large ones die."""
    lr = record.flat["g.lr"]
    return None if lr > 5e-3 else {"fd": 1e-3 / lr + 0.1 * record.flat["seed"], "coverage": min(1.0, 300 * lr)}


def played(folder: Path, **changes: Any) -> StudySpec:
    """A finished study in a folder, with a generator of each trial."""
    spec = StudySpec.from_dict({**GIVEN, **changes})
    store = play(spec, folder, value)
    for trial in store.trials.values():
        for saved in trial.saved:
            store.layout.generator(saved).parent.mkdir(parents=True)
            store.layout.generator(saved).write_bytes(trial.trial_id.encode())
    return spec
