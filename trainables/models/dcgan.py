"""DCGAN for images of 8 to 64 pixels. Radford et al. 2016, section 3."""

from typing import TypeVar

import torch
from torch import nn

from trainables.config import TrialConfig
from trainables.models.base import ACTIVATIONS, NORMS_2D, Architecture, Discriminator, Shape, doublings_of

Net = TypeVar("Net", bound=nn.Module)


def generator(config: TrialConfig, shape: Shape) -> nn.Module:
    start, doublings = doublings_of("dcgan", shape)
    g, wide = config.g, config.g.width << (doublings - 1)
    bias = g.norm == "none"  # a norm has its own

    def finish(channels: int) -> list[nn.Module]:
        return [NORMS_2D[g.norm](channels), ACTIVATIONS[g.activation]()]

    layers: list[nn.Module] = [
        nn.Unflatten(1, (config.latent.dim, 1, 1)),
        nn.ConvTranspose2d(config.latent.dim, wide, start, bias=bias),
        *finish(wide),
    ]
    for _ in range(doublings - 1):
        layers += [nn.ConvTranspose2d(wide, wide // 2, 4, 2, 1, bias=bias), *finish(wide // 2)]
        wide //= 2
    return initialised(nn.Sequential(*layers, nn.ConvTranspose2d(wide, shape[0], 4, 2, 1), nn.Tanh()))


def discriminator(config: TrialConfig, shape: Shape) -> Discriminator:
    start, doublings = doublings_of("dcgan", shape)
    d, wide = config.d, config.d.width
    layers: list[nn.Module] = [nn.Conv2d(shape[0], wide, 4, 2, 1), ACTIVATIONS[d.activation]()]  # no norm on what comes from the image
    for _ in range(doublings - 1):
        layers += [nn.Conv2d(wide, 2 * wide, 4, 2, 1, bias=d.norm == "none"), NORMS_2D[d.norm](2 * wide), ACTIVATIONS[d.activation]()]
        wide *= 2
    return initialised(Discriminator(nn.Sequential(*layers), nn.Conv2d(wide, 1, start)))


def initialised(net: Net) -> Net:
    """Weights from N(0, .02), gains of norms from N(1, .02), biases 0. Radford et al. 2016, section 4, and its code."""
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d)):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return net.to(memory_format=torch.channels_last)  # the order that convolutions work in: up to a fifth less time a step on a CPU


def check(config: TrialConfig) -> None:
    for name, depth in {"g.depth": config.g.depth, "d.depth": config.d.depth}.items():
        if depth is not None:
            raise ValueError(f"{name} has no meaning in a dcgan, whose depth follows from the image size; given {depth}, leave it out")


DCGAN = Architecture(
    source="Strided convolutions, 8 to 64 pixels; width doubles as the map halves. Radford et al. 2016",
    generator=generator,
    discriminator=discriminator,
    check=check,
)
