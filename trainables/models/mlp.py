"""Dense networks, for points and for small images."""

from math import prod

from torch import nn

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.models.base import NORMS_1D, Architecture, Discriminator, Shape
from trainables.models.checks import check_init
from trainables.models.initialisation import initialise
from trainables.models.layers import NetworkConfig, activation, input_layers, output_layer

_DEPTH = 2  # hidden layers if depth is not set


def _hidden(n: int, settings: NetworkConfig, *, first_norm: bool) -> list[nn.Module]:
    """Return `depth` hidden layers of `width` units each, for n inputs.

    first_norm: whether the first layer has a norm; if it is the only layer, it always has one.
    """
    layers: list[nn.Module] = []
    for i in range(settings.depth or _DEPTH):
        normed = NORMS_1D[settings.norm if i or first_norm or settings.depth == 1 else "none"]
        layers += [nn.Linear(n, settings.width), normed(settings.width), *activation(settings)]
        n = settings.width
    return layers


def _generator(config: TrialConfig, shape: Shape) -> nn.Module:
    g = config.g
    layers = _hidden(config.latent.dim, g, first_norm=True)
    net = nn.Sequential(*layers, nn.Linear(g.width, prod(shape)), nn.Unflatten(1, shape), output_layer(g, shape))
    return initialise(net, g, default=_keep_default)


def _discriminator(config: TrialConfig, shape: Shape) -> Discriminator:
    d = config.d
    body = nn.Sequential(*input_layers(config.g), nn.Flatten(), *_hidden(prod(shape), d, first_norm=False))
    return initialise(Discriminator(body, nn.Linear(d.width, 1)), d, default=_keep_default)


def _keep_default(net: nn.Module) -> None:
    """Keep PyTorch's initialisation: U(-1, 1) / sqrt(inputs), for biases too."""


def _check(config: TrialConfig) -> None:
    for name, norm in {"g.norm": config.g.norm, "d.norm": config.d.norm}.items():
        if norm not in NORMS_1D:
            raise UserError(f"{name} must be one of {sorted(NORMS_1D)} with arch: mlp, whose layers are dense; given {norm!r}")
    check_init(config)


MLP = Architecture(
    source="Dense layers of equal width (2 unless depth says otherwise); G ends in tanh for images. As in Goodfellow et al. 2014, section 5",
    generator=_generator,
    discriminator=_discriminator,
    check=_check,
)
