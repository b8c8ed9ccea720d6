"""Pictures of the best trials in the W&B run of a study, and plugins that its results need."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from ranked import GIVEN, played
from recorded import OFFLINE
from wandb_files import read_runs

from study.api import open_study
from study.spec.tracking import Tracking, WandbConfig
from study.store.layout import Layout
from study.store.store import Store
from study.tracking.computing import Computing
from study.tracking.process import watching
from study.tracking.results import results_of, write_results
from trainables.config import TrialConfig
from trainables.data import load
from trainables.generators import save_generator
from trainables.run import Run

PLUGIN = '''
from trainables.tricks.base import Trick, trick

@trick("nothing")
class Nothing(Trick):
    """Does nothing."""

    weight: float = 0.25
'''


def with_generators(folder: Path, **changes: Any) -> None:
    """A finished study whose generators are real ones, with grids of samples and of real data."""
    spec = played(folder, n_configs=4, **changes)
    for trial in Store(folder).trials.values():
        config = TrialConfig.from_flat({**spec.base, **trial.flat, "g.width": 8, "d.width": 8})
        source = load(config.data)
        grid = Layout(folder).grid(trial.trial_id, trial.saved_images)
        grid.parent.mkdir(parents=True)
        for saved in trial.saved:
            save_generator(Run(config, source).generator(), config, source.shape, Layout(folder).generator(saved))
            Image.new("RGB", (8, 8)).save(grid)
    Image.new("RGB", (8, 8)).save(Layout(folder).real)
    Layout(folder).tracking.mkdir()


@pytest.mark.parametrize(("data", "name", "words"), [("ring8", "best/scatter", "real points"), ("digits", "best/neighbours", "nearest")])
def test_the_best_trials_are_shown_beside_real_data(tmp_path: Path, data: str, name: str, words: str) -> None:
    with_generators(tmp_path / "ring", base={**GIVEN["base"], "data": data})
    view = open_study(tmp_path / "ring")
    found = results_of(view)["pictures"]
    best = [trial.trial_id for trial in view.best(3)]
    assert list(found) == ["best/samples", name, "real"]
    assert [each["caption"] for each in found["best/samples"]] == [f"place {place}: {best[place - 1]}" for place in (1, 2, 3)]
    for place, each in enumerate(found[name], start=1):
        assert each["caption"].startswith(f"place {place}. ")
        assert best[place - 1] in each["caption"]
        assert words in each["caption"]
        with Image.open(each["path"]) as picture:
            assert picture.size > (8, 8)
    before = [Path(each["path"]).stat().st_mtime_ns for each in found[name]]
    assert [Path(each["path"]).stat().st_mtime_ns for each in results_of(view)["pictures"][name]] == before, "made once"


def test_without_generators_there_are_samples_only(tmp_path: Path) -> None:
    with_generators(tmp_path / "ring")
    for path in (tmp_path / "ring").rglob("generator.safetensors"):
        path.write_bytes(b"damaged")
    assert list(results_of(open_study(tmp_path / "ring"))["pictures"]) == ["best/samples", "real"]


@pytest.mark.slow
@pytest.mark.usefixtures("own_wandb")
def test_the_run_of_the_study_has_the_pictures(tmp_path: Path) -> None:
    for max_images in (20, 0):
        folder = tmp_path / str(max_images)
        with_generators(folder)
        write_results(folder)
        tracking = OFFLINE if max_images else Tracking(wandb=WandbConfig(mode="offline", max_images=0))
        with watching(folder, tracking, say=lambda line: None):
            pass
        (run,) = [run for run in read_runs(folder).values() if run.job_type == "study"]
        (row,) = run.history
        shown = {key.partition("/count")[0]: row[key] for key in row if key.endswith("/count")}
        assert shown == ({"best/samples": 3, "best/scatter": 3, "real": 1} if max_images else {})


@pytest.mark.slow
@pytest.mark.usefixtures("own_plugins")
@pytest.mark.parametrize("trusted", [False, True])
def test_results_use_the_plugins_that_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool) -> None:
    """A default that only the plugin knows is in the config of the best trial."""
    (tmp_path / "nothing_plugin.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{tmp_path}")
    played(tmp_path / "ring", n_configs=4, plugins=["nothing_plugin"], base={**GIVEN["base"], "nothing": True})
    Layout(tmp_path / "ring").tracking.mkdir()
    computing = Computing(tmp_path / "ring", trust_plugins=trusted)
    computing.ask()
    assert computing.wait(60)
    computing.close()
    config = json.loads(Layout(tmp_path / "ring").results.read_text())["winners"][0]["about"]["config"]
    assert config.get("nothing.weight") == (0.25 if trusted else None)
