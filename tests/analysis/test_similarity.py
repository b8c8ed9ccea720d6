from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure, structural_similarity_index_measure

from analysis.metrics import similarity
from analysis.metrics.similarity import WEIGHTS, ms_ssim, ms_ssim_within
from ganstudy import UserError

SCALES = {176: 5, 200: 5, 175: 4, 88: 4, 64: 3, 45: 3, 28: 2, 22: 2, 21: 1, 11: 1, 8: 1, 1: 1}  # pixels -> scales


def pictures(n: int, channels: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(n, channels, height, width))
    return np.clip(127 + 400 * gaussian_filter(noise, (0, 0, 3, 3)), 0, 255).astype(np.uint8)


def noisy(images: np.ndarray, amount: int = 40) -> np.ndarray:
    noise = np.random.default_rng(9).integers(-amount, amount, images.shape)
    return np.clip(images.astype(int) + noise, 0, 255).astype(np.uint8)


def weights(scales: int) -> tuple[float, ...]:
    return tuple(weight / sum(WEIGHTS[:scales]) for weight in WEIGHTS[:scales])


def by_torchmetrics(a: np.ndarray, b: np.ndarray, scales: int) -> np.ndarray:
    """The similarity from torchmetrics' maps of each scale, one channel at a time.

    torchmetrics' own product differs in two ways: it averages channels before the power, and at the last scale its windows extend
    beyond the edge into a reflection of the image.
    """
    x, y = (torch.tensor(images, dtype=torch.float64).flatten(0, 1)[:, None] for images in (a, b))
    product = torch.ones(len(x), dtype=torch.float64)
    for scale, weight in enumerate(weights(scales)):
        _, contrast = structural_similarity_index_measure(x, y, data_range=255.0, return_contrast_sensitivity=True)
        _, whole = structural_similarity_index_measure(x, y, data_range=255.0, return_full_image=True)
        factor = whole[..., 5:-5, 5:-5].mean(dim=(1, 2, 3)) if scale == scales - 1 else contrast
        product *= factor.clamp(min=0) ** weight
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return product.reshape(a.shape[:2]).mean(dim=1).numpy()


@pytest.mark.parametrize(
    ("channels", "height", "width", "scales"),
    [(1, 176, 180, 5), (1, 175, 90, 4), (2, 64, 64, 3), (3, 45, 64, 3), (3, 28, 28, 2), (3, 21, 30, 1)],
)
def test_equals_torchmetrics(channels: int, height: int, width: int, scales: int) -> None:
    a = pictures(1, channels, height, width)
    b = np.concatenate([noisy(a), pictures(1, channels, height, width, seed=1), 255 - a])
    a = np.repeat(a, 3, axis=0)
    assert ms_ssim(a, b) == pytest.approx(by_torchmetrics(a, b, scales), abs=1e-9)


@pytest.mark.parametrize("side", [64, 256])
def test_close_to_the_product_of_torchmetrics(side: int) -> None:
    """With one channel and similar images, both differences are small."""
    a = pictures(1, 1, side, side)
    x, y = torch.tensor(a, dtype=torch.float64), torch.tensor(noisy(a), dtype=torch.float64)
    theirs = multiscale_structural_similarity_index_measure(x, y, data_range=255.0, betas=weights(3 if side == 64 else 5))
    assert ms_ssim(a, noisy(a)) == pytest.approx([theirs.item()], abs=0.01)


# from pytorch-msssim 1.0, which also uses whole windows and separate channels, with these weights (its default weights add up to 1.0001)
@pytest.mark.parametrize(("side", "expected"), [(176, 0.9692322), (192, 0.9708642), (256, 0.9717000)])
def test_known_values(side: int, expected: float) -> None:
    row, column = np.indices((side, side))
    a = np.stack([128 + 100 * np.sin(row / 5), 128 + 100 * np.cos(column / 7), 128 + 60 * np.sin((row + column) / 9)])
    b = a + 20 * np.sin(row * column / 50)
    assert ms_ssim(a[None].astype(np.uint8), b[None].astype(np.uint8)) == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize("side", [11, 15, 21])
def test_one_scale_equals_scikit_image(side: int) -> None:
    a = pictures(3, 3, side, side)
    for b in (noisy(a), pictures(3, 3, side, side, seed=1)):
        expected = []
        for one, two in zip(a, b, strict=True):
            of_channels = [
                structural_similarity(*pair, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
                for pair in zip(one, two, strict=True)
            ]
            expected.append(np.maximum(of_channels, 0).mean())
        assert ms_ssim(a, b) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("side", "window"), [(10, 9), (8, 7), (7, 7), (2, 1)])
