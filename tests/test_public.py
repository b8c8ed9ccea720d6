"""The public names, and the texts of the repository."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "first",
    ["", "import study.engine.launch, study.api, study.spec.study_spec, analysis.report, analysis.report.page\n"],
    ids=["first import", "after the modules"],
)
def test_public_names_can_be_imported(first: str) -> None:
    script = first + (
        "from study import StudySpec, launch, open_study\n"
        "import analysis, study\n"
        "assert all(callable(f) for f in (launch, open_study, study.launch, StudySpec.load))\n"
        "assert all(callable(f) for f in (analysis.rank, analysis.explain, analysis.report, analysis.metrics.frechet_distance, analysis.metrics.prdc))\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=300)


def test_reading_a_study_imports_neither_ray_nor_wandb() -> None:
    script = "import study.api, sys\nassert not {'ray', 'wandb'} & set(sys.modules), sorted(sys.modules)\n"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=300)


def test_texts_have_no_placeholders_and_no_broken_pictures() -> None:
    for path in [ROOT / "README.md", *(ROOT / "studies").rglob("*.yaml")]:
        assert not re.findall(r"@[a-z]+@", path.read_text()), path
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert pictures
    assert all((ROOT / picture).is_file() for picture in pictures)


def test_the_readme_contains_the_demo_study_file_without_its_comments_on_top() -> None:
    _, name, rest = (ROOT / "studies" / "digits.yaml").read_text().partition("name: digits\n")
    readme = (ROOT / "README.md").read_text()
    assert f"```yaml\n{name}{rest}```" in readme
    assert len(readme.splitlines()) < 150
