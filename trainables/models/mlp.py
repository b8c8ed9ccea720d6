"""Dense networks, for points in the plane and for small images."""

from math import prod

from torch import nn

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.models.base import NORMS_1D, Architecture, Discriminator, Shape
from trainables.models.checks import check_init
from trainables.models.layers import Side, activation, seen, squashed
from trainables.models.starts import started

DEPTH = 2  # hidden layers where the config does not say


def hidden(n: int, side: Side, *, first_norm: bool) -> list[nn.Module]:
    """n inputs -> depth hidden layers of width units each. Without first_norm the first has no norm, unless it is the only one."""
    layers: list[nn.Module] = []
    for i in range(side.depth or DEPTH):
        normed = NORMS_1D[side.norm if i or first_norm or side.depth == 1 else "none"]
        layers += [nn.Linear(n, side.width), normed(side.width), *activation(side)]
        n = side.width
    return layers


def generator(config: TrialConfig, shape: Shape) -> nn.Module:
    g = config.g
    layers = hidden(config.latent.dim, g, first_norm=True)
    net = nn.Sequential(*layers, nn.Linear(g.width, prod(shape)), nn.Unflatten(1, shape), squashed(g, shape))
    return started(net, g, own=as_built)


def discriminator(config: TrialConfig, shape: Shape) -> Discriminator:
    d = config.d
    body = nn.Sequential(*seen(config.g), nn.Flatten(), *hidden(prod(shape), d, first_norm=False))
    return started(Discriminator(body, nn.Linear(d.width, 1)), d, own=as_built)


def as_built(net: nn.Module) -> None:
    """PyTorch's own start: U(-1, 1) / sqrt(inputs), biases too."""


def check(config: TrialConfig) -> None:
    for name, norm in {"g.norm": config.g.norm, "d.norm": config.d.norm}.items():
        if norm not in NORMS_1D:
            raise UserError(f"{name} of a dense network must be one of {sorted(NORMS_1D)}; given {norm!r}")
    check_init(config)


MLP = Architecture(
    source="Dense layers of equal width (2 unless depth says otherwise); G ends in tanh for images. As in Goodfellow et al. 2014, section 5",
    generator=generator,
    discriminator=discriminator,
    check=check,
)
