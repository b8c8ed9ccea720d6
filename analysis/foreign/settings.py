"""Columns of settings as `analysis` reads them: numbers, booleans, and choices in a fixed order. NaN where a setting does not apply."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.words import plural
from ganstudy import UserError

_MOST_CHOICES = 20  # more distinct texts are names of runs, paths or dates
_SHOWN = 3  # values in a message
_EXACT = 2**53  # floats hold whole numbers below it exactly


class _NotASetting(Exception):
    """A column that cannot be a setting: why, and what to do."""


def cleaned(frame: pd.DataFrame, names: Sequence[str], *, skip: bool) -> tuple[pd.DataFrame, list[str]]:
    """Return the settings `names` of a frame and notes on how they were read.

    Numbers stay numbers, also those written as texts. True and false, also as texts, are switches. Texts are choices in the order of their
    first appearance; a Categorical keeps its own order. Lists become texts. A column of numbers and texts is a choice between all of them.
    Raises UserError for dates and for a column with too many distinct texts; with `skip` such a column is left out, with a note.
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
    if pd.api.types.is_datetime64_any_dtype(given) or pd.api.types.is_timedelta64_dtype(given):
        raise _NotASetting("holds times", "A setting is a number, a switch or a choice: leave the column out, or write it as a number")
    if isinstance(given.dtype, pd.CategoricalDtype):
        values = list(given.cat.categories)
        if not all(isinstance(value, bool | np.bool_) for value in values):
            return _few(given, values)
        given = given.astype(object)
    present = given.notna()
    values = [value.item() if isinstance(value, np.generic) else value for value in given[present]]
    values = [value if isinstance(value, str | bool | int | float) else str(value) for value in values]
    texts = list(dict.fromkeys(value for value in values if isinstance(value, str)))
    if texts and all(map(_is_truth, texts)) and all(isinstance(value, str | bool) for value in values):
        values = [value if isinstance(value, bool) else value.strip().lower() == "true" for value in values]
    elif texts and all(map(_is_number, texts)) and not any(isinstance(value, bool) for value in values):
        values = [float(value) for value in values]
    kinds = {type(value) for value in values}
    if str in kinds or kinds > {bool}:
        if len(kinds) > 1:
            others = dict.fromkeys(value for value in values if not isinstance(value, str))
            notes.append(f"Setting {name!r} holds values of several kinds ({_some([*texts, *others])}): each distinct one is a choice.")
        values = [str(value) for value in values]
        choices = list(dict.fromkeys(values))
        out = pd.Series(None, index=given.index, dtype=object, name=name)
        out[present] = values
        return _few(pd.Series(pd.Categorical(out, categories=choices), index=out.index, name=name), choices)
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


def _few(column: pd.Series, choices: Sequence[object]) -> pd.Series:
    """Return the column if its choices are shared by several runs."""
    most = min(_MOST_CHOICES, max(5, len(column) // 2))
    if len(choices) <= most:
        return column
    words = [choice for choice in choices if not _is_number(str(choice))]
    raise _NotASetting(
        f"has {len(choices)} distinct texts in {plural(len(column), 'run')}, such as {_some(choices)}",
        f"All but {_some(words)} are numbers: leave the cell empty in runs to which the number does not apply"
        if len(words) < len(choices) / 2
        else f"It looks like a name, a path or a date. The choices of a setting are shared by several runs, so here it can have {most}",
    )


def _is_truth(text: str) -> bool:
    return text.strip().lower() in ("true", "false")


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _some(values: Iterable[object]) -> str:
    """The first values of a message: "'a', 'b', 'c', …"."""
    texts = [repr(value) for value in values]
    return ", ".join(texts[:_SHOWN]) + (", …" if len(texts) > _SHOWN else "")
