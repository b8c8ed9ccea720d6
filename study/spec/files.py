"""Study files and recipes: YAML 1.2, with the line in every message."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ganstudy.registry import nearest
from study.spec.space import SpecError, check_names, live
from study.spec.study_spec import Judged, StudySpec
from trainables.config import TrialConfig, in_words, settings


def load_spec(path: Path | str, changes: Mapping[str, Any]) -> StudySpec:
    path = Path(path)
    given = read_yaml(path)
    for name, value in changes.items():
        given = changed(given, name, value)
    try:
        return checked_spec(given)
    except SpecError as error:
        raise ValueError(f"{path}{line_of(path, error.where)}: {error}") from None


def checked(given: Mapping[str, Any]) -> StudySpec:
    try:
        return checked_spec(given)
    except SpecError as error:
        raise ValueError(str(error)) from None


def checked_spec(given: Mapping[str, Any]) -> StudySpec:
    """SpecError, which knows where, for anything that cannot hold."""
    for key in given:
        if key not in StudySpec.model_fields:
            place = " (is it a setting? those belong into base)" if key in settings() else ""
            raise SpecError(
                (key,), f"a study has no {key!r}{place}; {nearest(key, StudySpec.model_fields)}it has {list(StudySpec.model_fields)}"
            )
    try:
        return StudySpec.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        if isinstance(inner := first.get("ctx", {}).get("error"), SpecError):
            raise inner from None
        where = tuple(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise SpecError(where, f"a study needs {where[0] if len(where) == 1 else '.'.join(where)}: it is not there") from None
        if first["type"] == "extra_forbidden":
            known = fields_of(where[:-1])
            raise SpecError(
                where, f"there is no {'.'.join(where)!r}; {nearest(where[-1], known)}{'.'.join(where[:-1])} has {known}"
            ) from None
        raise SpecError(where, in_words(error)) from None


def fields_of(where: tuple[str, ...]) -> list[str]:
    """The keys of a section of StudySpec: of ("tracking", "wandb") entity, project …"""
    model: Any = StudySpec
    for name in where:
        kinds = [model.model_fields[name].annotation]
        kinds = [*get_args(kinds[0]), *kinds]
        model = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
    return list(model.model_fields)


def load_config(path: Path | str, changes: Mapping[str, Any]) -> TrialConfig:
    """A recipe: a YAML file of dotted settings, one level deep. `changes` are like --set; switching a trick off takes its knobs along."""
    path = Path(path)
    given = read_yaml(path)
    if studies := [key for key in ("base", "space") if key in given]:
        raise ValueError(
            f"{path} must be a recipe, settings alone; it has {studies[0]}, so it is a study: `ganstudy launch {path}` runs it"
        )
    try:
        check_names(given, ("base",))
    except SpecError as error:
        raise ValueError(f"{path}{line_of(path, error.where[1:])}: {error}") from None
    try:
        TrialConfig.from_flat(given)
    except ValueError as error:
        named = next((name for name in given if str(error).startswith(f"{name} ")), "")
        raise ValueError(f"{path}{line_of(path, (named,))}: {error}") from None
    return changed_config(given, changes)


def changed_config(flat: Mapping[str, Any], changes: Mapping[str, Any]) -> TrialConfig:
    """The settings with changes; what no longer lives, and was not asked for, is left out. ValueError for what cannot hold."""
    check = {**flat, **changes}
    return TrialConfig.from_flat({name: value for name, value in check.items() if name in changes or name in live(check)})


def checked_judge(given: Mapping[str, Any]) -> Judged:
    """ValueError in words."""
    try:
        return Judged.model_validate(given)
    except ValidationError as error:
        inner = error.errors()[0].get("ctx", {}).get("error")
        raise ValueError(str(inner) if isinstance(inner, SpecError) else in_words(error, prefix="judge.")) from None


def write_config(path: Path, config: TrialConfig) -> None:
    """As a recipe: load_config(path, {}) == config. All that counts is there, defaults included; what is not set (None) follows from the rest."""
    with path.open("w") as file:
        file.write(f"# All settings of {config.trial_id}, defaults included. `ganstudy train {path.name}` runs it again.\n")
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False
        yaml.dump({name: value for name, value in config.flat().items() if value is not None}, file)


def read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        beside = sorted(other.name for other in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise ValueError(f"{path} must be a file; there is none" + (f"; {hint.strip()}" if (hint := nearest(path.name, beside)) else ""))
    try:
        given = YAML(typ="safe", pure=True).load(path)
    except (YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be YAML: {' '.join(str(error).split())}") from None
    if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
        raise ValueError(f"{path} must hold `key: value` lines; it holds {type(given).__name__}")
    return given


def changed(given: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """The mapping with one --set: a key of the study (n_configs, resources.gpu, tracking.wandb.mode), or else a setting of its base."""
    head, *rest = name.split(".")
    if head not in StudySpec.model_fields or head in ("base", "space"):
        space = given.get("space")
        if any(name in part for part in (space.values() if isinstance(space, Mapping) else ()) if isinstance(part, Mapping)):
            raise ValueError(f"{name} varies in this study, so it cannot be set; change its domain in the study file")
        return {**given, "base": {**(given.get("base") or {}), name: value}}
    if not rest:
        return {**given, head: value}
    inner = given.get(head)
    return {**given, head: _inside(inner if isinstance(inner, Mapping) else {}, rest, value)}


def _inside(given: Mapping[str, Any], keys: list[str], value: Any) -> dict[str, Any]:
    if len(keys) == 1:
        return {**given, keys[0]: value}
    inner = given.get(keys[0])
    return {**given, keys[0]: _inside(inner if isinstance(inner, Mapping) else {}, keys[1:], value)}


def parse_changes(texts: list[str]) -> dict[str, Any]:
    """["budget_kimg=50", "r1=true"] -> {"budget_kimg": 50, "r1": True}, read as YAML is."""
    out = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"--set takes NAME=VALUE; given {text!r}")
        try:
            out[name.strip()] = YAML(typ="safe", pure=True).load(value)
        except YAMLError:
            raise ValueError(f"the value in --set {text} must be YAML, such as 1e-3, true or [1, 2]") from None
    return out


def line_of(path: Path, where: tuple[str, ...]) -> str:
    """ ", line 12" of the deepest of these keys that the file has."""
    node, line = YAML(typ="rt").load(path), None
    for key in where:
        if not isinstance(node, Mapping) or key not in node:
            break
        line = node.lc.key(key)[0] + 1  # type: ignore[attr-defined]  # ruamel's mappings know their lines
        node = node[key]
    return "" if line is None else f", line {line}"
