"""What the columns of a frame of runs mean."""

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

import pandas as pd

from analysis.foreign.values import Unreadable, numbers
from ganstudy import UserError
from ganstudy.direction import Direction
from ganstudy.registry import nearest

GivenEvidence = Literal["designed", "observed"]  # of `analysis.claim.Evidence`, what a reader can say of other programs' runs


class Columns(TypedDict):
    """The arguments of `TrialTable.from_frame`, which describes each of them."""

    config: Sequence[str]
    objective: str | Sequence[str]
    direction: str | Mapping[str, str]
    seed: NotRequired[str | None]
    failed: NotRequired[str | None]
    evidence: NotRequired[GivenEvidence]
    nuisance: NotRequired[Sequence[str]]
    config_id: NotRequired[str | None]
    trial_id: NotRequired[str | None]
    state: NotRequired[str | None]
    steps: NotRequired[str | None]


class SourceColumns(TypedDict, total=False):
    """As `Columns`, for a source that knows some of them itself."""

    config: Sequence[str] | None
    objective: str | Sequence[str] | None
    direction: str | Mapping[str, str] | None
    seed: str | None
    failed: str | None
    evidence: GivenEvidence
    nuisance: Sequence[str]
    config_id: str | None
    trial_id: str | None
    state: str | None
    steps: str | None


def require(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return a column. Raises UserError if there is none of this name."""
    known = list(map(str, frame.columns))
    if name not in known:
        raise UserError(f"no column named {name!r}; {nearest(name, known)}the columns are {known}")
    return frame[name]


def by_objective(objectives: Sequence[str], given: object) -> dict[str, str]:
    """Return the word for each objective, of one word for all of them or of a dict. Raises UserError for anything else."""
    if isinstance(given, str):
        return dict.fromkeys(objectives, given)
    if isinstance(given, Mapping):
        return dict(given)
    raise UserError(f"direction must be 'minimize' or 'maximize', or a dict with one for each objective; got {given!r}")


def directions(objectives: Sequence[str], given: str | Mapping[str, str]) -> dict[str, Direction]:
    """Return the direction of each objective. Raises UserError if one has none."""
    words = by_objective(objectives, given)
    if missing := [name for name in objectives if name not in words]:
        raise UserError(f"direction must give 'minimize' or 'maximize' for each objective; {missing} have none in {words}")
    return {name: Direction(words[name]) for name in objectives}


def ids(frame: pd.DataFrame, column: str | None) -> list[str]:
    """Return the ids of the runs: a column, or the index of the frame if its labels are distinct, or numbers from 0."""
    if column is None:
        return [str(label) for label in (frame.index if frame.index.is_unique else range(len(frame)))]
    found = require(frame, column).astype(str)
    if found.duplicated().any():
        raise UserError(f"trial_id must name a column with distinct values; {column!r} repeats {found[found.duplicated()].iloc[0]!r}")
    return list(found)


def measured(column: pd.Series) -> pd.Series:
    """Return an objective or the steps as floats, NaN where it is missing. Raises UserError if the column holds other texts."""
    try:
        return numbers(column)
    except Unreadable as problem:
        raise UserError(f"an objective and steps must be columns of numbers; {column.name!r} holds {problem.value!r}") from None
