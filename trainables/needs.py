"""Needs: conditions on other settings under which a setting applies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganstudy.registry import Registry
from ganstudy.written import written


@dataclass(frozen=True)
class Need:
    """A condition: one of the settings `names` has one of `values`. A name with a leading dot is in the same section."""

    names: tuple[str, ...]
    values: Callable[[], Sequence[Any]]

    def met(self, read: Callable[[str], Any]) -> bool:
        """Return whether the need is met. read: dotted name -> value."""
        return any(read(name) in self.values() for name in self.names)

    def within(self, section: str) -> "Need":
        """Return the need with full names, for a field of `section` ("g", or "" at the top level)."""
        return Need(tuple(section + name if name.startswith(".") else name for name in self.names), self.values)

    @property
    def first(self) -> dict[str, Any]:
        """One way to meet the need, such as {"g.activation": "leaky_relu"}."""
        return {self.names[0]: self.values()[0]}

    def __str__(self) -> str:
        values = [str(value).lower() if isinstance(value, bool) else str(value) for value in self.values()]
        return f"{' or '.join(self.names)}: " + (values[0] if len(values) == 1 else f"one of {', '.join(values)}")


def needs(name: str, *values: Any) -> Need:
    """Annotate a field that applies if `name` has one of `values`: `Annotated[Share | None, needs(".activation", "leaky_relu")]`."""
    return Need((name,), lambda: values)


def needs_taker(table: Registry[Any], setting: str, *names: str) -> Need:
    """Annotate a field that only some entries of a table read: those whose `takes` includes `setting`."""
    found: dict[tuple[str, ...], list[str]] = {}  # names of all entries -> those that read it; a plugin may add entries

    def takers() -> list[str]:
        if (entries := tuple(table)) not in found:
            found[entries] = sorted(name for name in table if setting in takes(table, name))
        return found[entries]

    return Need(names, takers)


def takes(table: Registry[Any], name: str) -> tuple[str, ...]:
    """Return the settings that this entry declares and other entries of its table may not read."""
    return tuple(getattr(table.pick(name), "takes", ()))


def given_names(need: Need, read: Mapping[str, Any]) -> str:
    """Return the values that fail the need, in words: "g.activation: relu"."""
    return ", ".join(f"{name}: {written(read[name])}" for name in need.names)
