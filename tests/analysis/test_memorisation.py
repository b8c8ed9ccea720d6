import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from analysis.metrics import neighbours
from analysis.metrics.memorisation import memorisation
from ganstudy import UserError


def normal(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def by_sklearn(fake: np.ndarray, train: np.ndarray, heldout: np.ndarray) -> float:
    """Reference implementation for points without ties."""
    rows = NearestNeighbors(n_neighbors=1).fit(np.concatenate([train, heldout])).kneighbors(fake, return_distance=False)
    expected = len(train) / (len(train) + len(heldout))
    return float(((rows < len(train)).mean() - expected) / (1 - expected))


@pytest.mark.parametrize(
    "fake",
    [
        normal(300, 8, 2),
        normal(400, 8, 0)[:300] + 0.3 * normal(300, 8, 2),
        np.repeat(normal(1, 8, 5), 300, axis=0),
        normal(3, 8, 6)[np.arange(300) % 3],
        5 + 0.1 * normal(300, 8, 2),
        normal(1, 8, 2),
    ],
    ids=["new samples", "near copies", "one point", "three points", "far from the data", "one sample"],
)
@pytest.mark.parametrize(("n_train", "n_heldout"), [(400, 400), (400, 100), (50, 400)])
def test_equals_sklearn(fake: np.ndarray, n_train: int, n_heldout: int) -> None:
    train, heldout = normal(n_train, 8, 0), normal(n_heldout, 8, 1)
    assert memorisation(fake, train, heldout) == pytest.approx(by_sklearn(fake, train, heldout), abs=1e-12)


@pytest.mark.parametrize(("n_train", "n_heldout"), [(1000, 1000), (2000, 200), (200, 2000)])
def test_new_samples_score_0(n_train: int, n_heldout: int) -> None:
    m, p = 500, n_train / (n_train + n_heldout)
    value = memorisation(normal(m, 4, 2), normal(n_train, 4, 0), normal(n_heldout, 4, 1))
    assert abs(value) < 4 * np.sqrt(p / (1 - p) / m)


@pytest.mark.parametrize(("n_train", "n_heldout"), [(500, 500), (1000, 100), (100, 1000)])
def test_copies_score_1_and_half_of_them_score_half(n_train: int, n_heldout: int) -> None:
    train, heldout, new = normal(n_train, 16, 0), normal(n_heldout, 16, 1), normal(2000, 16, 2)
    assert memorisation(train, train, heldout) == 1
    assert memorisation(train + 1e-3 * normal(n_train, 16, 3), train, heldout) > 0.99
    p = n_train / (n_train + n_heldout)
    assert memorisation(heldout, train, heldout) == pytest.approx(-p / (1 - p))  # the minimum
    copies = train[np.arange(2000) % n_train]
    half = memorisation(np.concatenate([copies, new]), train, heldout)
    # half of the samples score 1, the others as without copies
    assert half == pytest.approx(0.5 + memorisation(new, train, heldout) / 2)
    assert half == pytest.approx(0.5, abs=4 * np.sqrt(p / (1 - p) / 2000))


def test_equal_training_and_held_out_data_score_0() -> None:
    points = normal(200, 8, 0)
    assert memorisation(points, points, points) == 0
    assert memorisation(normal(100, 8, 1), points, points) == 0
    assert memorisation(np.zeros((10, 2)), np.zeros((30, 2)), np.zeros((70, 2))) == pytest.approx(0)
    # 3 of the 4 nearest points are training points, the same share as of all points
    assert memorisation([[0.0]], np.zeros((3, 1)), np.zeros((1, 1))) == 0
    assert memorisation([[0.0]], [[1.0], [1.0], [9.0]], [[-1.0]]) == pytest.approx((2 / 3 - 3 / 4) / (1 / 4))


@pytest.mark.parametrize("values", [2, 3, 10], ids=lambda values: f"{values} different values")
def test_exact_null_under_many_ties(values: int) -> None:
    """Random splits of the real points score 0 on average, whatever the ties and the samples."""
    rng = np.random.default_rng(0)
    real, fake = rng.integers(values, size=(60, 2)).astype(float), rng.integers(values, size=(30, 2)).astype(float)
    scores = [memorisation(fake, real[rows[:45]], real[rows[45:]]) for rows in (rng.permutation(60) for _ in range(300))]
    assert abs(np.mean(scores)) < 4 * np.std(scores) / np.sqrt(300)


def test_one_point_repeated_scores_0_on_average() -> None:
    fake, real = np.repeat(normal(1, 4, 0), 50, axis=0), normal(100, 4, 1)
    rng = np.random.default_rng(0)
    scores = [memorisation(fake, real[rows[:75]], real[rows[75:]]) for rows in (rng.permutation(100) for _ in range(300))]
    assert {round(score) for score in scores} == {1, -3}  # all or none of the samples count, with p = 3/4
    assert abs(np.mean(scores)) < 4 * np.std(scores) / np.sqrt(300)


@pytest.mark.parametrize(("shift", "scale"), [(0, 1e-3), (1e4, 1), (0, 1e12)])
def test_invariance_to_shift_and_scale(shift: float, scale: float) -> None:
    parts = normal(200, 8, 0), normal(300, 8, 1), normal(100, 8, 2)
    assert memorisation(*(scale * part + shift for part in parts)) == memorisation(*parts)


def test_the_block_size_does_not_change_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = normal(60, 8, 0), normal(50, 8, 1), normal(40, 8, 2)
    whole = memorisation(*parts)
    monkeypatch.setattr(neighbours, "_BLOCK", 1)  # row by row
    assert memorisation(*parts) == whole


@pytest.mark.parametrize(
    ("fake", "train", "heldout", "message"),
    [
        (np.ones((0, 3)), np.eye(3), np.eye(3), "fake must hold at least 1 points; given are 0"),
        (np.eye(3), np.ones(3), np.eye(3), r"train must be an array \[N, D\]"),
        (np.eye(3), np.eye(3), np.eye(3)[:0], "heldout must hold at least 1 points; given are 0"),
        (np.eye(3), np.eye(4), np.eye(3), "fake and train must have the same dimension D; given are 3 and 4"),
        (np.eye(3), np.eye(3), np.eye(4), "fake and heldout must have the same dimension D; given are 3 and 4"),
        (np.full((2, 3), np.nan), np.eye(3), np.eye(3), "fake must hold finite values only; 2 of 2"),
    ],
)
def test_rejects(fake: np.ndarray, train: np.ndarray, heldout: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        memorisation(fake, train, heldout)
