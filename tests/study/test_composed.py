"""The classifier of a data set that was cut or stacked from another: the other's one, so that no class is told by a network that hardly saw it."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from data_files import small

from analysis.metrics.features import Classifier, weights_hash
from study.evaluation.classifiers import Composed, classifier_of, keep_classifier, load_classifier
from study.evaluation.evaluator import Evaluator
from study.show.catalogue import catalogue
from study.spec.study_spec import StudySpec
from trainables.data import load
from trainables.sections import DataConfig

WHOLE = load(DataConfig())
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def single() -> Classifier:
    found = classifier_of(WHOLE)
    assert found is not None
    return found


def test_a_stack_is_told_channel_by_channel(single: Classifier) -> None:
    """argmax = 100 a + 10 b + c; its probability is the product; its features are theirs, side by side."""
    rows = RNG.integers(len(WHOLE.heldout), size=(40, 3))
    composed = Composed(single, np.array(list(product(range(10), repeat=3))))
    features = composed.features(WHOLE.heldout[rows, 0])
    alone = [single.features(WHOLE.heldout[rows[:, c]]) for c in range(3)]
    assert features == pytest.approx(np.concatenate(alone, axis=1), abs=1e-5)
    a, b, c = (single.probabilities(part) for part in alone)
    found = composed.probabilities(features)
    assert found == pytest.approx(np.einsum("na,nb,nc->nabc", a, b, c).reshape(40, 1000), abs=1e-6)
    assert np.array_equal(found.argmax(axis=1), 100 * a.argmax(axis=1) + 10 * b.argmax(axis=1) + c.argmax(axis=1))


def test_a_subset_is_told_among_its_classes(single: Classifier) -> None:
    source = load(DataConfig(classes="7,1"))
    composed = classifier_of(source)
    assert isinstance(composed, Composed)
    features = composed.features(source.heldout)
    assert np.array_equal(features, single.features(source.heldout))
    whole = single.probabilities(features)[:, [1, 7]]
    assert composed.probabilities(features) == pytest.approx(whole / whole.sum(axis=1, keepdims=True))
    far = np.full((1, 64), 1e6, np.float32)  # where each chosen class has a probability of 0 in the whole
    assert composed.probabilities(far).sum() == pytest.approx(1)


def test_a_subset_and_a_tail_are_judged_without_any_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.evaluation.classifiers.train_classifier", lambda *given, **settings: pytest.fail("was trained"))
    source = load(DataConfig(classes="0,1,8", imbalance=8))
    evaluator = Evaluator.build(source, n_fake=300)
    assert (evaluator.n_modes, evaluator.baselines["modes"].value) == (3, 3)
    assert evaluator.accuracy is not None
    assert evaluator.accuracy > 0.9
    assert evaluator.reference.shares is not None
    assert evaluator.reference.shares == pytest.approx(
        np.bincount(source.heldout_labels) / len(source.heldout),  # type: ignore[arg-type]
        abs=0.03,
    )  # the tail is the truth
    assert evaluator.on(torch.device("cpu")).networks.extractor is not evaluator.networks.extractor


def test_a_study_of_fashion_stacks_counts_a_thousand_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    source = load(DataConfig(name="stacked_fashion"))  # of the Debian package
    evaluator = Evaluator.build(source, n_fake=200)
    assert evaluator.n_modes == 1000
    assert evaluator.accuracy == pytest.approx(0.91**3, abs=0.08)
    assert evaluator.baselines["modes"].value == pytest.approx(1000 * (1 - 0.999**200), rel=0.05)


def test_what_is_kept_beside_a_study_is_the_classifier_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not a shipped one: it serves the next launch, though another machine would train other weights."""
    monkeypatch.setattr("study.evaluation.classifiers.SHIPPED", tmp_path / "none")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    torch.manual_seed(0)
    net = Classifier(channels=1, side=8, classes=10).eval().requires_grad_(False)
    monkeypatch.setattr("study.evaluation.classifiers.train_classifier", lambda *given, **settings: net)
    source, kept = load(DataConfig(classes="0,1")), tmp_path / "protocol.safetensors"
    evaluator = Evaluator.build(source, n_fake=100)
    keep_classifier(evaluator.networks.classifier, source, kept)
    there = load_classifier(kept, WHOLE)
    assert there is not None
    assert weights_hash(there) == weights_hash(net)
    for cached in (tmp_path / "ganstudy" / "evaluation protocols").iterdir():
        cached.unlink()
    again = Evaluator.build(source, n_fake=100, kept=kept)
    assert again.protocol == evaluator.protocol


def test_a_study_file_may_list_classes_and_never_varies_them() -> None:
    given = {"name": "few", "question": "Which?", "space": {"scientific": {"r1": [False, True]}}, "n_configs": 2}
    spec = StudySpec.from_dict({**given, "base": {"data.classes": [7, "1"], "data.imbalance": 5}})
    assert spec.base["data.classes"] == "1,7"  # hashable, in every record and table
    assert StudySpec.from_dict(spec.as_dict()) == spec
    assert spec.config({}).data == DataConfig(classes="1,7", imbalance=5)
    for name in ("data.classes", "data.imbalance", "data.radius"):
        with pytest.raises(ValueError, match=rf"{name} cannot vary: numbers judged on different data"):
            StudySpec.from_dict({**given, "space": {"scientific": {name: [1, 2]}}})
    with pytest.raises(ValueError, match=r"data\.classes must name at least one class"):
        StudySpec.from_dict({**given, "base": {"data.classes": []}})


def test_the_catalogue_shows_what_a_data_set_takes() -> None:
    lines = dict(catalogue()["data"])
    assert lines["ring"].startswith("[data.modes, data.radius, data.std] A ring of Gaussians")
    assert lines["stacked_mnist"].startswith("Three random digits of MNIST as the colour channels, 1,000 modes")
    assert lines["mnist"].startswith("Handwritten digits")
