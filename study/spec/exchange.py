"""Columnwise exchange: orders the values of each column of a design so that no two columns are alike. Li & Wu 1997

A design grows in blocks of 12 rows. The values that a setting takes in a block are given; the search decides in which rows they stand, by
swapping values within a column. The rows so far never change, so a longer design begins with the shorter one.

All quantities are whole numbers in float64, so that a design is the same on every machine, whatever the order in which it adds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

BLOCK = 12  # rows; it divides evenly into 2, 3, 4 and 6 levels
UNIT = 60.0  # a coded column has about this standard deviation

_MIRRORED_UP_TO = 8  # columns; more of them have too few directions in the six pairs of the first block
_CAREFUL = 4  # blocks in which sizes between two blocks matter too
_WITH_INTERACTIONS = 50  # blocks; later every interaction is far below any limit
_INTERACTIONS_UP_TO = 24  # scientific columns; with more, no size in use separates all of their interactions
_INTERACTION = 0.6  # its correlation counts so much beside that of two settings: the limits are .5 and .3
_SETTLED = np.arange(BLOCK)


@dataclass(frozen=True)
class _Stage:
    """What the search of one block looks at: numbers of rows of the block, and the weight of each."""

    ends: Ints
    weights: Floats


_FIRST = _Stage(np.array([8, 12]), np.array([1.0, 100.0]))  # fewer than 12 configs are rare, but identical columns help nobody
_NEXT = _Stage(np.array([4, 8, 12]), np.array([1.0, 1.0, 3.0]))
_LATER = _Stage(np.array([12]), np.array([1.0]))


def _swaps() -> Ints:
    """Return all orders of a block that differ by one swap, [66, 12]."""
    pairs = list(combinations(range(BLOCK), 2))
    orders = np.tile(_SETTLED, (len(pairs), 1))
    for order, (a, b) in zip(orders, pairs, strict=True):
        order[[a, b]] = b, a
    return orders


def _mirrored_moves() -> Ints:
    """Return orders that keep the pairs of rows (0, 1), (2, 3), … together: turn one or two pairs round, or exchange two pairs, [51, 12]."""
    pairs = _SETTLED.reshape(-1, 2)
    turned = pairs[:, ::-1]
    orders = []
    for a in range(len(pairs)):
        order = pairs.copy()
        order[a] = turned[a]
        orders.append(order.ravel())
    for a, b in combinations(range(len(pairs)), 2):
        for new_a, new_b in ((turned[a], turned[b]), (pairs[b], pairs[a]), (turned[b], pairs[a])):
            order = pairs.copy()
            order[a], order[b] = new_a, new_b
            orders.append(order.ravel())
    return np.array(orders)


_SWAPS, _MIRRORED_MOVES = _swaps(), _mirrored_moves()


def _costs(candidates: Floats, others: Floats, so_far: Floats, scale: Floats, stage: _Stage) -> Floats:
    """Return the cost [M] of M candidates for the columns of one setting, [M, 12, c].

    others: the columns [12, E] beside them. so_far: the inner products [c, E] over earlier rows.
    scale: 1 over the numbers of rows, [len(stage.ends), 1 or E].
    A column's cost grows with the 12th power of r √n, so that the largest correlations decide.
    """
    until = np.arange(BLOCK) < stage.ends[:, None]
    rows = (candidates.transpose(0, 2, 1)[:, None] * until[None, :, None, :]).reshape(-1, BLOCK)
    product = (rows @ others).reshape(len(candidates), len(stage.ends), -1, others.shape[1]) + so_far
    product *= product
    product *= (8.0 / UNIT**4 * scale)[None, :, None, :]
    np.minimum(product, 64.0, out=product)  # so that sums stay below 2^53
    np.rint(product, out=product)
    cubed = product * product * product
    cubed *= cubed
    return np.asarray(cubed.sum(axis=(2, 3)) @ stage.weights)


class Exchange:
    """A growing design in coded columns: whole numbers with mean 0 and standard deviation UNIT."""

    def __init__(self, columns: Sequence[int], *, scientific: Sequence[bool], two_sided: Sequence[bool], fixed: Sequence[bool]):
        """Start a design.

        For each setting: its number of columns, whether the question is about it, whether it is a choice of two or a range, and whether its
        values stay in the order in which they are given.
        """
        ends = np.cumsum([0, *columns])
        self._of = [np.arange(low, high) for low, high in pairwise(ends)]
        owner = np.repeat(np.arange(len(columns)), columns)
        asked = [column for own, is_asked in zip(self._of, scientific, strict=True) for column in own if is_asked]
        pairs = [(a, b) for a, b in combinations(asked, 2) if owner[a] != owner[b]] if len(asked) <= _INTERACTIONS_UP_TO else []
        self._a, self._b = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        # Mirrored rows, also called foldover: each pair of rows has opposite values, so at even sizes no main effect is correlated with an
        # interaction of two mirrored settings, and the levels are balanced. Box & Wilson 1951
        mirrors = sum(two_sided) <= _MIRRORED_UP_TO and not any(fixed)
        moves = [_MIRRORED_MOVES if mirrors and is_two_sided else _SWAPS for is_two_sided in two_sided]
        self._moves = [_SETTLED[None] if stays else own for own, stays in zip(moves, fixed, strict=True)]
        self._tried = [np.vstack([_SETTLED, own]) for own in self._moves]
        # Beside a setting are all other columns, the constant (so that levels are balanced), and products of two scientific columns.
        self._products: Floats = np.zeros((len(owner), len(owner) + 1 + len(pairs)))
        self._used = []  # for each setting the indices of what it is compared with
        for setting, is_asked in enumerate(scientific):
            apart = (owner[self._a] != setting) & (owner[self._b] != setting)
            self._used.append(np.flatnonzero(np.concatenate([owner != setting, [True], apart & is_asked])))
        work = sum(len(own) * len(used) for own, used in zip(self._of, self._used, strict=True))
        self._kicks = min(20, 1 + 40_000 // max(1, work))  # attempts per setting and block to leave a local minimum; few in large spaces
        self._starts = min(4, 1 + 8_000 // max(1, work))
        self._blocks = 0
        self._partial: list[_Partial] = []

    def is_shuffled(self, setting: int) -> bool:
        """Whether the values of a setting may be given in any order; of a mirrored setting rows 0 and 1, 2 and 3, … must be opposites."""
        return self._moves[setting] is _SWAPS

    def add(self, codes: Sequence[Floats], rng: np.random.Generator) -> list[Ints]:
        """Add a block. codes: for each setting its columns [12, c]. Returns for each setting the order [12] of its values."""
        block = self._searched(codes, rng)
        if not self._blocks:  # in the first block a local minimum is hard to leave, so start again
            block = min([block, *(self._searched(codes, rng) for _ in range(self._starts - 1))], key=lambda each: each.total)
        self._products += block.columns.T @ block.beside
        self._blocks += 1
        self._latest = block.beside[:, : len(self._products) + 1]
        self._present = np.ones(self._latest.shape, dtype=np.bool_)
        self._placed = 0
        return block.orders

    def _searched(self, codes: Sequence[Floats], rng: np.random.Generator) -> "_Block":
        """Return a block with these columns in a good order."""
        block = _Block(self, np.hstack([*codes, np.zeros((BLOCK, 0))]))
        for setting in range(len(codes)):
            block.settle(setting, self._kicked(setting, rng))
        careful = self._blocks < _CAREFUL
        cost = np.zeros(len(codes))
        for _ in range(8 if careful else 2):
            moved = False
            for setting in np.argsort(-cost, kind="stable"):  # the worst first
                order, cost[setting] = block.search(setting, _SETTLED, steps=2)
                moved |= block.settle(setting, order)
            if not moved:
                break
        for _ in range(self._kicks if careful else 0):
            for setting in np.argsort(-cost, kind="stable"):  # leave a local minimum, if what follows is better
                start = self._kicked(setting, rng)
                now = block.cost(setting)(_SETTLED[None])[0]
                order, found = block.search(setting, start, steps=6)
                cost[setting] = min(now, found)
                if found < now:
                    block.settle(setting, order)
        block.total = float(cost.sum())
        return block

    def _kicked(self, setting: int, rng: np.random.Generator) -> Ints:
        """Return the order after three random moves."""
        order = _SETTLED
        for move in rng.integers(len(self._moves[setting]), size=3):
            order = order[self._moves[setting][move]]
        return order

    def place(self, codes: Floats, lives: Bools) -> Ints:
        """Place a setting that lives only in some rows [12] of the latest block. Returns the order [12] of its values; only live rows change.

        Conditional settings follow `add` in the same order in every block.
        """
        number, self._placed = self._placed, self._placed + 1
        if number == len(self._partial):
            self._partial.append(_Partial(np.zeros((codes.shape[1], self._latest.shape[1])), np.zeros(self._latest.shape[1])))
        partial, order = self._partial[number], _SETTLED
        partial.counts += lives.astype(np.float64) @ self._present
        scale = 1.0 / np.maximum(1.0, partial.counts)[None]
        moves = np.vstack([_SETTLED, *(swap for swap in _SWAPS if lives[swap != _SETTLED].all())])
        codes = codes * lives[:, None]
        for _ in range(20):
            costs = _costs(codes[order[moves]], self._latest, partial.products, scale, _LATER)
            best = int(np.argmin(costs))
            if costs[best] == costs[0]:
                break
            order = order[moves[best]]
        partial.products += codes[order].T @ self._latest
        self._latest = np.hstack([self._latest, codes[order]])
        self._present = np.hstack([self._present, np.tile(lives[:, None], codes.shape[1])])
        return order


class _Block:
    """The latest block of a design while its columns are ordered."""

    def __init__(self, design: Exchange, columns: Floats):
        self._design, self.columns = design, columns
        self.total = 0.0
        self.orders = [_SETTLED for _ in design._of]
        self._stage = _LATER if design._blocks >= _CAREFUL else _NEXT if design._blocks else _FIRST
        self._scale = 1.0 / (BLOCK * design._blocks + self._stage.ends)[:, None]
        width = design._products.shape[1] if design._blocks < _WITH_INTERACTIONS else len(design._products) + 1
        self._used = [used[used < width] for used in design._used]
        pairs = np.rint(columns[:, design._a] * columns[:, design._b] * (_INTERACTION / UNIT))
        self.beside = np.hstack([columns, np.full((BLOCK, 1), UNIT), pairs])

    def cost(self, setting: int) -> Callable[[Ints], Floats]:
        """Return a function of orders [M, 12] of the values of a setting: their costs [M] beside the other settings as they stand."""
        own, used = self._design._of[setting], self._used[setting]
        columns, beside, so_far = self.columns[:, own], self.beside[:, used], self._design._products[np.ix_(own, used)]
        return lambda orders: _costs(columns[orders], beside, so_far, self._scale, self._stage)

    def search(self, setting: int, order: Ints, *, steps: int) -> tuple[Ints, float]:
        """Return the order after up to `steps` best moves, and its cost."""
        cost, moves = self.cost(setting), self._design._tried[setting]
        for _ in range(steps):
            costs = cost(order[moves])
            best = int(np.argmin(costs))
            if costs[best] == costs[0]:
                break
            order = order[moves[best]]
        return order, float(costs[best])

    def settle(self, setting: int, order: Ints) -> bool:
        """Put the values of a setting into this order. Returns whether that is a change."""
        if order is _SETTLED:
            return False
        design, own = self._design, self._design._of[setting]
        self.orders[setting] = self.orders[setting][order]
        self.columns[:, own] = self.beside[:, own] = self.columns[np.ix_(order, own)]
        touched = np.flatnonzero(np.isin(design._a, own) | np.isin(design._b, own))
        pairs = self.columns[:, design._a[touched]] * self.columns[:, design._b[touched]]
        self.beside[:, len(self.columns.T) + 1 + touched] = np.rint(pairs * (_INTERACTION / UNIT))
        return True


@dataclass
class _Partial:
    """Inner products of a conditional setting's columns with those beside it over its live rows, [c, E], and the numbers of these rows, [E]."""

    products: Floats
    counts: Floats
