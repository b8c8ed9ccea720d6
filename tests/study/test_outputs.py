"""Output: names of users are printed as they are, and files that a user chooses must not replace what a study wrote."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recorded import PROTOCOL, STUDY, Driver
from toy import TOY
from typer.testing import CliRunner

from ganstudy import UserError
from study.cli import app
from study.spec.study_spec import StudySpec
from study.store.layout import Layout, not_records
from study.store.records import Ended
from study.store.store import Store


def test_no_output_replaces_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (Layout(tmp_path).records, Path("records.jsonl"), tmp_path / "other" / ".." / "records.jsonl"):
        with pytest.raises(UserError, match="--out must not be the records of a study; given "):
            not_records(path)
    assert not_records(tmp_path / "g.safetensors") == tmp_path / "g.safetensors"


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
