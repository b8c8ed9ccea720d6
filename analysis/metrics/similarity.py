"""Multi-scale structural similarity of images (MS-SSIM). High similarity within a class means low variety.

Wang, Simoncelli & Bovik 2003, eq. 7; as a measure of variety within a class: Odena, Olah & Shlens 2017 (AC-GAN).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate1d

from analysis.metrics.arrays import Floats
from ganstudy import UserError

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, from the full size down; Wang et al. 2003, section 3.2
_WINDOW, _SIGMA = 11, 1.5  # of the Gaussian window, pixels
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # Wang et al. 2004: regions with zero mean and variance count as similar
_BLOCK = 500_000  # numbers in a block of images; six arrays of that size exist at once: 24 MB


def ms_ssim(a: ArrayLike, b: ArrayLike) -> Floats:
    """Return the similarity [N] of the uint8 images `a[i]` and `b[i]`, both [N, C, H, W]: 1 for equal images, 0 for no similarity.

    At each scale, contrast and structure of a pair are compared in a Gaussian window inside the image; at the last scale luminance is compared
    too. Each factor is averaged over the image and raised to the power of its weight, and the factors are multiplied. Between scales,
    2 x 2 pixels are averaged; the last of an odd number of rows or columns is dropped. Channels are treated separately and averaged.

    Five scales need 176 pixels. Smaller images use as many scales as hold a whole window (88: 4, 44: 3, 22: 2), at least one, with weights
    rescaled to add up to 1. Images below 11 pixels use the largest odd window that fits. Compare only images of equal size. A negative
    average, as for an image and its negative, counts as 0, because its power is not a real number.
    """
    x, y = _as_images("a", a), _as_images("b", b)
    if x.shape != y.shape:
        raise UserError(f"a and b must have the same shape; given are {list(x.shape)} and {list(y.shape)}")
    step = max(1, _BLOCK // x[0].size)
    blocks = (slice(start, start + step) for start in range(0, len(x), step))
    return np.concatenate([_ms_ssim(x[rows].astype(np.float64), y[rows].astype(np.float64)) for rows in blocks])


def ms_ssim_within(images: ArrayLike, labels: ArrayLike, *, pairs: int = 100, seed: int = 0) -> float:
    """Return the mean MS-SSIM of pairs within classes: uint8 `images` [N, C, H, W], integer `labels` [N]. Odena et al. 2017.

    `pairs` random pairs of different images (or all pairs, if there are fewer) are drawn from each class with at least 2 images. Classes have
    equal weight. Lower values mean more variety; 1 means one image per class. There is no absolute scale, because digits on black are
    similar and photographs are not: compare with real images of the same labels. Across classes the value would be misleading, because
    fewer but more different classes would look more varied. Missing classes are not detected. Raises UserError for invalid input.
    """
    pictures, classes = _as_images("images", images), np.asarray(labels)
    if classes.shape != pictures.shape[:1] or not np.issubdtype(classes.dtype, np.integer):
        given = f"{classes.dtype} {list(classes.shape)} for {len(pictures)} images"
        raise UserError(f"labels must be one integer per image; given are {given}")
    if pairs < 1:
        raise UserError(f"pairs, drawn from each class, must be at least 1; given is {pairs}")
    rng = np.random.default_rng(seed)
    scores = []
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        n = len(members)
        if n > 1:
            first, other = np.divmod(rng.choice(n * (n - 1), size=min(pairs, n * (n - 1)), replace=False), n - 1)
            second = other + (other >= first)  # skips the first image itself
            scores.append(ms_ssim(pictures[members[first]], pictures[members[second]]).mean())
    if not scores:
        raise UserError(f"labels must hold a class with at least 2 images; given are {len(pictures)} images, each of its own class")
    return float(np.mean(scores))


def _ms_ssim(x: Floats, y: Floats) -> Floats:
    side = min(x.shape[2:])
    scales = max(1, sum(side >> scale >= _WINDOW for scale in range(len(WEIGHTS))))
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    window = _gaussian(min(_WINDOW, side - 1 + side % 2))
    similarity = np.ones(x.shape[:2])
    for scale, weight in enumerate(weights):
        if scale:
            x, y = _halve(x), _halve(y)
        luminance, contrast_structure = _compare(x, y, window)
        factor = luminance * contrast_structure if scale == scales - 1 else contrast_structure
        similarity *= np.maximum(factor.mean(axis=(2, 3)), 0) ** weight
    mean: Floats = similarity.mean(axis=1)
    return mean


def _compare(x: Floats, y: Floats, window: Floats) -> tuple[Floats, Floats]:
    """Return luminance, and contrast times structure, at each position of the window. Wang et al. 2003, eq. 1 to 3."""
    mean_x, mean_y = _blur(x, window), _blur(y, window)
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    variances = _blur(x * x + y * y, window) - (mean_x**2 + mean_y**2)  # in this order equal images score exactly 1
    covariance = _blur(x * y, window) - mean_x * mean_y
    return luminance, (2 * covariance + _C2) / (variances + _C2)


def _blur(x: Floats, window: Floats) -> Floats:
    """Return means [..., H - w + 1, W - w + 1] under the separable `window` [w] at all positions inside `x` [..., H, W]."""
    margin = len(window) // 2
    inside = slice(margin, -margin or None)
    blurred: Floats = correlate1d(correlate1d(x, window, axis=2)[:, :, inside], window, axis=3)[..., inside]
    return blurred


def _gaussian(size: int) -> Floats:
    weights = np.exp(-0.5 * ((np.arange(size) - size // 2) / _SIGMA) ** 2)
    normed: Floats = weights / weights.sum()
    return normed


def _halve(x: Floats) -> Floats:
    n, c, h, w = x.shape
    halved: Floats = x[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))
    return halved


def _as_images(name: str, x: ArrayLike) -> NDArray[np.uint8]:
    images = np.asarray(x)
    if images.ndim != 4 or images.dtype != np.uint8 or not images.size:
        raise UserError(f"{name} must be uint8 images [N, C, H, W], at least one; given is {images.dtype} {list(images.shape)}")
    return images
