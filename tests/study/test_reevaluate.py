"""Re-evaluation of a finished study's generators."""

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from toy import TOY, in_this_process
from typer.testing import CliRunner

import study.evaluation.reevaluate
from ganstudy import UserError
from ganstudy.checksums import write_sums
from study.api import open_study
from study.cli import app
from study.evaluation.protocol import EvaluationProtocol
from study.evaluation.reevaluate import reevaluate
from study.spec.sections import EvaluationConfig
from study.spec.study_spec import StudySpec
from study.store.bundle import pack, unpack
from study.views import StudyView
from trainables.generators import GENERATOR_FILE, Generator, save_generator

SAMPLES = TOY["evaluation"]["samples"]
BASE = {**TOY["base"], "data": "digits", "budget_kimg": 0.1, "tick_kimg": 0.05}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of four trials on digits, run in this process, because another number of threads would change the last bits."""
    spec = StudySpec.from_dict({**TOY, "base": BASE, "n_configs": 2, "seeds": 2})
    folder = tmp_path_factory.mktemp("runs") / "toy"
    in_this_process(spec, folder)
    return folder


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The study above ran without a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return copytree(finished, tmp_path / "toy")


def evaluated(view: StudyView, calls: list[str] | None = None, **evaluation: Any) -> study.evaluation.reevaluate.Reevaluated:
    """Re-evaluate with as many samples as the study; `calls` collects the trials that are evaluated."""

    def said(trial: str, number: int, trials: int) -> None:
        if calls is not None:
            calls.append(trial)

    return reevaluate(view.store, view.spec, EvaluationConfig(**{"samples": SAMPLES, **evaluation}), progress=said)


def newest(view: StudyView, trial_id: str) -> Path:
    return view.folder / view.trial(trial_id).stored[-1].path / GENERATOR_FILE


def test_the_studys_own_protocol_reproduces_its_metrics(folder: Path) -> None:
    view = open_study(folder)
    found = reevaluate(view.store, view.spec, view.spec.evaluation)
    assert found.protocol.hash == view.protocol.hash
    assert found.baselines == view.study.baselines
    assert list(found.values.index) == list(view.store.trials)
    for trial_id, record in view.store.trials.items():
        assert record.last
        row = found.values.loc[trial_id].to_dict()
        assert row.pop("images") == record.last.images
        assert row == {name: record.last.values[name] for name in found.baselines}
    pd.testing.assert_frame_equal(found.table(view.table()).final, view.table().final[list(found.baselines)], check_names=False)


def test_each_protocol_has_its_own_file_and_baselines(folder: Path) -> None:
    view = open_study(folder)
    before = (folder / "records.jsonl").read_bytes()
    protocols = [evaluated(view, features=features) for features in ("pixels", "random_conv")] + [
        evaluated(view, features="pixels", samples=300)
    ]
    assert (folder / "records.jsonl").read_bytes() == before
    kept = view.evaluated()
    assert len({view.protocol.hash, *kept}) == 4
    assert len({found.baselines["fd"] for found in protocols} | {view.study.baselines["fd"]}) == 4
    for found in protocols:
        frame = kept[found.protocol.hash]
        pd.testing.assert_frame_equal(frame, found.values)  # bit for bit: the file loses nothing
        assert EvaluationProtocol(**frame.attrs["protocol"]) == found.protocol
        assert frame.attrs["baselines"] == found.baselines
        assert (frame["images"] == 100).all()
        assert np.isfinite(frame.to_numpy()).all()


def test_an_interrupted_evaluation_resumes(folder: Path) -> None:
    view = open_study(folder)
    trials = list(view.store.trials)
    calls: list[str] = []

    def interrupt(trial: str, number: int, trials: int) -> None:
        calls.append(trial)
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reevaluate(view.store, view.spec, EvaluationConfig(features="pixels", samples=SAMPLES), progress=interrupt)
    assert calls == trials[:3]
    half = next(iter(view.evaluated().values()))
    assert list(half.index) == trials[:2]
    again: list[str] = []
    whole = evaluated(view, again, features="pixels")
    assert again == trials[2:]
    assert list(whole.values.index) == trials
    pd.testing.assert_frame_equal(whole.values.head(2), half)
    evaluated(view, again, features="pixels")
    assert again == trials[2:]


def test_a_newer_checkpoint_and_a_missing_metric_are_evaluated_again(folder: Path) -> None:
    view = open_study(folder)
    path, (first, second, *_) = evaluated(view, features="pixels").path, view.store.trials
    whole = path.read_text()
    frame = view.evaluated()[path.stem]
    frame.loc[first, "images"] = 50
    frame.loc[second, "coverage"] = np.nan
    frame.to_csv(path)
    calls: list[str] = []
    evaluated(view, calls, features="pixels")
    assert calls == [first, second]
    assert sorted(path.read_text().splitlines()) == sorted(whole.splitlines())


def test_trials_that_cannot_be_evaluated_are_reported(folder: Path) -> None:
    view = open_study(folder)
    missing, diverged, early, good = view.store.trials
    for saved in view.trial(missing).stored:
        (folder / saved.path / GENERATOR_FILE).unlink()
    generator = view.trial(diverged).generator()
    assert isinstance(generator, Generator)
    next(generator.net.parameters()).data.fill_(float("nan"))
    save_generator(generator, view.trial(diverged).config, (1, 8, 8), newest(view, diverged))
    write_sums(newest(view, diverged).parent)
    newest(view, early).unlink()  # leaves the generator of an earlier tick
    found = evaluated(view, features="pixels")
    assert found.left_out == {
        missing: "no generator is stored",
        diverged: f"{SAMPLES} of {SAMPLES} samples of the generator are not finite",
    }
    assert found.values["images"].to_dict() == {early: 50, good: 100}
    assert list(found.table(view.table()).final["fd"].dropna().index) == [good]
    said = run("evaluate", str(folder), "--features", "pixels")
    assert "2 of 4 trials evaluated" in said
    assert f"left out: {missing}: no generator is stored" in said
    assert "n = 1 config" in said


@pytest.mark.parametrize("content", [b"", b"garbage" * 9])
def test_a_damaged_generator_is_left_out(folder: Path, content: bytes) -> None:
    first, *others = open_study(folder).store.trials
    newest(open_study(folder), first).write_bytes(content)
    found = evaluated(open_study(folder), features="pixels")
    assert found.left_out == {first: "its generator file is damaged"}
    assert list(found.values.index) == others


def test_what_was_evaluated_is_told_once(folder: Path) -> None:
    """A trial whose generator is gone keeps its earlier result. Results of trials that are not in the records do not count."""
    view = open_study(folder)
    path = evaluated(view, features="pixels").path
    first, *others = view.store.trials
    newest(view, first).unlink()
    for saved in view.trial(first).stored:
        (folder / saved.path / GENERATOR_FILE).unlink()
    path.write_text(path.read_text().replace(others[0], "elsewhere-s0"))
    said = run("evaluate", str(folder), "--features", "pixels", "--samples", str(SAMPLES))
    assert "4 of 4 trials evaluated" in said
    assert "left out" not in said


def test_a_missing_ranking_has_its_true_reason(folder: Path) -> None:
    view = open_study(folder)
    for trial_id in view.store.trials:
        newest(view, trial_id).unlink()  # leaves the generators of earlier ticks
    assert "No ranking: no generator at the end of a trial's budget was evaluated." in run("evaluate", str(folder))
    for file in folder.rglob(GENERATOR_FILE):
        file.unlink()
    with pytest.raises(UserError, match="must hold the generator of a trial to evaluate"):
        view.evaluate(features="pixels", samples=SAMPLES)


def test_a_generator_that_a_driver_replaces_is_left_out(folder: Path) -> None:
    view = open_study(folder)
    first, *others = view.store.trials
    replaced = newest(view, first)
    found = reevaluate(
        view.store,
        view.spec,
        EvaluationConfig(features="pixels", samples=SAMPLES),
        progress=lambda trial, number, trials: replaced.unlink(missing_ok=True),
    )
    assert found.left_out == {first: "its generator was replaced during training; evaluate again"}
    assert list(found.values.index) == others


def test_another_data_split_is_refused(folder: Path) -> None:
    records = folder / "records.jsonl"
    split = json.loads(records.read_text().splitlines()[0])["study"]["protocol"]["split"]
    records.write_text(records.read_text().replace(split, "0" * 16))
    with pytest.raises(
        ValueError, match=f"must be evaluated with the data split of its training .0000000000000000.*now has the split {split}"
    ):
        evaluated(open_study(folder))
    assert not (folder / "evaluated").exists()


MISTAKES = {
    ("--features", "pixel"): "no features named 'pixel'; did you mean 'pixels'? there are",
    ("--features", "points"): "evaluation.features must be features of images for digits; given 'points'",
    ("--samples", "5"): "evaluation.samples must be at least 100; given 5",
    ("--weights", "none.pth"): "evaluation.weights needs evaluation.features to be inception or vgg16; given 'auto'",
}


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_a_refused_evaluation_writes_nothing(folder: Path, words: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=MISTAKES[words].split(";")[0]):
        CliRunner().invoke(app, ["evaluate", str(folder), *words], catch_exceptions=False)
    assert not (folder / "evaluated").exists()


def test_a_copy_without_generators_is_refused_and_nothing_is_written(folder: Path) -> None:
    unpack(pack(folder), folder.parent / "copy", origin="http://head:8265 /shared/runs/toy")
    view = open_study(folder.parent / "copy")
    with pytest.raises(
        UserError, match=r"must hold the generator of a trial to evaluate; it has none: it is a copy .* of http://head:8265"
    ):
        evaluated(view)
    assert not (view.folder / "evaluated").exists()
    for generator in folder.rglob(GENERATOR_FILE):
        generator.unlink()
    with pytest.raises(UserError, match=r"it has none\. Evaluate once a trial has reached a tick"):
        evaluated(open_study(folder))
    assert not (folder / "evaluated").exists()


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_prints_protocol_ranking_and_path(folder: Path) -> None:
    own = open_study(folder).protocol.hash
    said = run("evaluate", str(folder))
    assert f"evaluation protocol {own}: features classifier" in said
    assert "the study's own\n" in said
    assert "Kendall's τ 1 " in said
    said = run("evaluate", str(folder), "--features", "random_conv", "--samples", "300")
    (other,) = open_study(folder).evaluated().keys() - {own}
    assert f"evaluation protocol {other}: features random_conv" in said
    assert f"the study's own is {own}: features classifier" in said
    assert f"n_fake {SAMPLES}" in said
    assert "4 of 4 trials evaluated" in said
    assert str(folder / "evaluated" / f"{other}.csv") in said
    assert "place" in said
    assert "Real-data baseline of fd: " in said
    assert f"rankings by fd_random_conv_300 and fd_classifier_{SAMPLES} (the study's own)" in said
    assert "n = 2 configs" in said
