"""Trial: measurements at ticks, divergence as a result, and checkpoints that resume bit for bit."""

import math
import random
import shutil
import subprocess
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from full import at_most
from tiny import equal, source_of, tiny_config

from ganstudy import UserError
from ganstudy.checksums import SUMS
from trainables.generators import GENERATOR_FILE, Generator, load_generator
from trainables.loop import Diverged, Tick
from trainables.run import Run
from trainables.sections import DataConfig
from trainables.trial import SAMPLES, STATE, Measured, Trial, state_damage


def spread(generator: Generator) -> dict[str, float]:
    return {"spread": float(generator.sample(20, seed=5).std())}


def trial(evaluate: object = spread, **settings: object) -> Trial:
    config = tiny_config(settings)
    return Trial(config, source_of(DataConfig(name=config.data.name)), evaluate)  # type: ignore[arg-type]


def to_the_end(trial: Trial) -> list[Measured]:
    out = [trial.advance()]
    while not out[-1].finished and not out[-1].diverged:
        out.append(trial.advance())
    return out


def same(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if name != "images_per_second"}


def test_every_tick_is_evaluated_and_the_last_one_is_finished() -> None:
    ticks = to_the_end(trial())
    assert [tick.images for tick in ticks] == [0, 48, 96, 144]
    assert [tick.kimg for tick in ticks] == [0.0, 0.048, 0.096, 0.144]
    assert [tick.finished for tick in ticks] == [False, False, False, True]
    assert all("spread" in tick.values for tick in ticks)
    assert all("d/adv" in tick.values and tick.values["images_per_second"] > 0 for tick in ticks[1:])
    assert all(a.seconds < b.seconds for a, b in pairwise(ticks))
    assert all(math.isfinite(value) for tick in ticks for value in tick.values.values())


def test_effective_settings_are_read_from_a_run_and_empty_for_other_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    one = trial(**{"g.lr": 3e-3})
    assert one.effective["g.lr"] == 3e-3
    monkeypatch.setattr(one, "run", object())
    assert one.effective == {}


