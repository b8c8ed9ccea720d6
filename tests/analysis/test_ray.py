"""Experiments of Ray Tune as tables."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from analysis import TrialTable
from ganstudy import UserError


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


def test_a_config_may_have_a_key_that_ray_has_too(tmp_path: Path) -> None:
    folder = experiment(tmp_path / "exp")
    for i, params in enumerate(sorted(folder.glob("*/params.json"))):
        params.write_text(json.dumps({**json.loads(params.read_text()), "trial": i % 2, "status": "x"}))
    table = TrialTable.from_ray(folder, objective="loss", direction="minimize")
    assert table.scientific == ("lr", "net/width", "trial")
    assert table.trial_id[0] == "a_0"
    assert table.ended.tolist() == ["budget", "budget", "scheduler", "error", "", ""]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train_00001/params.json", '{"lr": 0.', "must hold a whole JSON object; .* move the folder of this trial away"),
        ("train_00001/params.json", "[1, 2]", "must hold a whole JSON object"),
        ("experiment_state-2024-05-01_10-00-00.json", '{"trial_data": [[', "must hold a whole JSON object; .* the state before it is read"),
        ("experiment_state-2024-05-01_10-00-00.json", '{"trial_data": [["{\\"sta", ""]]}', "must hold the trials of an experiment"),
        ("experiment_state-2024-05-01_10-00-00.json", '{"trial_data": [3]}', "must hold the trials of an experiment"),
    ],
)
def test_a_file_that_a_killed_process_left_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    folder = experiment(tmp_path / "exp")
    (folder / name).write_text(text)
    with pytest.raises(UserError, match=f"{name} {message}"):
        TrialTable.from_ray(folder, objective="loss", direction="minimize")
