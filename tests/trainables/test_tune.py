"""Device load that a trial reports."""

from unittest.mock import Mock

import pytest
import torch
from pynvml import NVML_ERROR_NOT_SUPPORTED, NVMLError

from trainables.trial import device_load


def test_missing_utilisation_does_not_stop_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """MIG slices and some virtual GPUs do not report utilisation, but they report memory."""
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**20)
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: 40)
    assert device_load(torch.device("cuda", 0)) == {"device/memory_mb": 3.0, "device/utilisation": 40.0}
    monkeypatch.setattr(torch.cuda, "utilization", Mock(side_effect=NVMLError(NVML_ERROR_NOT_SUPPORTED)))
    assert device_load(torch.device("cuda", 0)) == {"device/memory_mb": 3.0}
    assert device_load(torch.device("cpu")) == {}
