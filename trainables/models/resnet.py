"""Residual networks for images of 8 to 64 pixels, of one width throughout. Miyato et al. 2018, table 4; the blocks are Gulrajani et al. 2017's."""

from math import sqrt

import torch
from torch import Tensor, nn

from trainables.config import TrialConfig
from trainables.models.base import NORMS_2D, Architecture, Discriminator, Shape, check_resolution, doublings_of
from trainables.models.checks import allow, check_init, check_kernels
from trainables.models.convolutions import Conv2d
from trainables.models.initialisation import fixup_scale, initialise, with_fixup_biases
from trainables.models.layers import (
    POOLS,
    NetworkConfig,
    Residual,
    ToOnePlace,
    activation,
    first_layers,
    input_layers,
    output_layer,
    upsample,
)
from trainables.sections import DiscriminatorConfig, GeneratorConfig, Norm

_PLAIN_BLOCKS = 2  # blocks of D after those that halve the map; D's last map has twice the size of G's first


class Block(Residual):
    """skip(x) + residual(x), the residual being two convolutions, each after a norm and an activation.

    up: double the map before the first convolution. down: halve it at the end. first: D's first block, which applies no norm and no activation
    to the image.
    """

    def __init__(
        self,
        n: int,
        out: int,
        settings: NetworkConfig,
        *,
        norm: Norm | None = None,
        up: bool = False,
        down: bool = False,
        first: bool = False,
    ):
        super().__init__()
        norm, kernel, fixup = norm or settings.norm, settings.kernel or 3, settings.init == "fixup"
        upsampling = (isinstance(settings, GeneratorConfig) and settings.upsampling) or "nearest"
        downsampling = (isinstance(settings, DiscriminatorConfig) and settings.downsampling) or "average"
        stride = 2 if down and downsampling == "strided" else 1
        self.before = (
            nn.Identity() if first else nn.Sequential(*with_fixup_biases([NORMS_2D[norm](n), *activation(settings, fresh=True)], settings))
        )
        self.resize = upsample(upsampling) if up else nn.Identity()
        layers = [
            Conv2d(n, out, kernel, padding=kernel // 2, bias=norm == "none" and not fixup),
            NORMS_2D[norm](out),
            *activation(settings, fresh=True),
            Conv2d(out, out, kernel, stride, kernel // 2, bias=not fixup),
        ]
        self.residual = nn.Sequential(*with_fixup_biases(layers, settings), *fixup_scale(settings))
        self.skip = Conv2d(n, out, 1, stride) if n != out or up or down else nn.Identity()
        self.shrink = POOLS[downsampling](2) if down and stride == 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N, n, H, W] -> [N, out, H', W']."""
        y: Tensor = self.shrink(self.residual(self.resize(self.before(x))) + self.skip(self.resize(x)))
        return y


class _SumPooling(nn.Module):
    """[N, C, H, W] -> [N, C]: the sum over pixels, as in Miyato et al. 2018."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(dim=(2, 3))


def _generator(config: TrialConfig, shape: Shape) -> nn.Module:
    start, doublings = doublings_of("resnet", shape)
    g = config.g
    net = nn.Sequential(
        *first_layers(config.latent.dim, g.width, start, g.head or "dense", bias=True),
        *(Block(g.width, g.width, g, up=i == 0) for _ in range(doublings) for i in range(g.depth or 1)),
        NORMS_2D[g.norm](g.width),
        *activation(g, fresh=True),
        Conv2d(g.width, shape[0], g.kernel or 3, padding=(g.kernel or 3) // 2),
        output_layer(g, shape),
    )
    return initialise(net, g, default=_default_init).to(memory_format=torch.channels_last)


def _discriminator(config: TrialConfig, shape: Shape) -> Discriminator:
    start, doublings = doublings_of("resnet", shape)
    d = config.d
    per_resolution, per_last = d.depth or 1, d.depth or _PLAIN_BLOCKS
    downs = [i == per_resolution - 1 for _ in range(doublings - 1) for i in range(per_resolution)] + [False] * per_last
    conv = d.head == "conv"  # a convolution of the whole last map, instead of a dense layer of its sum
    body = nn.Sequential(
        *input_layers(config.g),
        Block(shape[0], d.width, d, norm="none", down=downs[0], first=True),
        *(Block(d.width, d.width, d, down=down) for down in downs[1:]),
        *activation(d, fresh=True),
        *([] if conv else [_SumPooling()]),
    )
    head = ToOnePlace(d.width, 1, 2 * start) if conv else nn.Linear(d.width, 1)
    return initialise(Discriminator(body, head), d, default=_default_init).to(memory_format=torch.channels_last)


def _default_init(net: nn.Module) -> None:
    """Draw weights from Xavier's uniform distribution, times √2 in residual branches; set biases to 0. The code of Miyato et al. 2018."""
    residual = {id(m) for block in net.modules() if isinstance(block, Block) for m in block.residual}
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight, gain=sqrt(2) if id(module) in residual else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _check(config: TrialConfig) -> None:
    check_resolution(config)
    allow(config, {"g.upsampling": ["nearest", "bilinear"]}, "whose blocks resize the skip connection too, without weights")
    check_kernels(config, strided=False)
    check_init(config)


RESNET = Architecture(
    source="Residual blocks of one width, nearest upsampling, average pooling, 8 to 64 pixels. Miyato et al. 2018, table 4",
    generator=_generator,
    discriminator=_discriminator,
    check=_check,
    takes=("kernel", "head", "upsampling", "downsampling"),
)
