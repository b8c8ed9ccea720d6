"""Points whose distribution is known: they have the shape that is asked for, and the modes where they say they are."""

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
    """[K]: from each centre to the nearest other one."""
    return np.min(np.linalg.norm(centres[:, None] - centres[None], axis=-1) + np.eye(len(centres)) * 1e9, axis=1)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "setting"), SHAPES)
def test_every_setting_of_the_shape_moves_the_points(name: str, setting: str) -> None:
    assert made(name, **{setting: another(f"data.{setting}")}).fingerprint != made(name).fingerprint


@pytest.mark.parametrize("setting", OWN)
def test_every_setting_of_the_shape_is_somebodys(setting: str) -> None:
    assert setting in {setting for _, setting in SHAPES}


@pytest.mark.parametrize("modes", [1, 3, 8, 13])
@pytest.mark.parametrize("radius", [0.5, 3.0])
def test_a_ring_has_its_modes_evenly_on_its_circle(modes: int, radius: float) -> None:
    """No place twice, as where a full circle of angles includes its end."""
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
    """Its angle is proportional to the distance from the centre, and uniform. By default it is scikit-learn's Swiss roll over 7.5."""
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


def test_a_spirals_std_is_its_noise() -> None:
    sharp, blurred = made("spiral", std=1e-6), made("spiral", std=0.05)
    assert (blurred.train - sharp.train).std() == pytest.approx(0.05, rel=0.03)


def test_a_mode_varies_within_the_dimensions_there_are() -> None:
    with pytest.raises(ValueError, match=r"data.inner \(700 unless set\) must be at most data.dim \(1,200 unless set\); given 700 and 500"):
        made("mixture1200", dim=500)


@pytest.mark.parametrize(("modes", "std", "dim", "inner"), [(10, 0.1, 1200, 700), (3, 0.5, 1000, 600), (4, 0.1, 500, 500)])
def test_the_1200_dimensions_hold_gaussians_of_700(modes: int, std: float, dim: int, inner: int) -> None:
    source = made("mixture1200", **({} if modes == 10 else {"modes": modes, "std": std, "dim": dim, "inner": inner}))
    assert source.centres is not None
    assert source.train_labels is not None
    assert (source.shape, source.centres.shape, source.std) == ((dim,), (modes, dim), std)
    assert gaps(source.centres).min() > 60 * std  # told apart by the nearest centre
    errors = source.train - source.centres[source.train_labels]
    for k in range(modes):
        live = source.centres[k] != 0
        assert live.sum() == inner
        own = errors[source.train_labels == k]
        assert (own[:, ~live] == 0).all()
        assert own[:, live].std() == pytest.approx(std, rel=0.03)
    nearest = np.linalg.norm(source.heldout[:, None] - source.centres[None], axis=-1).argmin(axis=1)
    assert np.array_equal(nearest, source.heldout_labels)  # type: ignore[arg-type]
    assert np.linalg.norm(errors, axis=1).min() > 20 * std  # why 3 or 10 standard deviations hold no sample, however real
