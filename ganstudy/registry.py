"""Registries: name -> entry. They reject duplicate names and suggest the nearest name for an unknown one."""

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from ganstudy.errors import UserError

T = TypeVar("T")
Entry = TypeVar("Entry")


def nearest(name: object, known: Iterable[str]) -> str:
    """Return "did you mean 'hinge'? " if a known name is close, else ""."""
    close = get_close_matches(str(name), list(known), n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def first_line(entry: object) -> str:
    """Return the first line of the entry's docstring, which describes it in lists."""
    return (inspect.getdoc(entry) or "").partition("\n")[0]


class Registry(dict[str, T], Generic[T]):
    """Name -> entry. `kind` names one entry in messages, such as "loss"."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind
        REGISTRIES.append(self)

    def register(self, name: str) -> Callable[[Entry], Entry]:
        """Decorator: add an entry under `name`. Raises UserError if the name is taken."""

        def enter(entry: Entry) -> Entry:
            if name in self:
                raise UserError(f"the name of a {self.kind} must be new; {name!r} is taken by {self[name]!r}. Choose another name")
            self[name] = entry  # type: ignore[assignment]  # the caller declares T
            return entry

        return enter

    def pick(self, name: str) -> T:
        """Return the entry. Raises UserError for an unknown name, with the nearest name and all names."""
        if name not in self:
            raise UserError(f"no {self.kind} named {name!r}; {nearest(name, self)}there are {sorted(self)}")
        return self[name]


REGISTRIES: list[Registry[Any]] = []  # all of this process
