"""The network of InfoGAN for images whose sides four divides. Chen et al. 2016, appendix C.1, as Lucic et al. 2018 use it for all of their comparisons.

Norm, activation and output are settings of their own here, as in every architecture. Chen et al. have d.norm: batch and d.slope: .1; Lucic et al.'s
code d.norm: batch (on and off in their search), g.activation: leaky_relu, slopes of .2, g.output: sigmoid and latent.distribution: uniform.
"""

import torch
from torch import nn

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.models.base import NORMS_1D, Architecture, Discriminator, Shape
from trainables.models.checks import allow, check_init, check_kernels
from trainables.models.layers import biased, doubled, finish, finish_dense, halved, more, seen, squashed
from trainables.models.starts import layers_of, normal, started

DENSE = 16  # units of the dense layer for one of width: 1024 for 64


def places(shape: Shape) -> tuple[int, int]:
    """Rows and columns of the smallest map. UserError for other shapes of data."""
    if len(shape) != 3 or shape[1] % 4 or shape[2] % 4:
        raise UserError(
            f"arch: infogan makes images whose sides are multiples of 4 pixels; the data are {shape} (data.resolution resizes them; points want arch: mlp)"
        )
    return shape[1] // 4, shape[2] // 4


def generator(config: TrialConfig, shape: Shape) -> nn.Module:
    (rows, columns), g = places(shape), config.g
    dense, first = DENSE * g.width, 2 * g.width
    units = first * rows * columns
    layers: list[nn.Module] = [nn.Linear(config.latent.dim, dense, bias=biased(g)), *finish_dense(dense, g)]
    layers += [nn.Linear(dense, units, bias=biased(g)), *finish_dense(units, g), nn.Unflatten(1, (first, rows, columns)), *more(first, g)]
    layers += [*doubled(first, g.width, g, bias=biased(g)), *finish(g.width, g), *more(g.width, g)]
    net = nn.Sequential(*layers, *doubled(g.width, shape[0], g, bias=True), squashed(g, shape))
    return started(net, g, own=initialised).to(memory_format=torch.channels_last)


def discriminator(config: TrialConfig, shape: Shape) -> Discriminator:
    (rows, columns), d = places(shape), config.d
    dense, last = DENSE * d.width, 2 * d.width
    layers = seen(config.g) + halved(shape[0], d.width, d, normed=False) + more(d.width, d) + halved(d.width, last, d) + more(last, d)
    layers += [nn.Flatten(), nn.Linear(last * rows * columns, dense, bias=biased(d)), *finish_dense(dense, d)]
    return started(Discriminator(nn.Sequential(*layers), nn.Linear(dense, 1)), d, own=initialised).to(memory_format=torch.channels_last)


def initialised(net: nn.Module) -> None:
    """Weights from N(0, .02), biases 0. The code of Lucic et al. 2018, which cuts the convolutions' off at two deviations; here nothing is."""
    for layer in layers_of(net):
        normal(layer)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def check(config: TrialConfig) -> None:
    for name, norm in {"g.norm": config.g.norm, "d.norm": config.d.norm}.items():
        if norm not in NORMS_1D:
            raise UserError(f"{name} must be one of {sorted(NORMS_1D)} with arch: infogan, which has dense layers too; given {norm!r}")
    allow(config, {"g.head": ["dense"], "d.head": ["dense"]}, "which is known by its dense layers")
    check_kernels(config, strided=True)
    check_init(config)


INFOGAN = Architecture(
    source=(
        "Two dense layers and two strided convolutions, sides a multiple of 4; width 64 as published. Chen et al. 2016; Lucic et al. 2018, "
        "with g.output: sigmoid, g.activation: leaky_relu and d.norm: batch"
    ),
    generator=generator,
    discriminator=discriminator,
    check=check,
    takes=("kernel", "head", "upsampling", "downsampling"),
)
