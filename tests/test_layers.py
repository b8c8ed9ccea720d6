"""Who may import whom. The layers and rooms are the architecture, so they are checked, not remembered."""

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
# Room of study -> what it may import of the others: rooms to its left. A room is a folder, or a file next to them.
ROOMS: dict[str, set[str]] = {
    "console": set(),
    "spec": set(),
    "store": {"spec"},
    "evaluation": {"spec", "store"},
    "tracking": {"spec.tracking", "store"},
    "engine": {"console", "spec", "store", "evaluation", "tracking"},
    "api": {"spec", "store", "evaluation", "tracking", "engine"},
    "show": {"console", "spec", "store", "evaluation", "tracking", "engine", "api"},
    "cli": {"console", "spec", "store", "evaluation", "tracking", "engine", "api", "show"},
    "__init__": {"spec", "api"},
}
HOMES = {
    "ray": ("trainables/tune.py", "study/engine/"),
    "wandb": ("study/tracking/",),
    "optuna": ("study/spec/", "study/engine/", "study/tracking/", "analysis/importance.py"),
    "torchvision": ("trainables/",),
}
LONGEST = 300  # lines
BEING_REWRITTEN = {"trainables/run.py"}
FILES = sorted(path.relative_to(ROOT).as_posix() for top in MAY for path in (ROOT / top).rglob("*.py"))
OF_STUDY = [name for name in FILES if name.startswith("study/")]


def module_of(name: str) -> str:
    """ "study/spec/space.py" -> "study.spec.space"; a package by its folder."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {module_of(name): name for name in FILES}


def nodes(name: str) -> list[ast.Import | ast.ImportFrom]:
    """All imports of a file, those inside functions and under TYPE_CHECKING included."""
    tree = ast.parse((ROOT / name).read_text())
    return [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]


def imported(name: str) -> set[str]:
    """What a file imports, as modules: `from study.spec import design` is study.spec.design."""
    found: set[str] = set()
    for node in nodes(name):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            assert node.level == 0, f"{name}: imports are absolute"
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {module if module in MODULES else str(node.module) for module in below}
    return found


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules that reach each other. Tarjan 1972."""
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
    for library, homes in HOMES.items():
        assert library not in tops or name.startswith(homes), f"{name} may not import {library}; only {homes} may"


@pytest.mark.parametrize("name", OF_STUDY)
def test_a_room_imports_only_rooms_to_its_left(name: str) -> None:
    room = name.split("/")[1].removesuffix(".py")
    for module in imported(name):
        if module.partition(".")[0] == "study":
            inside = module.partition(".")[2]
            assert inside, f"{name} must import from a room, not from study itself"
            assert any(inside == other or inside.startswith(f"{other}.") for other in {room, *ROOMS[room]}), (
                f"{name} may not import {module}"
            )


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [{"b", "c"}]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize(
    "top", ["study", "ganstudy", "analysis", pytest.param("trainables", marks=pytest.mark.xfail(reason="being taken apart", strict=False))]
)
def test_no_import_circle(top: str) -> None:
    edges = {module: {other for other in imported(name) if other in MODULES and other != module} for module, name in MODULES.items()}
    assert not [sorted(group) for group in circles(edges) if any(module.partition(".")[0] == top for module in group)]


@pytest.mark.parametrize("name", [name for name in OF_STUDY if name.count("/") > 1 and name.endswith("__init__.py")])
def test_importing_a_room_imports_nothing(name: str) -> None:
    (only,) = ast.parse((ROOT / name).read_text()).body
    assert isinstance(only, ast.Expr), f"{name} must hold a docstring only"


@pytest.mark.parametrize("name", [name for name in OF_STUDY if name not in ("study/cli.py", "study/api.py", "study/__init__.py")])
def test_an_import_inside_a_function_says_why(name: str) -> None:
    """In a comment on the line, or in the lines of comments and imports above it. cli.py and api.py say it once for all."""
    text = (ROOT / name).read_text().splitlines()
    functions = [node for node in ast.walk(ast.parse("\n".join(text))) if isinstance(node, ast.FunctionDef)]
    for node in (inner for function in functions for inner in ast.walk(function) if isinstance(inner, (ast.Import, ast.ImportFrom))):
        line = node.lineno - 1
        while "#" not in text[line] and text[line - 1].lstrip().startswith(("#", "import ", "from ")):
            line -= 1
        assert "#" in text[line], f"{name}, line {node.lineno}: an import inside a function needs a comment that says why it is there"


@pytest.mark.parametrize("name", [name for name in FILES if name not in BEING_REWRITTEN])
def test_a_long_file_says_why_it_is_long(name: str) -> None:
    """In its docstring or first comment."""
    text = (ROOT / name).read_text()
    head = ast.get_docstring(ast.parse(text)) or text.partition("\n\n")[0]
    assert len(text.splitlines()) <= LONGEST or "long" in head.lower(), f"{name} has more than {LONGEST} lines and does not say why"


def test_analysis_opens_no_file_but_its_report() -> None:
    for name in FILES:
        if name.startswith("analysis/"):
            calls = [node.func for node in ast.walk(ast.parse((ROOT / name).read_text())) if isinstance(node, ast.Call)]
            names = {call.id if isinstance(call, ast.Name) else call.attr if isinstance(call, ast.Attribute) else "" for call in calls}
            assert not names & {"open", "read_text", "write_text", "read_bytes", "write_bytes", "read_csv"}, name
            assert "write_whole" not in names or name == "analysis/report/build.py"
