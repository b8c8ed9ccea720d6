"""The open questions that ship as studies: each parses, says where it comes from and how long it takes, and can be looked at by --dry-run."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from study.cli import app
from study.judge import Judge
from study.preview import Cost
from study.spec import StudySpec
from trainables.data import Source

FILES = sorted((Path(__file__).parents[2] / "studies" / "questions").glob("*.yaml"))


def test_there_are_questions() -> None:
    assert len(FILES) >= 11


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """No training, and one ruler for all that ask for the same data."""
    built = Judge.build

    @cache
    def of(name: str) -> Judge:
        return built(sources[name])

    def build(source: Source, **given: Any) -> Judge:
        sources.setdefault(source.name, source)
        return of(source.name)

    sources: dict[str, Source] = {}
    monkeypatch.setattr(Judge, "build", BUILT.setdefault("build", build))
    monkeypatch.setattr("study.preview.probe", lambda config, prepared: Cost(images_per_second=1e4, judge_seconds=0.1, checkpoint_mb=1.0))


BUILT: dict[str, Any] = {}  # the same for all tests of this file


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_question_can_be_launched(path: Path, tmp_path: Path) -> None:
    spec = StudySpec.load(path)
    assert spec.name == path.stem
    assert spec.question.endswith("?")
    assert spec.goal == "explain"
    head = path.read_text().partition("\nname:")[0]
    assert re.search(r"\b(19|20)\d\d\b", head), "who asks"
    assert "# Time: about" in head
    assert "measured" in head or re.search(r"\b(failed|seconds)\b", head), "what is known of it"
    assert StudySpec.from_dict(spec.as_dict()) == spec
    said = CliRunner().invoke(app, ["launch", str(path), "--dry-run", "--folder", str(tmp_path / "none")], catch_exceptions=False)
    assert said.exit_code == 0, said.output
    assert "the first trial in full" in said.output
    assert not (tmp_path / "none").exists()
