"""The commands, as a user types them."""

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from toy import TOY
from typer.testing import CliRunner

from analysis import explain
from study.api import launch
from study.cli import app, main
from study.spec.recipes import load_config
from study.spec.study_spec import StudySpec
from study.store.layout import Layout
from trainables.generators import load_generator

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(one_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of 8 tiny trials."""
    place = tmp_path_factory.mktemp("runs") / "toy"
    launch(StudySpec.from_dict({**TOY, "seeds": 2}), place, progress=False)
    return place


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_status_show_rank_explain(folder: Path) -> None:
    assert "8 of 8 trials started; no active process" in run("status", str(folder))
    design = run("show", str(folder))
    assert "Does R1 keep a small GAN" in design
    assert "    r1: [false, true]\n  nuisance:\n    g.lr: {low: 0.0001, high: 0.01, log: true}\n" in design
    best = json.loads(run("best", str(folder), "-n", "2", "--min-seeds", "2", "--json"))
    assert len(best) == 2
    shown = run("show", str(folder), best[0]["trial_id"])
    assert "ended: budget" in shown
    assert "g.lr: " in shown
    assert "d/adv" in shown
    assert "place" in run("rank", str(folder))
    assert "r1" in run("explain", str(folder))
    assert json.loads(run("explain", str(folder), "--outcome", "fd", "--json"))[0]["settings"] in (["r1"], ["g.lr"])
    assert best[0]["trial_id"] in run("best", str(folder), "-n", "1", "--min-seeds", "2")


def test_report_sample_export_train(folder: Path, tmp_path: Path) -> None:
    assert str(tmp_path / "r.html") in run("report", str(folder), "-o", str(tmp_path / "r.html"))
    assert "Does R1 keep a small GAN" in (tmp_path / "r.html").read_text()
    run("report", str(folder), "-o", str(tmp_path / "r.json"))
    held = json.loads((tmp_path / "r.json").read_text())
    assert held["ranking"][0]["place"] == 1
    run("report", str(folder), "-o", str(tmp_path / "r.md"))
    (tmp_path / "again.yaml").write_text((tmp_path / "r.md").read_text().split("```yaml\n")[1].partition("```")[0])
    config = load_config(tmp_path / "again.yaml", {})
    assert config.config_id == held["ranking"][0]["config_id"]
    run("sample", str(folder), "--best", "-o", str(tmp_path / "s.png"))
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.size[0] >= 256
    run("export", str(folder), "-o", str(tmp_path / "g.safetensors"))
    assert load_generator(tmp_path / "g.safetensors").sample(5).shape == (5, 2)
    said = run("train", "--from", str(folder), "--set", "budget_kimg=0.4", "--folder", str(tmp_path / "t"))
    assert "0.4 kimg" in said
    assert len((tmp_path / "t" / "history.jsonl").read_text().splitlines()) == 3
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("data: ring8\narch: mlp\ng.norm: none\nbudget_kimg: 0.2\ntick_kimg: 0.1\n")
    assert "0.2" in run("train", str(recipe), "--folder", str(tmp_path / "u"))


def test_dry_run_prints_the_design_and_touches_nothing(tmp_path: Path) -> None:
    short = (
        "--set",
        "budget_kimg=3",
        "--set",
        "tick_kimg=1",
        "--set",
        "evaluation.samples=200",
    )  # a tick of each kind of trial is trained to time it
    said = run("launch", str(ROOT / "studies" / "ring.yaml"), "--dry-run", "--folder", str(tmp_path / "toy"), *short)
    for words in (
        "trials of",
        "data ring8: Eight Gaussians",
        "settings of the first trial",
        "g.lr:",
        "kimg of real images",
        "disk: about",
        "real-data baselines",
    ):
        assert words in said
    assert not (tmp_path / "toy").exists()


def test_list_prints_every_name_with_its_line() -> None:
    from study.show.catalogue import catalogue

    said = run("list")
    letters = "".join(said.split())  # lines are broken to the terminal's width
    for kind, rows in catalogue().items():
        assert kind in said
        for name, line in rows:
            assert line.strip(), f"{kind} {name} needs a line"
            assert "".join((name + line).split()) in letters
    assert "spectral_norm" in run("list", "tricks")


@pytest.mark.slow
def test_lists_are_complete_in_a_new_process() -> None:
    """Importing all other modules registers nothing more."""
    code = """
import importlib, pkgutil
from study.show.catalogue import catalogue
def names(): return {(kind, name) for kind, rows in catalogue().items() for name, _ in rows}
before = names()
for top in ("study", "trainables", "analysis"):
    for module in pkgutil.walk_packages(importlib.import_module(top).__path__, top + "."):
        importlib.import_module(module.name)
print(len(before), sorted(names() - before))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    number, _, missing = said.partition(" ")
    assert int(number) > 100
    assert missing.strip() == "[]"


def test_the_help_of_list_names_every_list() -> None:
    from study.show.catalogue import catalogue

    said = run("list", "--help")
    assert [kind for kind in catalogue() if kind not in said] == []


MISTAKES = {
    ("launch", "none.yaml"): "none.yaml must be a file; it does not exist",
    ("launch", "toy.yaml", "--set", "g.lrr=1"): "no setting named 'g.lrr'; did you mean 'g.lr'",
    ("launch", "toy.yaml", "--set", "resources.cpu=999"): "a trial must fit on one node",
    ("launch", "toy.yaml", "--set", "data=image_folder", "--set", "data.root=/no/such/place"): "/no/such/place",
    ("status", "nowhere"): "nowhere must be a study folder",
    ("stop", "."): ". must be a study folder",
    ("launch", "toy.yaml", "--folder", ""): "no argument may be empty; one is in `ganstudy launch toy.yaml --folder ''`",
    ("list", "trick"): "no list named 'trick'; did you mean 'tricks'?",
    ("train",): "train takes a RECIPE.yaml or --from FOLDER",
    ("train", "mine"): "mine must be a file; it does not exist; did you mean 'recipes/mine.yaml'?",
    ("train", "mime.yaml"): "did you mean 'recipes/mine.yaml'?",
    ("launch", "toy"): "did you mean 'toy.yaml'?",
}


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_a_mistake_is_one_message(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "toy.yaml").write_text(
        "name: toy\nquestion: why\nn_configs: 2\nbase: {data: ring8, arch: mlp}\nspace: {scientific: {r1: [false, true]}}\n"
    )
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert fails(monkeypatch, *words) == 2
    assert MISTAKES[words] in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_mistake_prints_no_traceback(tmp_path: Path) -> None:
    words = ("status", "nowhere")
    done = subprocess.run(
        [sys.executable, "-m", "study.cli", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert MISTAKES[words] in done.stderr
    assert "Traceback" not in done.stderr


def fails(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of main()."""
    monkeypatch.setattr(sys, "argv", ["ganstudy", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize("there", ["study", "empty file", ""])
def test_ctrl_c_advises_to_resume_only_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str) -> None:
    def interrupted(*args: object, **options: object) -> None:
        if there:
            shutil.copy(ROOT / "tests" / "data" / "format1" / "explain" / "records.jsonl", tmp_path)
        if there == "empty file":
            (tmp_path / "records.jsonl").write_text("")
        raise KeyboardInterrupt

    monkeypatch.setattr("study.engine.launch.launch", interrupted)
    words = ["launch", str(ROOT / "studies" / "ring.yaml"), "--folder", str(tmp_path)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 130
    advice = f"Resume with `ganstudy resume {tmp_path}`." if there == "study" else "Nothing was written yet."
    assert result.output == f"Stopped. {advice}\n"


@pytest.mark.parametrize(("interrupted", "n_trials", "code"), [(True, 8, 130), (False, 8, 0), (True, 0, 0)])
def test_a_launch_that_ctrl_c_has_stopped_exits_with_130_if_something_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool, n_trials: int, code: int
) -> None:
    monkeypatch.setattr(
        "study.engine.launch.launch", lambda *args, **options: SimpleNamespace(interrupted=interrupted, had_work=True, folder=tmp_path)
    )
    monkeypatch.setattr("study.api.open_study", lambda *args, **options: SimpleNamespace(folder=tmp_path))
    monkeypatch.setattr("study.show.terminal.print_result", lambda *args, **options: not n_trials)
    words = ["launch", str(ROOT / "studies" / "ring.yaml"), "--folder", str(tmp_path)]
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == code


def test_sys_exit_in_a_plugin_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Also with the code 0, after which nothing would seem wrong."""

    def planted() -> None:
        sys.exit(0)

    monkeypatch.setattr("study.show.catalogue.catalogue", planted)
    assert fails(monkeypatch, "list") == 1
    said = capsys.readouterr().err
    assert "in planted" in said
    assert "A plugin has ended the program by sys.exit" in said
    monkeypatch.undo()
    assert fails(monkeypatch, "list", "losses") == 0


def test_an_error_of_a_plugin_is_called_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raises.py").write_text("def planted():\n    raise RuntimeError('boom')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("study.spec.plugins._IMPORTED", {"raises"})
    monkeypatch.setattr("study.show.catalogue.catalogue", importlib.import_module("raises").planted)
    assert fails(monkeypatch, "list") == 1
    said = capsys.readouterr().err
    place = tmp_path / "raises.py"
    assert said.startswith(f"error: RuntimeError: boom in the plugin raises ({place}, line 2). Its lines that led there:\n")
    assert [line for line in said.splitlines() if line.startswith("  File")] == [f'  File "{place}", line 2, in planted']
    assert "Traceback" not in said
    assert "bug in ganstudy" not in said


def test_a_bug_keeps_its_traceback_and_says_how_to_report_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def planted() -> None:
        raise KeyError("planted")

    monkeypatch.setattr("study.show.catalogue.catalogue", planted)
    assert fails(monkeypatch, "list") == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "KeyError: 'planted'" in said
    assert said.splitlines()[-1].startswith("This is a bug in ganstudy. Please report it")
    assert "`ganstudy --version`" in said


def test_the_version_is_that_of_all_that_matters() -> None:
    said = run("--version")
    for name in ("ganstudy 0.", "ray 2.", "torch 2.", "python 3."):
        assert name in said


NOWHERE = {
    ("sample", "RUN", "-o", "no/such/s.png"): "no/such/s.png must be in an existing folder; no/such is not one",
    ("export", "RUN", "-o", "no/such/g.safetensors"): "no/such/g.safetensors must be in an existing folder; no/such is not one",
    ("sample", "RUN", "-o", "RECORDS"): "--out must not be the records of a study; given ",
    ("export", "RUN", "-o", "RECORDS"): "--out must not be the records of a study; given ",
    ("report", "RUN", "-o", "no/such/r.html"): "no/such/r.html must be in an existing folder; no/such is not one",
    ("report", "RUN", "-o", "folder/r.pdf"): "a report must be a file that ends in .html, .md, .json; got 'r.pdf'",
    ("sample", "RUN", "-o", "s.txt"): "--out must be a file that ends in .png; given s.txt",
    ("sample", "RUN", "-o", "file/s.png"): "file/s.png must be in an existing folder; file is not one",
    ("sample", "RUN", "-o", "folder"): "folder must be a file; it is a folder. Choose a file with --out",
    ("train", "--from", "RUN", "--folder", "file"): "file must be a folder that can be written: ",
    (
        "train",
        "--from",
        "RUN",
        "--folder",
        "file/below",
    ): "file/below must be a folder that can be written: Not a directory. Give another folder with --folder",
    ("train", "folder"): "folder must be a file; it is a folder",
    ("launch", "no.yaml"): "no.yaml must be a file; it does not exist",
    ("resume", "file"): "file must be a study folder",
}


@pytest.mark.parametrize("words", NOWHERE, ids=" ".join)
def test_a_path_that_cannot_be_used_is_one_message(
    folder: Path, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    paths = {"RUN": str(folder), "RECORDS": str(Layout(folder).records)}
    assert fails(monkeypatch, *(paths.get(word, word) for word in words)) == 2
    said = capsys.readouterr().err
    assert NOWHERE[words] in said
    assert "Traceback" not in said


def test_open_study_is_the_documented_python(folder: Path) -> None:
    import analysis
    from study import open_study

    view = open_study(folder)
    assert len(view.history()) == 8 * 4
    assert view.best(n=1, by="fd", where="coverage > -1", min_seeds=2)[0].config.arch == "mlp"
    assert analysis.explain(view.table(), outcome=["failed", "fd"]).outcomes == ("failed", "fd")
    with pytest.raises(ValueError, match="of 4 configs, none meets 'coverage > 2'"):
        view.best(where="coverage > 2")
    with pytest.raises(ValueError, match="matches 0 trials"):
        view.trial("zz")


@pytest.mark.usefixtures("folder")
def test_every_study_file_that_ships_is_sound(toy: Callable[..., StudySpec]) -> None:
    files = sorted((ROOT / "studies").rglob("*.yaml"))
    assert {"digits.yaml", "fashion_mnist.yaml", "ring.yaml"} <= {path.name for path in files}
    for path in files:
        assert StudySpec.load(path).n_trials > 1


@pytest.mark.parametrize("words", [("explain",), ("explain", "--json"), ("explain", "--outcome", "fd")], ids=" ".join)
def test_explain_computes_its_claims_once(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "tests" / "data" / "format1" / "explain" / "records.jsonl", tmp_path)
    calls = []

    def counted(*given: Any, **options: Any) -> Any:
        calls.append(given)
        return explain(*given, **options)

    monkeypatch.setattr("analysis.explain", counted)
    result = CliRunner().invoke(app, [words[0], str(tmp_path), *words[1:]], catch_exceptions=False)
    assert result.exit_code == 0
    assert len(calls) == 1
