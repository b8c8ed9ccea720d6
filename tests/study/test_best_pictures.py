"""Pictures of the best trials in W&B, TensorBoard and MLflow, and plugins that the results of a study need."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow_server import MlflowServer
from PIL import Image
from ranked import GIVEN, played
from recorded import OFFLINE
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb_files import read_runs

from study.api import open_study
from study.spec.tracking import MlflowConfig, TensorboardConfig, Tracking, WandbConfig
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


def test_results_of_a_folder_that_is_moved_have_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with_generators(Path("ring"))
    write_results(Path("ring"))
    Path("elsewhere").mkdir()
    Path("ring").rename(Path("elsewhere") / "ring")
    monkeypatch.chdir("elsewhere")
    found = Computing(Path("ring")).results
    assert found
    paths = [each["path"] for files in (found["winners"], *found["pictures"].values()) for each in files]
    assert len(paths) == 3 + 3 + 3 + 1
    assert all(Path(path).is_file() for path in paths)


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
def test_tensorboard_and_mlflow_have_them_too_and_are_told_once(tmp_path: Path) -> None:
    """TensorBoard in a run of their own, MLflow in the run of the study, above those of trials. A third session has nothing to do."""
    folder, said = tmp_path / "ring", list[str]()
    with_generators(folder)
    best = [trial.trial_id for trial in open_study(folder).best(3)]
    with MlflowServer(tmp_path / "server") as server:
        both = Tracking(tensorboard=TensorboardConfig(), mlflow=MlflowConfig(uri=server.url))
        with watching(folder, both, say=said.append):
            pass
        before = {path: path.stat().st_mtime_ns for path in (folder / "tensorboard").rglob("*tfevents*")}
        results = Layout(folder).results
        results.unlink()
        with watching(folder, both, say=said.append):
            pass
        assert not results.exists(), "nothing was computed"
        ((study, name, status),) = server.rows(
            "SELECT run_uuid, name, status FROM runs JOIN tags USING (run_uuid) WHERE key = 'role' AND value = 'study'"
        )
        below = server.rows("SELECT value, count(*) FROM tags WHERE key = 'mlflow.parentRunId' GROUP BY value")
    assert not said
    assert {path: path.stat().st_mtime_ns for path in (folder / "tensorboard").rglob("*tfevents*")} == before
    events = EventAccumulator(str(folder / "tensorboard" / "best")).Reload()
    pictures = [*(f"best/samples/{place}" for place in (1, 2, 3)), *(f"best/scatter/{place}" for place in (1, 2, 3)), "real"]
    assert sorted(events.Tags()["images"]) == pictures
    assert [events.SummaryMetadata(f"best/samples/{place}").summary_description for place in (1, 2, 3)] == [
        f"place {place}: {best[place - 1]}" for place in (1, 2, 3)
    ]
    (shown,) = events.Images("best/scatter/1")
    assert shown.step == len(Store(folder).trials)
    assert shown.encoded_image_string == Layout(folder).beside_real(best[0], Store(folder).trials[best[0]].saved_images).read_bytes()
    assert (name, status, below) == ("ring", "FINISHED", [(study, len(Store(folder).trials))])
    (artifacts,) = (tmp_path / "server").glob(f"artifacts/*/{study}/artifacts")
    assert {str(path.relative_to(artifacts)) for path in artifacts.rglob("*.png")} == {f"{each}.png" for each in pictures[:-1]} | {
        "real/1.png"
    }
    assert (artifacts / "best" / "samples" / "captions.txt").read_text().splitlines()[2] == f"place 3: {best[2]}"


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
    assert computing.wait(300)
    computing.close()
    config = json.loads(Layout(tmp_path / "ring").results.read_text())["winners"][0]["about"]["config"]
    assert config.get("nothing.weight") == (0.25 if trusted else None)
