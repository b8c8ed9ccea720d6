"""R3GAN's residual networks for images of 8 to 64 pixels, of one width throughout. Huang et al. 2024, section 4 (configuration E), and their code.

As published with g.norm: none, g.activation: leaky_relu and g.output: linear; the defaults of D already match. Norms, activations and outputs are
separate settings, as in every architecture. The paper tries others too and finds them no better.
"""

from math import gcd, sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d

from trainables.config import TrialConfig
from trainables.models.base import NORMS_2D, Architecture, Discriminator, Shape, check_resolution, doublings_of
from trainables.models.checks import allow, check_init, check_kernels
from trainables.models.convolutions import Conv2d, conv2d
from trainables.models.initialisation import fixup_scale, initialise, layers_of, with_fixup_biases
from trainables.models.layers import POOLS, NetworkConfig, Residual, activation, input_layers, output_layer, upsample
from trainables.sections import Norm

_BLOCKS = 2  # per resolution
_EXPANSION = 2  # inner channels of a block, times its outer channels: the inverted bottleneck
_GROUP = 16  # channels per group of the grouped convolution: 1536 in 96 groups as published
_GAIN = sqrt(2 / (1 + 0.2**2))  # gain of leaky_relu with slope .2


class Block(Residual):
    """x + residual(x): 1x1 convolution, activation, grouped 3x3 convolution, activation, 1x1 convolution.

    The biases of the paper's "biased activations" are those of the convolutions before them. If 16 does not divide the channels, the size of
    a group is their greatest common divisor.
    """

    def __init__(self, n: int, settings: NetworkConfig):
        super().__init__()
        inner, kernel, norm = _EXPANSION * n, settings.kernel or 3, settings.norm
        bias = norm == "none" and settings.init != "fixup"
        layers = [
            Conv2d(n, inner, 1, bias=bias),
            *_optional_norm(inner, norm),
            *activation(settings),
            Conv2d(inner, inner, kernel, padding=kernel // 2, groups=inner // gcd(inner, _GROUP), bias=bias),
            *_optional_norm(inner, norm),
            *activation(settings),
            Conv2d(inner, n, 1, bias=False),
        ]
        self.residual = nn.Sequential(*with_fixup_biases(layers, settings), *fixup_scale(settings))

    def forward(self, x: Tensor) -> Tensor:
        """[N, n, H, W] -> [N, n, H, W]."""
        y: Tensor = x + self.residual(x)
        return y


def _optional_norm(n: int, norm: Norm) -> list[nn.Module]:
    return [] if norm == "none" else [NORMS_2D[norm](n)]


class Resample(nn.Module):
    """Bilinear resampling to twice or half the size, with the filter [1, 3, 3, 1] and zero padding, as in the authors' code."""

    kernel: Tensor

    def __init__(self, *, up: bool):
        super().__init__()
        self.up = up
        line = torch.tensor([1.0, 3.0, 3.0, 1.0])
        kernel = torch.outer(line, line)[None, None] / (16 if up else 64)  # the weights of an output pixel sum to 1 in both directions
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, 2H, 2W] or [N, C, H/2, W/2]."""
        planes = x.reshape(-1, 1, *x.shape[2:])
        y = (
            conv_transpose2d(planes, self.kernel, stride=2, padding=1)
            if self.up
            else conv2d(planes, self.kernel, stride=(2, 2), padding=(1, 1))
        )
        return y.reshape(*x.shape[:2], *y.shape[2:])


class _Basis(nn.Module):
    """G's first layer: a learned map [n, start, start], each channel scaled by a linear function of z."""

    def __init__(self, latents: int, n: int, start: int):
        super().__init__()
        self.linear = nn.Linear(latents, n, bias=False)
        self.basis = nn.Parameter(torch.randn(n, start, start))

    def forward(self, z: Tensor) -> Tensor:
        """[N, latents] -> [N, n, start, start]."""
        scales: Tensor = self.linear(z)
        return self.basis * scales[:, :, None, None]


def _maps(shape: Shape) -> tuple[int, int]:
    """Return the pixels per side of the smallest map, 4 to 7, and how often it doubles."""
    start, doublings = doublings_of("r3", shape)
    return (start, doublings) if start >= 4 else (2 * start, doublings - 1)


def _generator(config: TrialConfig, shape: Shape) -> nn.Module:
    (start, doublings), g = _maps(shape), config.g
    layers: list[nn.Module] = [_Basis(config.latent.dim, g.width, start)]
    for i in range(doublings + 1):
        layers += [upsample("nearest") if g.upsampling == "nearest" else Resample(up=True)] if i else []
        layers += [Block(g.width, g) for _ in range(g.depth or _BLOCKS)]
    net = nn.Sequential(*layers, Conv2d(g.width, shape[0], 1, bias=False), output_layer(g, shape))
    return initialise(net, g, default=_default_init).to(memory_format=_order(config))


def _discriminator(config: TrialConfig, shape: Shape) -> Discriminator:
    (start, doublings), d = _maps(shape), config.d
    layers: list[nn.Module] = [*input_layers(config.g), Conv2d(shape[0], d.width, 1, bias=False)]
    for i in range(doublings + 1):
        layers += [POOLS[d.downsampling](2) if d.downsampling else Resample(up=False)] if i else []
        layers += [Block(d.width, d) for _ in range(d.depth or _BLOCKS)]
    basis = Conv2d(d.width, d.width, start, groups=d.width, bias=False)  # one weight per pixel and channel
    net = Discriminator(nn.Sequential(*layers, basis, nn.Flatten()), nn.Linear(d.width, 1, bias=False))
    return initialise(net, d, default=_default_init).to(memory_format=_order(config))


def _order(config: TrialConfig) -> torch.memory_format:
    """Return the faster order of memory on a GPU (bench/gpu, layouts): by 18 % in TF32, by 9 % in bfloat16."""
    return torch.contiguous_format if config.precision == "bf16" else torch.channels_last


@torch.no_grad()
def _default_init(net: nn.Module) -> None:
    """Draw weights from N(0, gain²/inputs) and set biases to 0. Their code.

    The gain is 1 outside the blocks. In the L blocks it is that of leaky_relu times L^(-1/4); the last layer of each block is 0.
    """
    blocks = [module for module in net.modules() if isinstance(module, Block)]
    gains = {id(layer): _GAIN * len(blocks) ** (-1 / 4) for block in blocks for layer in layers_of(block.residual)}
    gains |= {id(layers_of(block.residual)[-1]): 0.0 for block in blocks}
    for layer in layers_of(net):
        nn.init.normal_(layer.weight, 0.0, gains.get(id(layer), 1.0) / sqrt(layer.weight[0].numel()))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _check(config: TrialConfig) -> None:
    check_resolution(config)
    choices = {"g.upsampling": ["bilinear", "nearest"], "d.downsampling": ["average", "max"]}
    allow(config, choices, "which resizes without weights")
    check_kernels(config, strided=False)
    check_init(config, starts_at_zero=True)


R3 = Architecture(
    source=(
        "R3GAN's residual blocks with grouped convolutions, no norms, zero-initialised branches, 8 to 64 pixels; width 768 as published, "
        "with g.norm: none, g.activation: leaky_relu, g.output: linear. Huang et al. 2024"
    ),
    generator=_generator,
    discriminator=_discriminator,
    check=_check,
    takes=("kernel", "upsampling", "downsampling"),
)
