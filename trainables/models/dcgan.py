"""DCGAN for images of 8 to 64 pixels. Radford et al. 2016, section 3."""

import torch
from torch import nn

from trainables.config import TrialConfig
from trainables.models.base import Architecture, Discriminator, Shape, doublings_of
from trainables.models.checks import check_init, check_kernels
from trainables.models.layers import ToOnePlace, biased, doubled, finish, first, halved, more, seen, squashed
from trainables.models.starts import normal, started


def generator(config: TrialConfig, shape: Shape) -> nn.Module:
    start, doublings = doublings_of("dcgan", shape)
    g, wide = config.g, config.g.width << (doublings - 1)
    layers = first(config.latent.dim, wide, start, g.head or "conv", bias=biased(g)) + finish(wide, g) + more(wide, g)
    for _ in range(doublings - 1):
        layers += doubled(wide, wide // 2, g, bias=biased(g)) + finish(wide // 2, g) + more(wide // 2, g)
        wide //= 2
    net = nn.Sequential(*layers, *doubled(wide, shape[0], g, bias=True), squashed(g, shape))
    return started(net, g, own=initialised).to(memory_format=torch.channels_last)


def discriminator(config: TrialConfig, shape: Shape) -> Discriminator:
    start, doublings = doublings_of("dcgan", shape)
    d, wide = config.d, config.d.width
    layers = seen(config.g) + halved(shape[0], wide, d, normed=False) + more(wide, d)  # no norm on what comes from the image
    for _ in range(doublings - 1):
        layers += halved(wide, 2 * wide, d) + more(2 * wide, d)
        wide *= 2
    dense = d.head == "dense"
    head = nn.Linear(wide * start * start, 1) if dense else ToOnePlace(wide, 1, start)
    net = Discriminator(nn.Sequential(*layers, *([nn.Flatten()] if dense else [])), head)
    return started(net, d, own=initialised).to(
        memory_format=torch.channels_last
    )  # the order that convolutions work in: up to a fifth faster on a CPU


def initialised(net: nn.Module) -> None:
    """Weights from N(0, .02), gains of norms from N(1, .02), biases 0. Radford et al. 2016, section 4, and its code."""
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            normal(module)
        elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d)):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def check(config: TrialConfig) -> None:
    check_kernels(config, strided=True)
    check_init(config)


DCGAN = Architecture(
    source="Strided convolutions, 8 to 64 pixels; width doubles as the map halves. Radford et al. 2016",
    generator=generator,
    discriminator=discriminator,
    check=check,
    takes=("kernel", "head", "upsampling", "downsampling"),
)
