"""Changes of a study file by --set: {"budget_kimg": 50, "n_configs": 48}."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ganstudy import UserError
from ganstudy.written import shown
from study.spec.renamed import RENAMED_KEYS

_IN_PLACE_OF = {"objective": "objectives", "objectives": "objective"}  # a study has one of them


def with_changes(given: Mapping[str, Any], changes: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    """Return the mapping of a study file with all changes applied. `keys`: the keys of a study.

    The name of a change is a key of the study (n_configs, resources.gpu), or else a setting of base. Raises UserError for a renamed key, for base
    and space themselves, for a setting that varies in this study, and for a key inside something that has no keys.
    """
    out = dict(given)
    for name, value in changes.items():
        head, *rest = name.split(".")
        if head in RENAMED_KEYS:
            raise UserError(f"the key {head!r} is now {RENAMED_KEYS[head]!r}; use --set {'.'.join([RENAMED_KEYS[head], *rest])}=…")
        if head == "space":
            raise UserError(f"--set cannot change what varies; given {name}. Change the space in the study file")
        if head == "base":
            raise UserError(f"--set names a setting as it stands in base, such as --set {'.'.join(rest) or 'budget_kimg'}=…; given {name}")
        if head in keys:
            out.pop(_IN_PLACE_OF.get(head, ""), None)
            out[head] = _inside(out.get(head), name, [head], rest, value)
            continue
        space = out.get("space")
        if any(name in part for part in (space.values() if isinstance(space, Mapping) else ()) if isinstance(part, Mapping)):
            raise UserError(f"{name} varies in this study, so --set cannot change it; change its values in the study file")
        out["base"] = _inside(out.get("base"), name, ["base"], [name], value)
    return out


def _inside(given: Any, name: str, above: list[str], keys: list[str], value: Any) -> Any:
    """Return what is below the keys `above`, with the value at the keys below it. What is not given or null is an empty mapping."""
    if not keys:
        return value
    if above == ["objective"] and isinstance(given, str):
        given = {"metric": given}  # the short form
    if not isinstance(given, (Mapping, type(None))):
        raise UserError(f"--set {name} needs {'.'.join(above)} to be a mapping; it is {shown(given)}. Change it in the study file")
    given = given or {}
    return {**given, keys[0]: _inside(given.get(keys[0]), name, [*above, keys[0]], keys[1:], value)}


def changes_at(where: tuple[str, ...], changes: Iterable[str]) -> list[str]:
    """Return the change that set the value at this path of keys, or nothing if the file did."""
    if where[:1] == ("base",):
        return [name for name in changes if name in where[1:]][:1]
    return [name for name in changes if f"{'.'.join(where)}.".startswith(f"{name}.")][:1]


def as_options(names: Iterable[str]) -> str:
    """Return the changes as they are on the command line, "--set g.lr --set d.lr"; "" without one."""
    return " ".join(f"--set {name}" for name in names)
