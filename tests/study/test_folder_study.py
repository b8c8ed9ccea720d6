"""A study and a run on a folder of pictures: what they say of it, and data that moved afterwards."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy import in_this_process
from typer.testing import CliRunner

from ganstudy import UserError
from study.api import launch, open_study
from study.cli import app
from study.spec.recipes import load_config
from study.spec.study_spec import StudySpec
from study.store.layout import Layout

BASE = "data: image_folder, data.root: mine, data.resolution: 8, arch: mlp, g.width: 8, d.width: 8, budget_kimg: 0.2, tick_kimg: 0.1"
NOTES = (
    "pictures: 80 taken from mine",
    "left out: other files 1 (.txt 1)",
    "labels: none, since the pictures are in no sub-folders",
    "held out: 12 pictures drawn at random",
)


def said(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pictures in `mine`, a study file and a recipe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "mine").mkdir()
    rng = np.random.default_rng(0)
    for k in range(80):
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(tmp_path / "mine" / f"{k}.png")
    (tmp_path / "mine" / "notes.txt").write_text("x")
    (tmp_path / "run.yaml").write_text(BASE.replace(", ", "\n"))
    (tmp_path / "s.yaml").write_text(
        f"name: s\nquestion: Why?\nbase: {{{BASE}}}\nspace: {{scientific: {{r1: [false, true]}}}}\nn_configs: 2\n"
    )
    return tmp_path


@pytest.fixture
def study(here: Path) -> Path:
    """A finished study, whose pictures were moved from `mine` to `moved` afterwards."""
    in_this_process(StudySpec.load(here / "s.yaml"), here / "runs" / "s")
    shutil.move(here / "mine", here / "moved")
    return here / "runs" / "s"


def test_the_dry_run_and_train_say_what_they_found_before_they_train(here: Path) -> None:
    for output, trains in ((said("launch", "s.yaml", "--dry-run"), "cost: "), (said("train", "run.yaml"), "0 kimg ")):
        before = output.partition(trains)[0].splitlines()
        assert [line for line in before if line in NOTES] == list(NOTES)


def test_the_launch_says_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = StudySpec.load(here / "s.yaml")
    in_this_process(spec, here / "runs" / "s")
    launch(spec, here / "runs" / "s")  # nothing is left to train
    assert [line for line in capsys.readouterr().out.splitlines() if line in NOTES] == list(NOTES)


def test_a_study_is_evaluated_where_its_data_are_now(study: Path) -> None:
    records = Layout(study).records.read_bytes()
    with pytest.raises(
        UserError,
        match=r"data.root must be a folder of pictures; mine does not exist. If the pictures have moved, name their place with --set data\.root=PATH",
    ):
        said("evaluate", str(study), "--features", "random_conv")
    assert not Layout(study).protocols()
    said("evaluate", str(study), "--features", "random_conv", "--set", "data.root=moved")
    (evaluated,) = open_study(study).evaluated().values()
    assert len(evaluated) == 2
    assert Layout(study).records.read_bytes() == records


@pytest.mark.parametrize("change", ["g.lr=1e-3", "n_configs=4", "data.resolution=9", "no.such=1"])
def test_evaluate_changes_nothing_else(study: Path, change: str) -> None:
    with pytest.raises(
        UserError, match=rf"only the place of the data may change .*\(data\.root, data\.download\); given {change.partition('=')[0]}"
    ):
        said("evaluate", str(study), "--set", change)


def test_other_pictures_in_the_new_place_are_refused(study: Path) -> None:
    Image.new("L", (8, 8)).save(study.parent.parent / "moved" / "0.png")
    with pytest.raises(UserError, match="must be evaluated with the data split of its training"):
        said("evaluate", str(study), "--set", "data.root=moved")


def test_a_trial_is_trained_again_where_its_data_are_now(study: Path) -> None:
    trial = str(open_study(study).trials().index[0])
    said("train", "--from", str(study), "--trial", trial, "--set", "data.root=moved", "--folder", "again")
    assert load_config("again/config.yaml", {}).trial_id == trial


def test_a_study_is_resumed_where_its_data_are_now(study: Path) -> None:
    """Nothing is left to train, so no Ray starts. The records keep the old place."""
    with pytest.raises(UserError, match="mine does not exist"):
        said("resume", str(study))
    said("resume", str(study), "--set", "data.root=moved")
    assert open_study(study).trials()["data.root"].tolist() == ["mine", "mine"]


def test_a_run_is_resumed_where_its_data_are_now(here: Path) -> None:
    said("train", "run.yaml")
    history = Path("runs/run/history.jsonl").read_text()
    shutil.move(here / "mine", here / "moved")
    assert "already finished" in said("train", "run.yaml", "--set", "data.root=moved")
    assert Path("runs/run/history.jsonl").read_text() == history
    assert load_config("runs/run/config.yaml", {}).data.root == "moved"
