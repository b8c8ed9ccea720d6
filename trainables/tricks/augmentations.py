"""Augmentations of images [N, C, H, W] by chance, one draw an image: differentiable, so that G learns through them."""

from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import AfterValidator
from torch import Tensor

from ganstudy.errors import UserError
from ganstudy.registry import nearest

SHIFT = 0.125  # of the width and height, at most. Zhao et al. 2020 (DiffAugment)
HOLE = 0.5  # a cutout's side in those of the image. Zhao et al. 2020 (DiffAugment)


def one_each(images: Tensor, low: float, high: float, rng: torch.Generator) -> Tensor:
    """[N, 1, 1, 1] from U(low, high)."""
    return low + (high - low) * torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device)


def brightness(images: Tensor, rng: torch.Generator) -> Tensor:
    return images + one_each(images, -0.5, 0.5, rng)


def saturation(images: Tensor, rng: torch.Generator) -> Tensor:
    """Grey images have none, and stay as they are."""
    grey = images.mean(1, keepdim=True)
    return grey + (images - grey) * one_each(images, 0.0, 2.0, rng)


def contrast(images: Tensor, rng: torch.Generator) -> Tensor:
    level = images.mean((1, 2, 3), keepdim=True)
    return level + (images - level) * one_each(images, 0.5, 1.5, rng)


def translation(images: Tensor, rng: torch.Generator) -> Tensor:
    """Whole pixels, up to SHIFT of the size each way; what comes in is 0, the middle grey."""
    for axis in (2, 3):
        size = images.shape[axis]
        furthest = int(SHIFT * size + 0.5)
        moved = torch.randint(-furthest, furthest + 1, (len(images), 1, 1, 1), generator=rng, device=images.device)
        shape = [1, 1, 1, 1]
        shape[axis] = size
        source = torch.arange(size, device=images.device).view(shape) - moved
        inside = (source >= 0) & (source < size)
        images = images.gather(axis, source.clamp(0, size - 1).expand_as(images)) * inside
    return images


def cutout(images: Tensor, rng: torch.Generator) -> Tensor:
    """A square of HOLE of the size, its middle anywhere, is 0."""
    hole: Tensor | None = None
    for axis in (2, 3):
        size = images.shape[axis]
        side = int(HOLE * size + 0.5)
        middle = torch.randint(0, size + 1 - side % 2, (len(images), 1, 1, 1), generator=rng, device=images.device)
        shape = [1, 1, 1, 1]
        shape[axis] = size
        place = torch.arange(size, device=images.device).view(shape) - middle + side // 2
        band = (place >= 0) & (place < side)
        hole = band if hole is None else hole & band
    assert hole is not None
    return images * ~hole


def flip(images: Tensor, rng: torch.Generator) -> Tensor:
    """Left and right, of every second image."""
    return torch.where(one_each(images, 0.0, 1.0, rng) < 0.5, images.flip(3), images)


AUGMENTATIONS: dict[str, tuple[Callable[[Tensor, torch.Generator], Tensor], ...]] = {
    "colour": (brightness, saturation, contrast),
    "translation": (translation,),
    "cutout": (cutout,),
    "flip": (flip,),
}


def known(policy: str) -> str:
    """ "colour,cutout": names of AUGMENTATIONS, by commas. UserError for anything else."""
    for name in policy.split(","):
        if name not in AUGMENTATIONS:
            raise UserError(
                f"a policy is names of {sorted(AUGMENTATIONS)}, joined by commas; {nearest(name, AUGMENTATIONS)}given {policy!r}"
            )
    return policy


Policy = Annotated[str, AfterValidator(known)]


def augmented(images: Tensor, policy: str, rng: torch.Generator, *, p: Tensor | None = None) -> Tensor:
    """The policy's augmentations one after the other; with `p`, each changes each image with that probability only."""
    for name in policy.split(","):
        for augment in AUGMENTATIONS[name]:
            changed = augment(images, rng)
            images = changed if p is None else torch.where(one_each(images, 0.0, 1.0, rng) < p, changed, images)
    return images