def test_small_images_have_a_smaller_window(side: int, window: int) -> None:
    a = pictures(1, 1, side, side)
    b = noisy(a)
    tap = np.exp(-0.5 * ((np.arange(window) - window // 2) / 1.5) ** 2)
    tap = np.outer(tap, tap) / tap.sum() ** 2
    places = []
    for row in range(side - window + 1):
        for column in range(side - window + 1):
            x, y = (image[0, 0, row : row + window, column : column + window].astype(float) for image in (a, b))
            mx, my = np.sum(tap * x), np.sum(tap * y)
            vx, vy, cov = np.sum(tap * (x - mx) ** 2), np.sum(tap * (y - my) ** 2), np.sum(tap * (x - mx) * (y - my))
            places.append((2 * mx * my + 2.55**2) * (2 * cov + 7.65**2) / ((mx**2 + my**2 + 2.55**2) * (vx + vy + 7.65**2)))
    assert ms_ssim(a, b) == pytest.approx([np.mean(places)], abs=1e-9)


def luminance(a: float, b: float) -> float:
    return (2 * a * b + 2.55**2) / (a**2 + b**2 + 2.55**2)


@pytest.mark.parametrize(("side", "scales"), SCALES.items())
def test_constant_images(side: int, scales: int) -> None:
    """Only the luminance of the last scale differs."""
    for a, b in [(0, 0), (0, 1), (0, 255), (10, 7), (100, 200), (255, 255)]:
        images = [np.full((2, 3, side, side), value, dtype=np.uint8) for value in (a, b)]
        assert ms_ssim(*images) == pytest.approx([luminance(a, b) ** weights(scales)[-1]] * 2)


def test_value_of_compare_gan() -> None:
    """compare_gan averages pairs of constant images 1, 0.7 and 0. 0.7 is not uint8, so this checks the formula of the test above."""
    pairs = [(1, 0.7), (1, 0), (0.7, 0)]
    assert np.mean([luminance(*pair) ** WEIGHTS[-1] for pair in pairs]) == pytest.approx(0.989989, abs=1e-5)


@pytest.mark.parametrize("side", SCALES)
@pytest.mark.parametrize("channels", [1, 3])
def test_identities(channels: int, side: int) -> None:
    a, b = pictures(4, channels, side, side), pictures(4, channels, side, side, seed=1)
    assert ms_ssim(a, a).tolist() == [1] * 4
    similar = ms_ssim(a, b)
    assert ms_ssim(b, a) == pytest.approx(similar)
    assert ((similar >= 0) & (similar <= 1)).all()
    assert ms_ssim(a[::-1], b[::-1]).tolist() == similar[::-1].tolist()
    assert ms_ssim(np.swapaxes(a, 2, 3), np.swapaxes(b, 2, 3)) == pytest.approx(similar)


def test_more_noise_lowers_the_similarity() -> None:
    a = pictures(1, 3, 64, 64)
    scores = [ms_ssim(a, noisy(a, amount))[0] for amount in (1, 10, 40, 120)]
    assert scores == sorted(scores, reverse=True)


def test_negative_images_score_0() -> None:
    a = pictures(2, 1, 64, 64)
    assert ms_ssim(a, 255 - a).tolist() == [0, 0]


def test_the_block_size_does_not_change_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = pictures(5, 3, 28, 28), pictures(5, 3, 28, 28, seed=1)
    whole = ms_ssim(a, b)
    monkeypatch.setattr(similarity, "_BLOCK", 1)  # image by image
    assert ms_ssim(a, b).tolist() == whole.tolist()


def classes(per_class: int, *, pictures_per_class: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes, each with copies of a few images."""
    kept = [pictures(pictures_per_class, 1, 28, 28, seed=seed + label) for label in range(3)]
    images = np.concatenate([images[np.arange(per_class) % pictures_per_class] for images in kept])
    return images, np.repeat(np.arange(3), per_class)


def test_within_classes_it_is_the_mean_over_all_pairs_if_there_are_few() -> None:
    images, labels = classes(4, pictures_per_class=4)
    expected = []
    for label in range(3):
        members = images[labels == label]
        first, second = np.triu_indices(4, k=1)
        expected.append(ms_ssim(members[first], members[second]).mean())
    assert ms_ssim_within(images, labels) == pytest.approx(np.mean(expected))
    # classes have equal weight whatever their size; those with one image are skipped
    more = np.concatenate([images, images[:4], pictures(1, 1, 28, 28, seed=9)]), np.concatenate([labels, [5, 5, 5, 5], [6]])
    assert ms_ssim_within(*more) == pytest.approx(np.mean([*expected, expected[0]]))


def test_random_pairs_estimate_all_pairs() -> None:
    images, labels = classes(30, pictures_per_class=30)
    everything = ms_ssim_within(images, labels, pairs=30 * 29)
    drawn = [ms_ssim_within(images, labels, pairs=50, seed=seed) for seed in range(10)]
    assert np.mean(drawn) == pytest.approx(everything, abs=3 * np.std(drawn) / np.sqrt(10))
    assert len(set(drawn)) == 10
    assert ms_ssim_within(images, labels, pairs=50, seed=3) == drawn[3]
    assert everything == ms_ssim_within(images, labels, pairs=10_000, seed=1)


def test_collapse_raises_the_similarity_to_1() -> None:
    scores = [ms_ssim_within(*classes(20, pictures_per_class=kept), pairs=400) for kept in (20, 5, 2, 1)]
    assert scores == sorted(scores)
    assert scores[-1] == 1
    black = np.zeros((10, 1, 8, 8), dtype=np.uint8)
    assert ms_ssim_within(black, np.zeros(10, dtype=int)) == 1


A = pictures(2, 1, 8, 8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ms_ssim(A / 255, A), r"a must be uint8 images \[N, C, H, W\], at least one; given is float64 \[2, 1, 8, 8\]"),
        (lambda: ms_ssim(A, A[0]), r"b must be uint8 images .* given is uint8 \[1, 8, 8\]"),
        (lambda: ms_ssim(A[:0], A[:0]), r"a must be uint8 images .* given is uint8 \[0, 1, 8, 8\]"),
        (lambda: ms_ssim(A, A[:1]), r"a and b must have the same shape; given are \[2, 1, 8, 8\] and \[1, 1, 8, 8\]"),
        (lambda: ms_ssim_within(A, [0]), r"labels must be one integer per image; given are int64 \[1\] for 2 images"),
        (lambda: ms_ssim_within(A, [0.0, 1.0]), "labels must be one integer per image; given are float64"),
        (lambda: ms_ssim_within(A, [0, 1]), "labels must hold a class with at least 2 images"),
        (lambda: ms_ssim_within(A, [0, 0], pairs=0), "pairs, drawn from each class, must be at least 1; given is 0"),
    ],
)
def test_rejects(call: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        call()
