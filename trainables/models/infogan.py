"""InfoGAN's networks, for images whose sides are multiples of 4. Chen et al. 2016, appendix C.1, as Lucic et al. 2018 use it for all of their comparisons.

Norm, activation and output are separate settings, as in every architecture. Chen et al. use d.norm: batch and d.slope: .1. The code of
Lucic et al. uses d.norm: batch (on and off in their search), g.activation: leaky_relu, slopes of .2, g.output: sigmoid and
latent.distribution: uniform.
"""

import torch
from torch import nn

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.models.base import NORMS_1D, Architecture, Discriminator, Shape
from trainables.models.checks import allow, check_init, check_kernels
from trainables.models.initialisation import initialise, layers_of, normal
from trainables.models.layers import (
    downsample_layers,
    extra_layers,
    input_layers,
    needs_bias,
    norm_and_activation,
    norm_and_activation_dense,
    output_layer,
    upsample_layers,
)

_DENSE = 16  # units of the dense layer, times width: 1024 for width 64


def _places(shape: Shape) -> tuple[int, int]:
    """Return rows and columns of the smallest map. Raises UserError for points and for sides that are not multiples of 4."""
    if len(shape) != 3 or shape[1] % 4 or shape[2] % 4:
        raise UserError(
            f"arch: infogan needs images whose sides are multiples of 4 pixels; the data are {shape}; set data.resolution to resize images, or arch: mlp for points"
        )
    return shape[1] // 4, shape[2] // 4


def _generator(config: TrialConfig, shape: Shape) -> nn.Module:
    (rows, columns), g = _places(shape), config.g
    dense, first = _DENSE * g.width, 2 * g.width
    units = first * rows * columns
    layers: list[nn.Module] = [nn.Linear(config.latent.dim, dense, bias=needs_bias(g)), *norm_and_activation_dense(dense, g)]
    layers += [
        nn.Linear(dense, units, bias=needs_bias(g)),
        *norm_and_activation_dense(units, g),
        nn.Unflatten(1, (first, rows, columns)),
        *extra_layers(first, g),
    ]
    layers += [*upsample_layers(first, g.width, g, bias=needs_bias(g)), *norm_and_activation(g.width, g), *extra_layers(g.width, g)]
    net = nn.Sequential(*layers, *upsample_layers(g.width, shape[0], g, bias=True), output_layer(g, shape))
    return initialise(net, g, default=_default_init).to(memory_format=torch.channels_last)


def _discriminator(config: TrialConfig, shape: Shape) -> Discriminator:
    (rows, columns), d = _places(shape), config.d
    dense, last = _DENSE * d.width, 2 * d.width
    layers = (
        input_layers(config.g)
        + downsample_layers(shape[0], d.width, d, normed=False)
        + extra_layers(d.width, d)
        + downsample_layers(d.width, last, d)
        + extra_layers(last, d)
    )
    layers += [nn.Flatten(), nn.Linear(last * rows * columns, dense, bias=needs_bias(d)), *norm_and_activation_dense(dense, d)]
    return initialise(Discriminator(nn.Sequential(*layers), nn.Linear(dense, 1)), d, default=_default_init).to(
        memory_format=torch.channels_last
    )


def _default_init(net: nn.Module) -> None:
    """Draw weights from N(0, .02) and set biases to 0. The code of Lucic et al. 2018.

    Their code truncates the weights of convolutions at two standard deviations; this one does not.
    """
    for layer in layers_of(net):
        normal(layer)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _check(config: TrialConfig) -> None:
    for name, norm in {"g.norm": config.g.norm, "d.norm": config.d.norm}.items():
        if norm not in NORMS_1D:
            raise UserError(f"{name} must be one of {sorted(NORMS_1D)} with arch: infogan, which has dense layers; given {norm!r}")
    if config.data.resolution is not None and config.data.resolution % 4:
        raise UserError(f"data.resolution must be a multiple of 4 with arch: infogan; given {config.data.resolution}")
    allow(config, {"g.head": ["dense"], "d.head": ["dense"]}, "which is defined by its dense layers")
    check_kernels(config, strided=True)
    check_init(config)


INFOGAN = Architecture(
    source=(
        "Two dense layers and two strided convolutions, sides a multiple of 4; width 64 as published. Chen et al. 2016; Lucic et al. 2018, "
        "with g.output: sigmoid, g.activation: leaky_relu and d.norm: batch"
    ),
    generator=_generator,
    discriminator=_discriminator,
    check=_check,
    takes=("kernel", "head", "upsampling", "downsampling"),
)
