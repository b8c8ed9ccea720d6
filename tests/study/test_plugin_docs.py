"""Every example of docs/plugins.md is a plugin that does what the page says."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from toy import TOY

from ganstudy.direction import Direction
from study.engine.adaptive import Adaptive
from study.engine.prepare import prepare
from study.spec.plugins import import_plugins
from study.spec.study_spec import StudySpec
from trainables.config import TrialConfig
from trainables.data import load
from trainables.sections import DataConfig
from trainables.trial import Trial

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()
MODULES = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", PAGE, re.DOTALL))
BASE = {**TOY["base"], "budget_kimg": 0.6, "tick_kimg": 0.6}

pytestmark = pytest.mark.usefixtures("own_plugins")


@pytest.fixture(autouse=True)
def plugins(tmp_path: Path, own_plugins: None) -> None:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    import_plugins(list(MODULES), folders=[tmp_path])


def trained(**settings: Any) -> dict[str, float]:
    """Train a trial with these settings to its end, and return its last values."""
    config = TrialConfig.from_flat({**BASE, **settings})
    trial = Trial(config, load(config.data), lambda generator: {"fd": 1.0})
    trial.advance()
    measured = trial.advance()
    assert measured.finished
    assert not measured.diverged
    return dict(measured.values)


def test_every_python_block_is_one_of_these_modules() -> None:
    assert PAGE.count("```python") == len(MODULES) == 11


def test_the_loss_trains() -> None:
    values = trained(loss="bounded")
    assert -2 <= values["d/adv"] <= 2
    assert "d/real_accuracy" not in values


def test_the_trick_is_a_penalty_with_a_target() -> None:
    values = {
        target: trained(**{"gradient_ceiling": True, "gradient_ceiling.target": target})["d/gradient_ceiling"] for target in (1e-3, 1e3)
    }
    assert values[1e-3] > 0
    assert values[1e3] == 0


def test_the_signal_is_reported_and_can_be_an_objective(tmp_path: Path) -> None:
    assert trained(spread=True)["d/real_spread"] > 0
    objective = {"metric": "d/real_spread", "direction": "minimize"}
    base = {**BASE, "spread": True}
    spec = StudySpec.from_dict({**TOY, "plugins": ["my_signal"], "base": base, "objective": objective})
    assert spec.objective.direction is Direction.MINIMIZE
    prepare(spec, tmp_path / "study", address=None)  # it refuses an objective that no trial records


def test_the_update_rule_moves_g_more_often() -> None:
    assert trained(**{"update": "eager", "eager.times": 3})["g/updates"] == 3 * 12


def test_the_optimiser_moves_each_weight_by_the_rate_unless_the_gradient_is_not_finite() -> None:
    from trainables.optimisers import OPTIMISERS

    p = torch.nn.Parameter(torch.zeros(3))
    opt = OPTIMISERS.pick("signs")([p], 0.5, TrialConfig())
    for found, expected in ((0.0, [-0.5, 0.5, 0.0]), (1.0, [-0.5, 0.5, 0.0])):
        opt.found_inf = torch.tensor(found)  # type: ignore[attr-defined]
        p.grad = torch.tensor([2.0, -3.0, 0.0])
        opt.step()
        assert p.tolist() == expected
    trained(optimiser="signs")


def test_the_data_set_is_loaded_with_its_modes_and_notes() -> None:
    source = load(DataConfig(name="corners"))
    assert source.classes == ("a", "b", "c", "d")
    assert source.notes == ("corners: four modes of 500 points",)
    trained(data="corners")


def test_the_architecture_trains() -> None:
    settings = {name: value for name, value in BASE.items() if not name.startswith(("g.", "d.", "arch"))}
    config = TrialConfig.from_flat({**settings, "arch": "linear"})
    trial = Trial(config, load(config.data), lambda generator: {"fd": 1.0})
    assert sum(p.numel() for p in trial.run.generator().parameters()) == 2 * (config.latent.dim + 1)
    trial.advance()
    assert trial.advance().finished


def test_the_loop_trains_d_alone_first() -> None:
    assert trained(loop="warm")["g/updates"] == 12 - 8


def test_the_metric_and_the_features_evaluate(tmp_path: Path) -> None:
    asked = {
        "plugins": ["my_metric", "my_features"],
        "base": BASE,
        "objective": "spread_of_samples",
        "evaluation": {"samples": 100, "features": "squares"},
    }
    prepared = prepare(StudySpec.from_dict({**TOY, **asked}), tmp_path / "study", address=None)
    assert prepared.evaluator.protocol.features == "squares"
    assert math.isfinite(prepared.evaluator.baselines["spread_of_samples"].value)


def test_the_sampler_and_the_scheduler_search() -> None:
    asked = {"plugins": ["my_search"], "goal": "optimise", "sampler": "other_draws", "scheduler": {"name": "bound", "most": 5.0}}
    spec = StudySpec.from_dict({**TOY, **asked})
    assert StudySpec.from_dict(spec.as_dict()) == spec
    assert Adaptive(spec).next(0) is not None
    assert spec.scheduler
    rule = spec.scheduler.start(budget_kimg=1.0, direction=Direction.MINIMIZE)
    assert [rule.should_continue("a", 0, value) for value in (4.0, 6.0)] == [True, False]
