"""Starts: how the weights of a network begin."""

from collections.abc import Callable
from math import sqrt
from typing import TypeVar

import torch
from torch import Tensor, nn

from trainables.models.base import ACTIVATIONS, Discriminator
from trainables.models.layers import Residual, Side
from trainables.sections import Init

Net = TypeVar("Net", bound=nn.Module)
Layer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
ACTIVATION_TYPES = tuple({type(make()) for make in ACTIVATIONS.values()})


def layers_of(net: nn.Module) -> list[Layer]:
    return [module for module in net.modules() if isinstance(module, LAYERS)]


def started(net: Net, side: Side, *, own: Callable[[nn.Module], None]) -> Net:
    """The network, its weights by side.init, times side.gain, and its biases 0; or as `own`, the architecture's own start, leaves them."""
    if side.init is None:
        own(net)
        return net
    slope = 0.0 if side.activation != "leaky_relu" else 0.2 if side.slope is None else side.slope
    for layer in layers_of(net):
        STARTS[side.init](layer, slope)
        if side.gain is not None:
            with torch.no_grad():
                layer.weight *= side.gain
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    if side.init == "fixup":
        fix_up(net)
    return net


def normal(layer: Layer, slope: float = 0.0) -> None:
    """N(0, .02). Radford et al. 2016, section 4."""
    nn.init.normal_(layer.weight, 0.0, 0.02)


def xavier(layer: Layer, slope: float) -> None:
    """Uniform, of variance 2 / (inputs + outputs). Glorot & Bengio 2010, eq. 16."""
    nn.init.xavier_uniform_(layer.weight)


def kaiming(layer: Layer, slope: float) -> None:
    """Normal, of variance 2 / (1 + slope²) / inputs; slope 0 but for leaky_relu. He et al. 2015, eq. 10 and 15."""
    nn.init.normal_(layer.weight, 0.0, sqrt(2 / (1 + slope**2) / inputs(layer)))


def orthogonal(layer: Layer, slope: float) -> None:
    """Orthogonal rows (columns, where these are fewer), a row being all weights of one of the first dimension. Saxe et al. 2014; Brock et al. 2019."""
    nn.init.orthogonal_(layer.weight)


STARTS: dict[Init, Callable[[Layer, float], None]] = {
    "normal": normal,
    "xavier": xavier,
    "kaiming": kaiming,
    "orthogonal": orthogonal,
    "fixup": kaiming,  # the standard start that is then fixed up
}


def inputs(layer: Layer) -> float:
    """How many values each output is a sum of."""
    if isinstance(layer, nn.ConvTranspose2d):
        taps = [size / stride if stride > 1 else 1 for size, stride in zip(layer.kernel_size, layer.stride, strict=True)]
        return layer.in_channels * taps[0] * taps[1]  # of stride 1 is only the head, whose input is one place
    return layer.weight[0].numel()


# Fixup -----------------------------------------------------------------------------------------------


@torch.no_grad()
def fix_up(net: nn.Module) -> None:
    """Of L residual ways with m layers each: the last layer is 0, those before it are smaller by L^(-1/(2m - 2)); D's last layer is 0.

    Zhang et al. 2019, section 3, rules 1 and 2 (D's last layer is the classification layer; G has none). Rule 3 is `shifted` and Scale. Layers outside
    of the residual ways keep a bias for each output in the place of a scalar one.
    """
    blocks = [module for module in net.modules() if isinstance(module, Residual)]
    for block in blocks:
        *earlier, last = layers_of(block.residual)
        for layer in earlier:
            layer.weight *= len(blocks) ** (-1 / (2 * len(earlier)))
        nn.init.zeros_(last.weight)
    if isinstance(net, Discriminator):
        nn.init.zeros_(net.head.weight)  # type: ignore[arg-type]  # a layer's


class Shift(nn.Module):
    """x + a scalar that begins at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.by


class Scale(nn.Module):
    """x times a scalar that begins at 1."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.by


def shifted(layers: list[nn.Module], side: Side) -> list[nn.Module]:
    """With fixup: a scalar bias before each layer and each activation (rule 3)."""
    if side.init != "fixup":
        return layers
    return [part for layer in layers for part in ([Shift(), layer] if isinstance(layer, (*LAYERS, *ACTIVATION_TYPES)) else [layer])]


def scaled(side: Side) -> list[nn.Module]:
    """With fixup: the scalar multiplier at the end of a residual way (rule 3)."""
    return [Scale()] if side.init == "fixup" else []
