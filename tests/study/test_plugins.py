"""A plugin module outside the package adds one entry of each kind, and the workers import it too."""

import sys
from pathlib import Path
from typing import Any

import pytest
from toy import TOY, run

from ganstudy import UserError
from study.api import open_study
from study.show.report import write_report
from study.spec.study_spec import StudySpec

pytestmark = pytest.mark.usefixtures("one_ray")

PLUGIN = '''
"""One entry of each kind that a plugin may add."""
import numpy as np
import torch
from torch import nn
from study.spec.features import FEATURES
from analysis.metrics import METRICS
from analysis.metrics.measures import Metric
from trainables.data import DATA, Source
from trainables.losses import LOSSES, Loss
from trainables.models import ARCHS
from trainables.models.base import Architecture, Discriminator
from trainables.run import LOOPS, Run
from trainables.tricks.base import Step, Trick, trick


@trick("logit_penalty")
class LogitPenalty(Trick):
    """weight E D(x)^2, on real and generated samples."""

    weight: float = 0.01

    def d_term(self, step: Step) -> torch.Tensor:
        return self.weight * (step.reals()[1].square().mean() + step.fake_logits.square().mean())


@LOOPS.register("twice")
class Twice(Run):
    """Two updates of G for each of D."""

    def g_step(self):
        super().g_step()
        return super().g_step()


@DATA.register("corners")
def corners(config):
    """Four Gaussians at the corners of a square."""
    rng = np.random.default_rng(0)
    centres = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=np.float32)
    labels = np.arange(2000) % 4
    points = (centres[labels] + 0.1 * rng.standard_normal((2000, 2))).astype(np.float32)
    halves = {"train": points[:1000], "heldout": points[1000:], "train_labels": labels[:1000], "heldout_labels": labels[1000:]}
    return Source(name="corners", **halves, classes=("a", "b", "c", "d"), centres=centres, std=0.1)


LOSSES["mean_gap"] = Loss(source="squashed Wasserstein", d=lambda real, fake: (fake - real).tanh().mean(), g=lambda real, fake: -fake.tanh().mean())
ARCHS["linear"] = Architecture(
    source="one layer each",
    generator=lambda config, shape: nn.Linear(config.latent.dim, *shape),
    discriminator=lambda config, shape: Discriminator(nn.Tanh(), nn.Linear(*shape, 1)),
    check=lambda config: None,
)
class Squares(nn.Module):
    def forward(self, x):
        return torch.cat([x, x**2], dim=1)


FEATURES.register("squares")(lambda source: Squares())
METRICS["spread"] = Metric(of=lambda c: c.features.std(), description="standard deviation of the features", direction="maximize", source="none")
'''


def forget_plugin() -> None:
    """Undo the import of the plugin."""
    from analysis.metrics import METRICS
    from study.spec.features import FEATURES
    from trainables.data import DATA
    from trainables.losses import LOSSES
    from trainables.models import ARCHS
    from trainables.run import LOOPS
    from trainables.tricks import TRICKS

    for table, name in (
        (TRICKS, "logit_penalty"),
        (LOOPS, "twice"),
        (DATA, "corners"),
        (LOSSES, "mean_gap"),
        (ARCHS, "linear"),
        (METRICS, "spread"),
        (FEATURES, "squares"),
    ):
        table.pop(name, None)
    sys.modules.pop("my_plugin", None)


@pytest.mark.slow
def test_a_plugin_trains_on_the_workers_and_is_only_imported_if_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_plugin.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)  # plugins are found in the working directory
    monkeypatch.setattr(sys, "path", list(sys.path))
    choices: dict[str, list[Any]] = {
        "logit_penalty": [False, True],
        "loop": ["gan", "twice"],
        "loss": ["nonsaturating", "mean_gap"],
        "arch": ["mlp", "linear"],
    }
    nuisance = {"logit_penalty.weight": {"low": 0.01, "high": 1.0, "log": True}}
    try:
        base = {name: value for name, value in TOY["base"].items() if name != "arch"} | {"data": "corners"}
        space = {"scientific": choices, "nuisance": nuisance}
        spec = StudySpec.from_dict(
            {
                **TOY,
                "plugins": ["my_plugin"],
                "base": base,
                "space": space,
                "n_configs": 8,
                "objective": "spread",
                "evaluation": {"samples": 200, "features": "squares"},
            }
        )
        view = run(spec, tmp_path / "toy")
        trials = view.trials()
        assert set(trials["ended"]) == {"budget"}
        assert {name: set(trials[name]) for name in choices} == {name: set(values) for name, values in choices.items()}
        assert trials.loc[trials["logit_penalty"], "d/logit_penalty"].notna().all()
        assert trials.loc[trials["logit_penalty"], "logit_penalty.weight"].between(0.01, 1).all()
        assert (trials["g/updates"] == trials["loop"].map({"gan": 12, "twice": 24})).all()
        assert (trials["spread"] > 0).all()
        assert view.study.n_modes == 4
        assert view.study.protocol["features"] == "squares"
    finally:
        forget_plugin()
    view = open_study(tmp_path / "toy")
    assert len(view.trials()) == 8
    assert "logit_penalty" in view.study.spec["space"]["scientific"]
    page = write_report(view, tmp_path / "report.html").read_text()
    assert "logit_penalty" in page
    assert "my_plugin" not in sys.modules
    with pytest.raises(ValueError, match=r"uses plugins .*trust_plugins=True"):
        view.trial(view.trials().index[0]).generator()
    try:
        assert open_study(tmp_path / "toy", trust_plugins=True).best(1, min_seeds=1)[0].sample(3).shape == (3, 2)
    finally:
        forget_plugin()