@pytest.mark.parametrize("stop", [0, 1, 2])
def test_resuming_equals_never_stopping(tmp_path: Path, stop: int) -> None:
    whole = trial(ema=True, instance_noise=True)
    expected = to_the_end(whole)
    first = trial(ema=True, instance_noise=True)
    for _ in range(stop + 1):
        last = first.advance()
    first.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {STATE, GENERATOR_FILE, SAMPLES, SUMS}
    resumed = trial(ema=True, instance_noise=True)
    resumed.load(tmp_path)
    ticks = to_the_end(resumed)
    assert [same(tick.values) for tick in ticks] == [same(tick.values) for tick in expected[stop + 1 :]]
    assert all(tick.seconds > last.seconds for tick in ticks)  # clocks continue
    assert equal(resumed.run.state_dict(), whole.run.state_dict())
    resumed.save(tmp_path)
    assert torch.equal(load_generator(tmp_path / GENERATOR_FILE).sample(5), whole.run.generator().sample(5))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint after the first tick of training."""
    folder = tmp_path_factory.mktemp("saved")
    one = trial()
    one.advance(), one.advance()
    one.save(folder)
    return folder


def test_the_checksums_are_those_of_the_command_sha256sum(saved: Path) -> None:
    assert len((saved / SUMS).read_text().splitlines()) == 3
    subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=saved, check=True, capture_output=True)


@pytest.mark.parametrize(("name", "sums"), [(STATE, True), (STATE, False), (GENERATOR_FILE, True)])
def test_a_flipped_bit_is_never_loaded_as_other_weights(saved: Path, tmp_path: Path, name: str, sums: bool) -> None:
    """Any bit. Without checksums, as in folders of ganstudy 0.1, those in the zip format find what changes the state."""
    whole = trial()
    whole.load(saved)
    folder = shutil.copytree(saved, tmp_path / "flipped")
    if not sums:
        (folder / SUMS).unlink()
    data = (saved / name).read_bytes()
    rng, refused = random.Random(0), 0
    for _ in range(60):
        at, bit = rng.randrange(len(data)), rng.randrange(8)
        (folder / name).write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
        again = trial()
        try:
            again.load(folder) if name == STATE else load_generator(folder / name)
        except UserError as error:
            assert str(folder / name) in str(error)  # noqa: PT017  (it need not raise without sums)
            refused += 1
        else:
            assert equal(again.run.state_dict(), whole.run.state_dict())
    assert refused == 60 if sums else refused > 20


def test_a_checkpoint_that_cannot_be_read_says_why(saved: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(saved, tmp_path / "copy")
    assert state_damage(folder) == ""
    (folder / STATE).write_bytes((folder / STATE).read_bytes()[:-100])
    assert state_damage(folder) == f"it differs from its checksum in {SUMS}"
    (folder / SUMS).write_text("")
    assert state_damage(folder) == f"{SUMS} beside it does not name it"
    (folder / SUMS).write_bytes(b"\xff")
    assert "cannot be read: 'utf-8' codec" in state_damage(folder)
    (folder / SUMS).unlink()
    assert "it is damaged: File is not a zip file" in state_damage(folder)
    (folder / STATE).unlink()
    assert state_damage(folder) == "it is missing"


@pytest.mark.parametrize("room", [0, 1000, 20_000])
def test_a_full_disk_names_the_folder_of_the_checkpoint(tmp_path: Path, room: int) -> None:
    one = trial()
    one.advance()
    with at_most(room), pytest.raises(UserError, match=rf"{tmp_path} must have room on its disk: File too large"):
        one.save(tmp_path)
    one.save(tmp_path)
    assert state_damage(tmp_path) == ""


def test_a_diverged_trial_reports_its_last_finite_tick() -> None:
    """The first update makes the weights so large that logits overflow."""
    *ticks, last = to_the_end(trial(**{"d.lr": 1e30, "optimiser": "sgd", "loss": "wasserstein"}))
    assert [tick.images for tick in ticks] == [0]
    assert "not finite after" in last.diverged
    assert not last.finished
    assert (last.images, last.values) == (ticks[-1].images, ticks[-1].values)


@pytest.mark.parametrize("bad", [math.nan, math.inf, None, "0.5"])
@pytest.mark.parametrize("call", [0, 2])
def test_a_metric_that_is_no_finite_number_is_no_divergence(bad: object, call: int) -> None:
    calls: list[int] = []

    def evaluate(generator: Generator) -> dict[str, object]:
        calls.append(1)
        return {"fd": 1.0, "mine": bad if len(calls) > call else np.float32(1.0)}

    one = trial(evaluate)
    for _ in range(call):
        measured = one.advance()
        assert type(measured.values["mine"]) is float
        assert not measured.diverged
    with pytest.raises(UserError, match=r"the metric mine must be (a finite|one) number; given is "):
        one.advance()


@pytest.mark.parametrize("call", [0, 2])
def test_samples_that_are_not_finite_are_divergence(call: int) -> None:
    calls: list[int] = []

    def evaluate(generator: Generator) -> dict[str, float]:
        calls.append(1)
        if len(calls) > call:
            raise Diverged("3 of 500 samples of the generator are not finite")
        return {"fd": 1.0}

    *ticks, last = to_the_end(trial(evaluate))
    assert len(ticks) == call
    assert last.diverged == "3 of 500 samples of the generator are not finite"
    assert (last.images, last.values) == ((ticks[-1].images, ticks[-1].values) if ticks else (0, {}))


def ticking(monkeypatch: pytest.MonkeyPatch, value: object) -> Trial:
    """A trial whose loop reports `value` as the signal "mine"."""
    one = trial()
    ticks = one.run.ticks()
    monkeypatch.setattr(one, "_ticks", (Tick(tick.images, {**tick.signals, "mine": value}) for tick in ticks))  # type: ignore[dict-item]
    return one


@pytest.mark.parametrize("value", [np.float32(2), np.array(2), torch.tensor(2.0)])
def test_a_signal_of_a_loop_becomes_a_float(monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    found = ticking(monkeypatch, value).advance().values["mine"]
    assert type(found) is float
    assert found == 2.0


@pytest.mark.parametrize("value", ["2", None, torch.zeros(2)])
def test_a_signal_of_a_loop_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    with pytest.raises(UserError, match="the signal mine must be one number; given is "):
        ticking(monkeypatch, value).advance()


def test_a_signal_of_a_loop_that_is_not_finite_is_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ticking(monkeypatch, math.nan).advance().diverged == "mine not finite after 0 images"


def test_evaluation_does_not_affect_training() -> None:
    plain, evaluated = trial(lambda generator: {}), trial()
    for one in (plain, evaluated):
        to_the_end(one)
    assert isinstance(plain.run, Run)
    assert equal(plain.run.state_dict(), evaluated.run.state_dict())


def test_a_cpu_neither_captures_nor_says_why() -> None:
    for capture in (True, False):
        trial = Trial(tiny_config(), source_of(tiny_config().data), lambda generator: {"fd": 1.0}, capture=capture)
        trial.advance(), trial.advance()
        assert isinstance(trial.run, Run)
        assert trial.run.rounds is None
        assert trial.eager == ""
