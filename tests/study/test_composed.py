"""Classifiers of subsets and stacks, composed of the whole data set's classifier, which was trained on all samples of each class."""

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


def test_a_stack_is_classified_channel_by_channel(single: Classifier) -> None:
    """The class is 100 a + 10 b + c, its probability the product, and the features are concatenated."""
    rows = RNG.integers(len(WHOLE.heldout), size=(40, 3))
    composed = Composed(single, np.array(list(product(range(10), repeat=3))))
    features = composed.features(WHOLE.heldout[rows, 0])
    alone = [single.features(WHOLE.heldout[rows[:, c]]) for c in range(3)]
    assert features == pytest.approx(np.concatenate(alone, axis=1), abs=1e-5)
    a, b, c = (single.probabilities(part) for part in alone)
    found = composed.probabilities(features)
    assert found == pytest.approx(np.einsum("na,nb,nc->nabc", a, b, c).reshape(40, 1000), abs=1e-6)
    assert np.array_equal(found.argmax(axis=1), 100 * a.argmax(axis=1) + 10 * b.argmax(axis=1) + c.argmax(axis=1))


def test_a_subset_is_classified_among_its_own_classes(single: Classifier) -> None:
    source = load(DataConfig(classes="7,1"))
    composed = classifier_of(source)
    assert isinstance(composed, Composed)
    features = composed.features(source.heldout)
    assert np.array_equal(features, single.features(source.heldout))
    whole = single.probabilities(features)[:, [1, 7]]
    assert composed.probabilities(features) == pytest.approx(whole / whole.sum(axis=1, keepdims=True))
    far = np.full((1, 64), 1e6, np.float32)  # both classes have probability 0 in the whole classifier
    assert composed.probabilities(far).sum() == pytest.approx(1)


def test_an_imbalanced_subset_needs_no_classifier_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.evaluation.classifiers.train_classifier", lambda *given, **settings: pytest.fail("must not train"))
    source = load(DataConfig(classes="0,1,8", imbalance=8))
    evaluator = Evaluator.build(source, n_fake=300)
    assert (evaluator.n_modes, evaluator.baselines["modes"].value) == (3, 3)
    assert evaluator.accuracy is not None
    assert evaluator.accuracy > 0.9
    assert evaluator.reference.shares is not None
    assert evaluator.reference.shares == pytest.approx(
        np.bincount(source.heldout_labels) / len(source.heldout),  # type: ignore[arg-type]
        abs=0.03,
    )  # the reference shares are imbalanced too
    assert evaluator.on(torch.device("cpu")).networks.extractor is not evaluator.networks.extractor


def test_stacked_fashion_has_a_thousand_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    source = load(DataConfig(name="stacked_fashion"))  # needs the Debian package dataset-fashion-mnist
    evaluator = Evaluator.build(source, n_fake=200)
    assert evaluator.n_modes == 1000
    assert evaluator.accuracy == pytest.approx(0.91**3, abs=0.08)
    assert evaluator.baselines["modes"].value == pytest.approx(1000 * (1 - 0.999**200), rel=0.05)


def test_a_study_stores_the_classifier_of_the_whole_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it is not shipped. The next launch uses it, since another machine would train other weights."""
    monkeypatch.setattr("study.evaluation.classifiers.SHIPPED", tmp_path / "none")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    torch.manual_seed(0)
    net = Classifier(channels=1, side=8, classes=10).eval().requires_grad_(False)
    monkeypatch.setattr("study.evaluation.classifiers.train_classifier", lambda *given, **settings: net)
    source, kept = load(DataConfig(classes="0,1")), tmp_path / "protocol.safetensors"
    evaluator = Evaluator.build(source, n_fake=100)
    keep_classifier(evaluator.networks.classifier, source, kept)
    stored = load_classifier(kept, WHOLE)
    assert stored is not None
    assert weights_hash(stored) == weights_hash(net)
    for cached in (tmp_path / "ganstudy" / "evaluation protocols").iterdir():
        cached.unlink()
    again = Evaluator.build(source, n_fake=100, kept=kept)
    assert again.protocol == evaluator.protocol


def test_a_study_may_fix_classes_but_not_vary_them() -> None:
    given = {"name": "few", "question": "Which?", "space": {"scientific": {"r1": [False, True]}}, "n_configs": 2}
    spec = StudySpec.from_dict({**given, "base": {"data.classes": [7, "1"], "data.imbalance": 5}})
    assert spec.base["data.classes"] == "1,7"  # text, so that records and tables can hash it
    assert StudySpec.from_dict(spec.as_dict()) == spec
    assert spec.config({}).data == DataConfig(classes="1,7", imbalance=5)
    for name in ("data.classes", "data.imbalance", "data.radius"):
        with pytest.raises(ValueError, match=rf"{name} cannot vary: .*metrics on different data cannot be compared"):
            StudySpec.from_dict({**given, "space": {"scientific": {name: [1, 2]}}})
    with pytest.raises(ValueError, match=r"data\.classes must name at least one class"):
        StudySpec.from_dict({**given, "base": {"data.classes": []}})


def test_the_catalogue_shows_the_settings_of_a_data_set() -> None:
    lines = dict(catalogue()["data"])
    assert lines["ring"].startswith("[data.modes, data.radius, data.std] A ring of Gaussians")
    assert lines["stacked_mnist"].startswith("Three random MNIST digits as colour channels, 1,000 modes")
    assert lines["mnist"].startswith("Handwritten digits")
