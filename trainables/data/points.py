"""Points from known distributions: mixtures of Gaussians with countable modes, and a spiral without modes."""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from ganstudy.errors import UserError
from trainables.data.source import Array, Labels, Source
from trainables.data.table import DATA, refuse, takes
from trainables.sections import DataConfig

N_TRAIN, N_HELDOUT = 100_000, 20_000
N_TRAIN_1200, N_HELDOUT_1200 = 20_000, 5_000  # 96 and 24 MB


@DATA.register("ring8")
def ring8(config: DataConfig) -> Source:
    """Eight Gaussians of std 0.01, equally spaced on a circle of radius 1. Lin et al. 2018 (PacGAN), section 4.1."""
    return _ring(config, modes=8, radius=1.0, std=0.01)


@DATA.register("grid25")
def grid25(config: DataConfig) -> Source:
    """25 Gaussians of std 0.05 on {-4, -2, 0, 2, 4}². Lin et al. 2018 (PacGAN), section 4.1."""
    return _grid(config, side=5, spacing=2.0, std=0.05)


@DATA.register("ring")
@takes("modes", "radius", "std")
def ring(config: DataConfig) -> Source:
    """A ring of Gaussians, by default ring8: data.modes (8) on a circle of data.radius (1), with data.std (0.01). After Lin et al. 2018."""
    return _ring(config, modes=config.modes or 8, radius=config.radius or 1.0, std=config.std or 0.01)


@DATA.register("grid")
@takes("side", "spacing", "std")
def grid(config: DataConfig) -> Source:
    """A square grid of Gaussians, by default grid25: data.side (5) per side, data.spacing (2) apart, with data.std (0.05). After Lin et al. 2018."""
    return _grid(config, side=config.side or 5, spacing=config.spacing or 2.0, std=config.std or 0.05)


@DATA.register("spiral")
@takes("turns", "radius", "std")
def spiral(config: DataConfig) -> Source:
    """A spiral without modes: data.turns (1.5), data.radius (1.885), Gaussian noise of data.std (0.0333). The Swiss roll of Gulrajani et al. 2017, figure 2.

    (t cos t, t sin t) with t uniform from 1.5 pi: scikit-learn's roll with noise 0.25, divided by 7.5. Without modes there are no labels;
    metrics of distances and neighbours (fd, coverage, …) apply.
    """
    _computed(config)
    first, length = 1.5 * math.pi, 2 * math.pi * (config.turns or 1.5)
    scale = (config.radius or 4.5 * math.pi / 7.5) / (first + length)
    std = np.float32(config.std or 0.25 / 7.5)
    rng = np.random.default_rng(0)

    def draw(n: int) -> Array:
        t = first + length * rng.random(n)
        curve = np.round(
            scale * np.stack([t * np.cos(t), t * np.sin(t)], axis=1), 6
        )  # rounded, because the last bits of cos differ between machines
        return curve.astype(np.float32) + std * rng.standard_normal((n, 2)).astype(np.float32)

    return Source(name=config.name, train=draw(N_TRAIN), heldout=draw(N_HELDOUT))


@DATA.register("mixture1200")
@takes("modes", "std", "dim", "inner")
def mixture1200(config: DataConfig) -> Source:
    """data.modes (10) Gaussians of data.inner (700) dimensions and data.std (0.1) in data.dim (1,200). Srivastava et al. 2017 (VEEGAN), section 4.1.

    The paper specifies only these three numbers. Here each Gaussian varies in 700 randomly chosen coordinates of the 1,200; its mean is N(0, I) there
    and the other 500 coordinates are exactly 0. (A random rotation would depend on the machine: the last bits of matrix products differ, and so would the
    fingerprint.) Two means are about 37 apart. `hq` is not informative: even a real sample is sqrt(700) = 26 standard deviations from its mean,
    so hq is 0 for real data too, also with the threshold of 10 in the paper.
    """
    _computed(config)
    modes, std = config.modes or 10, config.std or 0.1
    dim, inner = config.dim or 1200, config.inner or 700
    if inner > dim:
        raise UserError(f"data.inner (default 700) must be at most data.dim (default 1,200); given {inner} and {dim}")
    rng = np.random.default_rng(0)
    own = np.stack([np.sort(rng.permutation(dim)[:inner]) for _ in range(modes)])
    means = rng.standard_normal((modes, inner)).astype(np.float32)
    centres = np.zeros((modes, dim), np.float32)
    np.put_along_axis(centres, own, means, axis=1)

    def draw(n: int) -> tuple[Array, Labels]:
        labels = np.arange(n, dtype=np.int64) % modes
        points = np.zeros((n, dim), np.float32)
        for k in range(modes):  # one mode at a time, so that only its noise needs extra memory
            rows = np.flatnonzero(labels == k)
            points[np.ix_(rows, own[k])] = means[k] + np.float32(std) * rng.standard_normal((len(rows), inner), np.float32)
        return points, labels

    (train, train_labels), (heldout, heldout_labels) = draw(N_TRAIN_1200), draw(N_HELDOUT_1200)
    return Source(
        name=config.name,
        train=train,
        heldout=heldout,
        train_labels=train_labels,
        heldout_labels=heldout_labels,
        classes=tuple(f"mode {k}" for k in range(modes)),
        centres=centres,
        std=std,
    )


def _ring(config: DataConfig, *, modes: int, radius: float, std: float) -> Source:
    # Rounded, because the last bits of cos differ between machines and would change the fingerprint.
    angles = [2 * k * math.pi / modes for k in range(modes)]  # excludes the full turn, which equals 0
    centres = [(radius * round(math.cos(angle), 8), radius * round(math.sin(angle), 8)) for angle in angles]
    return _mixture(config, centres, std=std, classes=[f"{360 * k / modes:.6g}°" for k in range(modes)])


def _grid(config: DataConfig, *, side: int, spacing: float, std: float) -> Source:
    steps = [spacing * (k - (side - 1) / 2) for k in range(side)]
    centres = list(product(steps, steps))
    return _mixture(config, centres, std=std, classes=[f"({x:.6g}, {y:.6g})" for x, y in centres])


def _mixture(config: DataConfig, centres: Sequence[tuple[float, float]], *, std: float, classes: Sequence[str]) -> Source:
    """Return 100,000 points and 20,000 held out, from one fixed seed, with equally many points per centre (within one)."""
    _computed(config)
    places = np.array(centres, np.float32)
    rng = np.random.default_rng(0)

    def draw(n: int) -> tuple[Array, Labels]:
        labels = np.arange(n, dtype=np.int64) % len(places)
        return places[labels] + np.float32(std) * rng.standard_normal((n, 2)).astype(np.float32), labels

    (train, train_labels), (heldout, heldout_labels) = draw(N_TRAIN), draw(N_HELDOUT)
    return Source(
        name=config.name,
        train=train,
        heldout=heldout,
        train_labels=train_labels,
        heldout_labels=heldout_labels,
        classes=tuple(classes),
        centres=places,
        std=std,
    )


def _computed(config: DataConfig) -> None:
    refuse(config, "root", "download", because="its points are computed")
    refuse(config, "resolution", because="points have no pixels")
