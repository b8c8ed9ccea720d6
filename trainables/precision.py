"""The number format in which a GPU trains."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def be_deterministic(on: bool, device: torch.device) -> None:
    """Let a GPU use only operations that add in a fixed order, for the whole process; others raise RuntimeError with their name.

    Call it before the first work on the GPU. A CPU is deterministic anyway.
    """
    if on and device.type == "cuda":
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # no operation here reads such memory
        torch.backends.cudnn.benchmark = False


def train_in_bf16(net: nn.Module) -> None:
    """Let `in_its_format` compute this network in bfloat16 while it trains."""
    net.bf16 = True  # type: ignore[assignment]  # a plain attribute


@contextmanager
def in_its_format(net: nn.Module, device: torch.device) -> Iterator[None]:
    """Compute a network: in bfloat16 (autocast) if it trains in it, else as always. Its outputs may be bfloat16 then."""
    if getattr(net, "bf16", False) and net.training:
        with torch.autocast(device.type, torch.bfloat16):
            yield
    else:
        yield


def widened(y: Tensor) -> Tensor:
    """Return float32 for an output in bfloat16; others unchanged."""
    return y.float() if y.dtype is torch.bfloat16 else y
