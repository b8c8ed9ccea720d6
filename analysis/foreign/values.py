"""Cells of a column as numbers, truth values and words."""

import numpy as np
import numpy.typing as npt
import pandas as pd

Bools = npt.NDArray[np.bool_]

_NOTHING = ("", "nan", "none", "null", "na", "n/a", "<na>")  # in columns of numbers and truth values
_TRUE, _FALSE = ("true", "1", "1.0"), ("false", "0", "0.0")


class Unreadable(Exception):
    """A value of a column that is not of the kind that was asked for."""

    def __init__(self, value: object):
        super().__init__(value)
        self.value = str(value)


def number(value: object) -> float | None:
    """Return a cell as a float. NaN stands for a missing value ("", "NA", "none"), None for a cell that is no number."""
    if isinstance(value, str) and value.strip().lower() in _NOTHING:
        return float("nan")
    try:
        return float(value) if np.ndim(value) == 0 else None  # type: ignore[arg-type]  # what has no float raises TypeError
    except (TypeError, ValueError):
        return None


def numbers(column: pd.Series) -> pd.Series:
    """Return a column as floats, NaN where it is missing. Raises Unreadable for the first value that is no number."""
    cells = [number(value) if there else np.nan for value, there in zip(column, column.notna(), strict=True)]
    for value, cell in zip(column, cells, strict=True):
        if cell is None:
            raise Unreadable(value)
    return pd.Series(cells, index=column.index, name=column.name, dtype=np.float64)


def truths(column: pd.Series) -> tuple[Bools, Bools]:
    """Return where a column of truth values is true, and where it is missing. Raises Unreadable for the first other value."""
    cells = words(column)
    true, missing = cells.isin(_TRUE), cells.isin(_NOTHING)
    others = column[~(true | missing | cells.isin(_FALSE))]
    if len(others):
        raise Unreadable(others.iloc[0])
    return true.to_numpy(dtype=bool), missing.to_numpy(dtype=bool)


def words(column: pd.Series) -> pd.Series:
    """Return a column as texts without outer spaces, in small letters; "" where it is missing."""
    cells = [str(value).strip().lower() if there else "" for value, there in zip(column, column.notna(), strict=True)]
    return pd.Series(cells, index=column.index, name=column.name, dtype=object)
