"""ganstudy train: what it writes and says, and its mistakes at the door."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recorded import STUDY, Driver
from toy import TOY
from typer.testing import CliRunner, Result

from ganstudy import UserError
from study.cli import app
from study.spec.recipes import changed_config, load_config
from study.spec.study_spec import StudySpec
from study.store.records import Ended
from study.store.store import Store
from trainables.config import TrialConfig
from trainables.loop import Diverged, Tick
from trainables.run import LOOPS, Run

RECIPE = """\
# A ring.
data: ring8
arch: mlp
g.norm: none
g.width: 8
d.width: 8
r1: true
r1.gamma: 0.1
budget_kimg: 0.6
tick_kimg: 0.2
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the recipe ring.yaml."""
    (tmp_path / "ring.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs a second, and one test looks at it."""
    monkeypatch.setattr("study.show.run_page._page", lambda *args: "")


def train(*words: str) -> Result:
    return CliRunner().invoke(app, ["train", *words, "--samples", "100"], catch_exceptions=False)


def test_a_run_leaves_all_that_it_was_and_came_to(here: Path) -> None:
    said = train("ring.yaml")
    assert said.exit_code == 0
    out = here / "runs" / "ring"
    assert load_config(out / "config.yaml", {}) == load_config(here / "ring.yaml", {})
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    assert [line["images"] for line in history] == [0, 256, 448, 640]
    assert {path.name for path in (out / "samples").iterdir()} == {"real.png", *(f"{line['images']:09d}.png" for line in history)}
    found = json.loads((out / "metrics.json").read_text())
    assert found["ended"] == "budget"
    assert found["images"] == 640
    assert found["metrics"]["fd"]["value"] == history[-1]["fd"]
    assert found["metrics"]["modes"]["real"] == 8
    assert found["protocol"]["n_fake"] == 100
    assert found["signals"].keys() >= {"d/adv", "g/adv", "d/r1"}
    page = (out / "curves.html").read_text()
    for words in ("mlp with nonsaturating on ring8", found["diagnosis"]["evidence"][:20], "0.448 kimg", "chart-0", "r1.gamma"):
        assert words in page
    for words in ("0.64 kimg", "real-data baselines", f"diagnosis: {found['diagnosis']['outcome']}", "curves.html"):
        assert words in said.output


@pytest.mark.usefixtures("no_page")
def test_a_run_says_on_how_many_rows_it_trains(here: Path) -> None:
    assert "on ring8 (100,000 rows)" in train("ring.yaml").output
    assert "on ring8 (500 of 100,000 rows)" in train("ring.yaml", "--set", "data.size=500", "--folder", str(here / "part")).output


def test_a_conditional_run_says_how_well_it_makes_each_class(here: Path) -> None:
    """The mean of their distances is what the run scored."""
    said = train("ring.yaml", "--set", "g.condition=concat", "--set", "d.condition=concat")
    found = json.loads((here / "runs" / "ring" / "metrics.json").read_text())
    assert list(found["classes"]) == [f"{45 * k}°" for k in range(8)]
    page = (here / "runs" / "ring" / "curves.html").read_text()
    assert all(of.keys() == {"class_fd", "class_agreement"} for of in found["classes"].values())
    mean = sum(of["class_fd"] for of in found["classes"].values()) / 8
    assert found["metrics"]["class_fd"]["value"] == pytest.approx(mean)
    for name, of in found["classes"].items():
        assert f'<th scope="row">{name}' in page
        assert f"asked for {name}: class_fd {of['class_fd']:.4g}  class_agreement {of['class_agreement']:.4g}" in said.output


@pytest.mark.usefixtures("no_page")
def test_the_settings_of_a_trial_train_again_as_its_study_judges(here: Path) -> None:
    spec = StudySpec.from_dict({**TOY, "evaluation": {"features": "points"}})
    with Store.writing(here / "study") as store:
        store.write_study(replace(STUDY, spec=spec.as_dict()))
        driver = Driver(store)
        driver.open("aa-s4", **TOY["base"])
        driver.tick("aa-s4", 1, Ended.BUDGET)
    said = train("--from", "study", "--set", "budget_kimg=0.2", "--set", "r1=false")
    assert said.exit_code == 0
    (out,) = (here / "runs").iterdir()
    config = load_config(out / "config.yaml", {})
    assert out.name == f"toy-{config.trial_id}"
    assert (config.seed, config.g.lr, config.g.width, config.tricks, config.budget_kimg) == (4, 1e-3, 8, {}, 0.2)
    assert json.loads((out / "metrics.json").read_text())["protocol"]["features"] == "points"


