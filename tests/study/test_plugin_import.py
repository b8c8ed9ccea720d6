"""Which module a plugin is, and what is said of one that cannot be used. Nothing of a refused plugin stays."""

import sys
from pathlib import Path
from typing import Any

import pytest
from toy import TOY, in_this_process
from typer.testing import CliRunner

from ganstudy.registry import REGISTRIES
from study.api import open_study
from study.cli import app
from study.spec.errors import SpecError
from study.spec.plugins import import_plugins
from study.spec.study_spec import StudySpec

pytestmark = pytest.mark.usefixtures("own_plugins")

LOSS = """
from trainables.losses import LOSSES, Loss
LOSSES["gap"] = Loss(source="none", d=lambda real, fake: (fake - real).tanh().mean(), g=lambda real, fake: -fake.tanh().mean())
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def tables() -> dict[str, dict[str, Any]]:
    return {table.kind: dict(table) for table in REGISTRIES}


def refused(name: str, folder: Path | None = None) -> str:
    """Return what is said of the plugin. Asserts that no entry and no module of it stays, so that a second try says the same."""
    before, known = tables(), name in sys.modules
    said = []
    for _ in range(2):
        with pytest.raises(SpecError) as error:
            import_plugins([name], folders=[folder] if folder else [])
        assert error.value.where == ("plugins", "0")
        said.append(str(error.value))
    assert said[0] == said[1]
    assert tables() == before
    assert (name in sys.modules) == known
    return said[0]


def test_a_plugin_may_lie_beside_the_study_file(tmp_path: Path, here: Path) -> None:
    study = tmp_path / "studies"
    study.mkdir()
    (study / "own_loss.py").write_text(LOSS)
    (study / "s.yaml").write_text(
        "name: own\nquestion: Why?\nplugins: [own_loss]\nbase: {data: ring8, arch: mlp}\nspace: {scientific: {loss: [gap, hinge]}}\nn_configs: 2"
    )
    assert StudySpec.load(study / "s.yaml").plugins == ("own_loss",)


@pytest.mark.slow
def test_a_study_knows_where_its_plugins_were(tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a study is opened from another place than its study file's."""
    study = tmp_path / "studies"
    study.mkdir()
    (study / "own_loss.py").write_text(LOSS)
    spec = StudySpec.from_dict(
        {**TOY, "plugins": ["own_loss"], "space": {"scientific": {"loss": ["gap", "hinge"]}}, "n_configs": 2}, plugin_folders=[study]
    )
    in_this_process(spec, tmp_path / "toy")
    sys.path.remove(str(study))
    del sys.modules["own_loss"]
    next(table for table in REGISTRIES if table.kind == "loss").pop("gap")
    view = open_study(tmp_path / "toy", trust_plugins=True)
    assert view.spec == spec
    assert {trial.config.loss for trial in (view.trial(id_) for id_ in view.trials().index)} == {"gap", "hinge"}


def test_one_that_is_nowhere(tmp_path: Path, here: Path) -> None:
    assert refused("nowhere_at_all", tmp_path) == (
        f"the plugin 'nowhere_at_all' must be importable; there is no module nowhere_at_all in {here} or {tmp_path}, and none is installed"
    )


@pytest.mark.parametrize("name", ["own_loss.py", "plugins/own_loss", ".own_loss", "", "own-loss"])
def test_one_that_is_no_name_of_a_module(name: str) -> None:
    assert refused(name) == f"the plugin {name!r} must be the name of a module, such as my_plugin for the file my_plugin.py"


def test_one_that_registers_nothing(here: Path) -> None:
    (here / "idle_plugin.py").write_text("x = 1")
    assert (
        f"the plugin 'idle_plugin' ({here}/idle_plugin.py) must register an entry, such as a loss or a trick; it registered nothing"
        in refused("idle_plugin")
    )


