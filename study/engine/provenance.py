"""Where results come from: versions, machine, revision."""

import datetime
import hashlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path

PACKAGES = ("ganstudy", "ray", "torch", "torchvision", "torch-fidelity", "numpy", "scipy", "scikit-learn", "safetensors")


def provenance() -> dict[str, str]:
    import torch  # here, since it costs seconds, and `ganstudy --version` asks for versions alone

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else platform.processor() or platform.machine()
    return {
        **versions(),
        "revision": revision(),
        "system": platform.platform(),
        "device": device,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def revision() -> str:
    """git's name for the program that ran, "-dirty" where files were changed since; "installed" outside a checkout."""
    try:
        out = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "installed"
    return out.stdout.strip()


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}, "code": code_hash()}


def code_hash() -> str:
    """10 hex digits over our own files: releases have numbers, the states between them do not."""
    root, digest = Path(__file__).parents[2], hashlib.sha256()
    for package in ("analysis", "ganstudy", "study", "trainables"):
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:10]
