"""Versions of what affects results. Trials of one study must be trained by the same versions, or their results are those of two programs."""

import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_PACKAGES = ("ganstudy", "ray", "torch", "torchvision", "torch-fidelity", "numpy", "scipy", "scikit-learn", "safetensors")
_OWN = {"ganstudy", "code"}


def versions() -> dict[str, str]:
    """Versions of Python and the packages that affect results, and as `code` a hash of our own files."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _PACKAGES}, "code": code_hash()}


@cache
def code_hash() -> str:
    """10 hex digits over our own files, which tell apart code states that have the same version number."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for package in ("analysis", "ganstudy", "study", "trainables"):
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:10]


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
