"""Multi-scale structural similarity of images (MS-SSIM): how alike two pictures look. Within a class, much of it means little variety.

Wang, Simoncelli & Bovik 2003, eq. 7; as a measure of variety within a class: Odena, Olah & Shlens 2017 (AC-GAN).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate1d

from analysis.metrics.arrays import Floats

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, from the full size down; Wang et al. 2003, section 3.2
WINDOW, SIGMA = 11, 1.5  # of the Gaussian window, pixels
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # Wang et al. 2004: where means and variances vanish, images are alike
BLOCK = 500_000  # numbers in a block of images; six arrays of that size live at once: 24 MB


def ms_ssim(a: ArrayLike, b: ArrayLike) -> Floats:
    """Similarity [N] of the uint8 images `a[i]` and `b[i]`, both [N, C, H, W]: 1 for equal images, 0 for nothing in common.

    At each scale the contrast and structure of the pair are compared in a Gaussian window that stays inside of the image, at the last one
    their luminance too; each is averaged over the image, raised to the power of its weight, and multiplied; from scale to scale 2 x 2
    pixels become their mean (of an odd number of rows or columns the last is left out). Channels are judged apart and averaged.

    Five scales need 176 pixels. Smaller images have as many as hold a whole window (88: 4, 44: 3, 22: 2), at least one, and the weights are
    scaled to add up to 1; images below 11 pixels are seen through the largest odd window that fits. So compare equal sizes only. An average
    below 0 (images that are each other's negative) counts as 0: its power would not be a number.
    """
    x, y = _as_images("a", a), _as_images("b", b)
    if x.shape != y.shape:
        raise ValueError(f"a and b must have the same shape; given are {list(x.shape)} and {list(y.shape)}")
    step = max(1, BLOCK // x[0].size)
    blocks = (slice(start, start + step) for start in range(0, len(x), step))
    return np.concatenate([_ms_ssim(x[rows].astype(np.float64), y[rows].astype(np.float64)) for rows in blocks])


def ms_ssim_within(images: ArrayLike, labels: ArrayLike, *, pairs: int = 100, seed: int = 0) -> float:
    """Mean MS-SSIM of pairs of images of the same class: uint8 `images` [N, C, H, W], whole numbers `labels` [N]. Odena et al. 2017.

    From each class with at least 2 images `pairs` random pairs of two different ones are drawn (all, where there are not more), and the
    classes count alike. Less is more varied; 1 is a generator with one picture per class. There is no absolute scale (digits on black are
    alike, photographs are not): compare with the score of real images with the same labels. It means nothing across classes, since a
    generator of fewer, more different classes would look more varied; and it does not see that a class is missing.
    """
    pictures, classes = _as_images("images", images), np.asarray(labels)
    if classes.shape != pictures.shape[:1] or not np.issubdtype(classes.dtype, np.integer):
        given = f"{classes.dtype} {list(classes.shape)} for {len(pictures)} images"
        raise ValueError(f"labels must be one whole number per image; given are {given}")
    if pairs < 1:
        raise ValueError(f"pairs, drawn from each class, must be at least 1; given is {pairs}")
    rng = np.random.default_rng(seed)
    scores = []
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        n = len(members)
        if n > 1:
            first, other = np.divmod(rng.choice(n * (n - 1), size=min(pairs, n * (n - 1)), replace=False), n - 1)
            second = other + (other >= first)  # skips the first
            scores.append(ms_ssim(pictures[members[first]], pictures[members[second]]).mean())
    if not scores:
        raise ValueError(f"labels must hold a class with at least 2 images; given are {len(pictures)} images, each of its own class")
    return float(np.mean(scores))


def _ms_ssim(x: Floats, y: Floats) -> Floats:
    side = min(x.shape[2:])
    scales = max(1, sum(side >> scale >= WINDOW for scale in range(len(WEIGHTS))))
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    window = _gaussian(min(WINDOW, side - 1 + side % 2))
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
    """Luminance, and contrast times structure, at each place of the window: Wang et al. 2003, eq. 1 to 3."""
    mean_x, mean_y = _blur(x, window), _blur(y, window)
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    variances = _blur(x * x + y * y, window) - (mean_x**2 + mean_y**2)  # in brackets: equal images score 1, not 1 - 1e-16
    covariance = _blur(x * y, window) - mean_x * mean_y
    return luminance, (2 * covariance + C2) / (variances + C2)


def _blur(x: Floats, window: Floats) -> Floats:
    """Means [..., H - w + 1, W - w + 1] under the separable `window` [w] wherever it lies inside of `x` [..., H, W]."""
    rim = len(window) // 2
    inside = slice(rim, -rim or None)
    blurred: Floats = correlate1d(correlate1d(x, window, axis=2)[:, :, inside], window, axis=3)[..., inside]
    return blurred


def _gaussian(size: int) -> Floats:
    weights = np.exp(-0.5 * ((np.arange(size) - size // 2) / SIGMA) ** 2)
    normed: Floats = weights / weights.sum()
    return normed


def _halve(x: Floats) -> Floats:
    n, c, h, w = x.shape
    halved: Floats = x[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))
    return halved


def _as_images(name: str, x: ArrayLike) -> NDArray[np.uint8]:
    images = np.asarray(x)
    if images.ndim != 4 or images.dtype != np.uint8 or not images.size:
        raise ValueError(f"{name} must be uint8 images [N, C, H, W], at least one; given is {images.dtype} {list(images.shape)}")
    return images
