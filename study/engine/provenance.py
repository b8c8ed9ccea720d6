"""Where results come from: versions, machine, revision."""

import datetime
import platform
import subprocess
from pathlib import Path

import torch

from study.engine.cluster import versions


def provenance() -> dict[str, str]:
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
