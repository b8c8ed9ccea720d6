"""Residual networks for images of 8 to 64 pixels, of one width throughout. Miyato et al. 2018, table 4; the blocks are Gulrajani et al. 2017's."""

from math import sqrt

import torch
from torch import Tensor, nn

from trainables.config import TrialConfig
from trainables.models.base import NORMS_2D, Architecture, Discriminator, Shape, doublings_of
from trainables.models.checks import allow, check_init, check_kernels
from trainables.models.layers import POOLS, Residual, Side, ToOnePlace, activation, first, seen, squashed, upsample
from trainables.models.starts import scaled, shifted, started
from trainables.sections import DiscriminatorConfig, GeneratorConfig, Norm

PLAIN_BLOCKS = 2  # of D, after those that halve the map; it ends at twice the map that G starts from


class Block(Residual):
    """x + what two convolutions add to it, each after a norm and an activation. `up` doubles the map before the first one, `down` halves it at the end."""

    def __init__(
        self, n: int, out: int, side: Side, *, norm: Norm | None = None, up: bool = False, down: bool = False, begins: bool = False
    ):
        super().__init__()
        norm, kernel, fixup = norm or side.norm, side.kernel or 3, side.init == "fixup"
        how = (isinstance(side, GeneratorConfig) and side.upsampling) or "nearest"
        less = (isinstance(side, DiscriminatorConfig) and side.downsampling) or "average"
        stride = 2 if down and less == "strided" else 1
        self.before = (
            nn.Identity() if begins else nn.Sequential(*shifted([NORMS_2D[norm](n), *activation(side, fresh=True)], side))
        )  # D's first block takes the image as it is
        self.resize = upsample(how) if up else nn.Identity()
        layers = [
            nn.Conv2d(n, out, kernel, padding=kernel // 2, bias=norm == "none" and not fixup),
            NORMS_2D[norm](out),
            *activation(side, fresh=True),
            nn.Conv2d(out, out, kernel, stride, kernel // 2, bias=not fixup),
        ]
        self.residual = nn.Sequential(*shifted(layers, side), *scaled(side))
        self.skip = nn.Conv2d(n, out, 1, stride) if n != out or up or down else nn.Identity()
        self.shrink = POOLS[less](2) if down and stride == 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N, n, H, W] -> [N, out, H', W']."""
        y: Tensor = self.shrink(self.residual(self.resize(self.before(x))) + self.skip(self.resize(x)))
        return y


class Pooled(nn.Module):
    """[N, C, H, W] -> [N, C]: the sum over places, as in Miyato et al. 2018."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(dim=(2, 3))


def generator(config: TrialConfig, shape: Shape) -> nn.Module:
    start, doublings = doublings_of("resnet", shape)
    g = config.g
    net = nn.Sequential(
        *first(config.latent.dim, g.width, start, g.head or "dense", bias=True),
        *(Block(g.width, g.width, g, up=i == 0) for _ in range(doublings) for i in range(g.depth or 1)),
        NORMS_2D[g.norm](g.width),
        *activation(g, fresh=True),
        nn.Conv2d(g.width, shape[0], g.kernel or 3, padding=(g.kernel or 3) // 2),
        squashed(g, shape),
    )
    return started(net, g, own=initialised).to(memory_format=torch.channels_last)


def discriminator(config: TrialConfig, shape: Shape) -> Discriminator:
    start, doublings = doublings_of("resnet", shape)
    d = config.d
    per_resolution, per_last = d.depth or 1, d.depth or PLAIN_BLOCKS
    downs = [i == per_resolution - 1 for _ in range(doublings - 1) for i in range(per_resolution)] + [False] * per_last
    conv = d.head == "conv"  # of the last map as it is, in the place of its sum
    body = nn.Sequential(
        *seen(config.g),
        Block(shape[0], d.width, d, norm="none", down=downs[0], begins=True),
        *(Block(d.width, d.width, d, down=down) for down in downs[1:]),
        *activation(d, fresh=True),
        *([] if conv else [Pooled()]),
    )
    head = ToOnePlace(d.width, 1, 2 * start) if conv else nn.Linear(d.width, 1)
    return started(Discriminator(body, head), d, own=initialised).to(memory_format=torch.channels_last)


def initialised(net: nn.Module) -> None:
    """Xavier's uniform weights, those on the residual way larger by a factor of √2; biases 0. The code of Miyato et al. 2018."""
    residual = {id(m) for block in net.modules() if isinstance(block, Block) for m in block.residual}
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight, gain=sqrt(2) if id(module) in residual else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def check(config: TrialConfig) -> None:
    allow(config, {"g.upsampling": ["nearest", "bilinear"]}, "whose blocks resize both of their ways, the skip without weights")
    check_kernels(config, strided=False)
    check_init(config)


RESNET = Architecture(
    source="Residual blocks of one width, nearest upsampling, average pooling, 8 to 64 pixels. Miyato et al. 2018, table 4",
    generator=generator,
    discriminator=discriminator,
    check=check,
    takes=("kernel", "head", "upsampling", "downsampling"),
)
