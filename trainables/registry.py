"""Tables of named things (data sets, architectures, losses, tricks, loops) that refuse taken names and explain wrong ones."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Generic, TypeVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

T = TypeVar("T")
Entry = TypeVar("Entry")


def nearest(name: str, known: Iterable[str]) -> str:
    """ "did you mean 'hinge'? " where a known name is close, else ""."""
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}? " if close else ""


class Registry(dict[str, T], Generic[T]):
    """name -> entry. `kind` is what its entries are called in messages."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def register(self, name: str) -> Callable[[Entry], Entry]:
        """Decorator: enter the thing below under `name`. Raises ValueError if the name is taken."""

        def enter(entry: Entry) -> Entry:
            if name in self:
                raise ValueError(f"a {self.kind} needs a name of its own; {name!r} is taken by {self[name]!r}")
            self[name] = entry  # type: ignore[assignment]  # T as seen by the decorated class or function
            return entry

        return enter

    def pick(self, name: str) -> T:
        """The entry, or ValueError with the nearest name and all names."""
        if name not in self:
            raise ValueError(f"no {self.kind} named {name!r}; {nearest(name, self)}there are {sorted(self)}")
        return self[name]


Class = TypeVar("Class", bound=type)


def with_knobs(table: Registry[type[T]], name: str) -> Callable[[Class], Class]:
    """Decorator: enter a class under `name`. Its annotated fields become its knobs, checked, known everywhere as "name.field"; each needs a default."""

    def enter(cls: Class) -> Class:
        made = dataclass(kw_only=True, config=ConfigDict(strict=True, extra="forbid"))(cls)
        if not cls.__dict__.get("__doc__"):
            raise ValueError(f"a {table.kind} needs a docstring that says what it does and where it comes from; {name!r} has none")
        return table.register(name)(made)  # type: ignore[return-value]  # pydantic's decorator returns the class it was given

    return enter
