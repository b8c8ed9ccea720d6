"""Columns of settings as `analysis` reads them: numbers, booleans, and choices in a fixed order. NaN where a setting does not apply."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from analysis.words import plural
from ganstudy import UserError

_FEW = 5  # so many values are choices, even if each is that of a single run
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
_CHOICE = "If its values are choices all the same, make it a pandas Categorical"
_SHOWN = 3  # values in a message
_EXACT = 2**53  # floats hold whole numbers below it exactly


class _NotASetting(Exception):
    """A column that cannot be a setting: why, and what to do."""


def cleaned(frame: pd.DataFrame, names: Sequence[str], *, skip: bool) -> tuple[pd.DataFrame, list[str]]:
    """Return the settings `names` of a frame and notes on how they were read.

    Numbers stay numbers, also those written as texts. True and false, also as texts, are switches. Texts are choices in the order of their
    first appearance; a Categorical keeps its own order. Lists become texts. A column of numbers and texts is a choice between all of them.
    Raises UserError for dates and for a column whose texts are names; with `skip` such a column is left out, with a note.
    """
    columns: dict[str, pd.Series] = {}
    notes: list[str] = []
    for name in names:
        try:
            columns[name] = _column(frame[name], notes)
        except _NotASetting as problem:
            why, advice = problem.args
            if not skip:
                raise UserError(f"config must name settings; column {name!r} {why}. {advice}") from None
            notes.append(f"Setting {name!r} was left out: it {why}.")
    return pd.DataFrame(columns, index=frame.index), notes


def _column(given: pd.Series, notes: list[str]) -> pd.Series:
    name = given.name
    if isinstance(given.dtype, pd.CategoricalDtype):
        if not all(isinstance(value, bool | np.bool_) for value in given.cat.categories):
            return given
        given = given.astype(object)
    present = given.notna()
    values: list[Any] = [_plain(value) for value in given[present]]
    texts = [value for value in values if isinstance(value, str)]
    if any(isinstance(value, date | timedelta | np.datetime64 | np.timedelta64) for value in given[present]) or (
        texts and all(map(_DATE.fullmatch, texts))
    ):
        raise _NotASetting("holds times", f"Leave the column out, or write it as a number. {_CHOICE}")
    if texts and all(map(_is_truth, texts)) and all(isinstance(value, str | bool) for value in values):
        values = [value if isinstance(value, bool) else value.lower() == "true" for value in values]
    elif texts and all(map(_is_number, texts)) and not any(isinstance(value, bool) for value in values):
        values = [float(value) for value in values]
    kinds = {type(value) for value in values}
    if str in kinds or kinds > {bool}:
        if len(kinds) > 1 or any(_is_number(text.replace(",", "")) for text in texts):
            shown = sorted(dict.fromkeys(values), key=lambda value: _is_number(str(value)))
            notes.append(f"Each distinct value of setting {name!r} is a choice, since not all are numbers: {_some(shown)}.")
        choices = _choices(list(map(str, values)))
        out = pd.Series(None, index=given.index, dtype=object, name=name)
        out[present] = list(map(str, values))
        return pd.Series(pd.Categorical(out, categories=choices), index=out.index, name=name)
    if any(isinstance(value, float) and np.isinf(value) for value in values):
        raise _NotASetting(
            "holds infinite values", "Leave the cell empty in runs to which the setting does not apply, or make it a choice of texts"
        )
    if kinds == {bool}:
        return _filled(given, present, values, bool)
    return _filled(given, present, values, np.int64 if kinds == {int} and max(map(abs, values)) < _EXACT else np.float64)


def _filled(given: pd.Series, present: pd.Series, values: list[Any], dtype: type) -> pd.Series:
    """Return a column with these values where they are present. NaN elsewhere makes whole numbers floats, and booleans objects."""
    if present.all():
        return pd.Series(np.array(values, dtype=dtype), index=given.index, name=given.name)
    out = pd.Series(np.nan, index=given.index, dtype=object if dtype is bool else np.float64, name=given.name)
    out.loc[present] = pd.Series(values, index=given.index[present], dtype=out.dtype)
    return out


def _choices(values: Sequence[str]) -> list[str]:
    """Return the distinct values in the order of their first appearance. Raises _NotASetting if most of them are those of a single run."""
    counted = Counter(values)
    once = sum(times == 1 for times in counted.values())
    if len(counted) <= _FEW or once <= len(counted) / 2:
        return list(counted)
    words = [choice for choice in counted if not _is_number(choice)]
    raise _NotASetting(
        f"has {len(counted)} distinct texts in {plural(len(values), 'run')}, {once} of them in one run only, such as {_some(counted)}",
        f"All but {_some(words)} are numbers: leave the cell empty in runs to which the number does not apply"
        if len(words) < len(counted) / 2
        else f"It looks like a name or a path. {_CHOICE}",
    )


def _plain(value: object) -> str | bool | int | float:
    """A cell as a number, a truth value or a text without outer spaces."""
    value = value.item() if isinstance(value, np.generic) else value
    return value.strip() if isinstance(value, str) else value if isinstance(value, bool | int | float) else str(value)


def _is_truth(text: str) -> bool:
    return text.lower() in ("true", "false")


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _some(values: Iterable[object]) -> str:
    """The first values of a message: "'a', 'b', 'c', …"."""
    texts = [repr(value) for value in values]
    return ", ".join(texts[:_SHOWN]) + (", …" if len(texts) > _SHOWN else "")
