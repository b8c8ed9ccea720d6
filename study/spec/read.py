"""Reads a mapping of the form of a study file: unknown and missing keys, and which change of --set made it invalid."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from ganstudy.registry import nearest
from study.spec.changes import as_options, changes_at, with_changes
from study.spec.errors import SpecError
from study.spec.renamed import RENAMED_KEYS
from trainables.config import settings
from trainables.messages import unknown_key_first, validation_message

M = TypeVar("M", bound=BaseModel)


def read_changed(
    model: type[M],
    given: Mapping[str, Any],
    changes: Mapping[str, Any],
    *,
    plugin_folders: Sequence[Path],
    place: Callable[[SpecError], str],
) -> M:
    """Return a mapping of the form of a study file, with the changes of --set, as a StudySpec, which is `model`.

    Raises SpecError that begins with the changes that are wrong, or else with `place` of the error.
    """
    try:
        return read_model(model, with_changes(given, changes, model.model_fields), plugin_folders=plugin_folders)
    except SpecError as error:
        blamed = changes_at(error.where, changes) or _changes_that_matter(model, given, changes, plugin_folders)
        raise SpecError(error.where, f"{as_options(blamed) or place(error)}: {error}") from None


def _changes_that_matter(
    model: type[BaseModel], given: Mapping[str, Any], changes: Mapping[str, Any], plugin_folders: Sequence[Path]
) -> list[str]:
    """Return the changes without any one of which the others are valid, or else all of them; none if the file is invalid without changes."""
    if not changes or not _is_valid(model, given, plugin_folders):
        return []
    left_out = {name: {other: value for other, value in changes.items() if other != name} for name in changes}
    matter = [
        name for name, others in left_out.items() if _is_valid(model, with_changes(given, others, model.model_fields), plugin_folders)
    ]
    return matter or list(changes)


def _is_valid(model: type[BaseModel], given: Mapping[str, Any], plugin_folders: Sequence[Path]) -> bool:
    try:
        read_model(model, given, plugin_folders=plugin_folders)
    except SpecError:
        return False
    return True


def read_model(model: type[M], given: Mapping[str, Any], *, plugin_folders: Sequence[Path | str] = ()) -> M:
    """Return a mapping of the form of a study file as a StudySpec, which is `model`. Raises SpecError with the path of keys if it is invalid."""
    for key in given:
        if key in RENAMED_KEYS:
            raise SpecError((key,), f"the key {key!r} is now {RENAMED_KEYS[key]!r}; rename it")
        if key not in model.model_fields:
            place = " (it is a setting: put it into base)" if key in settings() else ""
            raise SpecError(
                (key,),
                f"a study has no key {key!r}{place}; {nearest(key, model.model_fields)}the keys are {list(model.model_fields)}",
            )
    try:
        return model.model_validate(given, context={"plugin_folders": plugin_folders})
    except ValidationError as error:
        first = unknown_key_first(error)
        if isinstance(inner := first.get("ctx", {}).get("error"), SpecError):
            raise inner from None
        where = tuple(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise SpecError(where, f"a study must have the key {'.'.join(where)}; it is missing") from None
        if first["type"] == "extra_forbidden":
            known = _fields_of(model, where[:-1])
            raise SpecError(where, f"no key {'.'.join(where)!r}; {nearest(where[-1], known)}{'.'.join(where[:-1])} has {known}") from None
        raise SpecError(where, validation_message(error)) from None


def _fields_of(model: Any, where: tuple[str, ...]) -> list[str]:
    """Return the keys of a section of StudySpec: for ("tracking", "wandb"), entity, project, …"""
    for name in where:
        kinds = [model.model_fields[name].annotation]
        kinds = [*get_args(kinds[0]), *kinds]
        model = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
    return list(model.model_fields)
