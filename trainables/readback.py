"""Reads the settings of a network back from its modules."""

from typing import Any

from torch import nn

from trainables.models.base import ACTIVATIONS
from trainables.models.layers import Residual, Unbounded, Unit
from trainables.models.r3 import Resample

_LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
_NORM_NAMES = {"BatchNorm1d": "batch", "BatchNorm2d": "batch", "LayerNorm": "layer", "GroupNorm": "layer", "InstanceNorm2d": "instance"}
_ACTIVATION_NAMES = {type(make()).__name__: name for name, make in ACTIVATIONS.items()}
_OUTPUT_NAMES = {nn.Tanh: "tanh", Unit: "sigmoid", Unbounded: "linear", nn.Identity: "linear"}


def layers(net: nn.Module) -> list[nn.Linear | nn.Conv2d | nn.ConvTranspose2d]:
    """Return all dense and convolutional layers, in order."""
    return [module for module in net.modules() if isinstance(module, _LAYERS)]


def latent_dim(g: nn.Module) -> int | None:
    """Return the number of inputs of G's first layer, or None if G has no layer."""
    return next((m.in_features if isinstance(m, nn.Linear) else m.in_channels for m in layers(g)), None)


def network(net: nn.Module) -> dict[str, Any]:
    """Return the settings that both networks have. width: the narrowest hidden layer, 0 if there is none. depth: see `_depth`."""
    modules = list(net.modules())
    names = [type(module).__name__ for module in modules]
    return {
        "width": min(_outputs(net)[:-1], default=0),
        "depth": _depth(net),
        "activation": next((_ACTIVATION_NAMES[name] for name in names if name in _ACTIVATION_NAMES), "none"),
        "norm": next((_norm_name(module) for module in modules if type(module).__name__ in _NORM_NAMES), "none"),
        "slope": next((m.negative_slope for m in modules if isinstance(m, nn.LeakyReLU)), None),
        "dropout": next((m.p for m in modules if isinstance(m, nn.Dropout)), 0.0),
    }


def of_generator(g: nn.Module) -> dict[str, Any]:
    """Return the settings that only G has."""
    found, modules = layers(g), list(g.modules())
    return {
        "kernel": _kernel(found[1:]),
        "head": _head(found[0], g) if found else None,
        "upsampling": next((name for module in modules if (name := _upsampling(module))), None),
        "output": _OUTPUT_NAMES.get(type(modules[-1]), "another"),
    }


def of_discriminator(d: nn.Module) -> dict[str, Any]:
    """Return the settings that only D has, and its kernel and head."""
    found = layers(d)
    return {
        "kernel": _kernel(found[:-1]),
        "head": _head(found[-1], d) if found else None,
        "downsampling": next((name for module in d.modules() if (name := _downsampling(module))), None),
    }


def _norm_name(module: nn.Module) -> str:
    return "group" if isinstance(module, nn.GroupNorm) and module.num_groups > 1 else _NORM_NAMES[type(module).__name__]


def _outputs(net: nn.Module) -> list[int]:
    """Return the output channels (units) of each layer, counted after a pixel shuffle."""
    found: list[int] = []
    for module in net.modules():
        if isinstance(module, _LAYERS):
            found.append(module.out_features if isinstance(module, nn.Linear) else module.out_channels)
        elif isinstance(module, nn.PixelShuffle):
            found[-1] //= module.upscale_factor**2
    return found


def _kernel(found: list[Any]) -> int | None:
    """Return the kernel size of the first convolution larger than 1 × 1, or None."""
    return next((m.kernel_size[0] for m in found if not isinstance(m, nn.Linear) and m.kernel_size[0] > 1), None)


def _head(layer: nn.Module, net: nn.Module) -> str | None:
    """Return "dense" or "conv"; None for a network of dense layers only, which has no choice of head."""
    if all(isinstance(module, nn.Linear) for module in layers(net)):
        return None
    return "dense" if isinstance(layer, nn.Linear) else "conv"


def _upsampling(module: nn.Module) -> str | None:
    if isinstance(module, nn.Upsample):
        return str(module.mode)
    if isinstance(module, nn.ConvTranspose2d) and module.stride[0] > 1:
        return "transposed"
    return "pixel_shuffle" if isinstance(module, nn.PixelShuffle) else "bilinear" if isinstance(module, Resample) else None


def _downsampling(module: nn.Module) -> str | None:
    if (
        isinstance(module, nn.Conv2d) and module.stride[0] > 1 and module.kernel_size[0] > 1
    ):  # excludes the 1 × 1 convolution of a skip connection
        return "strided"
    pools = {nn.AvgPool2d: "average", nn.MaxPool2d: "max", Resample: "bilinear"}
    return pools.get(type(module))


def _depth(net: nn.Module) -> int:
    """Return the hidden layers of a dense network, else the layers or residual blocks per resolution."""
    modules = list(net.modules())
    resizes = sum((_upsampling(module) or _downsampling(module)) is not None for module in modules)
    blocks = [module for module in modules if isinstance(module, Residual)]
    if not resizes:
        return max(0, len(layers(net)) - 1)
    if not blocks:
        return (len(layers(net)) - 1) // resizes
    none_before = isinstance(
        getattr(blocks[0], "resize", None), nn.Upsample
    )  # the first block upsamples, so no block works at the smallest resolution
    return len(blocks) // (resizes if none_before else resizes + 1)
