"""Versions of what affects results. Trials of one study must be trained by the same versions, or their results are those of two programs."""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_PACKAGES = ("ganstudy", "ray", "torch", "torchvision", "torch-fidelity", "numpy", "scipy", "scikit-learn", "safetensors")
_OWN = {"ganstudy", "code"}
_NAMED = 5  # files in a message


def versions() -> dict[str, str]:
    """Versions of Python and the packages that affect results, and as `code` a hash of our own files."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _PACKAGES}, "code": code_hash()}


def code_hash() -> str:
    """10 hex digits over our own files, which tell apart code states that have the same version number."""
    return hashlib.sha256(json.dumps(code_files()).encode()).hexdigest()[:10]


@cache
def code_files() -> dict[str, str]:
    """Our own files, as they were when this process first asked -> a hash of each."""
    root = Path(__file__).parents[1]
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for package in ("analysis", "ganstudy", "study", "trainables")
        for path in sorted((root / package).rglob("*.py"))
    }


def changed_files(expected: Mapping[str, str]) -> str:
    """Return the names of our own files that are not as expected, after `code_files`: the first five, and how many more."""
    found = code_files()
    names = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def refused(expected: Mapping[str, str], found: Mapping[str, str], *, allow_changed_code: bool, there: str, here: str) -> str:
    """Return why results of these versions must not be mixed, and what to do; "" if they may.

    Versions that only one side states are not compared. allow_changed_code: whether our own code may differ. there, here: where the expected
    and the found versions are, such as "on the driver".
    """
    different = [name for name, version in expected.items() if found.get(name, version) != version]
    if not different or (allow_changed_code and _OWN.issuperset(different)):
        return ""
    told = "; ".join(f"{name} {expected[name]} {there}, {found[name]} {here}" for name in different)
    advice = (
        "If the change of the code does not change results, allow it with --allow-changed-code (in Python: allow_changed_code=True); each trial records its code, and the report says so"
        if _OWN.issuperset(different)
        else "Install the same versions, such as those of constraints.txt or the image of the Dockerfile"
    )
    return f"all trials of a study must be trained by the same versions; {told}. {advice}"
