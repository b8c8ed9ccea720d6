"""Registries: tables of named things that refuse a taken name and suggest the nearest name for an unknown one."""

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Generic, TypeVar

from ganstudy.errors import UserError

T = TypeVar("T")
Entry = TypeVar("Entry")


def nearest(name: str, known: Iterable[str]) -> str:
    """ "did you mean 'hinge'? " where a known name is close, else ""."""
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def first_line(entry: object) -> str:
    """What a list of a registry's entries says of one: the first line of its docstring."""
    return (inspect.getdoc(entry) or "").partition("\n")[0]


class Registry(dict[str, T], Generic[T]):
    """Name -> entry. `kind` is the word for one entry in messages."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def register(self, name: str) -> Callable[[Entry], Entry]:
        """Decorator: add an entry under `name`. Raises UserError if the name is taken."""

        def enter(entry: Entry) -> Entry:
            if name in self:
                raise UserError(f"a {self.kind} needs a name of its own; {name!r} is taken by {self[name]!r}")
            self[name] = entry  # type: ignore[assignment]  # T as seen by the decorated class or function
            return entry

        return enter

    def pick(self, name: str) -> T:
        """Return the entry. Raises UserError for an unknown name, with the nearest name and all names."""
        if name not in self:
            raise UserError(f"no {self.kind} named {name!r}; {nearest(name, self)}there are {sorted(self)}")
        return self[name]
