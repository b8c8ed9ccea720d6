"""Every table entry on the GPU: is it captured, and is the captured training the eager one?

Convolutions add in any order on a GPU, so two eager runs differ too; that is the measure of the difference to a captured one.
"""

from collections.abc import Iterator
from typing import Any

import torch

from bench.gpu.cases import Settings, entries, make, stepper, weights

_SMALL = {"g.width": 16, "d.width": 16, "batch_size": 16, "tick_kimg": 0.8, "budget_kimg": 0.8}
_ROUNDS = 16


def rows() -> Iterator[dict[str, Any]]:
    """Yield a row for each entry: replays of 16 rounds, the reason if there are none, and relative differences of the weights."""
    for name, settings in entries().items():
        try:
            yield {"entry": name, **_compared(settings)}
        except Exception as error:  # a row of its own: the others are worth having
            yield {"entry": name, "error": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}


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
