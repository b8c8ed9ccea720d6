"""Architecture and Discriminator, and the activations and norms that all architectures share."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganstudy.arguments import check_takes
from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.sections import Activation, Norm
from trainables.tables import ARCHS

NO_MEMORY = re.compile("memory|overflow")  # what PyTorch's allocator says; the second of more numbers than 64 bits can count
Shape = tuple[int, ...]  # shape of one sample: (C, H, W) for an image, (D,) for a point


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A pair of networks: how to build G and D from a config and the shape of one sample.

    Both functions return an unconditional network; trainables.models.conditional adds the class.
    """

    source: str  # one line: what it is and its source; shown by `ganstudy list`
    generator: Callable[[TrialConfig, Shape], nn.Module]  # builds G: z [N, latent.dim] -> [N, *shape]; images in [-1, 1]
    discriminator: Callable[[TrialConfig, Shape], "Discriminator"]  # builds D: [N, *shape] -> logits [N]
    check: Callable[[TrialConfig], None]  # raises UserError for a config that it cannot build
    takes: tuple[str, ...] = ()  # which of the settings kernel, head, upsampling and downsampling it reads

    def __post_init__(self) -> None:
        """Raise UserError unless the functions take a config, and two of them a shape."""
        for name, arguments in (("generator", ("config", "shape")), ("discriminator", ("config", "shape")), ("check", ("config",))):
            check_takes(getattr(self, name), arguments, f"{name} of the architecture {self.source!r}")


def plain_generator(config: TrialConfig, shape: Shape) -> nn.Module:
    """Build the unconditional G of a config. Raises UserError unless it maps latents [N, latent.dim] to samples [N, *shape]."""
    net = ARCHS.pick(config.arch).generator(config, shape)
    return _checked(net, f"the generator of arch: {config.arch}", (config.latent.dim,), shape)


def plain_discriminator(config: TrialConfig, shape: Shape) -> nn.Module:
    """Build the unconditional D of a config. Raises UserError unless it maps samples [N, *shape] to logits [N]."""
    return _checked(ARCHS.pick(config.arch).discriminator(config, shape), f"the discriminator of arch: {config.arch}", shape, ())


@torch.no_grad()
def _checked(net: nn.Module, what: str, taken: Shape, returned: Shape) -> nn.Module:
    """Return the network. Raises UserError unless it is a module that maps [N, *taken] to [N, *returned].

    In evaluation mode, so that running statistics stay as they are; a network that draws random numbers there does not move those of the trial.
    """
    if not isinstance(net, nn.Module):
        raise UserError(f"{what} must be a torch.nn.Module; given {type(net).__name__}")
    must = f"{what} must map a tensor of shape {[2, *taken]} to one of shape {[2, *returned]}"
    try:
        with torch.random.fork_rng(devices=[]):
            found = net.eval()(torch.zeros(2, *taken))
    except RuntimeError as error:  # such as weights of another shape
        if NO_MEMORY.search(str(error)):
            raise
        raise UserError(f"{must}; it raises: {error}") from error
    net.train()
    if not isinstance(found, Tensor) or found.shape != (2, *returned):
        given = f"a tensor of shape {list(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise UserError(f"{must}; it returns {given}")
    return net


class Discriminator(nn.Module):
    """D: a body that computes features [N, C, …] and a head that maps them to logits.

    The head is the last layer. A trick may replace it; minibatch_std does.
    """

    def __init__(self, body: nn.Module, head: nn.Linear | nn.Conv2d):
        super().__init__()
        self.body = body
        self.head: nn.Module = head

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [N] of images [N, *shape]."""
        logits: Tensor = self.head(self.body(images))
        return logits.flatten()


SIZES = {
    start << doublings: (start, doublings)
    for doublings, starts in {2: (2, 3, 4, 5, 6, 7), 3: (4, 5, 6, 7), 4: (4,)}.items()
    for start in starts
}
# pixels per side of the image -> (pixels per side of the smallest map, doublings): 8 -> (2, 2), 28 -> (7, 2), 32 -> (4, 3), 64 -> (4, 4)


def check_resolution(config: TrialConfig) -> None:
    """Raise UserError unless `data.resolution`, if it is set, is one of SIZES: before any data are read and resized."""
    given = config.data.resolution
    if given is not None and given not in SIZES:
        raise UserError(f"data.resolution must be one of {sorted(SIZES)} with arch: {config.arch}; given {given}")


def doublings_of(arch: str, shape: Shape) -> tuple[int, int]:
    """Return the pixels per side of the smallest map, and how often it doubles up to the image.

    Raises UserError unless the shape is a square image of one of SIZES.
    """
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] not in SIZES:
        raise UserError(
            f"arch: {arch} needs square images of {sorted(SIZES)} pixels; the data are {shape}; set data.resolution to resize images, or arch: mlp for points"
        )
    return SIZES[shape[1]]


ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),  # in place: saves memory and memory traffic; no other layer reads the input
    "leaky_relu": lambda: nn.LeakyReLU(0.2, inplace=True),  # slope: Radford et al. 2016
    "selu": nn.SELU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def group_norm(n: int) -> nn.Module:
    """Group norm of n channels in 32 groups (Wu & He 2018, section 3).

    If that is not possible: the largest number of groups that divides n and leaves at least two channels per group. A group of one channel of one pixel
    would always be 0. If only one group is possible (n = 3, 7), this is layer norm.
    """
    return nn.GroupNorm(max(groups for groups in range(1, 33) if n % groups == 0 and (groups == 1 or n >= 2 * groups)), n)


NORMS_1D: dict[Norm, Callable[[int], nn.Module]] = {
    "none": lambda n: nn.Identity(),
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
    "group": group_norm,
}
NORMS_2D: dict[Norm, Callable[[int], nn.Module]] = {
    "none": lambda n: nn.Identity(),
    "batch": nn.BatchNorm2d,
    "layer": lambda n: nn.GroupNorm(1, n),
    "instance": lambda n: nn.InstanceNorm2d(n, affine=True),
    "group": group_norm,
}
