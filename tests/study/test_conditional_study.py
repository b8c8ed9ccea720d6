"""Conditional GANs in a study: class metrics, samples of a class, and refusal of data without labels."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from toy import TOY, in_this_process
from typer.testing import CliRunner

from analysis.metrics import METRICS
from analysis.metrics.measures import OF_CLASSES
from study.api import open_study
from study.cli import app
from study.engine.prepare import check_networks, prepare
from study.evaluation.evaluator import Evaluator
from study.evaluation.reevaluate import reevaluate
from study.show.catalogue import catalogue
from study.spec.sections import EvaluationConfig
from study.spec.study_spec import StudySpec
from study.views import StudyView
from trainables.config import TrialConfig
from trainables.data import Source, load
from trainables.models.conditional import D_CONDITIONS, G_CONDITIONS
from trainables.run import Run
from trainables.sections import DataConfig

NAMES = [name for name, metric in METRICS.items() if metric.needs in OF_CLASSES]
CONDITIONAL = {"g.condition": "concat", "d.condition": "projection"}
BASE = {**TOY["base"], "data": "digits", "budget_kimg": 0.1, "tick_kimg": 0.05}
MIXED: dict[str, Any] = {
    **TOY,
    "base": BASE,
    "space": {"scientific": {"method": {"plain": {}, "conditional": CONDITIONAL}}},
    "sampler": "factorial",
    "n_configs": 2,
}


@pytest.fixture(scope="module")
def digits() -> Source:
    return load(DataConfig(name="digits"))


@pytest.fixture(scope="module")
def evaluator(digits: Source) -> Evaluator:
    return Evaluator.build(digits, conditional=True)


class Labelled:
    """A fake conditional generator that returns rows of stored data as samples conditioned on `labels`."""

    def __init__(self, rows: np.ndarray, labels: np.ndarray):
        self.rows, self.labels = torch.from_numpy(rows), torch.from_numpy(labels)

    def labelled(self, n: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        picks = torch.randint(len(self.rows), (n,), generator=torch.Generator().manual_seed(seed))
        return self.rows[picks] / 127.5 - 1, self.labels[picks]

    def sample(self, n: int, *, seed: int) -> torch.Tensor:
        return self.labelled(n, seed=seed)[0]


# Evaluation ------------------------------------------------------------------------------------------


def test_real_data_reach_the_class_baselines(evaluator: Evaluator, digits: Source) -> None:
    found = evaluator(Labelled(digits.heldout, digits.heldout_labels))  # type: ignore[arg-type]
    assert set(NAMES) == {"class_fd", "class_agreement"} <= found.keys() == evaluator.baselines.keys()
    assert evaluator.baselines["class_agreement"].value == evaluator.accuracy
    assert found["class_agreement"] == pytest.approx(evaluator.accuracy, abs=0.02)
    assert evaluator.baselines["class_fd"].low < evaluator.baselines["class_fd"].value < evaluator.baselines["class_fd"].high  # type: ignore[operator]
    assert found["class_fd"] < evaluator.baselines["class_fd"].low  # type: ignore[operator]  # they are compared with themselves
    assert digits.train_labels is not None
    of_train = evaluator(Labelled(digits.train, digits.train_labels))
    assert of_train["class_fd"] == pytest.approx(evaluator.baselines["class_fd"].value, rel=0.2)


def test_class_metrics_detect_ignored_conditions(evaluator: Evaluator, digits: Source) -> None:
    """The same images with other classes change only the class metrics."""
    right = evaluator(Labelled(digits.train, digits.train_labels))  # type: ignore[arg-type]
    wrong = evaluator(Labelled(digits.train, np.random.default_rng(0).permutation(digits.train_labels)))  # type: ignore[arg-type]
    assert wrong["class_agreement"] == pytest.approx(0.1, abs=0.04)  # 4 standard errors of 1,000 samples
    assert wrong["class_fd"] > 10 * right["class_fd"]
    assert {name: value for name, value in right.items() if name not in NAMES} == {n: v for n, v in wrong.items() if n not in NAMES}
    # half of the samples conditioned on 4 are a 3; no sample is conditioned on 3
    merged = np.where(digits.train_labels == 3, 4, digits.train_labels)  # type: ignore[arg-type]
    classes = evaluator.by_class(Labelled(digits.train, merged))
    assert classes.keys() == set(range(10)) - {3}
    assert classes[4]["class_agreement"] == pytest.approx(0.5, abs=0.15)
    assert min(of["class_agreement"] for k, of in classes.items() if k != 4) > 0.8
    assert max(classes, key=lambda k: classes[k]["class_fd"]) == 4
    swapped = evaluator(Labelled(digits.train, (digits.train_labels + 1) % 10))  # type: ignore[arg-type, operator]
    assert swapped["class_agreement"] < 0.05


def test_only_conditional_generators_have_class_metrics(evaluator: Evaluator, digits: Source) -> None:
    conditional = Labelled(digits.train, digits.train_labels)  # type: ignore[arg-type]

    class Plain:
        sample = staticmethod(conditional.sample)

    assert not evaluator(Plain()).keys() & set(NAMES)
    assert not Evaluator.build(digits)(conditional).keys() & set(NAMES)
    assert Evaluator.build(digits).protocol == evaluator.protocol
    with pytest.raises(ValueError, match=r"g.condition needs labelled data; digits has no labels"):
        Evaluator.build(replace(digits, train_labels=None, heldout_labels=None, classes=()), conditional=True)


def test_classes_of_a_mixture_follow_from_position() -> None:
    ring = load(DataConfig(name="ring8"))
    run = Run(TrialConfig.from_flat({"data": "ring8", "arch": "mlp", **CONDITIONAL}), ring)
    found = Evaluator.build(ring, conditional=True)(run.generator())
    assert found.keys() > set(NAMES)
    assert 0 < found["class_agreement"] < 0.5


@pytest.mark.parametrize(
    ("pair", "kimg"), [(("concat", "concat"), 50), (("batchnorm", "projection"), 15), (("concat", "auxiliary"), 20)], ids=str
)
def test_a_small_conditional_gan_learns_its_classes(evaluator: Evaluator, digits: Source, pair: tuple[str, str], kimg: float) -> None:
    """Chance is 0.1 with a standard error of 0.01. Other seeds reach 0.8 and more."""
    settings = {"arch": "mlp", "g.lr": 1e-3, "d.lr": 1e-3, "g.condition": pair[0], "d.condition": pair[1]}
    run = Run(TrialConfig.from_flat({**settings, "budget_kimg": kimg, "tick_kimg": kimg}), digits)
    ticks = run.ticks()
    next(ticks)
    assert evaluator(run.generator())["class_agreement"] < 0.25
    list(ticks)
    found = evaluator(run.generator())
    assert found["class_agreement"] > 0.5
    assert found["modes"] >= 9


# A study ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> StudyView:
    """A study of two trials, one of them conditional."""
    folder = tmp_path_factory.mktemp("runs") / "toy"
    in_this_process(StudySpec.from_dict(MIXED), folder)
    return open_study(folder)


def trial(view: StudyView, method: str) -> str:
    return next(name for name, record in view.store.trials.items() if ("g.condition" in record.flat) == (method == "conditional"))


def test_only_conditional_trials_have_class_metrics(view: StudyView) -> None:
    frame = view.trials()
    assert frame.loc[trial(view, "conditional"), NAMES].notna().all()
    assert frame.loc[trial(view, "plain"), NAMES].isna().all()
    assert set(NAMES) <= view.study.baselines.keys()
    assert view.table().directions["class_agreement"] == "maximize"


def test_reevaluation_includes_and_skips_both_kinds(view: StudyView) -> None:
    calls: list[str] = []
    for expected in (2, 0):
        found = reevaluate(
            view.store,
            view.spec,
            EvaluationConfig(features="pixels", samples=200),
            progress=lambda trial, number, trials: calls.append(trial),
        )
        assert len(calls) == expected
        calls.clear()
    assert found.values.loc[trial(view, "conditional"), NAMES].notna().all()
    assert found.values.loc[trial(view, "plain"), NAMES].isna().all()


def test_samples_of_a_class(view: StudyView, tmp_path: Path) -> None:
    conditional, plain = (view.trial(trial(view, method)) for method in ("conditional", "plain"))
    expected = conditional.generator().sample(5, seed=1, labels=torch.full((5,), 3))
    assert torch.equal(conditional.sample(5, seed=1, label="3"), expected)
    assert torch.equal(conditional.sample(5, seed=1, label=3), expected)
    assert torch.equal(conditional.sample(5, seed=1), conditional.generator().sample(5, seed=1))
    sizes = []
    for words in ([], ["--class", "7"]):
        out = tmp_path / "s.png"
        result = CliRunner().invoke(app, ["sample", str(view.folder), "--trial", conditional.trial_id, "-o", str(out), *words])
        assert result.exit_code == 0, result.output
        with Image.open(out) as picture:
            sizes.append((picture.width // picture.height, picture.height > picture.width))
    assert sizes == [(0, True), (1, False)]  # ten rows of eight samples, one per class; eight rows of one class
    for of, name, message in (
        (conditional, "ten", "a class must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, or its number from 0 to 9; given 'ten'"),
        (plain, "3", "class '3' needs a conditional generator"),
    ):
        with pytest.raises(ValueError, match=message):
            CliRunner().invoke(
                app,
                ["sample", str(view.folder), "--trial", of.trial_id, "-o", str(tmp_path / "t.png"), "--class", name],
                catch_exceptions=False,
            )


def test_invalid_conditions_are_refused_before_launch(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"class_agreement as an objective or a constraint needs g.condition in every trial"):
        prepare(StudySpec.from_dict({**MIXED, "objective": "class_agreement"}), tmp_path / "a", address=None)
    objective = {**TOY, "base": {**BASE, **CONDITIONAL}, "objective": "class_agreement"}
    assert prepare(StudySpec.from_dict(objective), tmp_path / "b", address=None).evaluator.baselines.keys() > set(NAMES)
    spiral = load(DataConfig(name="spiral"))
    invalid: list[dict[str, Any]] = [
        {"base": {**BASE, **CONDITIONAL, "data": "spiral"}},
        {"base": {**BASE, "g.condition": "concat", "data": "spiral"}, "space": {"scientific": {"d.condition": ["concat", "projection"]}}},
        {"base": {**BASE, "data": "spiral"}, "space": MIXED["space"]},
    ]
    for changes in invalid:
        with pytest.raises(ValueError, match=r"g.condition: concat needs labelled data; spiral has no labels"):
            check_networks(StudySpec.from_dict({**TOY, **changes}), spiral)


def test_the_catalogue_shows_every_condition_with_its_source() -> None:
    lines = dict(catalogue()["conditions"])
    assert lines.keys() == {*(f"g.condition: {name}" for name in G_CONDITIONS), *(f"d.condition: {name}" for name in D_CONDITIONS)}
    assert all("20" in line for line in lines.values())
