"""GanTrainable in this process, and the device load that a trial reports."""

from typing import Any
from unittest.mock import Mock

import pytest
import torch
from pynvml import NVML_ERROR_NOT_SUPPORTED, NVMLError
from ray import tune
from tiny import source_of, tiny_config

from study.evaluation.evaluator import Evaluator
from trainables.trial import device_load
from trainables.tune import GanTrainable, Shared


def test_a_trial_that_cannot_begin_fails_in_its_first_step() -> None:
    """A worker takes it over without an error: Tune would take it for one that still waits. Then the worker takes others."""
    good, source = tiny_config({"seed": 1}), source_of(tiny_config({}).data)
    shared = Shared(source=source, evaluator=Evaluator.build(source, n_fake=100))

    class Trainable(GanTrainable):
        def setup(self, config: dict[str, Any]) -> None:  # type: ignore[override]
            super().setup(config, shared=shared)

    given = {"flat": good.flat(), "checkpoint": None}
    trainable = Trainable(config=given)
    first = trainable.step()
    for change in ({"flat": {**good.flat(), "loss": "no such loss"}}, {"checkpoint": tune.Checkpoint("/nowhere")}):
        assert trainable.reset_config({**given, **change})
        with pytest.raises(Exception, match=r"no such loss|nowhere"):
            trainable.step()
    assert trainable.reset_config(given)
    assert trainable.step()["values"] == first["values"]


def test_missing_utilisation_does_not_stop_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """MIG slices and some virtual GPUs do not report utilisation, but they report memory."""
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**20)
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: 40)
    assert device_load(torch.device("cuda", 0)) == {"device/memory_mb": 3.0, "device/utilisation": 40.0}
    monkeypatch.setattr(torch.cuda, "utilization", Mock(side_effect=NVMLError(NVML_ERROR_NOT_SUPPORTED)))
    assert device_load(torch.device("cuda", 0)) == {"device/memory_mb": 3.0}
    assert device_load(torch.device("cpu")) == {}
