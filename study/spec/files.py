"""Read YAML 1.2 files and --set options, and find the line of an error."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, MappingNode, Node, SequenceNode

from ganstudy import UserError
from ganstudy.registry import nearest
from ganstudy.written import shown
from study.spec.yaml import NotYaml, loaded

_SHELVES = ("recipes", "studies")  # folders of the repository with files that are run by their path


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file. Raises UserError if the file is missing, unreadable or not a mapping."""
    if not path.is_file():
        found = "it is a folder" if path.is_dir() else "it does not exist"
        raise UserError(f"{path} must be a file; {found}" + (f"; {hint}" if (hint := _nearby(path)) else ""))
    try:
        given = loaded(path.read_bytes())
    except NotYaml as error:
        raise UserError(f"{path}{_line(error.line)} must be YAML: {error}") from None
    except OSError as error:
        raise UserError(f"{path} must be a file that can be read: {error.strerror}. Check its permissions") from None
    if not isinstance(given, dict):
        raise UserError(f"{path} must hold `key: value` lines; it holds {'nothing' if given is None else shown(given)}")
    for key in given:
        if not isinstance(key, str):
            raise UserError(f"{path} must have text as keys; given {shown(key)}")
    return given


def _nearby(path: Path) -> str:
    """Return which YAML file may be meant: one of the folder with nearly the name; or of recipes/ and studies/, with the name with or without its suffix."""
    beside = _files(path.parent)
    if hint := nearest(path.name, [other.name for other in beside]):
        return hint.strip()
    shelves = [other for shelf in _SHELVES for parent in (Path(), path.parent) for other in _files(parent / shelf)]
    by_stem = {other.stem: other for other in reversed([*beside, *shelves])}
    if path.stem in by_stem:
        return f"did you mean {str(by_stem[path.stem])!r}?"
    near = nearest(path.stem, list(by_stem)).strip()
    for stem, other in by_stem.items():
        near = near.replace(f"'{stem}'", f"'{other}'")
    return near


def _files(folder: Path) -> list[Path]:
    return sorted(other for other in folder.glob("*.yaml") if other.is_file()) if folder.is_dir() else []


def parse_changes(texts: list[str]) -> dict[str, Any]:
    """Parse --set options as YAML: ["budget_kimg=50", "r1=true"] -> {"budget_kimg": 50, "r1": True}. Raises UserError.

    A value that begins with > is a text, such as the constraint ">= 0.5": in YAML it would begin a block of lines.
    """
    out = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UserError(f"--set must be NAME=VALUE; given {text!r}")
        if value.lstrip().startswith(">"):
            out[name.strip()] = value.strip()
            continue
        try:
            out[name.strip()] = loaded(value.encode(errors="surrogateescape"))
        except NotYaml as error:
            raise UserError(f"the value in --set {shown(text)} must be YAML, such as 1e-3, true or [1, 2]: {error}") from None
    return out


def line_of(path: Path, where: tuple[str, ...]) -> str:
    """Return ", line 12": the line of the deepest of these nested keys, or numbers of list items, that is in the file; "" if none is."""
    node: Node | None = YAML(typ="safe", pure=True).compose(path)
    line = None
    for key in where:
        found = _below(node, key)
        if found is None:
            break
        line, node = found
    return _line(line)


def _below(node: Node | None, key: str) -> tuple[int, Node] | None:
    """Return the line and the value of a key of a mapping, perhaps one that `<<` merges into it, or of an item of a list."""
    if isinstance(node, MappingNode):
        own = {name.value: (name.start_mark.line + 1, value) for name, value in node.value}
        if key in own:
            return own[key]
        merged = own["<<"][1] if "<<" in own else None
        several = merged.value if isinstance(merged, SequenceNode) else [merged]
        return next((found for each in several if (found := _below(each, key))), None)
    if isinstance(node, SequenceNode) and key.isdecimal() and int(key) < len(node.value):
        item = node.value[int(key)]
        return item.start_mark.line + 1, item
    return None


def _line(number: int | None) -> str:
    return "" if number is None else f", line {number}"
