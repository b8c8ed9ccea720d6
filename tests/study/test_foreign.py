"""`ganstudy explain` for runs of other programs, as a user types it."""

import inspect
import json
import re
import sqlite3
import sys
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from typer.testing import CliRunner

from analysis import TrialTable
from study.cli import app, main

optuna.logging.set_verbosity(optuna.logging.ERROR)


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The message of a command that ends with 2."""
    monkeypatch.setattr(sys, "argv", ["ganstudy", *words])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr().err
    assert end.value.code == 2, said
    assert "Traceback" not in said
    return said


@pytest.fixture
def csv(tmp_path: Path) -> str:
    """40 configs × 2 seeds: with loss b half the runs fail; w changes nothing."""
    rng = np.random.default_rng(0)
    of = np.repeat(np.arange(40), 2)
    b = rng.permutation(np.arange(40) % 2 == 0)[of]
    bad = b & (rng.random(80) < 0.5)
    frame = pd.DataFrame({"loss": np.where(b, "b", "a"), "w": rng.random(40)[of], "seed": np.tile([0, 1], 40)})
    frame["fid"] = np.where(bad, 300.0, 20 + rng.random(80))
    frame.to_csv(tmp_path / "runs.csv", index=False)
    return str(tmp_path / "runs.csv")


COLUMNS = ("--config", "loss,w", "--seed", "seed", "--objective", "fid", "--direction", "minimize", "--failed", "fid > 250")


def test_a_csv_is_explained_in_one_command(csv: str) -> None:
    said = run("explain", csv, *COLUMNS, "--evidence", "designed")
    assert "a randomised design" in said
    assert "loss b" in said
    assert "real-data baseline" not in said  # other fields have none
    assert "a randomised design" not in run("explain", csv, *COLUMNS)
    claims = json.loads(run("explain", csv, *COLUMNS, "--evidence", "designed", "--json"))
    frame = pd.read_csv(csv)
    rate = (frame["fid"] > 250).groupby(frame["loss"]).mean()
    (claim,) = (claim for claim in claims if claim["outcome"] == "failed" and claim["settings"] == ["loss"])
    assert abs(claim["effect"]) == pytest.approx(rate["b"] - rate["a"])
    assert {claim["outcome"] for claim in claims} == {"failed", "fid", "win"}
    assert {claim["outcome"] for claim in json.loads(run("explain", csv, *COLUMNS, "--outcome", "fid", "--json"))} == {"fid"}
    without = run("explain", csv, *COLUMNS[:-2])
    assert "It was not said which runs failed" in without


def test_names_that_look_like_markup_are_printed_as_they_are(csv: str, tmp_path: Path) -> None:
    frame = pd.read_csv(csv).rename(columns={"loss": "[/x]", "w": "[b]w", "fid": "[/fid]"})
    frame.to_csv(tmp_path / "odd.csv", index=False)
    said = run("explain", str(tmp_path / "odd.csv"), "--config", "[/x],[b]w", "--objective", "[/fid]", "--direction", "minimize")
    assert all(name in said for name in ("[/x]", "[b]w", "[/fid]"))


def test_an_infinite_setting_is_refused(csv: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.read_csv(csv)
    frame.loc[frame["w"] > 0.7, "w"] = np.inf
    frame.to_csv(csv, index=False)
    assert "column 'w' holds infinite values. Leave the cell empty" in refused(monkeypatch, capsys, "explain", csv, *COLUMNS)


def test_a_csv_of_wandb_is_recognised_by_its_columns(csv: str, tmp_path: Path) -> None:
    frame = pd.read_csv(csv).assign(Name=[f"run-{i}" for i in range(80)], State="finished", Created="2024-05-01", Runtime=10)
    frame.loc[:2, "State"] = "crashed"
    frame.to_csv(tmp_path / "export.csv", index=False)
    assert "3 of 80 runs are no evidence: crashed (crashed: 3)" in run("explain", str(tmp_path / "export.csv"), *COLUMNS)


def optuna_study(storage: str | JournalStorage, name: str = "mine") -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.set_user_attr("acc", trial.number / 20)
        return trial.suggest_float("lr", 1e-4, 1e-1, log=True) + (trial.suggest_categorical("opt", ["sgd", "adam"]) == "adam")

    optuna.create_study(storage=storage, study_name=name, sampler=optuna.samplers.RandomSampler(seed=0)).optimize(objective, n_trials=20)


def test_an_optuna_storage_is_explained_in_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/my.db"
    optuna_study(url)
    for source in (url, str(tmp_path / "my.db")):
        said = run("explain", source)
        assert "20 trials of 20 configs (not randomised" in said
        assert "opt adam" in said
    alone = run("explain", url, "--config", "lr", "--outcome", "value")
    assert "value" in alone
    assert "opt" not in alone.replace("optuna", "")
    optuna_study(url, "other")
    assert "must be one of the studies in" in refused(monkeypatch, capsys, "explain", url)
    assert "['mine', 'other']; given none" in refused(monkeypatch, capsys, "explain", url)
    assert "20 trials of 20 configs" in run("explain", url, "--study-name", "other", "--failed", "value > 1")
    assert "'value' has 'minimize', given 'maximize'" in refused(
        monkeypatch, capsys, "explain", url, "--direction", "maximize", "--study-name", "mine"
    )
    assert "20 trials of 20 configs" in run("explain", f"{url}?timeout=10", "--study-name", "mine")
    attribute = ("explain", url, "--study-name", "mine", "--objective", "acc")
    assert "['acc'] have none" in refused(monkeypatch, capsys, *attribute)
    assert "20 trials of 20 configs" in run(*attribute, "--direction", "maximize")


def test_a_journal_of_optuna_is_explained_too(tmp_path: Path) -> None:
    optuna_study(JournalStorage(JournalFileBackend(str(tmp_path / "journal.log"))))
    assert "20 trials of 20 configs (not randomised" in run("explain", str(tmp_path / "journal.log"))


def test_a_wrong_address_creates_no_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no such file" in refused(monkeypatch, capsys, "explain", f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()
    with sqlite3.connect(tmp_path / "else.db") as other:
        other.execute("create table songs (name text)")
    other.close()
    before = (tmp_path / "else.db").read_bytes()
    assert "must be an Optuna storage" in refused(monkeypatch, capsys, "explain", str(tmp_path / "else.db"))
    assert (tmp_path / "else.db").read_bytes() == before


def test_the_folder_of_a_ray_experiment_is_explained_in_one_command(tmp_path: Path) -> None:
    """params.json and result.json as Ray's JSON logger writes them, by hand; tests/analysis/test_ray.py has the other files."""
    for i in range(20):
        place = tmp_path / "exp" / f"train_{i:05d}"
        place.mkdir(parents=True)
        (place / "params.json").write_text(json.dumps({"lr": 10.0 ** -(i % 5), "opt": ["sgd", "adam"][i % 2]}))
        (place / "result.json").write_text(
            json.dumps({"loss": 1.0 + i % 2 + 0.01 * i, "training_iteration": 1, "trial_id": f"t{i}"}) + "\n"
        )
    said = run("explain", str(tmp_path / "exp"), "--objective", "loss", "--direction", "minimize")
    assert "20 trials of 10 configs (not randomised" in said
    assert "opt adam" in said


