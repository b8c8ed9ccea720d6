"""Units of training length: kimg, thousands of real images shown to D."""

KIMG = 1000  # images


def to_images(kimg: float) -> int:
    return round(KIMG * kimg)


def to_kimg(images: float) -> float:
    return images / KIMG
