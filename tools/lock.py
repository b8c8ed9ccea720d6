"""Write constraints.txt: the newest versions that satisfy pyproject.toml, extras included. `make lock` calls it."""

import json
import platform
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAD = """\
# Every install uses these versions, so that all nodes of a cluster have the same ones. Written by `make lock`; do not edit.
# Resolved with Python {python} on {system} {machine}.
"""


def resolve() -> dict[str, str]:
    """Name -> version of everything that a new environment with all extras would get. Installs nothing."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--dry-run",
        "--ignore-installed",
        "--report",
        "-",
        f".[{','.join(extras)}]",
    ]
    report = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    found = {package["metadata"]["name"].lower().replace("_", "-"): package["metadata"]["version"] for package in report["install"]}
    found.pop("ganstudy")
    return {name: version.partition("+")[0] for name, version in sorted(found.items())}  # +cpu and the like name one machine's build


def main() -> None:
    lines = [f"{name}=={version}\n" for name, version in resolve().items()]
    head = HEAD.format(python=platform.python_version(), system=platform.system(), machine=platform.machine())
    (ROOT / "constraints.txt").write_text(head + "".join(lines))


if __name__ == "__main__":
    main()
