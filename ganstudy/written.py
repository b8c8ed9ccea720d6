"""Values as they stand in a study file, for messages."""

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import RepresenterError

from ganstudy.forms import is_range


def written(value: Any) -> str:
    """Return a value in YAML's flow style, on one line: {low: 0.0001, high: 0.01, log: true}. What YAML has no form for is its repr."""
    try:
        text = _dumped(value, unicode=True)
        # the writer leaves some line breaks of Unicode as they are, and the reader makes spaces of them
        return text if text.isprintable() else _dumped(value, unicode=False)
    except RepresenterError:
        return repr(value)


def _dumped(value: Any, *, unicode: bool) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width, yaml.allow_unicode = True, 2**31, unicode
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel declares it as None
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    text = io.StringIO()
    yaml.dump([value], text)  # in a list, since a plain value would end in a line with dots
    return text.getvalue().strip()[1:-1]


def shown(value: object) -> str:
    """Return a value that was given as it stands in a study file, text in quotes; at most 200 characters of it."""
    text = repr(value) if isinstance(value, str) else written(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def differing(old: Mapping[str, Any], new: Mapping[str, Any], *, was: str = "in the folder", now: str = "now") -> list[str]:
    """Return a clause for each key whose value differs, as "base: {d.lr: 0.001} in the folder, {d.lr: 0.01} now". Shows only what differs."""
    clauses = []
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            one, other = _apart(old.get(key, _UNSET), new.get(key, _UNSET))
            before, after = ("not set" if value is _UNSET else written(value) for value in (one, other))
            clauses.append(f"{key}: {before} {was}, {after} {now}")
    return clauses


_UNSET = object()


def _apart(one: Any, other: Any) -> tuple[Any, Any]:
    """Return two values without what is the same in both. A range stays whole. _UNSET for a mapping of which nothing is left."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)) or is_range(one) or is_range(other):
        return one, other
    pairs = {
        key: _apart(one.get(key, _UNSET), other.get(key, _UNSET)) for key in dict.fromkeys([*one, *other]) if one.get(key) != other.get(key)
    }
    left = [{key: pair[side] for key, pair in pairs.items() if pair[side] is not _UNSET} or _UNSET for side in (0, 1)]
    return left[0], left[1]
