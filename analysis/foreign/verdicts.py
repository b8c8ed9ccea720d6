"""Which runs are evidence, and which of them failed."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.conditions import Comparison, parse, quoted
from analysis.foreign.columns import NAN_WORDS
from analysis.words import plural
from ganstudy import UserError
from ganstudy.ended import Ended

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Strings = npt.NDArray[np.str_]


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
    reasons = {
        str(failed): failing,
        f"it is not known whether it failed ({failed} is missing)": measured & unknown,
        "ended": measured,
        "stopped early": ended == Ended.SCHEDULER,
        "crashed": ended == Ended.ERROR,
        "unfinished": ended == "",
    }
    return Verdicts(
        outcome=np.where(failing, "failed", np.where(measured & ~unknown, "completed", "")),
        ended=np.where(failing & ~measured, Ended.DEAD.value, np.where((ended == Ended.BUDGET) & ~measured, "", ended)),
        why=np.select(list(reasons.values()), list(reasons), "ended without a finite value"),
    )


def told(frame: pd.DataFrame, found: Verdicts, *, objective: str, failed: str | None, states: pd.Series | None) -> list[str]:
    """Return notes on the runs of a frame that are no evidence, and on what counts as a failure."""
    notes = [] if failed else ["It was not said which runs failed (failed), so none has."]
    lost = found.outcome == ""
    others = f"{_condition(frame, failed)} or " if failed and failed not in found.why[lost] else ""
    for why, n in Counter(map(str, found.why[lost])).items():
        hint = ""
        if why == "ended without a finite value":
            hint = f". If their settings caused that, count them as failed: {others}{quoted(objective)} is missing"
        elif why == "crashed" and states is not None:
            words = Counter(map(str, states[lost & (found.why == why)]))
            hint = f" ({', '.join(f'{word}: {times}' for word, times in words.items())}). If their settings caused that, count them as failed: "
            hint += f"{others}{quoted(str(states.name))} == {next(iter(words))}"
        notes.append(f"{n} of {plural(len(lost), 'run')} {'is' if n == 1 else 'are'} no evidence: {why}{hint}.")
    return notes


def _condition(frame: pd.DataFrame, failed: str) -> str:
    """The condition that says the same as `failed`, which may be the name of a boolean column."""
    if failed not in frame.columns:
        return failed
    texts = set(frame[failed].dropna().astype(str).str.lower())
    return f"{quoted(failed)} == {'true' if texts & {'true', 'false'} else '1'}"


def _failing(frame: pd.DataFrame, failed: str | None, ended: Strings) -> tuple[Bools, Bools]:
    """Return [T] which runs failed by `failed`, and [T] of which runs it does not say.

    A comparison with a metric counts at the end of a run only: on the way there every run was bad once. That a value is missing counts for
    runs that crashed, too. A column of texts, such as a state, and a boolean column count always.
    """
    nothing = np.zeros(len(frame), dtype=bool)
    if failed is None:
        return nothing, nothing
    if failed in frame.columns:
        return _truths(frame[failed])
    condition = parse(failed, frame.columns)

    def judged(comparison: Comparison) -> Bools:
        if isinstance(comparison.value, str):
            return ~nothing
        return np.isin(ended, [Ended.BUDGET.value, *([Ended.ERROR.value] if comparison.operator == "is missing" else [])])

    return condition.holds(frame, judged=judged), nothing


def _truths(column: pd.Series) -> tuple[Bools, Bools]:
    """Return where a boolean column is true, and where it is missing."""
    words = column.astype(object).where(column.notna(), "").map(lambda value: str(value).strip().lower())
    truth = words.isin(["true", "1", "1.0"])
    missing = words.isin(NAN_WORDS)
    if not (truth | missing | words.isin(["false", "0", "0.0"])).all():
        raise UserError(
            f"failed must be a condition such as 'loss > 3', or a column of true and false; column {column.name!r} holds "
            f"{words[~(truth | missing)].iloc[0]!r}. Write a condition: failed='{column.name} > …'"
        )
    return truth.to_numpy(dtype=bool), missing.to_numpy(dtype=bool)
