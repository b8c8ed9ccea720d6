"""What an architecture is, and the layers that architectures share."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.sections import Activation, Norm

Shape = tuple[int, ...]  # of one sample: (C, H, W), or (D,) for points


@dataclass(frozen=True, kw_only=True)
class Architecture:
    source: str  # one line: what it is, and where it comes from
    generator: Callable[[TrialConfig, Shape], nn.Module]  # z [N, latent.dim] -> [N, *shape]; images in [-1, 1]
    discriminator: Callable[[TrialConfig, Shape], "Discriminator"]  # [N, *shape] -> logits [N]
    check: Callable[[TrialConfig], None]  # raises UserError for values that it cannot build
    takes: tuple[str, ...] = ()  # of kernel, head, upsampling and downsampling: those that it reads


class Discriminator(nn.Module):
    """A body of features and a head: the last layer, which tricks may rebuild (minibatch standard deviation does)."""

    def __init__(self, body: nn.Module, head: nn.Linear | nn.Conv2d):
        super().__init__()
        self.body = body
        self.head: nn.Module = head

    def forward(self, images: Tensor) -> Tensor:
        """[N, *shape] -> [N]."""
        logits: Tensor = self.head(self.body(images))
        return logits.flatten()


SIZES = {
    start << doublings: (start, doublings)
    for doublings, starts in {2: (2, 3, 4, 5, 6, 7), 3: (4, 5, 6, 7), 4: (4,)}.items()
    for start in starts
}
# pixels -> (pixels of the smallest map, doublings): 8 -> (2, 2), 28 -> (7, 2), 32 -> (4, 3), 64 -> (4, 4)


def doublings_of(arch: str, shape: Shape) -> tuple[int, int]:
    """Of a convolutional architecture: the pixels of the smallest map, and how often it doubles. UserError for other shapes of data."""
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] not in SIZES:
        raise UserError(
            f"arch: {arch} makes square images of one of {sorted(SIZES)} pixels; the data are {shape} (data.resolution resizes them; points want arch: mlp)"
        )
    return SIZES[shape[1]]


ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),  # nothing else reads what they are given: in place they save memory's time, not only its room
    "leaky_relu": lambda: nn.LeakyReLU(0.2, inplace=True),  # the slope of Radford et al. 2016
    "selu": nn.SELU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def group_norm(n: int) -> nn.Module:
    """Of n channels in 32 groups (Wu & He 2018, section 3), or in as many fewer as divide n and leave a group two channels, without which a
    channel of one place would always be 0. Numbers that only 1 divides so (3, 7) give one group: layer norm."""
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
