"""`ganstudy simulate`, on a table and on a study that was trained."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from toy import TOY, in_this_process
from toy_table import SPEC, table
from typer.testing import CliRunner

from analysis.replays import Figure, of_answers
from ganstudy import UserError
from study.api import open_study
from study.cli import app
from study.show.simulate import tables
from study.simulate.read import as_search, of_study
from study.simulate.run import write_runs
from study.simulate.shipped import shipped
from study.spec.study_spec import StudySpec
from study.store.records import Closed, Ended, Measurement
from study.store.store import Store
from trainables.config import TrialConfig


def simulated(*words: str) -> str:
    result = CliRunner().invoke(app, ["simulate", *words], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def file(tmp_path: Path) -> Path:
    given = table(list(np.linspace(1, 3, 20)), seeds=4, noise=0.1, rise=1.0)
    write_runs(tmp_path / "toy.parquet", [run for mine in given.runs for run in mine], as_search(SPEC).as_dict())
    return tmp_path / "toy.parquet"


def test_figures_of_each_policy_are_printed(file: Path) -> None:
    text = simulated(str(file), "-n", "5", "--policies", "random,asha,tpe", "--budgets", "2,10", "--slots", "1", "--within", "0.1")
    assert "20 configs, 80 runs of 16 kimg, 0 % failed; objective fd, minimize" in text
    assert "kimg until half are within 10 %" in text
    for title in ("answers within 10 % of the best config", "median regret", "flattery"):
        assert title in text
    assert "reported intervals" not in text  # only a race reports one
    rows = [line.split() for line in text.splitlines()]
    assert [row[0] for row in rows if row and row[0] in ("random", "asha", "tpe")] == ["random", "asha", "tpe"] * 4
    assert "random: random search, each run to its end" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--policies", "radnom"], r"no policy named 'radnom'; did you mean 'random'\?"),
        (["--budgets", "10,5"], "from the smallest to the largest and all above 0; given 10,5"),
        (["--budgets", "0,5"], "from the smallest to the largest and all above 0; given 0,5"),
        (["--budgets", "10,81"], "at most the 80 runs of the table; given 81"),
        (["--budgets", "ten"], "must be whole numbers separated by commas, such as 10,20,40; given ten"),
    ],
)
def test_refusals(file: Path, words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        simulated(str(file), *words)


def test_wrong_budgets_are_refused_before_what_takes_time_is_imported() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from study.cli import app; "
        "said = CliRunner().invoke(app, ['simulate', '--budgets', 'ten']); print(said.exception, 'optuna' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "such as 10,20,40; given ten False" in said


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "toy"
    in_this_process(StudySpec.from_dict({**TOY, "seeds": 2}), folder)
    return folder


def test_a_study_with_two_seeds_is_a_table(study: Path) -> None:
    view = open_study(study)
    found = of_study(view)
    trials = view.trials()
    assert len(found) == trials["config_id"].nunique()
    ends = sorted(found.value(run) for mine in found.runs for run in mine if not run.dead)
    assert ends == pytest.approx(sorted(trials.loc[trials["ended"] == "budget", view.objective]))
    assert found.failed == pytest.approx(trials["failed"].mean())
    assert "median regret" in simulated(str(study), "-n", "2", "--policies", "random,ray", "--budgets", "1,3")


def test_a_trial_without_a_value_at_its_end_counts_as_dead(study: Path, tmp_path: Path) -> None:
    """Like one that died: no policy is told a value that is not there."""
    folder = tmp_path / "toy"
    shutil.copytree(study, folder)
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    last = next(line for line in reversed(lines) if "measured" in line)
    del last["measured"]["values"]["fd"]
    (folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    before, after = of_study(open_study(study)), of_study(open_study(folder))
    dead = [sum(run.dead for mine in found.runs for run in mine) for found in (before, after)]
    assert dead[1] == dead[0] + 1
    assert all(after.value(run) > 0 for mine in after.runs for run in mine)


def add_outside(folder: Path, n: int) -> None:
    """Write n trials of an ablation whose g.lr is above the space."""
    spec = open_study(folder).spec
    with Store.writing(folder) as store:
        for seed in range(n):
            proposal = spec.asked({"r1": False, "g.lr": 0.02}, seed)
            trial_id = TrialConfig.from_flat(proposal.flat).trial_id
            store.write(trial_id, opened={"phase": "ablate", **asdict(proposal)})
            measured = Measurement(images=600, seconds=0.0, evaluation_seconds=0.0, values={"swd": 1.0, "fd": 1.0})
            store.write(trial_id, measured=measured, closed=Closed(ended=Ended.BUDGET))


def test_trials_outside_the_space_are_left_out_and_counted(study: Path, tmp_path: Path) -> None:
    """The default to which an ablation puts a setting back may lie outside the space, and no sampler accepts such a value."""
    folder = tmp_path / "ablated"
    shutil.copytree(study, folder)
    add_outside(folder, 2)
    found = of_study(open_study(folder))
    assert (len(found), sum(found.left_out.values())) == (len(of_study(open_study(study))), 2)
    said = simulated(str(folder), "-n", "2", "--policies", "tpe,ours", "--budgets", "1,3")
    assert "Left out: 2 trials with settings outside the space" in said


def test_every_trial_is_a_run_or_left_out_with_its_reason(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    shutil.copytree(study, folder)
    add_outside(folder, 2)
    spec = open_study(folder).spec
    ends = {0.001: Ended.BUDGET, 0.002: Ended.SCHEDULER, 0.003: Ended.ERROR, 0.004: None}
    with Store.writing(folder) as store:
        for lr, ended in ends.items():
            proposal = spec.asked({"r1": False, "g.lr": lr}, 0)
            trial_id = TrialConfig.from_flat(proposal.flat).trial_id
            store.write(trial_id, opened={"phase": "explore", **asdict(proposal)})
            measured = Measurement(images=600, seconds=0.0, evaluation_seconds=0.0, values={"swd": 1.0, "fd": 1.0})
            store.write(trial_id, measured=measured, closed=Closed(ended=ended) if ended else None)
    view = open_study(folder)
    found = of_study(view)
    assert list(found.left_out.values()) == [3, 2, 1]
    assert sum(map(len, found.runs)) + 6 == len(view.trials())
    said = " ".join(simulated(str(folder), "-n", "2", "--policies", "random", "--budgets", "1,3").split())
    assert "Left out: 3 trials that a scheduler stopped, that ended in an error or that go on, 2 trials with settings outside" in said
    assert "and 1 trial of configs with a single run" in said


def test_a_study_that_is_too_small_without_the_trials_outside_the_space_is_refused(tmp_path: Path) -> None:
    in_this_process(StudySpec.from_dict({**TOY, "seeds": 1}), tmp_path / "one")
    add_outside(tmp_path / "one", 3)
    with pytest.raises(UserError, match=r"given 0 such configs of 4\. Left out: 3 trials with settings outside the space"):
        of_study(open_study(tmp_path / "one"))


def test_a_study_with_one_seed_is_refused(tmp_path: Path) -> None:
    given: dict[str, Any] = {**TOY, "seeds": 1}
    in_this_process(StudySpec.from_dict(given), tmp_path / "one")
    with pytest.raises(UserError, match=r"2 configs with 2 finished trials each.*Run the study with seeds: 2 or more"):
        simulated(str(tmp_path / "one"))


def test_the_help_names_every_table() -> None:
    said = CliRunner().invoke(app, ["simulate", "--help"], env={"COLUMNS": "200"}).output
    assert f"({', '.join(shipped())})" in said


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((np.inf, np.inf, np.inf), "more than 48"),
        ((12e3, 8e3, np.inf), "12 (8 to more than 48)"),
        ((12e3, 8e3, 20e3), "12 (8 to 20)"),
        ((-np.inf, -np.inf, -np.inf), "at most 16"),
        ((-np.inf, -np.inf, 20e3), "at most 16 (at most 16 to 20)"),
        ((20e3, -np.inf, np.inf), "20 (at most 16 to more than 48)"),
    ],
)
def test_what_lies_beyond_the_budgets_is_more_or_less_than_these(ends: tuple[float, float, float], said: str) -> None:
    replays = SimpleNamespace(
        images_until=lambda tolerance: Figure(*ends, 9),
        **dict.fromkeys(("within", "median_regret", "mean_flattery", "coverage"), lambda *given: [Figure(np.inf, np.inf, np.inf, 9)] * 2),
    )
    first, regret, *_ = tables({"random": replays}, [1, 3], 0.05, budget=16_000)  # type: ignore[dict-item]
    assert list(first.columns[2].cells) == ["1" if np.isfinite(ends[0]) else ""]
    assert list(first.columns[1].cells) == [said]
    assert list(regret.columns[1].cells) == ["–"]


def test_figures_from_fewer_repetitions_than_others_say_so() -> None:
    found = {
        name: of_answers([16e3, 48e3], [[(np.nan,) * 3 if i < missing else (0.0, 1.5, np.nan), (0.0, 1.5, np.nan)] for i in range(5)])
        for name, missing in (("random", 0), ("ours", 3))
    }
    *_, flattery = tables(found, [1, 3], 0.05, budget=16_000)
    assert list(flattery.columns[1].cells) == ["1.50 (1.50 to 1.50)", "1.50 (1.50 to 1.50), n = 2"]
    assert list(flattery.columns[2].cells) == ["1.50 (1.50 to 1.50)"] * 2
