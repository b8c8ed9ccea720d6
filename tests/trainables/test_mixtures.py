"""Points from known distributions: shape, modes and noise match the settings."""

from typing import Any

import numpy as np
import pytest
from data_files import small
from scipy.stats import kstest
from tiny import another

from trainables.data import DATA, OWN, Source, load, taken
from trainables.sections import DataConfig

SHAPES = [(name, setting) for name in DATA for setting in taken(name) if setting in OWN]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)


def made(name: str, **settings: Any) -> Source:
    return load(DataConfig(name=name, **settings))


def gaps(centres: np.ndarray) -> np.ndarray:
    """Return the distance [K] from each centre to the nearest other one."""
    return np.min(np.linalg.norm(centres[:, None] - centres[None], axis=-1) + np.eye(len(centres)) * 1e9, axis=1)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "setting"), SHAPES)
def test_every_shape_setting_changes_the_points(name: str, setting: str) -> None:
    assert made(name, **{setting: another(f"data.{setting}")}).fingerprint != made(name).fingerprint


@pytest.mark.parametrize("setting", OWN)
def test_every_shape_setting_belongs_to_a_data_set(setting: str) -> None:
    assert setting in {setting for _, setting in SHAPES}


@pytest.mark.parametrize("modes", [1, 3, 8, 13])
@pytest.mark.parametrize("radius", [0.5, 3.0])
def test_modes_of_a_ring_are_evenly_spaced_on_its_circle(modes: int, radius: float) -> None:
    """No two modes coincide, which would happen if the angles included the full turn."""
    source = made("ring", modes=modes, radius=radius, std=0.02)
    assert source.centres is not None
    assert np.linalg.norm(source.centres, axis=1) == pytest.approx(np.full(modes, radius))
    if modes > 1:
        assert gaps(source.centres) == pytest.approx(np.full(modes, 2 * radius * np.sin(np.pi / modes)), rel=1e-5)
    assert (len(source.classes), source.std) == (modes, 0.02)
    errors = source.train - source.centres[source.train_labels]
    assert errors.std() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(("side", "spacing"), [(1, 2.0), (2, 0.5), (7, 1.0)])
def test_a_grid_is_square_centred_and_evenly_spaced(side: int, spacing: float) -> None:
    source = made("grid", side=side, spacing=spacing, std=0.01)
    assert source.centres is not None
    assert source.centres.shape == (side**2, 2)
    assert source.centres.mean(axis=0) == pytest.approx(np.zeros(2))
    if side > 1:
        assert gaps(source.centres) == pytest.approx(np.full(side**2, spacing))
        assert source.centres.max() - source.centres.min() == pytest.approx((side - 1) * spacing)
    assert len(set(source.classes)) == side**2


@pytest.mark.parametrize(("turns", "radius"), [(1.5, 4.5 * np.pi / 7.5), (3.0, 2.0)])
def test_a_spiral_winds_outwards_to_its_radius(turns: float, radius: float) -> None:
    """The angle is uniform and proportional to the distance from the centre. The default is scikit-learn's Swiss roll divided by 7.5."""
    settings = {} if turns == 1.5 else {"turns": turns, "radius": radius}
    source = made("spiral", std=1e-6, **settings)
    distance = np.linalg.norm(source.train, axis=1).astype(float)
    last = 2 * np.pi * (0.75 + turns)
    t = distance / radius * last
    assert source.train == pytest.approx(distance[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1), abs=1e-4)
    assert kstest(t, "uniform", args=(1.5 * np.pi, 2 * np.pi * turns)).pvalue > 0.01
    assert (source.classes, source.centres, source.train_labels) == ((), None, None)
    if turns == 1.5:
        assert last / 7.5 == pytest.approx(radius)


def test_std_of_a_spiral_is_its_noise() -> None:
    sharp, blurred = made("spiral", std=1e-6), made("spiral", std=0.05)
    assert (blurred.train - sharp.train).std() == pytest.approx(0.05, rel=0.03)


def test_inner_dimensions_must_not_exceed_dim() -> None:
    with pytest.raises(ValueError, match=r"data.inner \(default 700\) must be at most data.dim \(default 1,200\); given 700 and 500"):
        made("mixture1200", dim=500)


@pytest.mark.parametrize(("modes", "std", "dim", "inner"), [(10, 0.1, 1200, 700), (3, 0.5, 1000, 600), (4, 0.1, 500, 500)])
def test_mixture1200_has_gaussians_in_700_dimensions(modes: int, std: float, dim: int, inner: int) -> None:
    source = made("mixture1200", **({} if modes == 10 else {"modes": modes, "std": std, "dim": dim, "inner": inner}))
    assert source.centres is not None
    assert source.train_labels is not None
    assert (source.shape, source.centres.shape, source.std) == ((dim,), (modes, dim), std)
    assert gaps(source.centres).min() > 60 * std  # the nearest centre identifies the mode
    errors = source.train - source.centres[source.train_labels]
    for k in range(modes):
        live = source.centres[k] != 0
        assert live.sum() == inner
        own = errors[source.train_labels == k]
        assert (own[:, ~live] == 0).all()
        assert own[:, live].std() == pytest.approx(std, rel=0.03)
    nearest = np.linalg.norm(source.heldout[:, None] - source.centres[None], axis=-1).argmin(axis=1)
    assert np.array_equal(nearest, source.heldout_labels)  # type: ignore[arg-type]
    assert np.linalg.norm(errors, axis=1).min() > 20 * std  # so `hq` is 0 for real samples, with thresholds of 3 or 10 standard deviations
