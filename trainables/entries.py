"""Entries with settings of their own: tricks and update rules are classes whose annotated fields are settings."""

from collections.abc import Callable
from typing import TypeVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from ganstudy.errors import UserError
from ganstudy.registry import Registry

T = TypeVar("T")
Class = TypeVar("Class", bound=type)


def with_settings(table: Registry[type[T]], name: str) -> Callable[[Class], Class]:
    """Decorator: add a class to `table` under `name`. Its annotated fields become settings, checked, named "name.field"; each needs a default.

    Raises UserError if the class has no docstring or the name is taken.
    """

    def enter(cls: Class) -> Class:
        made = dataclass(kw_only=True, config=ConfigDict(strict=True, extra="forbid"))(cls)
        if not cls.__dict__.get("__doc__"):
            raise UserError(f"a {table.kind} needs a docstring that says what it does and names its source; {name!r} has none")
        return table.register(name)(made)  # type: ignore[return-value]  # pydantic's decorator returns the class it was given

    return enter
