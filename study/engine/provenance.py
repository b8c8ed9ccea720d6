"""Provenance of results: package versions, machine, revision of the code."""

import datetime
import hashlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path

_PACKAGES = ("ganstudy", "ray", "torch", "torchvision", "torch-fidelity", "numpy", "scipy", "scikit-learn", "safetensors")


def provenance() -> dict[str, str]:
    """Versions, revision, operating system, device and start time (ISO 8601, UTC) of this process."""
    import torch  # here, since it costs seconds and `ganstudy --version` needs only the versions

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else platform.processor() or platform.machine()
    return {
        **versions(),
        "revision": _revision(),
        "system": platform.platform(),
        "device": device,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _revision() -> str:
    """Output of `git describe`, with "-dirty" if files were changed; "installed" outside a checkout."""
    try:
        out = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "installed"
    return out.stdout.strip()


def versions() -> dict[str, str]:
    """Versions of Python and the packages that affect results, and a hash of our own code."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _PACKAGES}, "code": _code_hash()}


def _code_hash() -> str:
    """10 hex digits over our own files, which tell apart code states that have the same version number."""
    root, digest = Path(__file__).parents[2], hashlib.sha256()
    for package in ("analysis", "ganstudy", "study", "trainables"):
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:10]
