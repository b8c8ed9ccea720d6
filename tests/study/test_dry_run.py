"""`--dry-run` of studies whose first trial cannot train."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ganstudy import UserError
from study.cli import app

STUDY = """
name: tiny
question: Does a trick help?
goal: explain
base: {data: ring8, arch: mlp, g.width: 8, d.width: 8, budget_kimg: 2, tick_kimg: 1}
space: {scientific: {r1: [false, true]}}
n_configs: 4
seeds: 1
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--address", "nonsense"), "--address must be auto, HOST:PORT or ray://HOST:PORT; given 'nonsense'"),
        (("--set", "tracking.optuna='nosuch://x'"), "tracking.optuna must be the URL of a storage"),
    ],
)
def test_what_cannot_start_is_refused_by_the_dry_run(tmp_path: Path, words: tuple[str, str], said: str) -> None:
    (tmp_path / "tiny.yaml").write_text(STUDY)
    with pytest.raises(UserError, match=said):
        CliRunner().invoke(
            app, ["launch", str(tmp_path / "tiny.yaml"), "--dry-run", "--folder", str(tmp_path / "out"), *words], catch_exceptions=False
        )


def dry_run(folder: Path, *given: str) -> str:
    (folder / "tiny.yaml").write_text(STUDY)
    sets = [part for each in given for part in ("--set", each)]
    arguments = ["launch", str(folder / "tiny.yaml"), "--dry-run", "--folder", str(folder / "out"), *sets]
    return " ".join(CliRunner().invoke(app, arguments, catch_exceptions=False).output.split())


@pytest.mark.parametrize("diverging", ["d.lr=1e30", pytest.param("g.depth=400", marks=pytest.mark.slow)])
def test_a_first_trial_that_diverges_is_told(tmp_path: Path, diverging: str) -> None:
    """Also one that diverges before it has trained."""
    assert "no time estimate, since the first trial diverged at once: " in dry_run(tmp_path, diverging)


def test_one_is_no_plural(tmp_path: Path) -> None:
    said = dry_run(tmp_path, "n_configs=1")
    assert "1 config × 1 seed; 1 trial of 2 kimg" in said
    assert "1 trial is too few" in said
    assert "less than 1 MB of checkpoints" in said
    assert not re.search(r"about 0(\.0)? ", said)
    assert "cost: 0.3 kimg of real images" in dry_run(tmp_path, "n_configs=1", "budget_kimg=0.3", "tick_kimg=0.1")
    assert re.findall(r"\b1 (?:configs|seeds|trials|comparisons|concurrent trials)\b", said) == []
    assert "None" not in said, "points have no classifier"


@pytest.mark.parametrize("size", ["g.width=1000000", "d.width=1000000", "g.width=1000000000"])
def test_networks_that_do_not_fit_into_memory_are_refused(tmp_path: Path, size: str) -> None:
    side, width = size[0], size.partition("=")[2]
    with pytest.raises(UserError, match=f"networks must fit into memory; those with {side}.width {width} do not. Lower {side}.width"):
        dry_run(tmp_path, size)


def test_trials_that_share_a_process_are_told(tmp_path: Path) -> None:
    assert "concurrent trials, one process per device (" in dry_run(tmp_path, "resources.lanes=true", "resources.concurrent=2")
    assert "concurrent trials (" in dry_run(tmp_path)


@pytest.mark.parametrize("inside", ["a file", "/proc"])
def test_a_folder_that_cannot_be_created_is_refused_and_nothing_is_left(tmp_path: Path, inside: str) -> None:
    (tmp_path / "tiny.yaml").write_text(STUDY)
    folder = Path("/proc/nope/x") if inside == "/proc" else tmp_path / "tiny.yaml" / "x"
    words = ["launch", str(tmp_path / "tiny.yaml"), "--dry-run", "--folder", str(folder)]
    with pytest.raises(UserError, match=f"{folder} must be a folder that can be written: .* give another one"):
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_a_design_that_repeats_configs_says_how_many_there_are(tmp_path: Path) -> None:
    said = dry_run(tmp_path)
    assert "explain: balanced, 4 configs (2 distinct) × 1 seed; 4 trials of 2 kimg" in said
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_the_samples_that_trials_train_on_are_told(tmp_path: Path) -> None:
    assert "; trials train on 300 of the training samples" in dry_run(tmp_path, "data.size=300")
    assert "trials train on" not in dry_run(tmp_path)
