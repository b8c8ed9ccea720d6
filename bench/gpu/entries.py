"""Every table entry on the GPU: is it captured, and is the captured training the eager one?

Convolutions add in any order on a GPU, so two eager runs differ too; that is the measure of the difference to a captured one.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from bench.gpu.cases import DEVICE, Settings, entries, make, stepper, weights
from trainables.streams import own_stream
from trainables.tricks.base import Trick, trick

_SMALL = {"g.width": 16, "d.width": 16, "batch_size": 16, "tick_kimg": 0.8, "budget_kimg": 0.8}
_ROUNDS = 16


def rows() -> Iterator[dict[str, Any]]:
    """Yield a row per entry: how many of 16 rounds were replayed, why none was, and relative differences between the weights."""
    for name, settings in entries().items():
        try:
            yield {"entry": name, **_compared(settings)}
        except Exception as error:  # a row of its own: the others are worth having
            yield {"entry": name, "error": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}
    yield refused()


def refused() -> dict[str, Any]:
    """Return the row of a plugin that waits for the GPU in each step: its rounds cannot be recorded, and train as before."""

    @trick("waiting")
    class Waiting(Trick):
        """Images divided by their largest value, for which the host waits. Of this benchmark."""

        def view(self, images: Tensor, rng: torch.Generator) -> Tensor:
            return images / images.detach().abs().max().item()

    return {"entry": "a plugin that waits", **_compared({"waiting": True})}


def memory() -> Iterator[dict[str, Any]]:
    """Yield the memory in use after each of several trials of one thread, one after another; it must not grow."""
    for i in range(6):
        with torch.cuda.stream(own_stream(DEVICE)):
            run = make({**_SMALL, "r1": True, "r1.interval": 3, "seed": i}, (3, 32, 32), captured=True)
            for _ in range(_ROUNDS):
                stepper(run)()
        run.rounds = None
        del run
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        yield {
            "trial": i,
            "allocated_mb": round(torch.cuda.memory_allocated() / 2**20, 1),
            "reserved_mb": round(torch.cuda.memory_reserved() / 2**20, 1),
        }


def _compared(settings: Settings) -> dict[str, Any]:
    first, second, fast = (_trained(settings, captured=captured) for captured in (False, False, True))
    rounds = fast.rounds
    assert rounds is not None
    start = weights(make({**_SMALL, **settings}, (3, 32, 32), captured=False))
    moved = float((weights(first) - start).norm())
    eager, captured = (float((weights(first) - weights(other)).norm()) / moved for other in (second, fast))
    same_host = all(getattr(first, name) == getattr(fast, name) for name in ("images", "d_updates", "g_updates"))
    return {"replayed": rounds.replayed, "reason": rounds.reason, "eager": eager, "captured": captured, "same counts": same_host}


def _trained(settings: Settings, *, captured: bool) -> Any:
    with torch.cuda.stream(torch.cuda.Stream()):
        run = make({**_SMALL, **settings}, (3, 32, 32), captured=captured)
        step = stepper(run)
        for _ in range(_ROUNDS):
            step()
        torch.cuda.synchronize()
    return run
