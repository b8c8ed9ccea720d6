"""ganstudy train on a folder that holds a run: a run that is stopped and resumed equals one that never stopped, and another run is refused."""

import json
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from full import at_most
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from ganstudy import UserError
from ganstudy.checksums import SUMS
from study.cli import app
from study.engine.train import _evaluator
from study.evaluation.evaluator import Evaluator
from study.spec.sections import EvaluationConfig
from study.store import run_folder
from study.store.lock import driving
from study.store.records import Measurement
from study.store.run_layout import RunLayout
from trainables.config import TrialConfig
from trainables.data import Source
from trainables.generators import Generator
from trainables.loop import Diverged
from trainables.trial import SAMPLES, STATE, Trial

RECIPE = """\
data: ring8
arch: mlp
g.norm: none
g.width: 8
d.width: 8
ema: true
budget_kimg: 0.6
tick_kimg: 0.2
"""
DIVERGES = ("--set", "d.lr=1e30", "--set", "optimiser=sgd", "--set", "loss=wasserstein")
TICKS = [0, 256, 448, 640]
CLOCKS = ("seconds", "evaluation_seconds", "images_per_second")


class Killed(BaseException):
    """Ends the process at once, as far as the program can tell."""


@pytest.fixture(scope="module", autouse=True)
def cheap() -> Iterator[None]:
    """No pages, and one evaluator for all runs with as many samples: each costs half a second."""
    evaluators: dict[int | None, Evaluator] = {}

    def build(config: TrialConfig, source: Source, evaluation: EvaluationConfig, *, kept: Path | None) -> Evaluator:
        if evaluation.samples not in evaluators:
            evaluators[evaluation.samples] = _evaluator(config, source, evaluation, kept=kept)
        return evaluators[evaluation.samples]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("study.show.run_page._page", lambda *args: "")
        patch.setattr("study.engine.train._evaluator", build)
        yield


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the recipe ring.yaml; runs/ring is the folder of the run."""
    (tmp_path / "ring.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "ring.yaml").write_text(RECIPE)
    assert train("--folder", str(folder / "run"), recipe=str(folder / "ring.yaml")).exit_code == 0
    return RunLayout(folder / "run")


@pytest.fixture
def run(here: Path) -> RunLayout:
    return RunLayout(here / "runs" / "ring")


def train(*words: str, recipe: str = "ring.yaml", samples: str = "100") -> Result:
    return CliRunner().invoke(app, ["train", recipe, *words, "--samples", samples], catch_exceptions=False)


def lines(layout: RunLayout) -> list[dict[str, float]]:
    """The history without its clocks."""
    history = [json.loads(line, parse_constant=refuse) for line in layout.history.read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in CLOCKS} for line in history]


def weights(layout: RunLayout) -> dict[str, torch.Tensor]:
    return load_file(layout.generator)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is written")


def assert_equal(run: RunLayout, whole: RunLayout) -> None:
    assert lines(run) == lines(whole)
    assert weights(run).keys() == weights(whole).keys()
    assert all(torch.equal(tensor, weights(whole)[name]) for name, tensor in weights(run).items())
    assert [path.read_bytes() for path in run.grids()] == [path.read_bytes() for path in whole.grids()]
    assert [path.name for path in run.checkpoints()] == [path.name for path in whole.checkpoints()]
    assert {path.name for path in run.checkpoints()[0].parent.iterdir()} == {path.name for path in whole.checkpoints()}
    found, expected = (json.loads(layout.metrics.read_text()) for layout in (run, whole))
    assert {name: found[name] for name in ("ended", "reason", "images", "metrics", "diagnosis")} == {
        name: expected[name] for name in ("ended", "reason", "images", "metrics", "diagnosis")
    }


def raising_at(call: int, error: type[BaseException], then: Callable[..., Any]) -> Callable[..., Any]:
    """`then`, but its call of this number, from 0, raises."""
    calls: list[int] = []

    def patched(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == call + 1:
            raise error
        return then(*args, **kwargs)

    return patched


def test_the_same_recipe_in_two_folders_is_the_same_run(run: RunLayout, whole: RunLayout) -> None:
    train()
    assert_equal(run, whole)
    assert [line["images"] for line in lines(run)] == TICKS


@pytest.mark.parametrize("tick", range(len(TICKS)))
def test_a_run_that_is_interrupted_in_a_tick_resumes_as_if_it_had_not_been(
    run: RunLayout, whole: RunLayout, tick: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "__call__", raising_at(tick, KeyboardInterrupt, Evaluator.__call__))
        said = train()
    assert said.exit_code == 130
    assert "stopped: interrupted by Ctrl-C. " + ("The results are from" if tick else "Nothing was measured before") in said.output
    assert "`ganstudy train` with the same arguments resumes it" in said.output
    assert run.metrics.exists() == run.history.exists() == bool(tick)
    if tick:
        assert lines(run) == lines(whole)[:tick]
        assert json.loads(run.metrics.read_text())["ended"] == "stopped"
    said = train()
    assert said.exit_code == 0
    assert (f"resumed at {TICKS[tick - 1] / 1000:g} kimg" in said.output) == bool(tick)
    assert_equal(run, whole)


STEPS = [
    ("_line", 0),  # before anything is written
    ("sync", 0),  # before the checkpoint gets its name
    ("sync", 1),  # after it got its name
    ("write_whole", 0),  # the generator
    ("write_whole", 1),  # the grid
    ("write_whole", 2),  # the history
    ("shutil.rmtree", 1),  # the older checkpoint
]


@pytest.mark.slow
@pytest.mark.parametrize(("step", "call"), STEPS)
def test_a_kill_in_the_middle_of_a_save_loses_one_tick_at_most(
    run: RunLayout, whole: RunLayout, step: str, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the third save the process ends before the `call`-th time that `step` is done, from 0."""
    save = run_folder.RunFolder.save

    def killed(self: run_folder.RunFolder, history: Sequence[Measurement], write: Callable[[Path], None]) -> None:
        with pytest.MonkeyPatch.context() as inner:
            if len(history) == 3:
                done = f"study.store.run_folder.{step}"
                inner.setattr(done, raising_at(call, Killed, pkgutil.resolve_name(done)))
            save(self, history, write)

    with monkeypatch.context() as patch:
        patch.setattr(run_folder.RunFolder, "save", killed)
        with pytest.raises(Killed):
            train()
    assert lines(run) in (lines(whole)[:2], lines(whole)[:3])
    said = train()
    assert f"resumed at {0.256 if step == '_line' or (step, call) in (('sync', 0), ('sync', 5)) else 0.448} kimg" in said.output
    assert_equal(run, whole)


