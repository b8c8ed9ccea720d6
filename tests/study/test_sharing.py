"""How many trials share a GPU with `resources.gpu: auto`: the rule, the probe on a CPU, and whole studies on a GPU that only Ray believes in."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scripts import head, run_script

from study.engine import launch, sharing
from study.engine.stopping import Stopping
from study.spec.study_spec import StudySpec
from study.store.store import Store
from trainables.data import Source
from trainables.probe import Load, best, probe
from trainables.tune import Shared

Toy = Callable[..., StudySpec]
SMALL = {"arch": "mlp", "g.width": 8, "d.width": 8, "batch_size": 16}


@pytest.mark.parametrize(
    ("speeds", "memory", "chosen"),
    [
        ([1, 2, 4, 8, 16], [0.1, 0.1, 0.1, 0.1, 0.1], 16),
        ([1, 1.9, 2.2, 2.3], [0.1, 0.1, 0.1, 0.1], 4),  # 8 gain less than a tenth
        ([1, 0.9], [0.1, 0.1], 1),
        ([1, 2, 4, 8], [0.2, 0.4, 0.79, 0.81], 4),  # 8 leave no room
        ([1], [0.9], 1),
        ([], [], 1),
    ],
)
def test_the_number_that_still_gains_and_fits_is_chosen(speeds: list[float], memory: list[float], chosen: int) -> None:
    assert best([Load(lanes=2**i, speed=speed, memory=used) for i, (speed, used) in enumerate(zip(speeds, memory, strict=True))]) == chosen


@pytest.mark.parametrize(
    ("nodes", "resources", "most"),
    [
        ([{"CPU": 64, "GPU": 1}], {}, 16),
        ([{"CPU": 8, "GPU": 1}], {}, 8),
        ([{"CPU": 8, "GPU": 1}], {"cpu": 0.5}, 16),
        ([{"CPU": 8, "GPU": 4}], {}, 2),
        ([{"CPU": 8, "GPU": 4}, {"CPU": 2}], {}, 2),
        ([{"CPU": 64, "GPU": 1}], {"concurrent": 3}, 3),
        ([{"CPU": 64, "GPU": 16}], {}, 4),
        ([{"CPU": 1, "GPU": 4}], {}, 1),
        ([{"CPU": 64}], {}, 0),
        ([{"CPU": 64, "GPU": 1}], {"gpu": 1}, 0),
        ([{"CPU": 64, "GPU": 1}], {"lanes": False}, 0),
    ],
)
def test_cpus_and_trials_limit_the_number(toy: Toy, nodes: list[Mapping[str, float]], resources: dict[str, Any], most: int) -> None:
    assert sharing.most(toy(n_configs=100, resources=resources), nodes) == most


@pytest.mark.parametrize(
    ("resources", "stopped", "shares"),
    [({}, False, [0.125, 0.25, 0.5, 1.0]), ({}, True, [0.125]), ({"study_hours": 1e-9}, False, [0.125])],
    ids=["goes on", "stop was asked", "time is up"],
)
def test_after_a_full_gpu_fewer_trials_share_it_unless_the_study_ends(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resources: dict[str, Any], stopped: bool, shares: list[float]
) -> None:
    """Each Tune run, here a stand-in, ends with a full GPU as long as several share it."""
    runs: list[float | str] = []

    def tuner(spec: StudySpec, trainable: Any, store: Store, display: Any, stopping: Stopping) -> Any:
        def fit() -> None:
            runs.append(spec.resources.gpu)
            stopping.full = stopping.fewer_if_full
            if stopped:
                store.layout.stop.touch()

        return SimpleNamespace(fit=fit)

    monkeypatch.setattr(launch, "_tuner", tuner)
    monkeypatch.setattr(launch, "_trainable", lambda *given: nullcontext())
    with Store.writing(tmp_path) as store:
        launch._run_trials(toy(resources=resources), None, store, None, lanes=8)  # type: ignore[arg-type]
    assert runs == shares


@pytest.mark.parametrize("lanes", range(1, 17))
def test_so_many_shares_fit_on_a_gpu_for_ray(lanes: int) -> None:
    assert lanes * round(sharing.share(lanes) * 10_000) <= 10_000 < (lanes + 1) * round(sharing.share(lanes) * 10_000)


class Evaluator:
    """Scores nothing."""

    def on(self, device: torch.device) -> "Evaluator":
        return self

    def __call__(self, generator: Any) -> dict[str, float]:
        return {"fd": 1.0}


def of(monkeypatch: pytest.MonkeyPatch, flats: list[dict[str, Any]]) -> list[Load]:
    monkeypatch.setattr("trainables.probe._WARM_S", 0.01)
    monkeypatch.setattr("trainables.probe._ALONE_S", 0.1)
    monkeypatch.setattr("trainables.probe._TOGETHER_S", 0.2)
    points = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    shared = Shared(source=Source(name="points", train=points, heldout=points[:50]), evaluator=Evaluator())
    return probe(shared, flats, cpus=1, gpu=0)


def test_trials_are_added_until_they_hardly_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.probe._GAIN", 0.0)
    loads = of(monkeypatch, [{**SMALL, "seed": seed} for seed in range(6)])
    assert [load.lanes for load in loads] == [1, 2, 4, 6]
    assert all(load.speed > 0 for load in loads)
    monkeypatch.setattr("trainables.probe._GAIN", 1e9)
    assert [load.lanes for load in of(monkeypatch, [{**SMALL, "seed": seed} for seed in range(6)])] == [1, 2]


def test_a_config_that_diverges_at_once_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.probe._GAIN", 0.0)
    broken = {**SMALL, "g.lr": 1e30, "d.lr": 1e30}
    loads = of(monkeypatch, [broken, SMALL, broken, {**SMALL, "seed": 1}])
    assert [load.lanes for load in loads] == [1, 2]


def test_the_probe_ends_where_memory_does(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainables.lanes import Lanes

    monkeypatch.setattr("trainables.probe._GAIN", 0.0)
    begin = Lanes.begin

    def full(self: Lanes, lane: str, *given: Any) -> None:
        if lane == "3":
            raise torch.OutOfMemoryError("CUDA out of memory")
        begin(self, lane, *given)

    monkeypatch.setattr(Lanes, "begin", full)
    loads = of(monkeypatch, [{**SMALL, "seed": seed} for seed in range(6)])
    assert [load.lanes for load in loads] == [1, 2]


# Whole studies ------------------------------------------------------------------------------------

PLUGIN = '''
"""A GPU made of the CPU, for trials that need little time; one on which three trials at a time do not fit."""
import gc
import weakref
import torch
import trainables.lanes, trainables.probe, trainables.tune
from trainables.tricks.base import TRICKS, Trick

trainables.lanes.first_gpu = trainables.tune.first_gpu = lambda: torch.device("cpu")
trainables.probe._GAIN, trainables.probe._WARM_S, trainables.probe._ALONE_S, trainables.probe._TOGETHER_S = 0.0, 0.01, 0.05, 0.05

@TRICKS.register("hungry")
class Hungry(Trick):
    """Needs a third of the memory, once its budget is that of a study."""
    alive = weakref.WeakValueDictionary()

    def after_g(self, nets):
        if self.clock.budget < 10**8:
            Hungry.alive[id(self)] = self
            if len(Hungry.alive) > 2:
                gc.collect()  # those of trials that have ended
            if len(Hungry.alive) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
'''

ON_A_GPU = """
import logging
logging.basicConfig()
ray.init(address="local", num_cpus=4, num_gpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
for name, base in (("plain", {}), ("hungry", {"hungry": True})):
    spec = StudySpec.from_dict({**TOY, "n_configs": 4, "max_failures": 0, "plugins": ["one_gpu"], "base": {**TOY["base"], **base}})
    view = launch(spec, name)
    print(name, "shares", [(study.sharing["lanes"], len(study.sharing["measured"])) for study in view.store.studies])
    print(name, "ended", [(record.closed.ended.value, record.failures) for record in view.store.trials.values()])
ray.shutdown()
"""

WITHOUT_TORCH = """
ray.init(address="local", num_cpus=4, num_gpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
try:
    launch(StudySpec.from_dict({**TOY, "n_configs": 4}), "toy", progress=False)
except ValueError as error:
    print(type(error).__name__, error)
ray.shutdown()
"""


@pytest.mark.slow
def test_a_study_measures_how_many_trials_share_a_gpu_and_halves_it_if_the_memory_is_full(tmp_path: Path) -> None:
    (tmp_path / "one_gpu.py").write_text(PLUGIN)
    said = run_script(head() + ON_A_GPU, tmp_path)
    assert "4 trials at a time on each GPU (2 trained" in said
    assert "plain shares [(4, 3)]" in said
    assert "plain ended [('budget', 0), ('budget', 0), ('budget', 0), ('budget', 0)]" in said
    assert "hungry shares [(4, 3)]" in said
    assert "hungry ended [('budget', 0), ('budget', 0), ('budget', 0), ('budget', 0)]" in said


@pytest.mark.slow
def test_a_gpu_that_torch_does_not_see_ends_the_launch_before_its_trials(tmp_path: Path) -> None:
    said = run_script(head() + WITHOUT_TORCH, tmp_path)
    assert "UserError Ray assigned a GPU to this trial, but torch sees none on this node" in said
    assert not (tmp_path / "toy" / "records.jsonl").exists()
