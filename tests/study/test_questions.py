"""The study files in studies/questions: each is valid, names its source and duration, and passes --dry-run."""

import re
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from study.cli import app
from study.engine.costs import Cost
from study.evaluation.evaluator import Evaluator
from study.spec.study_spec import StudySpec
from trainables.data import load
from trainables.sections import DataConfig

FILES = sorted((Path(__file__).parents[2] / "studies" / "questions").glob("*.yaml"))
assert FILES


BUILD = Evaluator.build


@cache
def evaluator(name: str) -> Evaluator:
    """Return an evaluator with few samples, shared by all study files of a data set."""
    return BUILD(load(DataConfig(name=name)), n_fake=100, n_real=500)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip training, and evaluate few samples."""
    monkeypatch.setattr(Evaluator, "build", lambda source, **given: evaluator(source.name))
    monkeypatch.setattr(
        "study.engine.costs.probe", lambda config, prepared: Cost(images_per_second=1e4, evaluation_seconds=0.1, checkpoint_mb=1.0)
    )


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_question_can_be_launched(path: Path, tmp_path: Path) -> None:
    spec = StudySpec.load(path)
    assert spec.name == path.stem
    assert spec.question.endswith("?")
    assert spec.goal == "explain"
    head = path.read_text().partition("\nname:")[0]
    assert re.search(r"\b(19|20)\d\d\b", head), "the header must name a source with its year"
    assert "# Time: about" in head
    assert re.search(r"trials.* failed|failed in \d+ of \d+", " ".join(head.split("\n# "))), (
        "the header must give the measured failure rate"
    )
    assert StudySpec.from_dict(spec.as_dict()) == spec
    said = CliRunner().invoke(app, ["launch", str(path), "--dry-run", "--folder", str(tmp_path / "none")], catch_exceptions=False)
    assert said.exit_code == 0, said.output
    assert "settings of the first trial" in said.output
    assert not (tmp_path / "none").exists()
