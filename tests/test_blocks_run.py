"""The documentation, run: commands that train nothing, and all Python blocks, in a folder that holds what they name.

The studies are those of the texts with a budget of a few steps, trained in this process. test_blocks.py parses what is not run here.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from fenced import ROOT, blocks, shell_lines, words_of
from PIL import Image
from ruamel.yaml import YAML
from tiny import tiny
from toy import in_this_process
from typer.testing import CliRunner

from study.cli import app
from study.spec.study_spec import StudySpec
from trainables.tricks import TRICKS

pytestmark = pytest.mark.slow

# Command -> why it is not run here. `launch --dry-run` is.
NOT_RUN = {
    "launch": "it starts a Ray: test_launch.py",
    "resume": "it starts a Ray: test_kill.py",
    "confirm": "it starts a Ray: test_phases_run.py",
    "ablate": "it starts a Ray: test_phases_run.py",
    "submit": "it needs a cluster: test_submit.py",
    "sync": "it needs a W&B server: test_sync.py",
    "simulate": "its replays take minutes: test_simulate_command.py",
    "wandb-import": "it needs a W&B server or its files: test_wandb_import.py",
    "train": "it trains to its end: test_train.py, test_cli.py",
}
STUDIES = {"digits": "digits.yaml", "selu_or_relu": "questions/selu_or_relu.yaml", "literature_ring": "literature/ring.yaml"}
yaml = YAML(typ="safe")


def _short(given: dict[str, Any]) -> dict[str, Any]:
    """Return a study file with a few small trials and without trackers."""
    base = {**given["base"], "budget_kimg": 0.4, "tick_kimg": 0.2}
    few = {**given, "base": base, "evaluation": {"samples": 200}, "n_configs": 8, "seeds": 2}
    left_out = {"tracking"} | ({"n_configs"} if given.get("sampler") == "factorial" else set())  # each combination once
    return {key: value for key, value in few.items() if key not in left_out}


def _runs_of_others() -> None:
    """Write a CSV of runs, an export of W&B, an Optuna storage and an experiment of Ray Tune."""
    rng = np.random.default_rng(0)
    lr, seed = np.repeat([1e-4, 1e-3, 1e-2], 8), np.tile(np.arange(8), 3)
    loss = rng.normal(size=24)
    runs = pd.DataFrame({"lr": lr, "loss": np.tile(["hinge", "bce"], 12), "seed": seed, "fid": 240 + 10 * loss})
    runs.to_csv("runs.csv", index=False)
    states = np.where(loss > 1.5, "failed", "finished")
    export = pd.DataFrame({"lr": lr, "optimizer": runs["loss"], "val_loss": loss, "State": states, "Name": [f"run {i}" for i in range(24)]})
    export.to_csv("wandb_export.csv", index=False)
    study = optuna.create_study(storage="sqlite:///my.db", study_name="digits", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("lr", 1e-4, 1e-2, log=True), n_trials=12)
    for i in range(24):
        trial = Path(f"ray_results/my_experiment/trial_{i:05d}")
        trial.mkdir(parents=True)
        (trial / "params.json").write_text(json.dumps({"lr": lr[i]}))
        result = {"loss": loss[i], "training_iteration": 1, "trial_id": f"{i:05d}", "done": True}
        (trial / "result.json").write_text(json.dumps(result) + "\n")


@pytest.fixture(scope="module", autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder, with the study files, the plugin, the pictures, the studies and the runs of other programs that the texts name."""
    place, known = tmp_path_factory.mktemp("scratch"), set(TRICKS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("HOME", str(place))
        patch.setattr(sys, "path", list(sys.path))
        _runs_of_others()
        for i in range(240):
            Path("pictures").mkdir(exist_ok=True)
            Image.fromarray(np.random.default_rng(i).integers(0, 256, (16, 16), np.uint8)).save(f"pictures/{i}.png")
        for block in blocks("python"):
            if block.file:
                Path(block.file).write_text(block.text)
        files = {Path("studies") / file: yaml.load((ROOT / "studies" / file).read_text()) for file in STUDIES.values()}
        for block in blocks("yaml"):
            if "name" in (given := yaml.load(block.text)) and given["name"] not in STUDIES:
                files[Path(f"{given['name']}.yaml")] = given
        digits = files[Path("studies/digits.yaml")]
        files[Path("other.yaml")] = {**digits, "name": "other", "base": {**digits["base"], "g.lr": 2e-3}}
        for path, given in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w") as file:
                yaml.dump(_short(given), file)
            in_this_process(StudySpec.load(path), Path("runs") / given["name"])
        yield place
    for name in set(TRICKS) - known:
        del TRICKS[name]


def _runnable() -> list[str]:
    lines = [line for _, line in shell_lines() if words_of(line)[0] == "ganstudy"]
    here = {line for line in lines if "s3://" not in line}  # the tests of object stores have a store
    return sorted({line for line in here if words_of(line)[1] not in NOT_RUN or "--dry-run" in line})


@pytest.mark.parametrize("line", _runnable())
def test_a_command_runs(line: str) -> None:
    words = [os.path.expanduser(word) for word in words_of(line)[1:]]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert result.output


def test_no_reason_is_left_over() -> None:
    assert set(NOT_RUN) <= {words_of(line)[1] for _, line in shell_lines() if line.startswith("ganstudy ")}


@pytest.mark.parametrize("page", sorted({block.page for block in blocks("python") if not block.file}))
def test_the_python_blocks_of_a_page_run_one_after_the_other(page: str) -> None:
    known, names = set(TRICKS), {"study": optuna.load_study(storage="sqlite:///my.db", study_name="digits")}
    for block in blocks("python"):
        if block.page == page and not block.file:
            exec(compile(block.text, str(block), "exec"), names)
    for name in set(TRICKS) - known:
        for tick in tiny({name: True}).ticks():
            assert f"d/{name}" in tick.signals or tick.images == 0
