"""Finds operations for which the host waits for the GPU: a graph cannot hold them, and a capture that meets one fails."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "_unique", "equal", "repeat_interleave")


class Waits(TorchDispatchMode):
    """Watches the operations of a block, in the thread that runs it; `found` is the first for which the host waits, in words, or ""."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found = ""

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self.found:
            self.found = _waits(func, args, result)
        return result


def _waits(func: Any, args: tuple[Any, ...], result: Any) -> str:
    name = func.name().removeprefix("aten::").partition(".")[0]
    if name.rstrip("0123456789") in _WAITING:
        return f"a step waits for a value of the GPU ({name})"
    if name in ("index", "index_put", "index_put_") and any(index.dtype in (torch.bool, torch.uint8) for index in _tensors(args[1])):
        return f"a step waits for the number of elements that a mask selects ({name}); use torch.where"
    if name in ("_to_copy", "copy_") and len({tensor.device for tensor in _tensors((args, result))}) > 1:
        return f"a step copies a tensor between devices ({name}); make it on the device, or get it from clock.feed"
    return ""


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
