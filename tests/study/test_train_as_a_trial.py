"""ganstudy train trains as a study's trial does: threads, numbers, plugins; and what cannot be kept is refused before."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from toy import TOY, in_this_process, run
from typer.testing import CliRunner, Result

from ganstudy import UserError
from study.api import open_study
from study.cli import app
from study.engine.prepare import prepare
from study.spec.recipes import load_config, plugins_in
from study.spec.study_spec import StudySpec
from trainables.loop import Tick
from trainables.run import LOOPS, Run

RECIPE = "data: ring8\narch: mlp\ng.norm: none\ng.width: 8\nd.width: 8\nbudget_kimg: 0.2\ntick_kimg: 0.1\n"
PLUGIN = """
from trainables.losses import LOSSES, Loss
LOSSES["gap"] = Loss(source="none", d=lambda real, fake: (fake - real).tanh().mean(), g=lambda real, fake: -fake.tanh().mean())
"""
UNLOADABLE = """
from torch import nn
from trainables.tricks.base import Trick, trick

@trick("teacher")
class Teacher(Trick):
    '''Evaluate another network. Nobody 2026'''

    def build(self, nets, config):
        self.net = nn.Linear(config.latent.dim, 2)

    def generator(self, generator):
        return generator.of(self.net)
"""


def said(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_train_repeats_the_numbers_of_a_trial(tmp_path: Path) -> None:
    spec = StudySpec.from_dict({**TOY, "space": {"scientific": {"r1": [False, True]}}, "n_configs": 2, "seeds": 1})
    view = run(spec, tmp_path / "study")
    for trial_id in view.trials().index:
        assert said("train", "--from", view.folder, "--trial", trial_id, "--folder", tmp_path / trial_id).exit_code == 0
        lines = [json.loads(line) for line in (tmp_path / trial_id / "history.jsonl").read_text().splitlines()]
        for measured, line in zip(view.trial(trial_id).record.measurements, lines, strict=True):
            assert measured.images == line["images"]
            timed = ("images_per_second",)
            assert {k: v for k, v in measured.values.items() if k not in timed} == {k: line[k] for k in measured.values if k not in timed}


@pytest.mark.parametrize(("cpu", "threads"), [(1.0, 1), (2.0, 2), (0.5, 1)])
def test_train_uses_the_threads_of_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu: float, threads: int) -> None:
    used: set[int] = set()

    class Counting(Run):
        def ticks(self) -> Iterator[Tick]:
            used.add(torch.get_num_threads())
            for tick in super().ticks():
                used.add(torch.get_num_threads())
                yield tick

    monkeypatch.setitem(LOOPS, "counting", Counting)
    base = {**TOY["base"], "loop": "counting", "budget_kimg": 0.2}
    in_this_process(StudySpec.from_dict({**TOY, "base": base, "n_configs": 2, "resources": {"cpu": cpu}}), tmp_path / "study")
    trial = open_study(tmp_path / "study").trials().index[0]
    used.clear()
    before = torch.get_num_threads()
    torch.set_num_threads(3)  # without OMP_NUM_THREADS, torch uses one for each core
    try:
        assert said("train", "--from", tmp_path / "study", "--trial", trial, "--folder", tmp_path / "run").exit_code == 0
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert used == {threads}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, beside `recipes` with a recipe and its plugin."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "own_gap.py").write_text(PLUGIN)
    (tmp_path / "recipes" / "gap.yaml").write_text(f"plugins: [own_gap]\nloss: gap\n{RECIPE}")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.usefixtures("own_plugins")
def test_a_recipe_names_plugins_that_lie_beside_it(here: Path) -> None:
    recipe = here.parent / "recipes" / "gap.yaml"
    assert said("train", recipe, "--samples", 100).exit_code == 0
    kept = here / "runs" / "gap" / "config.yaml"
    assert plugins_in(kept) == ("own_gap",)
    assert load_config(kept, {}) == load_config(recipe, {})
    assert "already finished" in said("train", recipe, "--samples", 100).output
    kept.with_name("own_gap.py").write_text(PLUGIN)
    assert said("train", kept, "--samples", 100, "--folder", "again").exit_code == 0
    assert (here / "again" / "history.jsonl").exists()


@pytest.mark.usefixtures("own_plugins")
def test_the_plugins_of_a_folder_are_not_imported_to_look_into_it(here: Path) -> None:
    """Only the recipe that is given is trusted."""
    assert said("train", here.parent / "recipes" / "gap.yaml", "--samples", 100).exit_code == 0
    kept = here / "runs" / "gap" / "config.yaml"
    kept.write_text(kept.read_text().replace("own_gap", "evil"))
    (here / "evil.py").write_text("raise SystemExit('imported')")
    assert "already finished" in said("train", here.parent / "recipes" / "gap.yaml", "--samples", 100).output


@pytest.mark.usefixtures("own_plugins")
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("plugins: own_gap\n", "gap.yaml, line 1: plugins must be a list; given 'own_gap'"),
        (
            "loss: gap\nplugins:\n- nowhere_gap\n",
            "gap.yaml, line 3: the plugin 'nowhere_gap' must be importable; there is no module nowhere_gap in ",
        ),
        ("plugins: [1]\n", "gap.yaml, line 1: a plugin must be the name of a module; given 1"),
    ],
)
def test_wrong_plugins_of_a_recipe_are_named_with_their_line(here: Path, lines: str, message: str) -> None:
    recipe = here.parent / "recipes" / "gap.yaml"
    recipe.write_text(lines + RECIPE)
    with pytest.raises(UserError) as error:
        said("train", recipe)
    assert message in str(error.value)
    assert not list(here.iterdir())


@pytest.mark.usefixtures("own_plugins")
def test_a_study_is_refused_whose_generators_could_not_be_loaded(here: Path) -> None:
    (here / "teaching.py").write_text(UNLOADABLE)
    spec = StudySpec.from_dict({**TOY, "plugins": ["teaching"], "space": {"scientific": {"teacher": [False, True]}}, "n_configs": 2})
    with pytest.raises(UserError, match="so that its file can be loaded; teacher or loop: gan returned another network"):
        prepare(spec, here / "study", address=None)
    assert not (here / "study").exists()


@pytest.mark.parametrize("option", ["-o", "--out"])
def test_the_folder_of_a_run_has_the_word_of_a_studys_folder(here: Path, option: str) -> None:
    """-o is a file, in every command that has it."""
    assert f"No such option: {option}" in said("train", "x.yaml", option, "x").output
