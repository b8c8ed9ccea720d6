"""R3GAN's residual networks for images of 8 to 64 pixels, of one width throughout. Huang et al. 2024, section 4 (configuration E), and their code.

As published with g.norm: none, g.activation: leaky_relu and g.output: linear; D's are so by default. Norms, activations and outputs are settings of
their own here as in every architecture: the paper tries others, too, and finds them no better.
"""

from math import gcd, sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

from trainables.config import TrialConfig
from trainables.models.base import NORMS_2D, Architecture, Discriminator, Shape, doublings_of
from trainables.models.checks import allow, check_init, check_kernels
from trainables.models.layers import POOLS, Residual, Side, activation, seen, squashed, upsample
from trainables.models.starts import layers_of, scaled, shifted, started
from trainables.sections import Norm

BLOCKS = 2  # a resolution
EXPANSION = 2  # channels between a block's two 1x1 convolutions, for one outside: the inverted bottleneck
GROUP = 16  # channels of a group of the grouped convolution: 1536 in 96 groups as published
GAIN = sqrt(2 / (1 + 0.2**2))  # of leaky_relu with slope .2


class Block(Residual):
    """x + a 1x1 convolution of an activation of a grouped 3x3 convolution of an activation of a 1x1 convolution of x.

    The biases of the paper's "biased activations" are those of the convolutions before them. Where 16 does not divide the channels, a group
    has as many as divide both.
    """

    def __init__(self, n: int, side: Side):
        super().__init__()
        inner, kernel, norm = EXPANSION * n, side.kernel or 3, side.norm
        bias = norm == "none" and side.init != "fixup"
        layers = [
            nn.Conv2d(n, inner, 1, bias=bias),
            *after(inner, norm),
            *activation(side),
            nn.Conv2d(inner, inner, kernel, padding=kernel // 2, groups=inner // gcd(inner, GROUP), bias=bias),
            *after(inner, norm),
            *activation(side),
            nn.Conv2d(inner, n, 1, bias=False),
        ]
        self.residual = nn.Sequential(*shifted(layers, side), *scaled(side))

    def forward(self, x: Tensor) -> Tensor:
        """[N, n, H, W] -> the same."""
        y: Tensor = x + self.residual(x)
        return y


def after(n: int, norm: Norm) -> list[nn.Module]:
    return [] if norm == "none" else [NORMS_2D[norm](n)]


class Resample(nn.Module):
    """Bilinear: twice or half the size by the filter [1, 3, 3, 1], what is outside of the image being 0, as in the authors' code."""

    kernel: Tensor

    def __init__(self, *, up: bool):
        super().__init__()
        self.up = up
        line = torch.tensor([1.0, 3.0, 3.0, 1.0])
        kernel = torch.outer(line, line)[None, None] / (16 if up else 64)  # an output pixel is a sum of weights 1 either way
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, 2H, 2W], or halves."""
        planes = x.reshape(-1, 1, *x.shape[2:])
        y = (conv_transpose2d if self.up else conv2d)(planes, self.kernel, stride=2, padding=1)
        return y.reshape(*x.shape[:2], *y.shape[2:])


class Basis(nn.Module):
    """z -> a learned map [n, start, start], each channel times a number that is linear in z."""

    def __init__(self, latents: int, n: int, start: int):
        super().__init__()
        self.linear = nn.Linear(latents, n, bias=False)
        self.basis = nn.Parameter(torch.randn(n, start, start))

    def forward(self, z: Tensor) -> Tensor:
        """[N, latents] -> [N, n, start, start]."""
        scales: Tensor = self.linear(z)
        return self.basis * scales[:, :, None, None]


def maps(shape: Shape) -> tuple[int, int]:
    """Pixels of the smallest map, 4 to 7, and how often it doubles."""
    start, doublings = doublings_of("r3", shape)
    return (start, doublings) if start >= 4 else (2 * start, doublings - 1)


def generator(config: TrialConfig, shape: Shape) -> nn.Module:
    (start, doublings), g = maps(shape), config.g
    layers: list[nn.Module] = [Basis(config.latent.dim, g.width, start)]
    for i in range(doublings + 1):
        layers += [upsample("nearest") if g.upsampling == "nearest" else Resample(up=True)] if i else []
        layers += [Block(g.width, g) for _ in range(g.depth or BLOCKS)]
    return started(nn.Sequential(*layers, nn.Conv2d(g.width, shape[0], 1, bias=False), squashed(g, shape)), g, own=initialised)


def discriminator(config: TrialConfig, shape: Shape) -> Discriminator:
    (start, doublings), d = maps(shape), config.d
    layers: list[nn.Module] = [*seen(config.g), nn.Conv2d(shape[0], d.width, 1, bias=False)]
    for i in range(doublings + 1):
        layers += [POOLS[d.downsampling](2) if d.downsampling else Resample(up=False)] if i else []
        layers += [Block(d.width, d) for _ in range(d.depth or BLOCKS)]
    basis = nn.Conv2d(d.width, d.width, start, groups=d.width, bias=False)  # one weight a place and channel
    return started(Discriminator(nn.Sequential(*layers, basis, nn.Flatten()), nn.Linear(d.width, 1, bias=False)), d, own=initialised)


@torch.no_grad()
def initialised(net: nn.Module) -> None:
    """Weights from N(0, gain²/inputs); gain 1, and leaky_relu's times L^(-1/4) in the L blocks, whose last layers are 0; biases 0. Their code."""
    blocks = [module for module in net.modules() if isinstance(module, Block)]
    gains = {id(layer): GAIN * len(blocks) ** (-1 / 4) for block in blocks for layer in layers_of(block.residual)}
    gains |= {id(layers_of(block.residual)[-1]): 0.0 for block in blocks}
    for layer in layers_of(net):
        nn.init.normal_(layer.weight, 0.0, gains.get(id(layer), 1.0) / sqrt(layer.weight[0].numel()))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def check(config: TrialConfig) -> None:
    choices = {"g.upsampling": ["bilinear", "nearest"], "d.downsampling": ["average", "max"]}
    allow(config, choices, "which resizes without weights")
    check_kernels(config, strided=False)
    check_init(config, starts_at_zero=True)


R3 = Architecture(
    source=(
        "R3GAN's residual blocks with grouped convolutions, no norms, zero starts, 8 to 64 pixels; width 768 as published, "
        "with g.norm: none, g.activation: leaky_relu, g.output: linear. Huang et al. 2024"
    ),
    generator=generator,
    discriminator=discriminator,
    check=check,
    takes=("kernel", "upsampling", "downsampling"),
)