@pytest.mark.slow
def test_a_run_that_is_killed_resumes(run: RunLayout, whole: RunLayout) -> None:
    """By kill -9, in the third evaluation."""
    script = (
        "import os, signal\n"
        "from study.evaluation.evaluator import Evaluator\n"
        "from study.cli import main\n"
        "call, calls = Evaluator.__call__, []\n"
        "def killed(self, generator):\n"
        "    calls.append(1)\n"
        "    return call(self, generator) if len(calls) < 3 else os.kill(os.getpid(), signal.SIGKILL)\n"
        "Evaluator.__call__ = killed\n"
        "main()\n"
    )
    root = str(Path(__file__).parents[2])
    words = [sys.executable, "-c", script, "train", "ring.yaml", "--samples", "100"]
    ended = subprocess.run(words, env={**os.environ, "PYTHONPATH": root}, capture_output=True, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert lines(run) == lines(whole)[:2]
    assert train().exit_code == 0
    assert_equal(run, whole)


@pytest.mark.parametrize("name", [STATE, SAMPLES, SUMS, "generator.safetensors", "history.jsonl"])
def test_a_damaged_checkpoint_costs_a_tick(
    run: RunLayout, whole: RunLayout, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "__call__", raising_at(3, KeyboardInterrupt, Evaluator.__call__))
        train()
    before, last = run.checkpoints()
    data = bytearray((last / name).read_bytes())
    data[len(data) // 2] ^= 1
    (last / name).write_bytes(data)
    said = train()
    assert f"resumed at {int(before.name) / 1000:g} kimg" in said.output
    assert [message.partition(" cannot be used: ")[0] for message in caplog.messages] == [f"the checkpoint {last.relative_to(Path.cwd())}"]
    assert_equal(run, whole)


def test_a_finished_run_with_a_damaged_checkpoint_repeats_its_last_tick(run: RunLayout, whole: RunLayout) -> None:
    train()
    (run.checkpoints()[-1] / STATE).unlink()
    assert "resumed at 0.448 kimg" in train().output
    assert_equal(run, whole)


def test_a_run_without_a_whole_checkpoint_is_refused(run: RunLayout) -> None:
    train()
    generator = run.generator.read_bytes()
    for checkpoint in run.checkpoints():
        (checkpoint / STATE).write_bytes(b"garbage")
    with pytest.raises(UserError, match=r"it holds history\.jsonl without a checkpoint that is whole\. Give another folder with --folder"):
        train()
    assert run.generator.read_bytes() == generator


def test_a_garbage_generator_of_a_run_without_checksums_is_not_published(run: RunLayout) -> None:
    """ganstudy 0.1 wrote none."""
    train()
    generator = run.generator.read_bytes()
    last = run.checkpoints()[-1]
    (last / SUMS).unlink()
    RunLayout(last).generator.write_bytes(b"garbage")
    with pytest.raises(UserError, match=r"generator\.safetensors must be a complete generator file"):
        train()
    assert run.generator.read_bytes() == generator


def test_a_full_disk_ends_the_command_with_its_path(run: RunLayout, whole: RunLayout) -> None:
    """The checkpoint of the last tick does not fit; then there is room again."""
    save = Trial.save

    def full(self: Trial, folder: Path) -> None:
        with at_most(5000 if folder.name.endswith("640") else 10**9):
            save(self, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trial, "save", full)
        with pytest.raises(
            UserError, match=r"runs/ring/checkpoint/\.000000640 must have room on its disk: File too large\. Free space there"
        ):
            train()
    assert "resumed at 0.448 kimg" in train().output
    assert_equal(run, whole)


HISTORIES: dict[str, Callable[[str], str]] = {
    "a torn last line": lambda text: text + '{"images": 640, "sec',
    "a line beyond the checkpoint": lambda text: text + text.splitlines()[-1].replace('"images": 448', '"images": 640') + "\n",
    "a line twice": lambda text: text + text.splitlines()[-1] + "\n",
    "no line of the checkpoint": lambda text: "".join(text.splitlines(keepends=True)[:-1]),
    "nothing": lambda text: "",
}


@pytest.mark.parametrize("change", HISTORIES)
def test_the_history_is_that_of_the_checkpoint(run: RunLayout, whole: RunLayout, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "__call__", raising_at(3, KeyboardInterrupt, Evaluator.__call__))
        train()
    run.history.write_text(HISTORIES[change](run.history.read_text()))
    assert train().exit_code == 0
    assert_equal(run, whole)


def test_the_clocks_of_a_resumed_run_go_on(run: RunLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "__call__", raising_at(2, KeyboardInterrupt, Evaluator.__call__))
        train()
    train()
    history = [json.loads(line) for line in run.history.read_text().splitlines()]
    for clock in ("seconds", "evaluation_seconds"):
        times = [line[clock] for line in history]
        assert times == sorted(times)
        assert json.loads(run.metrics.read_text())[clock] == times[-1]


def test_a_run_that_has_finished_is_not_trained_again(run: RunLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train()
    files = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file() and path != run.lock}
    monkeypatch.setattr(Trial, "advance", raising_at(0, Killed, Trial.advance))
    again = train()
    assert again.exit_code == 0
    assert "already finished in runs/ring, so nothing is trained" in again.output
    assert again.output.splitlines()[-2:] == first.output.splitlines()[-2:]
    assert {path: path.read_bytes() for path in files} == files


def test_divergence_is_a_result_without_nan_and_ends_the_run(run: RunLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    said = train(*DIVERGES)
    assert said.exit_code == 0
    assert [line["images"] for line in lines(run)] == [0]
    found = json.loads(run.metrics.read_text(), parse_constant=refuse)
    assert (found["ended"], found["diagnosis"]["outcome"], found["images"]) == ("dead", "diverged", 0)
    assert "not finite after" in found["reason"]
    assert f"dead: {found['reason']}. The results are from 0 kimg" in said.output
    monkeypatch.setattr(Trial, "advance", raising_at(0, Killed, Trial.advance))
    again = train(*DIVERGES)
    assert again.exit_code == 0
    assert again.output.splitlines()[1:] == said.output.splitlines()[2:]
    assert "already finished" in again.output
    assert json.loads(run.metrics.read_text()) == found


def test_divergence_at_the_first_evaluation_is_a_result_too(run: RunLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_number(self: Evaluator, generator: Generator) -> dict[str, float]:
        raise Diverged("9 of 100 samples of the generator are not finite")

    monkeypatch.setattr(Evaluator, "__call__", no_number)
    said = train()
    assert said.exit_code == 0
    assert "dead: 9 of 100 samples of the generator are not finite. Nothing was measured before" in said.output
    found = json.loads(run.metrics.read_text(), parse_constant=refuse)
    assert (found["ended"], found["diagnosis"]["outcome"], found["metrics"]) == ("dead", "diverged", {})
    assert not run.history.exists()
    monkeypatch.setattr(Trial, "advance", raising_at(0, Killed, Trial.advance))
    assert "already finished" in train().output


def test_a_second_interrupt_ends_the_command_at_once(run: RunLayout, whole: RunLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "__call__", raising_at(2, KeyboardInterrupt, Evaluator.__call__))
        patch.setattr("study.show.run_page.diagnose", raising_at(0, KeyboardInterrupt, train))
        said = train()
    assert said.exit_code == 130
    assert "Stopped. `ganstudy train` with the same arguments resumes it." in said.output
    assert train().exit_code == 0
    assert_equal(run, whole)


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("words", "differences"),
    [
        (("--set", "g.lr=0.5"), "g.lr: 0.0002 there, 0.5 given"),
        (("--set", "seed=3"), "seed: 0 there, 3 given"),
        (("--set", "budget_kimg=1.2"), "budget_kimg: 0.2 there, 1.2 given"),
        (("--set", "r1=true", "--set", "tick_kimg=0.1"), "r1: unset there, True given"),
    ],
)
def test_another_config_is_refused(words: tuple[str, ...], differences: str) -> None:
    train("--set", "budget_kimg=0.2", "--set", "g.lr=0.0002")
    with pytest.raises(ValueError, match="must hold a run of the same config, or none") as error:
        train("--set", "budget_kimg=0.2", "--set", "g.lr=0.0002", *words)
    assert f"they differ in {differences}. Give another folder with --folder, or remove it" in str(error.value)


def test_another_evaluation_protocol_is_refused(run: RunLayout) -> None:
    train("--set", "budget_kimg=0.2")
    with pytest.raises(
        ValueError, match="must hold a run of the same evaluation protocol, or none; they differ in n_fake: 100 there, 200 given"
    ):
        train("--set", "budget_kimg=0.2", samples="200")
    assert json.loads(run.protocol.read_text())["n_fake"] == 100


def test_ticks_may_come_at_other_times_after_resuming(run: RunLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "__call__", raising_at(2, KeyboardInterrupt, Evaluator.__call__))
        train()
    assert train("--set", "tick_kimg=0.3").exit_code == 0
    assert [line["images"] for line in lines(run)] == [0, 256, 320, 640]


def test_a_run_without_a_checkpoint_is_refused_and_kept(run: RunLayout) -> None:
    """Such are the runs of older versions."""
    run.folder.mkdir(parents=True)
    run.history.write_text('{"images": 0, "seconds": 0.1}\n')
    with pytest.raises(ValueError, match=r"it holds history.jsonl without a checkpoint. Give another folder with --folder, or remove it"):
        train()
    assert run.history.read_text() == '{"images": 0, "seconds": 0.1}\n'


FOREIGN = {
    "records.jsonl": "ring must not be the folder of a study; it is one. Give another folder with --folder",
    "metrics.json": "ring must be free of files of other programs; it seems to hold a run, but runs/ring/config.yaml must be a file",
    "history.jsonl": "ring must be free of a run that cannot be resumed",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_folder_of_something_else_is_refused_and_kept(run: RunLayout, name: str) -> None:
    run.folder.mkdir(parents=True)
    (run.folder / name).write_text("{}")
    with pytest.raises(UserError, match=FOREIGN[name]):
        train()
    assert [path.name for path in run.folder.iterdir()] == [name]


def test_a_study_is_not_launched_into_a_run(run: RunLayout, here: Path) -> None:
    run.folder.mkdir(parents=True)
    run.history.write_text("{}")
    (here / "study.yaml").write_text(
        "name: ring\nquestion: Why?\nbase: {data: ring8, arch: mlp}\nspace: {scientific: {r1: [false, true]}}\nn_configs: 2\n"
    )
    with pytest.raises(UserError, match="runs/ring must not be the folder of a run of `ganstudy train`; it is one"):
        CliRunner().invoke(app, ["launch", "study.yaml", "--dry-run"], catch_exceptions=False)


def test_two_processes_never_train_the_same_run(run: RunLayout) -> None:
    with (
        driving(run.folder),
        pytest.raises(ValueError, match=r"is in use by process \d+ on .*\. Give another folder with --folder"),
    ):
        train()
