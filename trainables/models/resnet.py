"""Residual networks for images of 8 to 64 pixels, of one width throughout. Miyato et al. 2018, table 3; the blocks are Gulrajani et al. 2017's."""

from math import sqrt
from typing import TypeVar

import torch
from torch import Tensor, nn

from trainables.config import Activation, Norm, TrialConfig
from trainables.models.base import ACTIVATIONS, NORMS_2D, Architecture, Discriminator, Shape, doublings_of

Net = TypeVar("Net", bound=nn.Module)

PLAIN_BLOCKS = 2  # of D, after those that halve the map; it ends at twice the map that G starts from


class Block(nn.Module):
    """x + what two convolutions add to it, each after a norm and an activation. `up` doubles the map before the first one, `down` halves it at the end."""

    def __init__(self, n: int, out: int, activation: Activation, norm: Norm, *, up: bool = False, down: bool = False, first: bool = False):
        super().__init__()
        bias = norm == "none"
        self.before = (
            nn.Identity() if first else nn.Sequential(NORMS_2D[norm](n), fresh(activation))
        )  # D's first block takes the image as it is
        self.resize = nn.Upsample(scale_factor=2) if up else nn.Identity()
        self.residual = nn.Sequential(
            nn.Conv2d(n, out, 3, padding=1, bias=bias), NORMS_2D[norm](out), fresh(activation), nn.Conv2d(out, out, 3, padding=1)
        )
        self.skip = nn.Conv2d(n, out, 1) if n != out or up or down else nn.Identity()
        self.shrink = nn.AvgPool2d(2) if down else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N, n, H, W] -> [N, out, H', W']."""
        y: Tensor = self.shrink(self.residual(self.resize(self.before(x))) + self.skip(self.resize(x)))
        return y


class Pooled(nn.Module):
    """[N, C, H, W] -> [N, C]: the sum over places, as in Miyato et al. 2018."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(dim=(2, 3))


def fresh(activation: Activation) -> nn.Module:
    """An activation that leaves its input as it is, since the skip reads it too."""
    module = ACTIVATIONS[activation]()
    if hasattr(module, "inplace"):
        module.inplace = False  # type: ignore[assignment]  # a flag of torch's
    return module


def generator(config: TrialConfig, shape: Shape) -> nn.Module:
    start, doublings = doublings_of("resnet", shape)
    g = config.g
    return initialised(
        nn.Sequential(
            nn.Linear(config.latent.dim, g.width * start * start),
            nn.Unflatten(1, (g.width, start, start)),
            *(Block(g.width, g.width, g.activation, g.norm, up=True) for _ in range(doublings)),
            NORMS_2D[g.norm](g.width),
            fresh(g.activation),
            nn.Conv2d(g.width, shape[0], 3, padding=1),
            nn.Tanh(),
        )
    )


def discriminator(config: TrialConfig, shape: Shape) -> Discriminator:
    _, doublings = doublings_of("resnet", shape)
    d = config.d
    body = nn.Sequential(
        Block(shape[0], d.width, d.activation, "none", down=True, first=True),
        *(Block(d.width, d.width, d.activation, d.norm, down=i < doublings - 2) for i in range(doublings - 2 + PLAIN_BLOCKS)),
        fresh(d.activation),
        Pooled(),
    )
    return initialised(Discriminator(body, nn.Linear(d.width, 1)))


def initialised(net: Net) -> Net:
    """Xavier's uniform weights, those on the residual way larger by a factor of √2; biases 0. The code of Miyato et al. 2018."""
    residual = {id(m) for block in net.modules() if isinstance(block, Block) for m in block.residual}
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight, gain=sqrt(2) if id(module) in residual else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net.to(memory_format=torch.channels_last)


def check(config: TrialConfig) -> None:
    for name, depth in {"g.depth": config.g.depth, "d.depth": config.d.depth}.items():
        if depth is not None:
            raise ValueError(f"{name} has no meaning in a resnet, whose depth follows from the image size; given {depth}, leave it out")


RESNET = Architecture(
    source="Residual blocks of one width, nearest upsampling, average pooling, 8 to 64 pixels. Miyato et al. 2018, table 3",
    generator=generator,
    discriminator=discriminator,
    check=check,
)
