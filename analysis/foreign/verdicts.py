"""Which runs are evidence, and which of them failed."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.arrays import BooleanArray

from analysis.conditions.condition import Condition
from analysis.conditions.operands import Operand, Source, folded, operand
from analysis.conditions.parsed import Place, as_name, as_text
from analysis.foreign.states import STATES
from analysis.foreign.values import Bools, Unreadable, number, numbers, truths
from analysis.words import plural
from ganstudy import UserError
from ganstudy.ended import Ended

Floats = npt.NDArray[np.float64]
Strings = npt.NDArray[np.str_]

_PLACE = Place("failed", "loss > 3 or loss is missing", names="columns", unknown="no column is called")


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What is known of each of T runs at its end."""

    outcome: Strings  # [T]: "failed", "completed" or "" (no evidence)
    ended: Strings  # [T]: values of `Ended`; "" while unfinished, and where there is no value at the end
    why: Strings  # [T]: the reason, as a sentence


def stopped_early(steps: pd.Series, values: Floats, ended: Strings) -> tuple[Strings, list[str]]:
    """Return `ended` with the runs that have a value but fewer steps than the longest run as stopped by a scheduler, and a note on them."""
    early = (ended == Ended.BUDGET) & np.isfinite(values) & (steps < steps.max()).to_numpy(dtype=bool)
    n = int(early.sum())
    note = (
        f"{plural(n, 'run')} ended before {steps.name} {steps.max():g}, the most, and {'is' if n == 1 else 'are'} taken as stopped early."
    )
    return np.where(early, Ended.SCHEDULER.value, ended), [note] if n else []


def verdicts(frame: pd.DataFrame, values: Floats, ended: Strings, *, failed: str | None) -> Verdicts:
    """Return the outcome of each run, by `failed` and by whether it has a finite value [T] at its end.

    A run that failed without such a value is dead: it counts in the risk of failing and has no objective. A run that neither failed nor
    has a value is no evidence. Raises UserError if `failed` is neither a condition nor a boolean column.
    """
    failing, unknown = _failing(frame, failed, ended)
    measured = (ended == Ended.BUDGET) & np.isfinite(values)
    reasons = [
        (failing, str(failed)),
        (measured & unknown, f"it is not known whether it failed ({failed} is missing)"),
        (measured, "ended"),
        (ended == Ended.SCHEDULER, "stopped early"),
        (ended == Ended.ERROR, "crashed"),
        (ended == "", "unfinished"),
    ]
    return Verdicts(
        outcome=np.where(failing, "failed", np.where(measured & ~unknown, "completed", "")),
        ended=np.where(failing & ~measured, Ended.DEAD.value, np.where((ended == Ended.BUDGET) & ~measured, "", ended)),
        why=np.select([where for where, _ in reasons], [why for _, why in reasons], "ended without a finite value"),
    )


def told(frame: pd.DataFrame, found: Verdicts, *, objective: str, failed: str | None, states: pd.Series | None) -> list[str]:
    """Return notes on the runs of a frame that are no evidence, and on what counts as a failure."""
    notes = []
    if failed is None:
        notes.append("It was not said which runs failed (failed), so none has.")
    elif not (found.outcome == "failed").any():
        notes.append(f"No run failed by {failed!r}.")
    lost = found.outcome == ""
    others = [_condition(frame, failed)] if failed else []
    for why, n in Counter(map(str, found.why[lost])).items():
        hint = ""
        if why == "ended without a finite value":
            hint = _hint([*others, f"{as_name(objective)} is missing"])
        elif why == "crashed" and states is not None:
            times = Counter(str(state).strip() for state in states[lost & (found.why == why)])
            hint = f" ({', '.join(f'{word}: {count}' for word, count in times.items())})"
            hint += _hint([*others, *(f"{as_name(str(states.name))} == {as_text(word, frame.columns)}" for word in times)])
        notes.append(f"{n} of {plural(len(lost), 'run')} {'is' if n == 1 else 'are'} no evidence: {why}{hint}.")
    return notes


def _hint(conditions: Sequence[str]) -> str:
    return f". If their settings caused that, count them as failed: {' or '.join(conditions)}"


def _condition(frame: pd.DataFrame, failed: str) -> str:
    """The condition that says the same as `failed`, which may be the name of a boolean column."""
    if failed not in frame.columns:
        return failed
    return f"{as_name(failed)} == true"


class _Runs(Source):
    """The columns of runs of another program, whose cells may be texts.

    A comparison with a number counts at the end of a run only: on the way there every run was bad once. That a value is missing counts for
    runs that crashed, too. A column of texts, such as a state, and a column of truth values count always. A text must occur, unless it is a
    state, which no run may happen to have.
    """

    def __init__(self, frame: pd.DataFrame, ended: Strings):
        super().__init__(frame)
        self.ended = ended

    def operand(self, name: str) -> Operand:
        column = self.frame[name]
        there = column.dropna()
        if len(there) and there.map(lambda value: isinstance(value, bool | np.bool_)).all():
            return operand(name, column)
        with suppress(Unreadable):
            return operand(name, numbers(column))
        with suppress(Unreadable):
            true, missing = truths(column)
            return Operand("truth", BooleanArray(true, missing), name)
        return Operand("text", column.map(str).where(column.notna(), None).to_numpy(object), name)

    def counted(self, kind: str) -> Bools | None:
        ends = {"number": [Ended.BUDGET.value], "missing": [Ended.BUDGET.value, Ended.ERROR.value]}
        return np.isin(self.ended, ends[kind]) if kind in ends else None

    def may_lack(self, text: str, *, quoted: bool) -> bool:
        return folded(text) in STATES


def _failing(frame: pd.DataFrame, failed: str | None, ended: Strings) -> tuple[Bools, Bools]:
    """Return [T] which runs failed by `failed`, and [T] of which runs it does not say."""
    nothing = np.zeros(len(frame), dtype=bool)
    if failed is None:
        return nothing, nothing
    if failed in frame.columns:
        return _truths(frame[failed])
    return Condition(failed, frame.columns, _PLACE).holds(_Runs(frame, ended)), nothing


def _example(column: pd.Series, value: str) -> str:
    """Return a condition on a column with this value, as the user gives it."""
    compared = "> …" if number(value) is not None else f"== {as_text(value, ())}"
    return f"failed='{as_name(str(column.name))} {compared}'"


def _truths(column: pd.Series) -> tuple[Bools, Bools]:
    """Return where a boolean column is true, and where it is missing."""
    try:
        return truths(column)
    except Unreadable as problem:
        raise UserError(
            f"failed must be a condition such as 'loss > 3', or a column of true and false; column {column.name!r} holds "
            f"{problem.value!r}. Write a condition: {_example(column, problem.value)}"
        ) from None
