"""Units of training length: kimg, thousands of real images shown to D."""

KIMG = 1000  # images


def to_images(kimg: float) -> int:
    """Convert kimg to a whole number of images."""
    return round(KIMG * kimg)


def to_kimg(images: float) -> float:
    """Convert a number of images to kimg."""
    return images / KIMG
