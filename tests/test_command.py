"""Commands in messages can be pasted into a shell."""

import re
import subprocess
from pathlib import Path

import pytest

from ganstudy.command import command, shell_command

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("path", ["runs/digits", "my runs", "it's", "$HOME", "a;b", "x[/y]", "$(ls)", "http://h:8265/?a=1&b=2", "−é", "*"])
def test_a_shell_reads_the_words_that_were_meant(path: str) -> None:
    for said, words in (
        (command("resume", path), ["ganstudy", "resume", path]),
        (shell_command("ray", "stop", path), ["ray", "stop", path]),
    ):
        script = 'printf "%s\\n" ' + said.strip("`")
        assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines() == words


def test_no_message_quotes_a_command_by_itself() -> None:
    """A value in a command must pass `command`, `shell_command` or shlex.quote."""
    for path in sorted(path for top in ("ganstudy", "study", "analysis", "trainables") for path in (ROOT / top).rglob("*.py")):
        for words in re.findall(r"`((?:ganstudy|ray|wandb|pip|python)\b[^`\n]*)`", path.read_text()):
            assert all(value.startswith("quote(") for value in re.findall(r"\{(.*?)\}", words)), f"{path}: {words}"
