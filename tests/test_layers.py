"""Who may import whom. The layering is the architecture, so it is checked, not remembered."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY = {
    "ganstudy": {"ganstudy"},
    "trainables": {"ganstudy", "trainables"},
    "analysis": {"ganstudy", "analysis"},
    "study": {"ganstudy", "study", "trainables", "analysis"},
}
HOMES = {
    "ray": {"trainables/tune.py", "study/drive.py", "study/cluster.py", "study/search.py", "study/halving.py", "study/stopping.py"},
    "wandb": {"study/wandb_runs.py"},
    "optuna": {"study/proposals.py", "study/space.py", "study/ranges.py", "study/design.py", "study/spec.py", "study/dashboard.py"},
    "torchvision": {"trainables/data/idx_sets.py", "trainables/data/torchvision_sets.py", "trainables/grid.py", "trainables/pictures.py"},
}
FILES = sorted(path.relative_to(ROOT).as_posix() for top in MAY for path in (ROOT / top).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The top-level names of all imports, those inside functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(str(node.module).split(".")[0])
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_file_imports_only_what_its_layer_may(name: str) -> None:
    found = imported(ROOT / name)
    assert not (found & MAY.keys()) - MAY[name.split("/")[0]]
    for library, homes in HOMES.items():
        assert library not in found or name in homes, f"{name} may not import {library}; only {sorted(homes)} may"


def test_analysis_opens_no_file_but_its_report() -> None:
    for name in FILES:
        if name.startswith("analysis/"):
            calls = [node.func for node in ast.walk(ast.parse((ROOT / name).read_text())) if isinstance(node, ast.Call)]
            names = {call.id if isinstance(call, ast.Name) else call.attr if isinstance(call, ast.Attribute) else "" for call in calls}
            assert not names & {"open", "read_text", "write_text", "read_bytes", "write_bytes", "read_csv"}, name
            assert "write_whole" not in names or name == "analysis/report/build.py"
