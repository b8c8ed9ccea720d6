"""Captured rounds: a round of updates is recorded once and then replayed, which takes Python out of the way of a GPU.

Launching kernels one by one takes several times as long as the kernels of a small GAN. A CUDA graph launches a whole round at once. All that changes
from round to round reaches the device through the clock (trainables.clock), so a replay computes what the round would have computed.

Rounds differ in their branches: every 16th has a penalty, G moves in every fifth. `Rounds` keeps a tree of the choices that rounds made, with a graph
for each kind of round. The first rounds of a kind are ordinary training; they also initialise what PyTorch initialises when first used.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol

from torch import Tensor

from trainables.clock import Clock, Tape
from trainables.tapes import Asked, Computed, Node, NotCaptured, Recording, Remembering
from trainables.waits import Waits

_ORDINARY = 3  # rounds of a kind before it is recorded, the last of which is watched for what a graph cannot hold
_GRAPHS = 8  # kinds that are kept as graphs; the least recently used one is given up, and not recorded again


class Graph(Protocol):
    """Recorded work on a device."""

    done: bool  # whether recording has also done the work

    def replay(self) -> None: ...


Record = Callable[[Callable[[], None]], Graph]  # records the device work of a function; raises NotCaptured


class _Kind:
    """What is known of a kind of round."""

    def __init__(self) -> None:
        self.met = 0
        self.graph: Graph | None = None
        self.slots: list[tuple[int, Tensor]] = []  # which of the computed values go into which tensor of the graph


class Rounds:
    """Does rounds, each like `round()`, and replays those of a kind that was met before.

    holders: the objects with state that rounds may change (tricks, the update rule), by name. If rounds cannot be recorded, `reason` says why, and all
    are ordinary rounds from then on. `replayed` counts the others.
    """

    def __init__(self, round: Callable[[], None], clock: Clock, record: Record, holders: dict[str, object]):
        self.round, self.clock, self.record, self.holders = round, clock, record, holders
        self.reason, self.replayed = "", 0
        self.known = False  # whether a kind of round was met often enough to be recorded
        self.tree = Node()
        self.kinds: dict[Node, _Kind] = {}
        self.graphs: dict[Node, _Kind] = {}  # the most recently used last

    def __call__(self) -> None:
        if self.reason:
            self.round()
            return
        # the functions are called before the round only where a kind is known, as their order then differs from that of a plain round
        node, computed = self.tree.compute() if self.known else (self.tree, [])
        if kind := self.graphs.get(node):
            self._replay(node, kind, computed)
        elif not node.leaf:
            self._ordinary(node, computed)
        else:
            kind = self.kinds[node]
            if kind.met == _ORDINARY:
                self._recorded(node, kind, computed)
            else:
                self._ordinary(node, computed, watched=kind.met == _ORDINARY - 1)

    def _ordinary(self, node: Node, computed: list[Computed], *, watched: bool = False) -> None:
        tape, waits = Remembering(node, computed, self.clock.live), Waits()
        with self._using(tape), waits if watched else nullcontext():
            self.round()
        kind = self.kinds.setdefault(tape.finish(), _Kind())
        kind.met += 1
        self.known |= kind.met == _ORDINARY - 1
        if reason := tape.refused or waits.found:
            self._give_up(reason)

    def _replay(self, node: Node, kind: _Kind, computed: list[Computed]) -> None:
        assert kind.graph is not None
        for i, slot in kind.slots:
            value = computed[i][1]
            if isinstance(value, Tensor):
                slot.copy_(value, non_blocking=True)
            else:
                slot.fill_(value)
        kind.graph.replay()
        self.replayed += 1
        self.graphs[node] = self.graphs.pop(node)

    def _recorded(self, node: Node, kind: _Kind, computed: list[Computed]) -> None:
        """Record a round of this kind and do it. If that fails, do an ordinary round."""
        slots = [(asked, self._slot(asked, value)) for asked, value in computed]
        tape, before = Recording(slots), _snapshot(self.holders)
        try:
            with self._using(tape):
                graph = self.record(self.round)
            if reason := _frozen(before, self.holders):
                raise NotCaptured(reason, done=graph.done)
        except NotCaptured as error:
            if not error.done:
                _put_back(before, self.holders)
                self._ordinary(node, computed)
            self._give_up(str(error))
            return
        if not graph.done:
            graph.replay()
        kind.graph, kind.slots = graph, [(i, slot) for i, (_, slot) in enumerate(slots) if isinstance(slot, Tensor)]
        kind.met += 1
        self.graphs[node] = kind
        if len(self.graphs) > _GRAPHS:
            oldest = self.graphs.pop(next(iter(self.graphs)))
            oldest.graph, oldest.slots = None, []

    def _slot(self, asked: Asked, value: Any) -> Any:
        """Return what the graph reads for a value: a tensor at a fixed address, or the value itself if a branch is chosen by it."""
        if asked.how == "number":
            return self.clock.live.number(lambda: value)
        return value.clone() if isinstance(value, Tensor) else value

    @contextmanager
    def _using(self, tape: Tape) -> Iterator[None]:
        self.clock.tape = tape
        try:
            yield
        finally:
            self.clock.tape = self.clock.live

    def _give_up(self, reason: str) -> None:
        self.reason, self.graphs, self.kinds, self.tree = reason, {}, {}, Node()


# What would stay as it is in every replay ------------------------------------------------------------------


def _snapshot(holders: dict[str, object]) -> dict[str, dict[str, Any]]:
    """Return the attributes of each holder; containers are copied, tensors are not."""
    return {
        name: {key: copy.copy(value) if isinstance(value, dict | list) else value for key, value in vars(holder).items()}
        for name, holder in holders.items()
    }


def _put_back(before: dict[str, dict[str, Any]], holders: dict[str, object]) -> None:
    """Restore the attributes of a snapshot."""
    for name, holder in holders.items():
        vars(holder).clear()
        vars(holder).update(before[name])


def _frozen(before: dict[str, dict[str, Any]], holders: dict[str, object]) -> str:
    """Return what a replay would not change although the round does, as a sentence; "" if nothing."""
    for name, holder in holders.items():
        for key, value in vars(holder).items():
            if not _same(value, before[name].get(key)):
                how = "replaces the tensor" if isinstance(value, Tensor) else "changes"
                return f"{name} {how} `{key}` in a step; tensors must be changed in place, and Python state in a function for clock.each"
    return ""


def _same(now: Any, before: Any) -> bool:
    """Whether two values are the same: tensors if they are one object, numbers and texts if they are equal."""
    if isinstance(now, dict) and isinstance(before, dict):
        return now.keys() == before.keys() and all(_same(now[key], before[key]) for key in now)
    if isinstance(now, list) and isinstance(before, list):
        return len(now) == len(before) and all(map(_same, now, before))
    if isinstance(now, bool | int | float | str):
        return bool(now == before)
    return now is before
