"""Table entries that have settings: tricks and update rules are classes whose annotated fields are settings."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

from ganstudy.errors import UserError
from ganstudy.registry import Registry, nearest
from trainables.messages import validation_message

# Of the classes whose fields are settings, and of their base classes. The text below a field is its meaning.
SETTINGS = ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True)

T = TypeVar("T")
Class = TypeVar("Class", bound=type)


def with_settings(table: Registry[type[T]], name: str) -> Callable[[Class], Class]:
    """Decorator: register a class in `table` under `name`. Its annotated fields become validated settings "name.field"; each needs a default, and
    the text below it is its meaning.

    Raises UserError if a field has no default, if the class has no docstring, or if the name is taken.
    """

    def enter(cls: Class) -> Class:
        made = dataclass(kw_only=True, config=SETTINGS)(cls)
        if not cls.__dict__.get("__doc__"):
            raise UserError(f"a {table.kind} needs a docstring that says what it does and names its source; {name!r} has none")
        for setting, field in made.__pydantic_fields__.items():
            if field.is_required():
                raise UserError(f"each setting of the {table.kind} {name!r} needs a default; {setting} has none. Give that of the paper")
        return table.register(name)(made)  # type: ignore[return-value]  # pydantic returns the same class

    return enter


def make_entry(table: Registry[type[T]], name: str, settings: Mapping[str, Any]) -> T:
    """Return an instance of the entry `name`. Raises UserError for an unknown entry, an unknown setting, or an invalid value."""
    cls = table.pick(name)
    own = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # with_settings made it a dataclass
    for setting in settings:
        if setting not in own:
            raise UserError(f"{name} has no setting {setting!r}; {nearest(setting, own)}its settings are {own}")
    try:
        return cls(**settings)
    except ValidationError as error:
        raise UserError(validation_message(error, prefix=f"{name}.")) from None


def settings_of(entry: Any) -> dict[str, Any]:
    """Return the settings of an entry, {"gamma": 10.0, ...}."""
    return asdict(entry)