def test_mistakes_are_one_message(csv: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wandb" / "offline-run-1").mkdir(parents=True)
    (tmp_path / "wandb" / "offline-run-1" / "run-1.wandb").touch()
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "records.jsonl").touch()
    for words, message in {
        (csv,): "--config, --objective, --direction must be given for",
        (csv, "--config", "los", *COLUMNS[2:]): "no column named 'los'; did you mean 'loss'",
        (csv, *COLUMNS, "--study-name", "x"): "--study-name names a study in an Optuna storage",
        (csv, *COLUMNS[:6], "--direction", "minimize,maximize"): "given 2 for 1 objectives",
        (csv, *COLUMNS[:8], "--failed", "fd > 2"): "Did you mean fid",
        (csv, *COLUMNS, "--evidence", "causal"): "got 'causal'",
        (csv, *COLUMNS, "--outcome", "nope"): "an outcome must be failed or a metric with a direction; got 'nope'; there are ['fid']",
        (csv, *COLUMNS, "--outcome", "mode_collapse"): "an outcome must be failed or a metric with a direction; got 'mode_collapse'",
        (csv, *COLUMNS, "--outcome", "faild"): "got 'faild'; did you mean 'failed'?",
        (str(tmp_path / "none.csv"),): "must be a folder or a file with runs; it does not exist",
        (str(tmp_path / "wandb"),): "Make a table of them with `ganstudy wandb-import",
        (str(tmp_path / "study"), "--config", "a", "--study-name", "b"): "--config, --study-name: only for runs of other programs",
        (str(tmp_path / "nowhere"),): "must be a study folder",
        (str(tmp_path / "nowhere"), *COLUMNS): "must be a study folder",
        (str(Path(csv).parent), *COLUMNS): "it is a folder with 1 CSV file. Give one of them, such as " + csv,
    }.items():
        assert message in refused(monkeypatch, capsys, "explain", *words), words


def test_the_page_about_other_runs_describes_every_argument() -> None:
    page = (Path(__file__).parents[2] / "docs" / "other_runs.md").read_text()
    described = re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)
    assert sorted(described) == sorted(set(inspect.signature(TrialTable.from_frame).parameters) - {"frame"})
    flags = re.findall(r"^\| `\w+` \| `--(\w+)", page, flags=re.MULTILINE)
    assert all(f"--{flag}" in run("explain", "--help") for flag in flags)
