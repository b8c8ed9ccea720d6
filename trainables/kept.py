"""Copies of training data on a device, one for all trials of a process."""

import threading
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_LOCK = threading.Lock()
_COPIES: WeakValueDictionary[tuple[object, ...], Tensor] = WeakValueDictionary()


def kept_on(device: torch.device, images: npt.NDArray[np.uint8] | npt.NDArray[np.float32]) -> Tensor:
    """Return a copy of an array on the device: the same tensor for all that ask while one of them keeps tensor and array. Do not change it."""
    memory = images.__array_interface__
    key = (device, memory["data"], memory["shape"], memory["strides"], memory["typestr"])
    with _LOCK:
        copy = _COPIES.get(key)
        if copy is None:
            copy = torch.from_numpy(images.copy()).to(device)  # PyTorch warns about read-only arrays
            if device.type == "cuda":
                torch.cuda.current_stream(device).synchronize()  # trials on other streams read it too
            _COPIES[key] = copy
    if device.type == "cuda":
        copy.record_stream(torch.cuda.current_stream(device))  # its memory is reused only after the work of this stream
    return copy
