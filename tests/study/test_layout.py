"""Layout and RunLayout name every file that a study or `ganstudy train` writes; no other module contains a file name."""

import ast
from pathlib import Path

import pytest
from toy import TOY
from typer.testing import CliRunner

from ganstudy.checksums import SUMS
from study.api import launch
from study.cli import app
from study.evaluation.reevaluate import reevaluate
from study.show.report import write_report
from study.spec.sections import EvaluationConfig
from study.spec.study_spec import StudySpec
from study.store.layout import Layout
from study.store.run_layout import RunLayout
from study.tracking.process import watching
from study.views import StudyView
from trainables.trial import SAMPLES, STATE

ROOT = Path(__file__).parents[2]


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def view(one_ray: None, tmp_path_factory: pytest.TempPathFactory) -> StudyView:
    """A finished study of 4 tiny trials with a report, a second evaluation protocol and an Optuna mirror."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        folder = tmp_path_factory.mktemp("runs") / "toy"
        spec = StudySpec.from_dict({**TOY, "tracking": {"optuna": str(folder.parent / "optuna.log")}})
        view = launch(spec, folder, progress=False)
        write_report(view, view.store.layout.report)
        reevaluate(view.store, spec, EvaluationConfig(samples=300))
        with watching(folder, spec.tracking):
            pass
    return view


@pytest.mark.slow
def test_layout_names_every_file_of_a_study(view: StudyView) -> None:
    layout = Layout(view.folder)
    (protocol,) = layout.protocols()
    named = {layout.records, layout.lock, layout.real, layout.report, layout.evaluated(protocol), layout.evaluated_protocol(protocol)}
    for trial_id, record in view.store.trials.items():
        grids = {layout.grid(trial_id, saved.images) for saved in record.saved}
        assert grids == set(layout.grids(trial_id))
        named |= grids | {layout.generator(saved) for saved in layout.stored(view.store.trials[trial_id].saved)}
    assert named <= files(view.folder)
    others = files(view.folder) - named
    inside = {layout.runs, layout.tracking}  # Ray Tune and W&B name the files in these
    assert all(inside & set(path.parents) for path in others), sorted(others)
    written = {layout.tracking_lock, layout.tracking_log, layout.tracking_ended}
    assert written == {path for path in others if layout.tracking in path.parents}
    assert all(layout.checkpoint(saved).parent.parent.parent == layout.runs for r in view.store.trials.values() for saved in r.saved)


def test_run_layout_names_every_file_of_ganstudy_train(tmp_path: Path) -> None:
    recipe = tmp_path / "ring.yaml"
    recipe.write_text("data: ring8\narch: mlp\ng.norm: none\nbudget_kimg: 0.2\ntick_kimg: 0.1\n")
    layout = RunLayout(tmp_path / "run")
    said = CliRunner().invoke(app, ["train", str(recipe), "--folder", str(layout.folder), "--samples", "100"], catch_exceptions=False)
    assert said.exit_code == 0
    named = {layout.config, layout.protocol, layout.history, layout.metrics, layout.curves, layout.generator, layout.real, layout.lock}
    assert len(layout.grids()) == 3
    assert layout.checkpoints() == [layout.checkpoint(128), layout.checkpoint(256)]
    inside = {path / name for path in layout.checkpoints() for name in (STATE, SAMPLES, SUMS, layout.generator.name, layout.history.name)}
    assert files(layout.folder) == named | set(layout.grids()) | inside


def test_no_other_module_contains_a_file_name() -> None:
    layouts = [ROOT / "study" / "store" / name for name in ("layout.py", "run_layout.py")]
    nodes = [node for layout in layouts for node in ast.walk(ast.parse(layout.read_text()))]
    strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names = {name for name in strings if Path(name).suffix in (".jsonl", ".png", ".html", ".safetensors", ".json", ".yaml", ".txt")}
    assert {"records.jsonl", "real.png", "report.html", "classifier.safetensors", "results.json", "config.yaml", "metrics.json"} <= names
    for path in (ROOT / "study").rglob("*.py"):
        tree = ast.parse(path.read_text())
        if path not in layouts:
            used = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} & names
            assert not used, f"{path} contains {used}"
