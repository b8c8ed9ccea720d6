"""Dense networks, for points in the plane and for small images."""

from math import prod

from torch import nn

from trainables.config import NetConfig, TrialConfig
from trainables.models.base import ACTIVATIONS, NORMS_1D, Architecture, Discriminator, Shape

DEPTH = 2  # hidden layers where the config does not say


def hidden(n: int, net: NetConfig, activation: str, norm: str, *, first_norm: bool) -> list[nn.Module]:
    """n inputs -> depth hidden layers of width units each. Without first_norm the first has no norm, unless it is the only one."""
    layers: list[nn.Module] = []
    for i in range(net.depth or DEPTH):
        normed = NORMS_1D[norm] if i or first_norm or net.depth == 1 else NORMS_1D["none"]  # type: ignore[index]  # checked names
        layers += [nn.Linear(n, net.width), normed(net.width), ACTIVATIONS[activation]()]  # type: ignore[index]
        n = net.width
    return layers


def generator(config: TrialConfig, shape: Shape) -> nn.Module:
    g = config.g
    squash = nn.Tanh() if len(shape) == 3 else nn.Identity()  # points have no bounds
    layers = hidden(config.latent.dim, g, g.activation, g.norm, first_norm=True)
    return nn.Sequential(*layers, nn.Linear(g.width, prod(shape)), nn.Unflatten(1, shape), squash)


def discriminator(config: TrialConfig, shape: Shape) -> Discriminator:
    d = config.d
    body = nn.Sequential(nn.Flatten(), *hidden(prod(shape), d, d.activation, d.norm, first_norm=False))
    return Discriminator(body, nn.Linear(d.width, 1))


def check(config: TrialConfig) -> None:
    for name, norm in {"g.norm": config.g.norm, "d.norm": config.d.norm}.items():
        if norm not in NORMS_1D:
            raise ValueError(f"{name} of a dense network must be one of {sorted(NORMS_1D)}; given {norm!r}")


MLP = Architecture(
    source="Dense layers of equal width (2 unless depth says otherwise); G ends in tanh for images. As in Goodfellow et al. 2014, section 5",
    generator=generator,
    discriminator=discriminator,
    check=check,
)
