"""A recorder for the CPU that behaves like a CUDA graph: it replays the operations that PyTorch ran, on the same tensors, without any Python of the round.

So whatever a round computes in Python, and does not ask the clock for, stays as it was recorded.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Replay:
    """Operations with their arguments and results."""

    done = True

    def __init__(self) -> None:
        self.operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    @torch.no_grad()
    def replay(self) -> None:
        for function, args, kwargs, results in self.operations:
            new = function(*args, **kwargs)
            if not any(result.alias_info for result in function._schema.returns):  # else a view, or written in place
                _copy(results, new)


def _copy(into: Any, new: Any) -> None:
    if isinstance(into, Tensor) and into._is_zerotensor():  # immutable, and always 0
        return
    if isinstance(into, Tensor):
        into.detach().copy_(new)
    elif isinstance(into, Sequence):
        for one, other in zip(into, new, strict=True):
            _copy(one, other)


class _Recorder(TorchDispatchMode):
    def __init__(self, found: Replay):
        super().__init__()  # type: ignore[no-untyped-call]
        self.found = found

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        results = func(*args, **kwargs)
        if func.namespace != "profiler":
            self.found.operations.append((func, args, kwargs, results))
        return results


class OnCpu:
    """Records as trainables.capture asks for; `graphs` are all that it recorded."""

    def __init__(self) -> None:
        self.graphs: list[Replay] = []

    def __call__(self, work: Callable[[], None]) -> Replay:
        found = Replay()
        with _Recorder(found):
            work()
        self.graphs.append(found)
        return found
