from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch_fidelity.metric_isc import isc_features_to_metric

from analysis.metrics.scores import inception_score
from ganstudy import UserError


def logits(n: int, k: int, *, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    return scale * np.random.RandomState(seed).normal(size=(n, k))


def one_hot(classes: np.ndarray, k: int) -> np.ndarray:
    rows: np.ndarray = np.eye(k)[classes]
    return rows


@pytest.mark.parametrize("splits", [1, 3, 10])
@pytest.mark.parametrize(
    "x",
    [
        logits(500, 10),
        logits(501, 1000, scale=3),
        logits(200, 10, scale=10) - np.arange(10),
        np.repeat(logits(1, 10), 100, axis=0),
        np.repeat(logits(2, 10, scale=5), 50, axis=0),
        logits(10, 3),
    ],
    ids=["10 classes", "1000 classes", "confident and uneven", "all equal", "two distinct", "few"],
)
def test_equals_torch_fidelity(x: np.ndarray, splits: int) -> None:
    found, expected = inception_score(softmax(x, axis=1), splits=splits), isc_features_to_metric(torch.from_numpy(x), splits=splits)
    assert found.mean == pytest.approx(expected["inception_score_mean"], rel=1e-12)
    assert found.std == pytest.approx(expected["inception_score_std"], abs=1e-12)


def test_probabilities_in_float32() -> None:
    p = softmax(logits(500, 1000, scale=3), axis=1)
    assert inception_score(p.astype(np.float32)).mean == pytest.approx(inception_score(p).mean, rel=1e-6)


@pytest.mark.parametrize("k", [2, 10])
def test_bounds(k: int) -> None:
    assert inception_score(one_hot(np.arange(20 * k) % k, k), splits=1).mean == pytest.approx(k)
    assert inception_score(np.full((20, k), 1 / k)).mean == pytest.approx(1)  # no class is likely
    assert inception_score(one_hot(np.zeros(20, dtype=int), k)).mean == 1  # always the same class
    assert inception_score(one_hot(np.arange(20 * k) % k // 2 * 2, k), splits=1).mean == pytest.approx((k + 1) // 2)  # every second class


def test_one_class_scores_1() -> None:
    assert inception_score(np.ones((20, 1))).mean == 1


def test_a_probability_of_0_gives_no_nan() -> None:
    """torch-fidelity takes logits. For logits this far apart the softmax is 0, and 0 * log 0 makes its score NaN if a class is never chosen."""
    p = np.array([[1, 0, 0], [0, 1, 0]] * 10, dtype=float)
    assert inception_score(p, splits=1).mean == pytest.approx(2)
    with np.errstate(divide="ignore"):
        assert np.isnan(isc_features_to_metric(torch.from_numpy(np.log(p)), splits=1)["inception_score_mean"])
    assert inception_score(np.array([[1, 5e-324], [1, 0], [1, 0]]), splits=1).mean == pytest.approx(1)


def test_collapse_within_classes_is_not_detected() -> None:
    """Ten distinct samples, one per class, each repeated a hundred times, get the best score."""
    assert inception_score(one_hot(np.repeat(np.arange(10), 100), 10), splits=1).mean == pytest.approx(10)


def test_the_expected_maximum_for_finite_splits() -> None:
    """K exp(-(K - 1)/(2 n)), where n is the number of samples per split."""
    k, n = 10, 100
    scores = [inception_score(one_hot(np.random.RandomState(s).randint(k, size=10 * n), k)).mean for s in range(20)]
    assert np.mean(scores) == pytest.approx(k * np.exp(-(k - 1) / (2 * n)), rel=0.005)


def test_samples_are_shuffled_by_the_seed() -> None:
    p = one_hot(np.repeat(np.arange(10), 100), 10)
    assert inception_score(p).mean > 9  # unshuffled, each split would hold one class and score 1
    assert inception_score(p) == inception_score(p) != inception_score(p, seed=0)


@pytest.mark.parametrize(
    ("p", "options", "message"),
    [
        (np.ones((4, 2)), {}, "each row must add up to 1; the least is 1, and the rows add up to 2 to 2"),
        ([[1.5, -0.5]], {}, "probabilities must be at least 0 .* the least is -0.5"),
        ([[np.nan, 1]], {}, "probabilities must hold finite values only; 1 of 1"),
        (np.eye(3)[0], {}, r"probabilities must be an array \[N, D\]"),
        (np.eye(3), {}, "splits must lie between 1 and the number of samples, 3; given is 10"),
        (np.eye(3), {"splits": 0}, "splits must lie between 1 and the number of samples, 3; given is 0"),
    ],
)
def test_rejects(p: np.ndarray, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        inception_score(p, **options)
