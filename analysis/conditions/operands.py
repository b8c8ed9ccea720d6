"""The values that a condition compares, and where they come from."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.arrays import BooleanArray

Bools = npt.NDArray[np.bool_]
Kind = Literal["number", "truth", "text", "mixed", "nothing"]


@dataclass(frozen=True)
class Operand:
    """A value of each trial. kind: mixed if the trials have values of several kinds, nothing if all miss it."""

    kind: Kind
    values: Any  # [T]: float64 with NaN, BooleanArray, or objects with None
    given: str  # as it stands in the condition

    @property
    def numbers(self) -> npt.NDArray[np.float64]:
        """[T]: its numbers; a truth value is 0 or 1."""
        values = self.values.to_numpy(np.float64, na_value=np.nan) if isinstance(self.values, BooleanArray) else self.values
        return np.asarray(values, dtype=np.float64)

    @property
    def objects(self) -> npt.NDArray[np.object_]:
        """[T]: its values, None where they are missing."""
        values = pd.Series(self.values, dtype=object)
        return values.where(values.notna(), None).to_numpy(object)

    @property
    def comparable(self) -> npt.NDArray[np.object_]:
        """[T]: its values for == and !=. Texts are equal in any case of their letters."""
        return pd.Series(self.objects, dtype=object).map(folded).to_numpy(object)


class Source:
    """Where a condition on the rows of a frame finds values. Subclasses read cells in another way, or leave out rows."""

    def __init__(self, frame: pd.DataFrame):
        self.frame = frame

    def __len__(self) -> int:
        """Return T, the number of trials."""
        return len(self.frame)

    def operand(self, name: str) -> Operand:
        """Return the values that a name stands for."""
        return operand(name, self.frame[name])

    def counted(self, kind: str) -> Bools | None:
        """[T]: where a comparison counts: of kind number, text or truth, or missing for `is missing`. None: in all rows."""
        return None

    def may_lack(self, text: str, *, quoted: bool) -> bool:
        """Whether a column may be compared with a text that does not occur in it."""
        return quoted


def operand(name: str, column: pd.Series) -> Operand:
    """Return a column as an operand, by the types of its cells."""
    kinds: set[Kind] = {_kind(value) for value in column.dropna()} or {"nothing"}
    kind = kinds.pop() if len(kinds) == 1 else "mixed"
    if kind == "truth":
        return Operand(kind, BooleanArray(column.eq(True).to_numpy(bool), column.isna().to_numpy(bool)), name)
    if kind in ("number", "nothing"):
        return Operand(kind, pd.to_numeric(column).to_numpy(np.float64, na_value=np.nan), name)
    return Operand(kind, column.to_numpy(object), name)


def constant(kind: Kind, value: object, given: str, n: int) -> Operand:
    """Return a value that is the same for all n trials."""
    values: npt.NDArray[Any] = np.full(n, value, dtype={"number": float, "truth": bool}.get(kind, object))
    return Operand(kind, known(values) if kind == "truth" else values, given)


def folded(value: object) -> object:
    """Return a value; of a text, what it has in common with the same text in other letters and with outer spaces."""
    return value.strip().casefold() if isinstance(value, str) else value


def known(truths: Bools) -> BooleanArray:
    """[T]: truth values of which none is missing."""
    return BooleanArray(np.asarray(truths, dtype=bool), np.zeros(len(truths), dtype=bool))


def nowhere(n: int) -> BooleanArray:
    """[n]: missing everywhere."""
    return BooleanArray(np.zeros(n, dtype=bool), np.ones(n, dtype=bool))


def _kind(value: object) -> Kind:
    if isinstance(value, bool | np.bool_):
        return "truth"
    return "text" if isinstance(value, str) else "number" if isinstance(value, int | float | np.number) else "mixed"
