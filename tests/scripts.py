"""Runs Python code that starts a Ray of its own, in a new process."""

import subprocess
import sys
from pathlib import Path


def run_script(script: str, folder: Path) -> str:
    """Run Python code in a new process. Returns its output."""
    path = folder / "script.py"
    path.write_text(script)
    done = subprocess.run([sys.executable, str(path)], cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


_HEAD = """
import sys
sys.path[:0] = {paths!r}
import ray
from study.engine import cluster
from study.api import launch
from study.spec.study_spec import StudySpec
from toy import TOY
"""


def head() -> str:
    root = Path(__file__).parents[1]
    return _HEAD.format(paths=[str(root), str(root / "tests")])
