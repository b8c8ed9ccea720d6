"""Runs of Optuna, W&B and Ray Tune as tables."""

import json
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


# Ray Tune


def experiment(folder: Path, *, with_states: bool = True) -> Path:
    """Write the files that Ray Tune 2.60 writes: six trials, of which one was stopped early, one failed, one runs and one never started.

    Written after ray/tune/logger/json.py (params.json, result.json) and ray/tune/execution/tune_controller.py (experiment_state-*.json, whose
    trials are JSON texts). A result.json has a line per result; the last line of the failed trial is torn.
    """
    states = []
    for i, (status, epochs) in enumerate(
        [("TERMINATED", 4), ("TERMINATED", 4), ("TERMINATED", 2), ("ERROR", 3), ("RUNNING", 1), ("PENDING", 0)]
    ):
        place = folder / f"train_{i:05d}"
        place.mkdir(parents=True)
        config = {"lr": [0.1, 0.2][i % 2], "net": {"width": 64 + i, "act": "relu"}, "seed": 0, "transform": f"<function <lambda> at 0x{i}>"}
        (place / "params.json").write_text(json.dumps(config, indent=2, sort_keys=True))
        lines = [
            json.dumps(
                {
                    "loss": 1.0 / epoch,
                    "eval": {"acc": 0.5},
                    "training_iteration": epoch,
                    "trial_id": f"a_{i}",
                    "done": epoch == epochs,
                    "config": config,
                }
            )
            for epoch in range(1, epochs + 1)
        ]
        (place / "result.json").write_text("".join(f"{line}\n" for line in lines) + ('{"loss": 0.2, "trai' if status == "ERROR" else ""))
        if status == "ERROR":
            (place / "error.txt").write_text("Traceback …")
        states.append([json.dumps({"trial_id": f"a_{i}", "status": status, "relative_logdir": place.name}), json.dumps({})])
    if with_states:
        (folder / "experiment_state-2024-05-01_09-00-00.json").write_text(json.dumps({"trial_data": []}))
        (folder / "experiment_state-2024-05-01_10-00-00.json").write_text(
            json.dumps({"trial_data": states, "runner_data": {}, "stats": {}})
        )
    return folder


@pytest.mark.parametrize("with_states", [True, False])
def test_the_folder_of_a_ray_experiment(tmp_path: Path, with_states: bool) -> None:
    folder = experiment(tmp_path / "exp", with_states=with_states)
    table = TrialTable.from_ray(folder, objective=["loss", "eval/acc"], direction={"loss": "minimize", "eval/acc": "maximize"})
    unfinished = "" if with_states else "scheduler"  # only a state file tells a running trial from one that was stopped early
    assert table.ended.tolist() == ["budget", "budget", "scheduler", "error", unfinished, ""]
    assert table.trial_id.tolist() == ["a_0", "a_1", "a_2", "a_3", "a_4", "train_00005"]
    assert table.scientific == ("lr", "net/width")  # the text of an object is no choice
    assert table.at_end("loss").tolist()[:2] == [0.25, 0.25]
    whole = TrialTable.from_ray(folder, objective="loss", direction="minimize", steps=None)
    assert whole.ended.tolist() == ["budget", "budget", "budget", "error", "" if with_states else "budget", ""]


class Grid(list[Any]):
    """As ray.tune.ResultGrid: a sequence of results that can make a frame."""

    def get_dataframe(self) -> None: ...


def test_a_result_grid() -> None:
    grid = Grid(
        SimpleNamespace(error=error, config=config, metrics=metrics)
        for error, config, metrics in [
            (None, {"lr": 0.1, "layers": [64, 64]}, {"loss": 1.0, "training_iteration": 5, "trial_id": "a", "config": {}}),
            (None, {"lr": 0.2, "layers": [64]}, {"loss": 2.0, "training_iteration": 5, "trial_id": "b", "config": {}}),
            (ValueError("NaN"), {"lr": 0.2, "layers": [64]}, {"loss": np.nan, "training_iteration": 1, "trial_id": "c", "config": {}}),
            (ValueError("early"), None, {}),  # a trial that raised before its first result has no config
        ]
    )
    table = TrialTable.from_ray(grid, objective="loss", direction="minimize", failed="loss is missing")
    assert table.trial_id.tolist() == ["a", "b", "c", "3"]
    assert table.settings["layers"].tolist()[:3] == ["[64, 64]", "[64]", "[64]"]
    assert table.outcome.tolist() == ["completed", "completed", "failed", "failed"]
    assert table.ended.tolist() == ["budget", "budget", "dead", "dead"]
    assert TrialTable.from_ray(grid, objective="loss", direction="minimize").ended.tolist() == ["budget", "budget", "error"]
    with pytest.raises(UserError, match="from_ray needs the ResultGrid"):
        TrialTable.from_ray(42, objective="loss", direction="minimize")


def test_a_folder_without_trials_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"params\.json and a result\.json in the folder of each trial; there are none"):
        TrialTable.from_ray(tmp_path, objective="loss", direction="minimize")
