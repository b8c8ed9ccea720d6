"""How tests are spread over processes."""

from pathlib import PurePath

# Files whose tests start Ray share one process: only one Ray runs at a time.
STARTS_RAY = {
    "test_cli.py",
    "test_cluster.py",
    "test_format_resume.py",
    "test_kill.py",
    "test_launch.py",
    "test_layout.py",
    "test_plugins.py",
}


def group(file: str) -> str:
    """The group of a file: the file itself, so that its fixtures are built once, or "ray"."""
    return "ray" if PurePath(file).name in STARTS_RAY else file
