"""Initialisation of the weights of a network."""

from collections.abc import Callable
from math import sqrt
from typing import TypeVar

import torch
from torch import Tensor, nn

from trainables.models.base import ACTIVATIONS, Discriminator
from trainables.models.layers import NetworkConfig, Residual
from trainables.sections import Init

Net = TypeVar("Net", bound=nn.Module)
Layer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
_ACTIVATION_TYPES = tuple({type(make()) for make in ACTIVATIONS.values()})


def layers_of(net: nn.Module) -> list[Layer]:
    """Return all dense and convolutional layers of a network, in order."""
    return [module for module in net.modules() if isinstance(module, LAYERS)]


def initialise(net: Net, settings: NetworkConfig, *, default: Callable[[nn.Module], None]) -> Net:
    """Initialise a network in place and return it.

    Weights are drawn as settings.init says, times settings.gain; biases are 0. Without settings.init, the architecture's `default` is called.
    """
    if settings.init is None:
        default(net)
        return net
    slope = 0.0 if settings.activation != "leaky_relu" else 0.2 if settings.slope is None else settings.slope
    for layer in layers_of(net):
        INITIALISERS[settings.init](layer, slope)
        if settings.gain is not None:
            with torch.no_grad():
                layer.weight *= settings.gain
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    if settings.init == "fixup":
        _apply_fixup(net)
    return net


def normal(layer: Layer, slope: float = 0.0) -> None:
    """Draw weights from N(0, .02). Radford et al. 2016, section 4."""
    nn.init.normal_(layer.weight, 0.0, 0.02)


def _xavier(layer: Layer, slope: float) -> None:
    """Draw weights from a uniform distribution of variance 2 / (inputs + outputs). Glorot & Bengio 2010, eq. 16."""
    nn.init.xavier_uniform_(layer.weight)


def _kaiming(layer: Layer, slope: float) -> None:
    """Draw weights from a normal distribution of variance 2 / (1 + slope²) / inputs. He et al. 2015, eq. 10 and 15.

    slope: that of leaky_relu below 0; 0 for other activations.
    """
    nn.init.normal_(layer.weight, 0.0, sqrt(2 / (1 + slope**2) / _inputs(layer)))


def _orthogonal(layer: Layer, slope: float) -> None:
    """Draw orthonormal rows, or columns if these are fewer. Saxe et al. 2014; Brock et al. 2019.

    A row holds all weights of one index of the first dimension.
    """
    nn.init.orthogonal_(layer.weight)


INITIALISERS: dict[Init, Callable[[Layer, float], None]] = {
    "normal": normal,
    "xavier": _xavier,
    "kaiming": _kaiming,
    "orthogonal": _orthogonal,
    "fixup": _kaiming,  # _apply_fixup then changes it
}


def _inputs(layer: Layer) -> float:
    """Return how many input values each output value is a sum of."""
    if isinstance(layer, nn.ConvTranspose2d):
        taps = [size / stride if stride > 1 else 1 for size, stride in zip(layer.kernel_size, layer.stride, strict=True)]
        return layer.in_channels * taps[0] * taps[1]  # stride 1: only G's first layer, whose input is a 1x1 map
    return layer.weight[0].numel()


# Fixup -----------------------------------------------------------------------------------------------


@torch.no_grad()
def _apply_fixup(net: nn.Module) -> None:
    """Rescale L residual branches of m layers each: the last layer to 0, the others by L^(-1/(2m - 2)); D's last layer is 0.

    Zhang et al. 2019, section 3, rules 1 and 2. D's last layer is their classification layer; G has none. Rule 3 is `with_fixup_biases` and
    `fixup_scale`. Layers outside the residual branches keep one bias per output instead of a scalar one.
    """
    blocks = [module for module in net.modules() if isinstance(module, Residual)]
    for block in blocks:
        *earlier, last = layers_of(block.residual)
        for layer in earlier:
            layer.weight *= len(blocks) ** (-1 / (2 * len(earlier)))
        nn.init.zeros_(last.weight)
    if isinstance(net, Discriminator):
        nn.init.zeros_(net.head.weight)  # type: ignore[arg-type]  # the weight of a layer


class Shift(nn.Module):
    """x plus a learned scalar, initialised to 0."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.by


class Scale(nn.Module):
    """x times a learned scalar, initialised to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.by


def with_fixup_biases(layers: list[nn.Module], settings: NetworkConfig) -> list[nn.Module]:
    """Return the layers; with fixup, with a scalar bias before each layer and each activation (rule 3)."""
    if settings.init != "fixup":
        return layers
    return [part for layer in layers for part in ([Shift(), layer] if isinstance(layer, (*LAYERS, *_ACTIVATION_TYPES)) else [layer])]


def fixup_scale(settings: NetworkConfig) -> list[nn.Module]:
    """Return the scalar multiplier at the end of a residual branch with fixup (rule 3), else nothing."""
    return [Scale()] if settings.init == "fixup" else []