class Cut(Run):
    """Ends as `why` does after two ticks."""

    why: type[BaseException] = Diverged

    def ticks(self) -> Iterator[Tick]:
        for i, tick in enumerate(super().ticks()):
            if i == 2:
                raise self.why("at once")
            yield tick


class Stopped(Cut):
    """By Ctrl-C."""

    why = KeyboardInterrupt


@pytest.mark.usefixtures("no_page")
@pytest.mark.parametrize(
    ("loop", "code", "ended", "reason"), [(Cut, 0, "dead", "at once"), (Stopped, 130, "stopped", "interrupted by Ctrl-C")]
)
def test_a_run_that_is_cut_short_keeps_what_there_is(
    here: Path, monkeypatch: pytest.MonkeyPatch, loop: type[Cut], code: int, ended: str, reason: str
) -> None:
    monkeypatch.setitem(LOOPS, "cut", loop)
    said = train("ring.yaml", "--set", "loop=cut")
    assert said.exit_code == code
    found = json.loads((here / "runs" / "ring" / "metrics.json").read_text())
    assert (found["ended"], found["reason"], found["images"]) == (ended, reason, 256)
    assert f"{ended}: {reason}. The results are from 0.256 kimg" in said.output
    assert (here / "runs" / "ring" / "generator.safetensors").exists()


@pytest.mark.parametrize(
    ("lines", "words", "message"),
    [
        (
            "base: {g.lr: 1}",
            (),
            "ring.yaml must be a recipe, which has only settings; it has base, so it is a study file. `ganstudy launch ring.yaml`",
        ),
        ("g.lrr: 1", (), "ring.yaml, line 11: no setting named 'g.lrr'; did you mean 'g.lr'?"),
        ("r2.gamma: 1.0", (), "ring.yaml, line 11: r2.gamma needs r2: true; set that too, or remove r2.gamma"),
        ("g.lr: -1", (), "ring.yaml, line 11: g.lr must be above 0; given -1"),
        ("r2: {gamma: 1.0}", (), "ring.yaml, line 11: settings must be written with dots, as r2.gamma: 1.0; given a mapping under r2"),
        ("", ("--set", "r2.gamma=1.0"), "r2.gamma needs r2: true"),
        ("", ("--set", "data=mist"), "no data set named 'mist'; did you mean 'mnist'?"),
        ("", ("--set", "arch=dcgan"), "the data are (2,)"),
        ("", ("--features", "pixel"), "no features named 'pixel'; did you mean 'pixels'?"),
        ("", ("--trial", "x"), "--trial and --best choose from a study"),
    ],
)
def test_a_mistake_is_found_before_anything_is_written(here: Path, lines: str, words: tuple[str, ...], message: str) -> None:
    (here / "ring.yaml").write_text(RECIPE + lines)
    with pytest.raises(ValueError) as error:  # noqa: PT011  (its words follow)
        train("ring.yaml", *words)
    assert message in str(error.value)
    assert not (here / "runs").exists()


def test_a_misspelt_file_is_guessed(here: Path) -> None:
    with pytest.raises(ValueError, match=r"rings.yaml must be a file; it does not exist; did you mean 'ring.yaml'\?"):
        train("rings.yaml")


def test_switching_a_trick_off_takes_its_knobs_along() -> None:
    given = {"arch": "mlp", "data": "ring8", "r1": True, "r1.gamma": 0.1}
    assert changed_config(given, {"r1": False}) == TrialConfig.from_flat({"arch": "mlp", "data": "ring8"})
    assert changed_config(given, {"r1.gamma": 0.3}).tricks["r1"]["gamma"] == 0.3
    with pytest.raises(ValueError, match=r"r1.gamma needs r1: true"):
        changed_config(given, {"r1": False, "r1.gamma": 0.3})


@pytest.mark.parametrize(
    ("changes", "blamed"),
    [
        ({"g.lr": -1.0, "d.lr": 0.1}, "--set g.lr: g.lr must be"),
        ({"d.lr": 0.1, "g.lrr": 0.1}, "--set g.lrr: no setting named 'g.lrr'"),
        ({"d.lr": 0.1, "r1": False, "r1.gamma": 0.3}, "--set r1 --set r1.gamma: "),  # either is right without the other
    ],
)
def test_the_changes_that_are_wrong_are_named(changes: dict[str, Any], blamed: str) -> None:
    with pytest.raises(UserError) as error:
        changed_config({"arch": "mlp", "data": "ring8", "r1": True, "r1.gamma": 0.1}, changes)
    assert str(error.value).startswith(blamed)
