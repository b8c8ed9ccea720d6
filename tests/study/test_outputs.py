"""Output: names of users are printed as they are, and files that a user chooses must not replace what a study wrote."""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pandas as pd
import pytest
from recorded import PROTOCOL, STUDY, Driver
from safetensors.numpy import save
from toy import TOY, in_this_process
from typer.testing import CliRunner

from ganstudy import UserError
from study.api import open_study
from study.cli import app
from study.spec.study_spec import StudySpec
from study.store.bundle import refuse_own
from study.store.layout import Layout, not_records
from study.store.records import Ended
from study.store.store import Store


def test_no_output_replaces_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (Layout(tmp_path).records, Path("records.jsonl"), tmp_path / "other" / ".." / "records.jsonl"):
        with pytest.raises(UserError, match="--out must not be the records of a study; given "):
            not_records(path)
    assert not_records(tmp_path / "g.safetensors") == tmp_path / "g.safetensors"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of four trials."""
    folder = tmp_path_factory.mktemp("runs") / "toy"
    in_this_process(StudySpec.from_dict(TOY), folder)
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return copytree(finished, tmp_path / "toy")


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "garbage": lambda data: 9 * b"garbage",
    "cut off": lambda data: data[:-1],
    "not a generator": lambda data: save({"x": np.zeros(1)}),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("write", ["sample", "export"])
def test_a_damaged_generator_replaces_no_file(folder: Path, tmp_path: Path, write: str, damage: str) -> None:
    trial = next(iter(open_study(folder).store.trials))
    stored = open_study(folder).trial(trial).generator_path()
    stored.write_bytes(DAMAGE[damage](stored.read_bytes()))
    out = tmp_path / "good.png"
    out.write_bytes(b"good")
    with pytest.raises(UserError, match=r"generator\.safetensors must be "):
        said(write, str(folder), "--trial", trial, "-o", str(out))
    assert out.read_bytes() == b"good"


ODD = "it's [red] [/b] :x:"


def said(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_names_that_look_like_markup_are_printed_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / ODD
    with Store.writing(folder) as store:
        spec = {**StudySpec.from_dict(TOY).as_dict(), "question": f"Why {ODD}?", "failure": "fd > 1"}
        store.write_study(replace(STUDY, spec=spec, protocol=PROTOCOL.as_dict()))
        driver = Driver(store)
        driver.open("t0", method=ODD)
        driver.tick("t0", 1, Ended.ERROR, f"ValueError: {ODD}")
        driver.open("t1")
    assert f"{folder} has no active process" in said("stop", str(folder))
    assert f"ValueError: {ODD}" in said("show", str(folder), "t0")
    assert f"method: {ODD}" in said("show", str(folder), "t0")
    assert f"Why {ODD}?" in said("show", str(folder))
    (advice,) = re.findall("Resume with `(.*)`", said("status", str(folder)))
    assert shlex.split(advice) == ["ganstudy", "resume", str(folder)]


def test_columns_that_look_like_markup_are_printed_as_they_are(tmp_path: Path) -> None:
    file, x = tmp_path / "runs.csv", np.arange(40.0)
    pd.DataFrame({"[/x]": x + 1, "[/y]": np.exp(x / 8)}).to_csv(file, index=False)
    text = said("explain", str(file), "--config", "[/x]", "--objective", "[/y]", "--direction", "minimize", "--evidence", "designed")
    assert "expected of a new run" in text
    assert "[/x] 40" in text
    assert " [/y] " in text


def cut(folder: Path, *, without: str, unfinished: str, crashed: str = "") -> None:
    """Rewrite the records: without one trial, another one unfinished, another one crashed."""
    kept = []
    for line in map(json.loads, Layout(folder).records.read_text().splitlines()):
        if line.get("trial") == unfinished:
            line.pop("closed", None)
        if line.get("trial") == crashed and "closed" in line:
            line["closed"] = {"ended": "error", "reason": "OSError: disk"}
        if line.get("trial") != without:
            kept.append(json.dumps(line) + "\n")
    Layout(folder).records.write_text("".join(kept))


@pytest.mark.parametrize(
    "words", [("explain",), ("rank",), ("best", "--min-seeds", "1"), ("report", "-o", "r.md")], ids=lambda words: words[0]
)
def test_an_answer_begins_with_what_is_missing(
    folder: Path, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second, third, _ = open_study(folder).store.trials
    assert "not finished" not in answered(folder, *words)
    cut(folder, without=first, unfinished=second)
    whole = "Of 4 trials, 2 have not finished; what follows is about the others."
    assert whole in answered(folder, *words).partition("config")[0]
    cut(folder, without="", unfinished="", crashed=third)
    whole = "Of 4 trials, 2 have not finished and 1 crashed; what follows is about the others."
    assert whole in answered(folder, *words).partition("config")[0]


def answered(folder: Path, command: str, *options: str) -> str:
    """Return what the command says, or else the report that it writes."""
    text = said(command, str(folder), *options)
    return Path("r.md").read_text() if command == "report" else text


@pytest.mark.parametrize("write", ["sample", "export"])
def test_who_gets_the_generator_of_a_failed_trial_is_told(
    folder: Path, write: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records, out = Layout(folder).records, str(tmp_path / "out.png")
    first, second, *_ = open_study(folder).store.trials
    assert "failed" not in said(write, str(folder), "-o", out) + caplog.text
    records.write_text(records.read_text().replace('"failure": null', '"failure": "fd > 0"'))
    (best,) = open_study(folder).best(1)
    assert f" of {best.trial_id}, which failed (undertrained)" in said(write, str(folder), "-o", out)
    assert f"{best.trial_id} failed, as did all trials of the same config" in caplog.text
    cut(folder, without=first, unfinished=second)
    assert f" of {second}, which has not finished" in said(write, str(folder), "-o", out, "--trial", second)


def test_an_outcome_that_does_not_occur_is_told_as_that(folder: Path) -> None:
    text = said("explain", str(folder), "--outcome", "mode_collapse")
    assert "Nothing can be told about the rate of mode collapse: it is 0 % in all configs." in text


def test_one_trial_of_each_config_tells_no_risk(folder: Path) -> None:
    """One failure of one trial is no certainty, and one failure of four trials no risk of 25 % for each config."""
    records = Layout(folder).records
    assert "1. " in (shown := said("best", str(folder), "-n", "1"))
    assert "  place 1; 0 of 1 trial failed; fd " in shown
    limit = open_study(folder).trials()["fd"].max() - 1e-9
    records.write_text(records.read_text().replace('"failure": null', f'"failure": "fd > {limit}"'))
    fails = [line.split() for line in said("rank", str(folder)).splitlines()[1:5]]
    assert [line[5:8] for line in fails] == [["0", "of", "1"]] * 3 + [["1", "of", "1"]]


def test_a_ranking_names_what_its_configs_differ_in(folder: Path) -> None:
    """Two configs with r1 and two without differ in a nuisance setting only."""
    rows = said("rank", str(folder)).splitlines()[1:5]
    settings = [" ".join(row.split()[12:-1]) for row in rows]
    assert [text.startswith("r1, g.lr ") or text.startswith("g.lr ") for text in settings] == [True] * 4, rows
    assert len(set(settings)) == 4


@pytest.mark.parametrize("out", [".", "..", "/", "there"])
@pytest.mark.parametrize("words", [("sample",), ("export",)], ids=" ".join)
def test_a_folder_is_no_output(folder: Path, words: tuple[str, ...], out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    problem = CliRunner().invoke(app, [*words, str(folder), "-o", out]).exception
    assert isinstance(problem, UserError)
    assert f"{out} must be a file; it is a folder" in str(problem)


@pytest.mark.parametrize("copy", [".", "..", "/", "file"])
def test_the_copy_of_a_study_replaces_neither_a_file_nor_the_current_folder(
    copy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("file").touch()
    with pytest.raises(UserError, match="must be a folder of its own, which can be replaced; it is "):
        refuse_own(Path(copy))
