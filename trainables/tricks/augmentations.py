"""Random augmentations of images [N, C, H, W], drawn for each image, and differentiable so that G learns through them."""

from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import AfterValidator
from torch import Tensor

from ganstudy.errors import UserError
from ganstudy.registry import nearest

_SHIFT = 0.125  # the largest translation, in widths and heights. Zhao et al. 2020 (DiffAugment)
_HOLE = 0.5  # the side of a cutout, in sides of the image. Zhao et al. 2020 (DiffAugment)


def _one_each(images: Tensor, low: float, high: float, rng: torch.Generator) -> Tensor:
    """Return one number per image from U(low, high): [N, 1, 1, 1]."""
    return low + (high - low) * torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device)


def brightness(images: Tensor, rng: torch.Generator) -> Tensor:
    """Add U(-.5, .5) to all pixels of an image."""
    return images + _one_each(images, -0.5, 0.5, rng)


def saturation(images: Tensor, rng: torch.Generator) -> Tensor:
    """Scale the distance of each pixel from its grey value by U(0, 2). Images of one channel do not change."""
    grey = images.mean(1, keepdim=True)
    return grey + (images - grey) * _one_each(images, 0.0, 2.0, rng)


def contrast(images: Tensor, rng: torch.Generator) -> Tensor:
    """Scale the distance of each pixel from the mean of its image by U(.5, 1.5)."""
    level = images.mean((1, 2, 3), keepdim=True)
    return level + (images - level) * _one_each(images, 0.5, 1.5, rng)


def translation(images: Tensor, rng: torch.Generator) -> Tensor:
    """Translate by whole pixels, up to _SHIFT of the size in each direction; new pixels are 0, the middle grey."""
    for axis in (2, 3):
        size = images.shape[axis]
        furthest = int(_SHIFT * size + 0.5)
        moved = torch.randint(-furthest, furthest + 1, (len(images), 1, 1, 1), generator=rng, device=images.device)
        shape = [1, 1, 1, 1]
        shape[axis] = size
        source = torch.arange(size, device=images.device).view(shape) - moved
        inside = (source >= 0) & (source < size)
        images = images.gather(axis, source.clamp(0, size - 1).expand_as(images)) * inside
    return images


def cutout(images: Tensor, rng: torch.Generator) -> Tensor:
    """Set a rectangle of _HOLE of the size to 0; its centre is uniform over the image."""
    hole: Tensor | None = None
    for axis in (2, 3):
        size = images.shape[axis]
        side = int(_HOLE * size + 0.5)
        middle = torch.randint(0, size + 1 - side % 2, (len(images), 1, 1, 1), generator=rng, device=images.device)
        shape = [1, 1, 1, 1]
        shape[axis] = size
        place = torch.arange(size, device=images.device).view(shape) - middle + side // 2
        band = (place >= 0) & (place < side)
        hole = band if hole is None else hole & band
    assert hole is not None
    return images * ~hole


def flip(images: Tensor, rng: torch.Generator) -> Tensor:
    """Flip an image horizontally with probability 1/2."""
    return torch.where(_one_each(images, 0.0, 1.0, rng) < 0.5, images.flip(3), images)


AUGMENTATIONS: dict[str, tuple[Callable[[Tensor, torch.Generator], Tensor], ...]] = {
    "colour": (brightness, saturation, contrast),
    "translation": (translation,),
    "cutout": (cutout,),
    "flip": (flip,),
}


def _known_policy(policy: str) -> str:
    """Return a policy, as "colour,cutout". Raises UserError for names that are not in AUGMENTATIONS."""
    for name in policy.split(","):
        if name not in AUGMENTATIONS:
            raise UserError(
                f"a policy must be names of {sorted(AUGMENTATIONS)}, joined by commas; {nearest(name, AUGMENTATIONS)}given {policy!r}"
            )
    return policy


Policy = Annotated[str, AfterValidator(_known_policy)]


def augmented(images: Tensor, policy: str, rng: torch.Generator, *, p: Tensor | None = None) -> Tensor:
    """Apply the augmentations of a policy in order. With p, a scalar: each to each image with probability p."""
    for name in policy.split(","):
        for augment in AUGMENTATIONS[name]:
            changed = augment(images, rng)
            images = changed if p is None else torch.where(_one_each(images, 0.0, 1.0, rng) < p, changed, images)
    return images
