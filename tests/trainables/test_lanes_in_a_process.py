"""Several trials in the threads of one process."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import source_of, tiny_config

from study.evaluation.evaluator import Evaluator
from trainables.config import TrialConfig
from trainables.lanes import Lanes
from trainables.sections import DataConfig
from trainables.trial import Trial
from trainables.tune import Shared


@pytest.fixture(params=[{"arch": "mlp"}, {"arch": "dcgan"}], ids=["points", "pictures"], scope="module")
def shared(request: pytest.FixtureRequest) -> tuple[Shared, list[TrialConfig]]:
    """Data with their evaluator, and four configs."""
    configs = [tiny_config({**request.param, "seed": seed, "r1": seed % 2 == 0}) for seed in range(4)]
    source = source_of(DataConfig(name=configs[0].data.name))
    return Shared(source=source, evaluator=Evaluator.build(source, n_fake=100)), configs


def without_speed(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if name != "images_per_second"}


def in_lane(lanes: Lanes, lane: str, flat: dict[str, Any], folder: Path, checkpoint: Path | None = None) -> list[dict[str, float]]:
    """Train a trial to its end. Returns its values at each tick."""
    lanes.begin(lane, flat, checkpoint)
    found: list[dict[str, Any]] = []
    while not found or not found[-1]["finished"]:
        at = folder / f"{lane}-{len(found)}"
        at.mkdir(parents=True)
        found.append(lanes.tick(lane, at))
    return [without_speed(tick["values"]) for tick in found]


def alone(config: TrialConfig, shared: Shared) -> list[dict[str, float]]:
    trial, found, finished = Trial(config, shared.source, shared.evaluator), [], False
    while not finished:
        measured = trial.advance()
        finished = measured.finished
        found.append(without_speed(dict(measured.values)))
    return found


Data = tuple[Shared, list[TrialConfig]]


def test_trials_side_by_side_equal_trials_alone(shared: Data, tmp_path: Path) -> None:
    """Bit for bit, and also when they resume from a checkpoint beside others."""
    data, configs = shared
    lanes = Lanes(data, cpus=1, gpu=0)
    expected = [alone(config, data) for config in configs]
    flats = [config.flat() for config in configs]
    names = [str(i) for i in range(len(configs))]
    with ThreadPoolExecutor(len(configs)) as threads:
        assert list(threads.map(in_lane, [lanes] * 4, names, flats, [tmp_path / "whole"] * 4)) == expected
        from_first = [tmp_path / "whole" / f"{name}-1" for name in names]
        rest = list(threads.map(in_lane, [lanes] * 4, names, flats, [tmp_path / "rest"] * 4, from_first))
    assert rest == [ticks[2:] for ticks in expected]


def test_the_name_of_the_memory_says_that_it_is_of_all_trials(shared: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.trial.device_load", lambda device: {"device/memory_mb": 3.0})
    data, (config, *_) = shared
    values = in_lane(Lanes(data, cpus=1, gpu=0), "a", config.flat(), tmp_path)[-1]
    assert values["device/worker_memory_mb"] == 3
    assert "device/memory_mb" not in values


def test_a_trial_of_a_gpu_needs_one(shared: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="Ray assigned a GPU to this trial, but torch sees none"):
        Lanes(shared[0], cpus=1, gpu=0.5)
