"""Provenance of results: package versions, machine, revision of the code."""

import datetime
import platform
import subprocess
from pathlib import Path

from ganstudy.versions import versions


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