SEARCH_PLUGIN = '''
from pathlib import Path

import optuna
import torch

from study.spec.design import DESIGNS
from study.spec.samplers import SAMPLERS
from study.spec.schedulers import SCHEDULERS, Scheduler
from study.spec.tracking import TRACKERS, TrackerEntry
from trainables.optimisers import optimiser
from trainables.updates.alternating import Alternating
from trainables.updates.base import update


@DESIGNS.register("first_choices")
def first_choices(space, *, n_configs, design_seed):
    """Every config at the first of all choices"""
    return [{name: domain.choices[0] for name, domain in space.scientific.items()} for _ in range(n_configs)]


@SAMPLERS.register("other_draws")
def other_draws(seed):
    """Uniform draws of another seed"""
    return optuna.samplers.RandomSampler(seed=seed + 1)


class FirstTrials:
    def __init__(self, n):
        self.n, self.seen = n, []

    def should_continue(self, trial_id, images, value):
        if trial_id not in self.seen:
            self.seen.append(trial_id)
        return images == 0 or self.seen.index(trial_id) < self.n


@SCHEDULERS.register("first_trials")
class First(Scheduler):
    """Only the first n trials train to their end"""

    name: str = "first_trials"
    n: int

    def start(self, *, budget_kimg, direction):
        return FirstTrials(self.n)


class Lines:
    def __init__(self, path):
        self.path = Path(path)

    def update(self, trial, study, *, last):
        if trial.closed:
            with self.path.open("a") as file:
                file.write(f"{trial.trial_id} {trial.closed.ended}\\n")
        return True

    def close(self): ...


TRACKERS["lines"] = TrackerEntry("A line for each trial that ended", str, "search_plugin:make_lines")


def make_lines(folder, config, study, limit_s):
    return Lines(config)


@optimiser("signs")
class Signs(torch.optim.Optimizer):
    """The sign of each gradient. Bernstein et al. 2018"""

    def __init__(self, parameters, lr, config):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p -= torch.where(self.found_inf > 0, 0.0, group["lr"]) * p.grad.sign()


@update("eager")
class Eager(Alternating):
    """G moves `more` times more often. Nobody 2026"""

    more: int = 1

    def g_step(self, gan):
        for _ in range(self.more):
            super().g_step(gan)
        return super().g_step(gan)
'''


@pytest.mark.slow
def test_samplers_schedulers_trackers_optimisers_and_rules_come_from_a_plugin_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the program is edited: one file next to the study brings them, and the driver, the workers and the tracking process import it."""
    from study.spec.design import DESIGNS
    from study.spec.samplers import SAMPLERS
    from study.spec.schedulers import SCHEDULERS
    from study.spec.tracking import TRACKERS
    from trainables.tables import OPTIMISERS, UPDATES

    (tmp_path / "search_plugin.py").write_text(SEARCH_PLUGIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    told = tmp_path / "told.txt"
    asked = {
        **TOY,
        "plugins": ["search_plugin"],
        "base": TOY["base"] | {"update": "eager"},
        "space": {"scientific": {"optimiser": ["signs", "adam"], "eager.more": {"low": 0, "high": 3}}},
        "n_configs": 6,
    }
    try:
        spec = StudySpec.from_dict(
            {
                **asked,
                "goal": "optimise",
                "sampler": "other_draws",
                "scheduler": {"name": "first_trials", "n": 2},
                "tracking": {"lines": str(told)},
            }
        )
        assert StudySpec.from_dict(spec.as_dict()) == spec
        trials = run(spec, tmp_path / "toy").trials()
        assert sorted(trials["ended"]) == ["budget"] * 2 + ["scheduler"] * 4
        assert set(trials["optimiser"]) == {"signs", "adam"}
        updates = trials.loc[trials["ended"] == "budget", ["g/updates", "eager.more"]]
        assert (updates["g/updates"] == 12 * (1 + updates["eager.more"])).all()
        lines = dict(line.split() for line in told.read_text().splitlines())
        assert lines == trials["ended"].to_dict()
        with pytest.raises(UserError, match=r"there is no 'scheduler.m'; scheduler has"):
            StudySpec.from_dict({**asked, "goal": "optimise", "scheduler": {"name": "first_trials", "n": 2, "m": 1}})
        fixed = StudySpec.from_dict({**asked, "sampler": "first_choices", "space": {"scientific": {"optimiser": ["signs", "adam"]}}})
        assert {each.flat["optimiser"] for each in fixed.designed()} == {"signs"}
    finally:
        for table, name in (
            (DESIGNS, "first_choices"),
            (SAMPLERS, "other_draws"),
            (SCHEDULERS, "first_trials"),
            (TRACKERS, "lines"),
            (OPTIMISERS, "signs"),
            (UPDATES, "eager"),
        ):
            table.pop(name, None)
        sys.modules.pop("search_plugin", None)
    with pytest.raises(UserError, match="no tracker named 'lines'; there are"):
        StudySpec.from_dict({**TOY, "tracking": {"lines": "x"}})
