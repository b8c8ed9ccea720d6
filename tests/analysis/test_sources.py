"""Runs of Optuna and W&B as tables."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest

from analysis import Direction, TrialTable
from analysis.levels import levels
from ganstudy import UserError

optuna.logging.set_verbosity(optuna.logging.ERROR)


def objective(trial: optuna.Trial) -> float:
    """Conditional settings, every choice that Optuna has, and trials that are pruned, fail, or return infinity."""
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    trial.suggest_int("depth", 1, 100)
    opt = trial.suggest_categorical("opt", ["sgd", "adam", None])
    trial.suggest_categorical("batch", [64, 16, 32])
    trial.suggest_categorical("norm", [True, False])
    if opt == "sgd":
        trial.suggest_float("momentum", 0.0, 0.99)
    trial.set_user_attr("seed", trial.number % 3)
    if trial.number % 10 == 3:
        raise optuna.TrialPruned
    if trial.number % 10 == 4:
        return float("nan")  # Optuna turns it into FAIL
    return np.inf if trial.number % 10 == 5 else lr


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    made = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    made.optimize(objective, n_trials=40)
    made.ask()  # a trial that never ends
    return made


def test_an_optuna_study_needs_no_arguments(study: optuna.Study) -> None:
    table = TrialTable.from_optuna(study)
    assert len(table) == 40
    assert table.trial_id.tolist() == [str(trial.number) for trial in study.trials[:40]]  # the trial without settings is left out
    assert table.scientific == ("lr", "depth", "opt", "batch", "norm", "momentum")
    assert table.directions == {"value": Direction.MINIMIZE}
    assert table.scales == {"lr": "log", "depth": "linear", "momentum": "linear"}
    assert set(table.phase) == {"optimise"}
    values = [trial.value for trial in study.trials if trial.state is optuna.trial.TrialState.COMPLETE and np.isfinite(trial.value or 0)]
    assert table.at_end("value")[np.isfinite(table.at_end("value"))].tolist() == values
    for setting in ("lr", "depth"):
        assert table.settings[setting].tolist() == [trial.params[setting] for trial in study.trials[:40]]


def test_the_states_of_optuna_are_how_trials_ended(study: optuna.Study) -> None:
    table = TrialTable.from_optuna(study)
    assert table.ended[3:6].tolist() == ["scheduler", "error", ""]  # pruned, failed, infinity
    assert table.outcome[2:7].tolist() == ["completed", "", "", "", "completed"]
    failing = TrialTable.from_optuna(study, failed="value > 1 or state == FAIL")
    assert failing.ended[3:6].tolist() == ["scheduler", "dead", "dead"]
    assert failing.failed.sum() == 8


def test_choices_of_optuna_keep_their_order_and_none_is_a_choice(study: optuna.Study) -> None:
    table = TrialTable.from_optuna(study)
    found = {name: [level.label for level in levels(table, name)] for name in ("opt", "batch", "norm")}
    assert found == {"opt": ["sgd", "adam", "None"], "batch": ["64", "16", "32"], "norm": ["off", "on"]}
    sgd = np.array([trial.params["opt"] == "sgd" for trial in study.trials[:40]])
    assert table.active("momentum").tolist() == sgd.tolist()


def test_attributes_of_optuna_trials_are_columns(study: optuna.Study) -> None:
    table = TrialTable.from_optuna(study, seed="seed", config=["lr"])
    assert table.seed.tolist() == [i % 3 for i in range(40)]
    assert table.scientific == ("lr",)


def test_an_optuna_study_of_two_objectives_names_them() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.optimize(lambda trial: (trial.suggest_float("value", 0, 1), 2.0), n_trials=5)
    assert TrialTable.from_optuna(study).directions == {"values_0": Direction.MINIMIZE, "values_1": Direction.MAXIMIZE}
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.set_metric_names(["loss", "value"])  # also the name of a setting
    table = TrialTable.from_optuna(study)
    assert table.scientific == ("params_value",)
    assert table.at_end("value").tolist() == [2.0] * 5


def test_facts_of_optuna_give_way_to_names_of_the_study() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.set_metric_names(["duration", "state"])
    study.optimize(lambda trial: (trial.suggest_float("lr", 0, 1), 5.0), n_trials=4)
    table = TrialTable.from_optuna(study, objective=["duration", "state", "optuna_duration"], direction={"optuna_duration": "minimize"})
    assert table.at_end("duration").tolist() == [trial.params["lr"] for trial in study.trials]
    assert table.at_end("state").tolist() == [5.0] * 4
    assert (table.at_end("optuna_duration") < 5).all()
    assert set(table.ended) == {"budget"}


def test_a_direction_is_needed_for_what_the_study_does_not_direct(study: optuna.Study) -> None:
    both = TrialTable.from_optuna(study, objective=["value", "seed"], direction={"seed": "maximize"})
    assert both.directions == {"value": Direction.MINIMIZE, "seed": Direction.MAXIMIZE}
    assert TrialTable.from_optuna(study, direction="minimize").directions == {"value": Direction.MINIMIZE}
    with pytest.raises(UserError, match=r"\['seed'\] have none in {'value': 'minimize'}"):
        TrialTable.from_optuna(study, objective="seed")
    with pytest.raises(UserError, match="'value' has 'minimize', given 'maximize'"):
        TrialTable.from_optuna(study, objective=["value", "seed"], direction="maximize")


def test_all_choices_of_optuna_are_kept() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_categorical("width", list(range(21))) + trial.suggest_categorical("off", [0, False]), 30)
    table = TrialTable.from_optuna(study)
    assert table.settings["width"].tolist() == [trial.params["width"] for trial in study.trials]
    assert set(table.settings["off"]) <= {"0", "False"}
    assert not any("left out" in note for note in table.notes)


def test_an_objective_of_optuna_is_named(study: optuna.Study) -> None:
    with pytest.raises(UserError, match=r"objective must list columns by their names, .*; got \[1\]|got 1"):
        TrialTable.from_optuna(study, objective=1, direction="minimize")  # type: ignore[arg-type]


def test_what_is_no_optuna_study_is_refused() -> None:
    with pytest.raises(UserError, match=r"needs an optuna.Study; got 'sqlite:///x.db'. Load it with optuna.load_study"):
        TrialTable.from_optuna("sqlite:///x.db")
    with pytest.raises(UserError, match="at least one run; the Optuna study has none"):
        TrialTable.from_optuna(optuna.create_study())


# W&B: objects with the attributes of wandb.apis.public.Run


def wandb_run(i: int, *, state: str = "finished", **config: Any) -> SimpleNamespace:
    summary = {"loss": 0.1 * i, "acc": {"val": 0.5}, "_step": 100, "pictures": {"_type": "images/separated", "count": 3}, "table": [1, 2]}
    return SimpleNamespace(
        id=f"id{i}", name=f"run-{i}", state=state, config={"_wandb": {"v": 1}, "opt": {"lr": 0.1 * (i % 3)}, "loss": "mse", **config},
        summary_metrics={} if state == "crashed" else summary,
    )  # fmt: skip


def test_runs_of_wandb() -> None:
    runs = [wandb_run(i, seed=i % 2, path=f"/data/{i}") for i in range(8)] + [wandb_run(8, state="crashed"), wandb_run(9, state="running")]
    table = TrialTable.from_wandb(runs, objective="summary.loss", direction="minimize")
    assert table.trial_id.tolist() == [run.id for run in runs]
    assert table.scientific == ("opt.lr",)  # config.loss is constant, seed a seed, path a path
    assert table.fixed == {"config.loss": "mse"}
    assert table.seed.tolist() == [i % 2 for i in range(8)] + [-1, -1]
    assert table.ended.tolist() == ["budget"] * 8 + ["error", ""]
    assert any("'path' was left out" in note for note in table.notes)
    assert any("'seed' is taken as the seed" in note for note in table.notes)
    with pytest.raises(UserError, match=r"objective must be given: .* 'acc.val'"):
        TrialTable.from_wandb(runs, direction="minimize")
    with pytest.raises(UserError, match=r"from_wandb needs runs of wandb\.Api"):
        TrialTable.from_wandb([], objective="loss", direction="minimize")


WANDB_CSV = """"Name","State","Notes","User","Tags","Created","Runtime","Sweep","lr","optimizer","loss"
"deft-sun-1","finished","-","ann","","2024-05-01T10:00:00.000Z","312","","0.01","adam","0.31"
"calm-sky-2","finished","-","ann","","2024-05-01T10:06:00.000Z","309","","0.01","sgd","0.52"
"dry-moon-3","crashed","-","ann","","2024-05-01T10:12:00.000Z","17","","0.1","sgd",""
"wise-owl-4","finished","-","ann","","2024-05-01T10:13:00.000Z","301","","0.1","adam","NaN"
"""


def test_the_csv_that_wandb_exports(tmp_path: Path) -> None:
    """The columns and quotes of a table that a project page exported; the rows are invented."""
    (tmp_path / "export.csv").write_text(WANDB_CSV)
    table = TrialTable.from_wandb(
        tmp_path / "export.csv", config=["lr", "optimizer"], objective="loss", direction="minimize", trial_id="Name"
    )
    assert table.ended.tolist() == ["budget", "budget", "error", ""]
    assert table.outcome.tolist() == ["completed", "completed", "", ""]
    assert table.config_id[0] == "deft-sun-1"
    with pytest.raises(UserError, match="config must be given"):
        TrialTable.from_wandb(tmp_path / "export.csv", objective="loss", direction="minimize")


def test_configs_of_wandb_that_differ_in_a_choice_are_not_merged() -> None:
    runs = [wandb_run(i, data=f"set-{i % 24}") for i in range(120)]
    table = TrialTable.from_wandb(runs, objective="acc.val", direction="maximize")
    assert table.settings["data"].nunique() == 24


def test_a_config_of_wandb_may_have_a_key_that_wandb_has_too() -> None:
    table = TrialTable.from_wandb([wandb_run(i, ID=i % 2, State="NY") for i in range(6)], objective="acc.val", direction="maximize")
    assert table.scientific == ("opt.lr", "ID")
    assert table.trial_id.tolist() == [f"id{i}" for i in range(6)]
    assert set(table.ended) == {"budget"}


def test_what_is_called_seed_and_is_none_is_no_seed() -> None:
    runs = [wandb_run(i, seed=None if i == 3 else i) for i in range(6)]
    table = TrialTable.from_wandb(runs, objective="acc.val", direction="maximize")
    assert table.seed.tolist() == [0, 0, 0, 1, 1, 1]
    assert table.scientific == ("opt.lr",)
    assert any(note.startswith("'seed' is left out, and the runs of each config are numbered") and "'None'" in note for note in table.notes)
