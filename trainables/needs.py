"""Needs: settings that have a meaning only where another setting has one of some values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganstudy.registry import Registry


@dataclass(frozen=True)
class Need:
    """What a setting needs: one of the settings `names` has one of `values`. A name that begins with a dot is of the same section."""

    names: tuple[str, ...]
    values: Callable[[], Sequence[Any]]

    def met(self, read: Callable[[str], Any]) -> bool:
        """read: dotted name -> its value."""
        return any(read(name) in self.values() for name in self.names)

    def within(self, section: str) -> "Need":
        """The same with full names, for a field of `section` ("g", or "" at the top)."""
        return Need(tuple(section + name if name.startswith(".") else name for name in self.names), self.values)

    @property
    def first(self) -> dict[str, Any]:
        """One way to meet it: {"g.activation": "leaky_relu"}."""
        return {self.names[0]: self.values()[0]}

    def __str__(self) -> str:
        values = [str(value).lower() if isinstance(value, bool) else str(value) for value in self.values()]
        return f"{' or '.join(self.names)}: " + (values[0] if len(values) == 1 else f"one of {', '.join(values)}")


def needs(name: str, *values: Any) -> Need:
    """Annotation of a field: `slope: Annotated[Share | None, needs(".activation", "leaky_relu")]`."""
    return Need((name,), lambda: values)


def needs_taker(table: Registry[Any], setting: str, *names: str) -> Need:
    """Annotation of a field that only some entries of a table read: those whose `takes` names the setting."""
    found: dict[tuple[str, ...], list[str]] = {}  # entries of the table -> those that take it; a plugin may add entries

    def takers() -> list[str]:
        if (entries := tuple(table)) not in found:
            found[entries] = sorted(name for name in table if setting in takes(table, name))
        return found[entries]

    return Need(names, takers)


def takes(table: Registry[Any], name: str) -> tuple[str, ...]:
    """The settings that the entry says it reads, of those that not every entry of its table does."""
    return tuple(getattr(table.pick(name), "takes", ()))


def given_names(need: Need, read: Mapping[str, Any]) -> str:
    """The values that do not meet the need, in words: "g.activation: relu"."""
    return ", ".join(f"{name}: {str(read[name]).lower() if isinstance(read[name], bool) else read[name]}" for name in need.names)
