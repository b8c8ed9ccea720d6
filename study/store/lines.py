"""Lines of records.jsonl: bytes -> checked facts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from study.store.format import upgraded
from study.store.records import Closed, Measurement, Saved, StudyRecord

_PLAIN = (str, int, float, NoneType)


class BadLine(ValueError):
    """A line that is damaged. The message says how, in a clause."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What is known of a trial before it trains; see TrialRecord."""

    flat: Mapping[str, Any]
    variants: Mapping[str, str] = field(default_factory=dict)
    phase: str = "explore"

    def __post_init__(self) -> None:
        """Raise ValueError unless each setting is a number, a string, true, false, null, or a list of them: readers look settings up in tables."""
        for name, value in self.flat.items():
            for part in value if isinstance(value, list | tuple) else (value,):
                if not isinstance(part, _PLAIN):
                    raise ValueError(f"the setting {name} must be a number, a string, or a list of them; given {value!r}")


@dataclass(frozen=True, kw_only=True)
class Line:
    """The facts of one event, about a study or about a trial; None where the line has none. Facts of newer versions are left out."""

    study: StudyRecord | None = None
    trial: str = ""
    opened: Opened | None = None
    effective: Mapping[str, Any] | None = None
    eager: str | None = None
    code: str | None = None  # hash of the code of ours that trains
    measured: Measurement | None = None
    saved: Saved | None = None
    closed: Closed | None = None
    failures: int | None = None  # errors that count against the trial, if not all do

    def __post_init__(self) -> None:
        """Raise ValueError for a line about nothing, or a trial id that is no name of a folder in the study folder."""
        if self.study is None and ("/" in self.trial or self.trial in ("", ".", "..")):
            raise ValueError(f"it must be about a study or a trial; {self.trial!r} is no id of a trial")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # made once: a study has millions of lines
_LINE = TypeAdapter(Line)
_NAMES = {each.name for each in fields(Line)} | {"format"}


def read_line(data: bytes) -> Line:
    """Return the facts of a line. Raises BadLine, and UserError for a newer format."""
    try:
        given = _DECODER.decode(data.decode())
    except ValueError:
        raise BadLine("it is no JSON") from None
    return line_of(given)


def line_of(given: Any) -> Line:
    """Return the facts of a line that is read or about to be written. Raises BadLine, and UserError for a newer format."""
    try:
        return _LINE.validate_python(upgraded(given))
    except ValidationError as error:
        first = error.errors()[0]
        raise BadLine(f"it has another form ({'.'.join(map(str, first['loc'])) or 'line'}: {first['msg']})") from None
    except (KeyError, TypeError, AttributeError):  # of the upgrade
        raise BadLine("it has another form") from None


def unknown_facts(data: bytes) -> set[str]:
    """Return the names of the facts in a line that this version does not know. The line must be one that `read_line` can read."""
    return set(json.loads(data)) - _NAMES
