"""A tracker that fails during a study: the last sentence of the terminal says which, why, and how the rest is sent, and a resumed study sends it."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from ranked import played
from recorded import Driver, wait_until
from typer.testing import CliRunner

from study.cli import app
from study.spec.study_spec import StudySpec
from study.spec.tracking import TensorboardConfig, Tracking
from study.store.store import Store
from study.tracking.process import watching

pytestmark = pytest.mark.usefixtures("forked_tracking")


def rest(folder: Path) -> str:
    return f". The results of the study are whole; `ganstudy resume {folder}` sends the rest. Details are in {folder}/wandb/log.txt"


def make_a_file(place: Path) -> None:
    shutil.rmtree(place)
    place.touch()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [(shutil.rmtree, "FileNotFoundError: [Errno 2] No such file"), (make_a_file, "NotADirectoryError: [Errno 20] Not a directory: ")],
)
def test_tensorboards_folder_is_removed_or_becomes_a_file(tmp_path: Path, harm: Callable[[Path], None], reason: str) -> None:
    folder, place, said = tmp_path / "study", tmp_path / "tb", list[str]()
    tracking = Tracking(tensorboard=TensorboardConfig(folder=str(place)))
    with Store.writing(folder) as store, watching(folder, tracking, say=said.append):
        driver = Driver(store)
        driver.open("aa-s4")
        driver.tick("aa-s4", 0)
        wait_until(lambda: any(b"samples" in path.read_bytes() for path in place.glob("digits-*/aa-s4/*")))  # the last of a tick
        harm(place)
        driver.tick("aa-s4", 1)
        driver.whole("bb-s4")
    (line,) = said
    assert line.startswith(f"TensorBoard: {reason}")
    assert line.endswith(rest(folder))
    if place.is_file():
        place.unlink()
    with watching(folder, tracking, say=said.append):
        pass
    assert len(said) == 1
    assert {path.parent.name for path in place.rglob("*tfevents*")} >= {"aa-s4", "bb-s4"}


def test_tensorboards_folder_is_a_file_from_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "tb").touch()
    said: list[str] = []
    with (
        Store.writing(tmp_path / "study") as store,
        watching(tmp_path / "study", Tracking(tensorboard=TensorboardConfig(folder=f"{tmp_path}/tb")), say=said.append),
    ):
        Driver(store).whole("aa-s4")
    (line,) = said
    assert line.startswith("TensorBoard: NotADirectoryError: [Errno 20] Not a directory: ")
    assert line.endswith(rest(tmp_path / "study"))


def test_optunas_database_is_locked(tmp_path: Path) -> None:
    address, said = f"sqlite:///{tmp_path}/mirror.db?timeout=2", list[str]()
    tracking, folder = Tracking(optuna=address), tmp_path / "study"
    with Store.writing(folder) as store, closing(sqlite3.connect(tmp_path / "mirror.db", isolation_level=None)) as other:
        with watching(folder, tracking, say=said.append):
            driver = Driver(store)
            driver.whole("aa-s4")
            wait_until(lambda: trials(tmp_path) == ["aa-s4"])
            other.execute("BEGIN EXCLUSIVE")
            driver.whole("bb-s4")
        other.execute("ROLLBACK")
    (line,) = said
    assert line.startswith("Optuna: ")
    assert "database is locked" in line
    assert line.endswith(rest(folder))
    with watching(folder, tracking, say=said.append):
        pass
    assert len(said) == 1
    assert trials(tmp_path) == ["aa-s4", "bb-s4"]


def trials(folder: Path) -> list[str]:
    """The complete trials of the mirror; none before it is there. Optuna itself would make the tables, beside the tracker that does so."""
    query = (
        "SELECT value_json FROM trial_user_attributes JOIN trials USING (trial_id) WHERE key = 'trial_id' AND state = 'COMPLETE' ORDER BY 1"
    )
    with closing(sqlite3.connect(folder / "mirror.db")) as database, suppress(sqlite3.OperationalError):  # no tables yet
        return [json.loads(value) for (value,) in database.execute(query)]
    return []


def test_the_sentence_is_the_last_of_the_terminal_and_the_study_has_succeeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the answer. `launch` is replaced by one whose trials are there already."""
    played(tmp_path / "ring")

    def launch(spec: StudySpec, folder: str, *, say_last: Callable[[str], None], **_: Any) -> Store:
        (tmp_path / "tb").touch()
        with watching(Path(folder), Tracking(tensorboard=TensorboardConfig(folder=f"{tmp_path}/tb")), say_last=say_last):
            pass
        return Store(Path(folder))

    monkeypatch.setattr("study.engine.launch.launch", launch)
    result = CliRunner().invoke(app, ["resume", str(tmp_path / "ring")], catch_exceptions=False)
    assert result.exit_code == 0
    *answer, last = result.output.splitlines()
    assert any(line.startswith("Report: ") for line in answer)
    assert last.startswith("TensorBoard: NotADirectoryError: ")
    assert last.endswith(rest(tmp_path / "ring"))
