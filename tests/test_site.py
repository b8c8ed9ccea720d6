"""The documentation site: it builds without a warning, loads nothing from elsewhere, and its reference has every name."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from fenced import ROOT

from analysis.metrics import METRICS
from analysis.outcomes import OUTCOMES
from study.cli import app
from study.spec.study_spec import StudySpec
from trainables.config import settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(place)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=570, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return place


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loads = re.compile(r"""<(?:script|img|iframe|source|link)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^>]*>""")
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    assert not {path.name: found for path in pages if (found := loads.findall(path.read_text()))}
    imports = re.compile(r"""(?:url\(["']?|@import\s*["'])(?:https?:)?//""")
    assert not [path for path in site.rglob("*.css") if imports.search(path.read_text())]


def ids(page: Path) -> set[str]:
    return set(re.findall(r'id="([^"]+)"', page.read_text()))


def test_the_reference_has_every_name(site: Path) -> None:
    def codes(page: str) -> set[str]:
        return set(re.findall(r"<code>([^<]*)</code>", (site / "reference" / page).read_text()))

    assert set(settings()) <= codes("settings.html")
    assert set(StudySpec.model_fields) <= codes("study_file.html")
    assert set(METRICS) <= codes("metrics.html")
    assert set(OUTCOMES) - {""} <= codes("outcomes.html")
    assert {f"ganstudy {name}" for name in typer.main.get_command(app).commands} <= codes("commands.html")  # type: ignore[attr-defined]
    assert {"study.api.launch", "analysis.rank.rank", "analysis.metrics.frechet.frechet_distance"} <= ids(
        site / "reference" / "python.html"
    )
    assert "trainables.tricks.base.Trick.d_term" in ids(site / "reference" / "extending.html")
