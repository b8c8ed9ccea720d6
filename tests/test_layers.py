"""The layers: which packages, folders and files may import which."""

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
# Each folder or file of study -> the others that it may import.
PARTS: dict[str, set[str]] = {
    "console": set(),
    "spec": set(),
    "store": {"spec"},
    "evaluation": {"spec", "store"},
    "tracking": {"spec.tracking", "store", "views"},
    "engine": {"console", "spec", "store", "evaluation", "tracking"},
    "simulate": {"console", "spec", "store", "engine", "views"},
    "views": {"spec", "store", "evaluation"},
    "api": {"spec", "store", "evaluation", "tracking", "engine", "views"},
    "show": {"console", "spec", "store", "evaluation", "tracking", "engine", "views", "api", "simulate"},
    "cli": {"console", "spec", "store", "evaluation", "tracking", "engine", "views", "api", "show", "simulate"},
    "__init__": {"spec", "views", "api"},
}
MAY_IMPORT = {
    "ray": ("trainables/tune.py", "study/engine/"),
    "wandb": ("study/tracking/wandb_",),
    "wandb_workspaces": ("study/tracking/wandb_pages.py", "study/tracking/wandb_publish.py"),
    "tensorboard": ("study/tracking/tensorboard_tracker.py",),
    "mlflow": ("study/tracking/mlflow_tracker.py",),
    # optuna in show/foreign.py: it opens studies of others
    "optuna": ("study/spec/", "study/engine/", "study/simulate/", "study/tracking/", "study/show/foreign.py", "analysis/importance.py"),
    "torchvision": ("trainables/",),
}
MAX_LINES = 300
FILES = sorted(path.relative_to(ROOT).as_posix() for top in MAY for path in (ROOT / top).rglob("*.py"))
OF_STUDY = [name for name in FILES if name.startswith("study/")]


def module_of(name: str) -> str:
    """Return the module of a file: "study/spec/space.py" -> "study.spec.space"; the package for an __init__.py."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {module_of(name): name for name in FILES}


def import_nodes(name: str) -> list[ast.Import | ast.ImportFrom]:
    """Return all imports of a file, also those inside functions and under TYPE_CHECKING."""
    tree = ast.parse((ROOT / name).read_text())
    return [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]


def imported(name: str) -> set[str]:
    """Return the modules that a file imports: study.spec.design for `from study.spec import design`."""
    found: set[str] = set()
    for node in import_nodes(name):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            assert node.level == 0, f"{name}: imports are absolute"
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {module if module in MODULES else str(node.module) for module in below}
    return found


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Return the groups of modules that import each other: strongly connected components, Tarjan 1972."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in edges[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            group = set(stack[stack.index(module) :])
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(group)

    for module in edges:
        if module not in index:
            visit(module)
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_file_imports_only_what_its_layer_may(name: str) -> None:
    tops = {module.partition(".")[0] for module in imported(name)}
    assert not (tops & MAY.keys()) - MAY[name.partition("/")[0]]
    for library, places in MAY_IMPORT.items():
        assert library not in tops or name.startswith(places), f"only {places} may import {library}; {name} does"


@pytest.mark.parametrize("name", OF_STUDY)
def test_a_part_of_study_imports_only_allowed_parts(name: str) -> None:
    part = name.split("/")[1].removesuffix(".py")
    for module in imported(name):
        if module.partition(".")[0] == "study":
            inside = module.partition(".")[2]
            assert inside, f"{name} must import from a part of study, not from study itself"
            assert any(inside == other or inside.startswith(f"{other}.") for other in {part, *PARTS[part]}), (
                f"{name} may not import {module}"
            )


def test_import_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [{"b", "c"}]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("top", ["ganstudy", "trainables", "analysis", "study"])
def test_no_import_circle(top: str) -> None:
    edges = {module: {other for other in imported(name) if other in MODULES and other != module} for module, name in MODULES.items()}
    assert not [sorted(group) for group in circles(edges) if any(module.partition(".")[0] == top for module in group)]


@pytest.mark.parametrize("name", [name for name in OF_STUDY if name.count("/") > 1 and name.endswith("__init__.py")])
def test_an_init_file_imports_nothing(name: str) -> None:
    (only,) = ast.parse((ROOT / name).read_text()).body
    assert isinstance(only, ast.Expr), f"{name} must have only a docstring"


@pytest.mark.parametrize("name", [name for name in OF_STUDY if name not in ("study/cli.py", "study/api.py", "study/__init__.py")])
def test_an_import_inside_a_function_has_a_comment(name: str) -> None:
    """The comment is on the line, or directly above it. cli.py and api.py give the reason once for the file."""
    text = (ROOT / name).read_text().splitlines()
    functions = [node for node in ast.walk(ast.parse("\n".join(text))) if isinstance(node, ast.FunctionDef)]
    for node in (inner for function in functions for inner in ast.walk(function) if isinstance(inner, (ast.Import, ast.ImportFrom))):
        line = node.lineno - 1
        while "#" not in text[line] and text[line - 1].lstrip().startswith(("#", "import ", "from ")):
            line -= 1
        assert "#" in text[line], f"{name}, line {node.lineno}: an import inside a function must have a comment with the reason"


@pytest.mark.parametrize("name", FILES)
def test_a_long_file_gives_a_reason(name: str) -> None:
    """The docstring or first comment has the word "long"."""
    text = (ROOT / name).read_text()
    head = ast.get_docstring(ast.parse(text)) or text.partition("\n\n")[0]
    assert len(text.splitlines()) <= MAX_LINES or "long" in head.lower(), (
        f"{name} must have at most {MAX_LINES} lines, or give the reason in its docstring"
    )


def test_analysis_opens_only_its_report_and_the_runs_of_others() -> None:
    """analysis/foreign/files.py reads the files that `from_csv`, `from_wandb` and `from_ray` are given: `analysis` is of use without `study`."""
    for name in FILES:
        if name.startswith("analysis/") and name != "analysis/foreign/files.py":
            calls = [node.func for node in ast.walk(ast.parse((ROOT / name).read_text())) if isinstance(node, ast.Call)]
            names = {call.id if isinstance(call, ast.Name) else call.attr if isinstance(call, ast.Attribute) else "" for call in calls}
            assert not names & {"open", "read_text", "write_text", "read_bytes", "write_bytes", "read_csv"}, name
            assert "write_whole" not in names or name == "analysis/report/build.py"
