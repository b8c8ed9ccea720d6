"""The terminal: what it cannot encode, how wide it is, colours, and text of users that looks like markup."""

import io
import os
import pty
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import PROTOCOL, STUDY, Driver
from rich.console import Console
from rich.table import Table
from rich.text import Text
from toy import TOY, in_this_process

from study.api import open_study
from study.cli import main
from study.console import PIPE_WIDTH, in_ascii, print_table, terminal
from study.show.catalogue import print_catalogue
from study.show.claims import print_claims
from study.show.report import explanation_of
from study.show.status import print_status
from study.show.terminal import print_answer, print_best, print_result
from study.show.trials import print_study, print_trial
from study.spec.study_spec import StudySpec
from study.store.records import Ended
from study.store.store import Store
from study.views import StudyView

ROOT = Path(__file__).parents[2]
SPEC = StudySpec.from_dict({**TOY, "seeds": 2})


class Screen(io.TextIOWrapper):
    """A terminal, or with width 0 a pipe, that keeps what is written to it."""

    def __init__(self, *, width: int = 0, encoding: str = "utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)
        self.width = width

    def isatty(self) -> bool:
        return self.width > 0

    @property
    def text(self) -> str:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Screen]:
    """screen(width=40, encoding="ascii"): standard output and standard error as one Screen."""

    def make(*, width: int = 0, encoding: str = "utf-8") -> Screen:
        made = Screen(width=width, encoding=encoding)
        monkeypatch.setattr(sys, "stdout", made)
        monkeypatch.setattr(sys, "stderr", made)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", str(width))
        return made

    return make


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study, without Ray."""
    place = tmp_path_factory.mktemp("runs") / "toy"
    in_this_process(SPEC, place)
    return place


@pytest.fixture(scope="module")
def said(folder: Path) -> str:
    """All that the commands print about a study, in a pipe."""
    text = io.StringIO()
    everything(open_study(folder), Console(file=text, width=PIPE_WIDTH, highlight=False, markup=False, emoji=False))
    return text.getvalue()


def everything(view: StudyView, console: Console) -> None:
    """Print all that the commands print about a study."""
    print_status(view, "process 7 on here", console)
    print_study(view, console)
    print_trial(view.trial(next(iter(view.trials().index))), console)
    found = explanation_of(view.table(), view.objective)
    print_answer(view, view.table(), found, console)
    print_claims(found, console)
    print_best(view, view.best(2), view.objective, console)
    print_catalogue("metrics", console)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_what_a_terminal_cannot_encode_is_replaced(said: str, screen: Callable[..., Screen], encoding: str) -> None:
    made = screen(encoding=encoding)
    terminal().print(said, end="", soft_wrap=True)
    assert not said.isascii()
    can = {c: c if c in c.encode(encoding, "ignore").decode(encoding) else in_ascii(c) for c in set(said)}
    assert made.text == "".join(can[c] for c in said)
    assert "?" not in {can[c] for c in said if c != "?"}


def test_every_character_that_the_program_writes_has_an_ascii_form() -> None:
    used = {c for top in ("ganstudy", "study", "analysis", "trainables") for path in (ROOT / top).rglob("*.py") for c in path.read_text()}
    assert not [c for c in used if ord(c) > 127 and (in_ascii(c) == "?" or not in_ascii(c).isascii())]
    assert [in_ascii(c) for c in "−–×…éτΣ²猫"] == ["-", "-", "x", "...", "e", "tau", "Sigma", "2", "?"]


def test_bytes_of_a_path_that_are_not_utf_8_are_printed_as_they_are(screen: Callable[..., Screen]) -> None:
    made = screen()
    terminal().print(b"caf\xe9/runs".decode("utf-8", "surrogateescape"), soft_wrap=True)
    assert isinstance(made.buffer, io.BytesIO)
    assert made.buffer.getvalue() == b"caf\xe9/runs\n"


def test_a_command_in_a_terminal_that_is_not_utf_8(folder: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = [sys.executable, "-m", "study.cli", "rank", str(folder)]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert b"place" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_width_shows_whole_sentences_and_whole_words(folder: Path, said: str, width: int) -> None:
    shown = io.StringIO()
    everything(open_study(folder), Console(file=shown, width=width, highlight=False, markup=False, emoji=False))
    assert Counter(shown.getvalue().split()) == Counter(said.split())
    sentences = [line for line in said.splitlines() if line.endswith(".") and "  " not in line]
    assert len(sentences) > 5
    assert [line for line in sentences if line not in shown.getvalue().splitlines()] == []


def test_a_terminal_sets_the_width_and_a_pipe_has_a_fixed_one(screen: Callable[..., Screen]) -> None:
    for width in (40, 200):
        screen(width=width)
        assert terminal().width == width
    screen()
    assert terminal().width == PIPE_WIDTH


def test_a_table_that_fits_is_as_wide_as_it_needs(screen: Callable[..., Screen]) -> None:
    made = screen(width=40)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_row("x" * 30, "two words")
    print_table(terminal(), table)
    assert [line.rstrip() for line in made.text.splitlines()] == ["x" * 30 + "  two", " " * 32 + "words"]


COLOUR = re.compile(r"\x1b\[[\d;]*\b3\d")


def test_no_color_is_honoured(screen: Callable[..., Screen], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = screen(width=80)
    terminal().print(Text("error", style="bold red"))
    assert COLOUR.search(coloured.text)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = screen(width=80)
    terminal().print(Text("error", style="bold red"))
    print_catalogue("losses", terminal())
    assert "error" in plain.text
    assert not COLOUR.search(plain.text)


NAMES = ["x[", "[v1] [red]", ":smile: [bold]$HOME", "it's $(ls) \\[a]", "−é"]


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_printed_as_it_is_and_a_command_can_be_pasted(
    name: str, tmp_path: Path, screen: Callable[..., Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / name / "y] [/y]" if name == "x[" else tmp_path / name
    place.mkdir(parents=True)
    with Store.writing(place) as store:
        store.write_study(replace(STUDY, spec={**SPEC.as_dict(), "question": f"why {name}?"}, protocol=PROTOCOL.as_dict()))
        driver = Driver(store)
        driver.open("aa-s0")
        driver.tick("aa-s0", 1, Ended.ERROR, reason=f"Traceback\nValueError: {name} [/red]")
    for words in (
        ["status"],
        ["show"],
        ["explain"],
        ["stop"],
        ["best"],
        ["resume", "--set", "n_config[/s]=1"],
        ["show", str(place), "[/zz]"],
        ["show", str(place), "aa"],
    ):
        made = screen(width=80)
        monkeypatch.setattr(sys, "argv", ["ganstudy", words[0], *(words[1:] if str(place) in words else [str(place), *words[1:]])])
        with pytest.raises(SystemExit) as end:
            main()
        said = re.sub(r"\x1b\[[\d;]*m", "", made.text)
        assert "Traceback (most recent call last)" not in said
        assert end.value.code in (0, 2)
        commands = [each for each in re.findall(r"`ganstudy ([^`]*)`", said) if each != "list settings"]
        assert all(str(place) in shlex.split(each) for each in commands), commands
        if words[0] in ("status", "stop", "best"):
            assert str(place) in said.replace(shlex.quote(str(place)), str(place))
        if words in (["status"], ["explain"], ["best"]):
            assert commands
        if words[0] == "explain":
            assert f"1 trial: ValueError: {name} [/red]." in said


def test_no_text_of_users_is_read_as_markup() -> None:
    """Rich reads markup in a text that is given to a Console with markup, to a status or to a spinner."""
    for path in sorted((ROOT / "study").rglob("*.py")):
        code = path.read_text()
        assert "Console(" not in code or path.name == "console.py", path
        assert not re.search(r"from_markup|markup=True|import print\b|rich\.print\b|Prompt|TextColumn", code), path
        assert not re.search(r"\bconsole\.status\((?!Text\()|\bstatus\.update\((?!Text\()", code), path


def test_a_broken_terminal_does_not_cost_the_report(folder: Path) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("the terminal has gone")

    view = open_study(folder)
    report = view.layout.report
    report.unlink(missing_ok=True)
    with pytest.raises(OSError, match="the terminal has gone"):
        print_result(view, SPEC, Console(file=Broken()), seconds=1.0)
    assert "Does R1 keep a small GAN" in report.read_text()


def test_a_report_that_cannot_be_written_does_not_cost_the_answer(folder: Path, screen: Callable[..., Screen]) -> None:
    view = open_study(folder)
    view.layout.report.unlink(missing_ok=True)
    view.layout.report.mkdir()
    made = screen()
    with pytest.raises(ValueError, match=r"report\.html must be a file; it is a folder"):
        print_result(view, SPEC, terminal(), seconds=1.0)
    assert "8 trials of 4 configs (a randomised design)" in made.text
    view.layout.report.rmdir()


def test_the_reader_of_a_pipe_may_end_first() -> None:
    script = f"{shlex.quote(sys.executable)} -m study.cli --help | head -n 1"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


GOES_ON = """
import sys, time
from pathlib import Path
from study.cli import console, errors
from study.console import outlive_readers
outlive_readers()
import logging
logging.basicConfig(level=logging.WARNING)
print("first", flush=True)
time.sleep(0.5)
for _ in range(3):
    console.print("more " * 50_000)
    errors.print("more " * 50_000)
    logging.warning("more")
    print("more", flush=True)
Path(sys.argv[1]).touch()
"""


@pytest.mark.parametrize("pipe", ["2>&1 | head -n 1", "2>&1 >/dev/null | true", ">&- 2>&-"])
def test_a_program_goes_on_when_nobody_reads_its_output(pipe: str, tmp_path: Path) -> None:
    words = shlex.join([sys.executable, "-c", GOES_ON, str(tmp_path / "end")])
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{words} {pipe}"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (tmp_path / "end").exists(), done.stderr
    assert done.returncode == 0
    assert "Error" not in done.stderr


def test_a_closed_terminal_ends_nothing_and_a_full_disk_does(tmp_path: Path) -> None:
    one, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", GOES_ON, str(tmp_path / "end")], cwd=ROOT, stdout=other, stderr=other, start_new_session=True
    )
    os.close(other)
    assert os.read(one, 5) == b"first"
    os.close(one)
    assert process.wait(timeout=120) == 0
    assert (tmp_path / "end").exists()
    with open("/dev/full", "w") as full:
        words = [sys.executable, "-m", "study.cli", "--help"]
        done = subprocess.run(words, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), "what was asked for is not there"
    assert "it is not: No space left on device" in done.stderr
