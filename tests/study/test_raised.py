"""What the text of an error tells: whose it is, and whether a further try would help."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganstudy import UserError
from study.spec.errors import SpecError
from study.store.raised import Raised, raised
from trainables.tune import Refused, refusing

PLUGIN = """
import statistics

def fails(kind):
    return deeper(kind)

def deeper(kind):
    if kind == "library":
        return statistics.mean([])
    raise kind
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[[Any], Any]:
    """The function of a plugin that raises what it is given, or lets a library raise."""
    path = tmp_path / "planted_plugin.py"
    path.write_text(PLUGIN)
    names: dict[str, Any] = {}
    exec(compile(PLUGIN, str(path), "exec"), names)
    found: Callable[[Any], Any] = names["fails"]
    return found


def told(call: Callable[[], Any], *folders: str) -> Raised:
    try:
        call()
    except Exception:
        return raised(traceback.format_exc(), ["planted_plugin"], folders)
    raise AssertionError("the call must raise")


@pytest.mark.parametrize(
    ("kind", "line", "at"), [(KeyError("x"), "KeyError: 'x'", 10), ("library", "statistics.StatisticsError: mean requires", 9)]
)
def test_what_a_plugin_raises_is_its_own_also_from_within_a_library(
    plugin: Callable[[Any], Any], tmp_path: Path, kind: Any, line: str, at: int
) -> None:
    found = told(lambda: plugin(kind), str(tmp_path))
    assert found.told.startswith(line)
    assert found.told.endswith(f"in the plugin planted_plugin ({tmp_path / 'planted_plugin.py'}, line {at})")
    assert [text.strip() for text in found.frames.splitlines() if "File" in text] == [
        f'File "{tmp_path / "planted_plugin.py"}", line {number}, in {name}' for number, name in ((5, "fails"), (at, "deeper"))
    ]
    assert not found.ours
    assert not found.refused
    elsewhere = told(lambda: plugin(kind), str(tmp_path / "other"))
    assert (elsewhere.plugin, elsewhere.frames) == ("", "")


def test_an_error_of_our_code_is_ours_and_one_of_the_machine_or_the_user_is_not() -> None:
    code = f'Traceback (most recent call last):\n  File "{Path(traceback.__file__).parents[2] / "x"}", line 1, in f\n    f()\n'
    mine = f'Traceback (most recent call last):\n  File "{Path(__file__).parents[2] / "trainables" / "gan.py"}", line 1, in f\n    f()\n'
    assert raised(f"{mine}ZeroDivisionError: division by zero").ours
    assert not raised(f"{code}ZeroDivisionError: division by zero").ours
    for line in ("OSError: [Errno 28] No space", "MemoryError", "torch.OutOfMemoryError: CUDA", "trainables.tune.WrongVersions: torch 1"):
        assert not raised(mine + line).ours
    assert not raised(f"{mine}ganstudy.errors.UserError: x must be y").ours
    assert not raised("the worker is gone").ours


@pytest.mark.parametrize("error", [UserError("a must be b"), SpecError((), "a must be b\nand c")])
def test_a_user_error_of_a_config_is_refused_with_its_message(error: UserError) -> None:
    def call() -> None:
        with refusing():
            raise error

    found = told(call)
    assert found.refused
    assert found.line == str(error).replace("\n", " ")
    assert not found.ours


def test_a_plugin_that_refuses_a_config_is_named(plugin: Callable[[Any], Any], tmp_path: Path) -> None:
    def call() -> None:
        with refusing():
            plugin(UserError("size must be 1"))

    found = told(call, str(tmp_path))
    assert found.told == f"size must be 1 in the plugin planted_plugin ({tmp_path / 'planted_plugin.py'}, line 10)"


def test_a_user_error_that_a_disk_caused_may_go_away() -> None:
    def call() -> None:
        with refusing():
            try:
                raise OSError(28, "No space left on device")
            except OSError as error:
                raise UserError("the disk must have room") from error

    with pytest.raises(UserError):
        call()
    assert not told(call).refused
    with pytest.raises(ZeroDivisionError), refusing():
        raise ZeroDivisionError
    assert not issubclass(Refused, UserError)


def test_an_error_without_text_has_a_line() -> None:
    assert raised("").line == "without a message"