def test_an_empty_folder_of_its_name(here: Path) -> None:
    """Python imports it as a namespace package, without a word."""
    (here / "empty_plugin").mkdir()
    assert f"the plugin 'empty_plugin' ({here}/empty_plugin) must register an entry" in refused("empty_plugin")


def test_an_empty_folder_does_not_hide_the_plugin_beside_the_study_file(tmp_path: Path, here: Path) -> None:
    (here / "own_loss").mkdir()
    (tmp_path / "own_loss.py").write_text(LOSS)
    import_plugins(["own_loss"], folders=[tmp_path])
    assert sys.modules["own_loss"].__file__ == str(tmp_path / "own_loss.py")


@pytest.mark.parametrize("name", ["random", "torch", "this", "sysconfig"])
def test_one_with_the_name_of_another_module(here: Path, name: str) -> None:
    """Imported already or not, Python's and installed modules come first."""
    (here / f"{name}.py").write_text(LOSS)
    said = refused(name)
    assert said.startswith(f"the plugin {name!r} must be one module; {here}/{name}.py has its name, and so has /")
    assert said.endswith("Rename your module")


def test_a_module_of_python_is_no_plugin() -> None:
    assert "it is a module of Python and registers nothing" in refused("json")


def test_two_files_of_its_name(tmp_path: Path, here: Path) -> None:
    (tmp_path / "own_loss.py").write_text(LOSS)
    (here / "own_loss.py").write_text(LOSS.replace("tanh", "sin"))
    assert f"must be one module; {tmp_path}/own_loss.py has its name, and so has {here}/own_loss.py" in refused("own_loss", tmp_path)


def test_another_file_than_the_one_that_is_imported(tmp_path: Path, here: Path) -> None:
    """Two studies of one process with plugins of the same name."""
    (here / "own_loss.py").write_text(LOSS)
    import_plugins(["own_loss"])
    (tmp_path / "own_loss.py").write_text(LOSS)
    import_plugins(["own_loss"], folders=[tmp_path])  # a copy is no other module
    (tmp_path / "own_loss.py").write_text(LOSS.replace("tanh", "sin"))
    assert f"{tmp_path}/own_loss.py has its name, and so has {here}/own_loss.py" in refused("own_loss", tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\nif", "it raised SyntaxError: invalid syntax (bad_plugin.py, line 2)"),
        ("x = 1\n1 / 0", "it raised ZeroDivisionError: division by zero ({here}/bad_plugin.py, line 2)"),
        ("import no_such_thing", "it raised ModuleNotFoundError: No module named 'no_such_thing' ({here}/bad_plugin.py, line 1)"),
        (LOSS + "raise KeyError('late')", "it raised KeyError: 'late' ({here}/bad_plugin.py, line 4)"),
        (LOSS.replace("gap", "hinge"), "must register new names; it replaces the loss 'hinge'. Choose another name"),
        (LOSS + "LOSSES.register('hinge')(1)", "the name of a loss must be new; 'hinge' is taken by "),
        (
            "from trainables.tricks.base import Trick, trick\n@trick('r1')\nclass R1(Trick):\n    '''Mine. Nobody 2026'''",
            "the name of a trick must be new; 'r1' is taken",
        ),
    ],
)
def test_one_that_cannot_be_used(here: Path, text: str, words: str) -> None:
    (here / "bad_plugin.py").write_text(text)
    assert words.replace("{here}", str(here)) in refused("bad_plugin")


def test_the_command_names_file_and_line(here: Path) -> None:
    (here / "idle_plugin.py").write_text("")
    (here / "s.yaml").write_text(
        "name: s\nquestion: Why?\nplugins:\n  - idle_plugin\nspace: {scientific: {r1: [false, true]}}\nn_configs: 2\n"
    )
    with pytest.raises(SpecError, match=r"s\.yaml, line 4: the plugin 'idle_plugin' \(.*/idle_plugin\.py\) must register an entry"):
        StudySpec.load(here / "s.yaml")
    assert CliRunner().invoke(app, ["launch", "s.yaml", "--dry-run"]).exception
