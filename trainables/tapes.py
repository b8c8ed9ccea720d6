"""Tapes: what a clock does with the functions of a round that is remembered or recorded, and the tree of what rounds asked for."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from torch import Tensor

from trainables.clock import K, Live, finite_number

How = Literal["number", "feed", "choice", "each"]
_CHOICES = 64  # values of one choice that are remembered
_DIFFERENT = "rounds with the same choices ask the clock for different things; a branch needs clock.choice"


class NotCaptured(Exception):
    """Why rounds cannot be recorded. done: whether the work of this round was done nevertheless."""

    def __init__(self, reason: str, *, done: bool = False):
        super().__init__(reason)
        self.done = done


class Asked(NamedTuple):
    """A function that a round passed to the clock."""

    how: How
    compute: Callable[[], Any]

    def value(self) -> Any:
        """Call the function."""
        return finite_number(self.compute) if self.how == "number" else self.compute()

    def like(self, how: How, compute: Callable[[], Any]) -> bool:
        """Whether a later round asks for the same: functions are made anew in each round, their code is not."""
        return self.how == how and _code(self.compute) is _code(compute)


def _code(function: Callable[[], Any]) -> Any:
    return getattr(getattr(function, "__func__", function), "__code__", type(function))


Computed = tuple[Asked, Any]  # a function and its value in this round


class Node:
    """What all rounds that made the same choices so far ask for up to the next choice; a leaf is a kind of round."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []  # only the last can be a choice
        self.children: dict[bool | int | str, Node] = {}
        self.leaf = False

    def child(self, value: bool | int | str) -> "Node":
        """Return the node after a choice; the oldest is forgotten if there are too many."""
        if value not in self.children and len(self.children) >= _CHOICES:
            del self.children[next(iter(self.children))]
        return self.children.setdefault(value, Node())

    def compute(self) -> tuple["Node", list[Computed]]:
        """Call the functions of a round as far as its kind is known, from this node on."""
        node, found = self, list[Computed]()
        while True:
            found += [(asked, asked.value()) for asked in node.asked]
            if node.leaf or not node.asked or node.asked[-1].how != "choice":
                return node, found
            node = node.child(found[-1][1])


class _Each(ABC):
    """The base class of tapes that answer all four kinds of request from one method."""

    @abstractmethod
    def _next(self, how: How, compute: Callable[[], Any]) -> Any:
        """Return the value of a function in this round."""

    def number(self, compute: Callable[[], float]) -> Tensor:
        scalar: Tensor = self._next("number", compute)
        return scalar

    def feed(self, compute: Callable[[], Tensor]) -> Tensor:
        fed: Tensor = self._next("feed", compute)
        return fed

    def choice(self, compute: Callable[[], K]) -> K:
        chosen: K = self._next("choice", compute)
        return chosen

    def each(self, change: Callable[[], None]) -> None:
        self._next("each", change)


class Remembering(_Each):
    """The tape of an ordinary round: uses what was computed already, then calls the functions and remembers them.

    refused: why rounds cannot be recorded.
    """

    def __init__(self, node: Node, computed: Iterable[Computed], live: Live):
        self.node, self.computed, self.live = node, deque(computed), live
        self.at = len(node.asked) if self.computed else 0  # functions of the node that the round asked for
        self.refused = ""
        self._computing = False

    def _next(self, how: How, compute: Callable[[], Any]) -> Any:
        at = next((i for i, (asked, _) in enumerate(self.computed) if asked.like(how, compute)), None)
        if at is not None:
            for _ in range(at):  # the round did not ask for these
                self.computed.popleft()
                self.refused = _DIFFERENT
            return self.computed.popleft()[1]
        asked = Asked(how, compute)
        self._computing = True
        value = asked.value()
        self._computing = False
        self._remember(asked, value)
        return value

    def _remember(self, asked: Asked, value: Any) -> None:
        """Go on in the tree, or grow it."""
        if self.refused:
            return
        if self.at == len(self.node.asked) and not self.node.leaf and not self.computed:
            self.node.asked.append(asked)
        elif self.at == len(self.node.asked) or not self.node.asked[self.at].like(*asked):
            self.refused = _DIFFERENT
            return
        self.at += 1
        if asked.how == "choice":
            self.node, self.at = self.node.child(value), 0

    def number(self, compute: Callable[[], float]) -> Tensor:
        value = self._next("number", compute)
        return self.live.number(lambda: value)

    def reads(self, what: str) -> None:
        if not self._computing:
            self.refused = f"a step reads clock.{what}; a number that changes needs clock.number, a branch clock.choice"

    def finish(self) -> Node:
        """Return the kind of this round."""
        if self.computed or self.at < len(self.node.asked):
            self.refused = self.refused or _DIFFERENT
        self.node.leaf = True
        return self.node


class Recording(_Each):
    """The tape of a round that is recorded: hands out what the graph reads, and calls no function.

    slots: for each function, a tensor at a fixed address, or a value by which a branch is chosen.
    """

    def __init__(self, slots: Iterable[Computed]):
        self.slots = deque(slots)

    def _next(self, how: How, compute: Callable[[], Any]) -> Any:
        if not self.slots or not self.slots[0][0].like(how, compute):
            raise NotCaptured(_DIFFERENT)
        return self.slots.popleft()[1]

    def reads(self, what: str) -> None:
        pass  # `Remembering` refused it in an earlier round
