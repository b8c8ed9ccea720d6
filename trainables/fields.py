"""The field that declares each setting: its type, bounds and meaning."""

from typing import Annotated, Any

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from ganstudy.registry import Registry, first_line
from trainables.config import TrialConfig
from trainables.tables import ARCHS, D_CONDITIONS, DATA, G_CONDITIONS, LOOPS, LOSSES, OPTIMISERS, TRICKS, UPDATES

_TABLES: dict[str, Registry[Any]] = {  # setting -> the table that has its values
    "data": DATA,
    "loop": LOOPS,
    "arch": ARCHS,
    "loss": LOSSES,
    "optimiser": OPTIMISERS,
    "d.optimiser": OPTIMISERS,
    "update": UPDATES,
    "g.condition": G_CONDITIONS,
    "d.condition": D_CONDITIONS,
}


def field_of(name: str) -> FieldInfo:
    """Return the field of a setting other than the switch of a trick: of TrialConfig, of a section, or of a trick or an update rule.

    Its description is that of the class, or of the base class, that has one.
    """
    head, _, rest = name.partition(".")
    if entry := {**TRICKS, **UPDATES}.get(head) if rest else None:
        declared: list[FieldInfo] = [own[rest] for cls in entry.__mro__ if rest in (own := getattr(cls, "__pydantic_fields__", {}))]
        return next((field for field in declared if field.description), declared[0])
    model: dict[str, FieldInfo] = TrialConfig.model_fields
    if head == "data" or rest:
        section: Any = model[head].annotation
        field: FieldInfo = section.model_fields[rest or "name"]
        return field
    return model[name]


def meaning_of(name: str) -> str:
    """Return what a setting means, in a phrase; "" if its field does not say it."""
    return first_line(TRICKS[name]) if name in TRICKS else field_of(name).description or ""


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a setting's values: {"type": "number", "exclusiveMinimum": 0}."""
    if name in TRICKS:
        return {"type": "boolean"}
    field = field_of(name)
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    schema = TypeAdapter(kind).json_schema()
    if name in _TABLES:
        for each in schema.get("anyOf", [schema]):
            if each["type"] == "string":
                each["enum"] = sorted(_TABLES[name])
    return schema


def types_of(name: str) -> set[str]:
    """Return the types of a setting's values, other than null, in the words of JSON Schema: {"number"}, {"string"}."""
    schema = schema_of(name)
    found = {each.get("type") or _type_of_choice(each) for each in schema.get("anyOf", [schema])}
    return found - {"null"}


def _type_of_choice(schema: dict[str, Any]) -> str:
    return {str: "string", int: "integer", bool: "boolean"}[type(schema.get("const", next(iter(schema.get("enum", [""])))))]
