"""Read YAML 1.2 files and --set options, and find the line of an error."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ganstudy import UserError
from ganstudy.registry import nearest


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file. Raises UserError if the file is missing, unreadable or not a mapping."""
    if not path.is_file():
        nearby = sorted(other.name for other in path.parent.glob("*.yaml") if other.is_file()) if path.parent.is_dir() else []
        found = "it is a folder" if path.is_dir() else "it does not exist"
        raise UserError(f"{path} must be a file; {found}" + (f"; {hint.strip()}" if (hint := nearest(path.name, nearby)) else ""))
    try:
        given = YAML(typ="safe", pure=True).load(path)
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} must be YAML: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise UserError(f"{path} must be a file that can be read: {error.strerror}. Check its permissions") from None
    if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
        raise UserError(f"{path} must hold `key: value` lines; it holds {type(given).__name__}")
    return given


def parse_changes(texts: list[str]) -> dict[str, Any]:
    """Parse --set options as YAML: ["budget_kimg=50", "r1=true"] -> {"budget_kimg": 50, "r1": True}. Raises UserError."""
    out = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UserError(f"--set must be NAME=VALUE; given {text!r}")
        try:
            out[name.strip()] = YAML(typ="safe", pure=True).load(value)
        except YAMLError:
            raise UserError(f"the value in --set {text} must be YAML, such as 1e-3, true or [1, 2]") from None
    return out


def line_of(path: Path, where: tuple[str, ...]) -> str:
    """Return ", line 12": the line of the deepest of these nested keys, or numbers of list items, that is in the file; "" if none is."""
    node, line = YAML(typ="rt").load(path), None
    for key in where:
        if isinstance(node, Mapping) and key in node:
            line, node = node.lc.key(key)[0] + 1, node[key]  # type: ignore[attr-defined]  # ruamel's collections know their lines
        elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
            line, node = node.lc.item(int(key))[0] + 1, node[int(key)]  # type: ignore[attr-defined]
        else:
            break
    return "" if line is None else f", line {line}"
