"""Layers built from the settings of a network; the architectures are composed of them."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ganstudy.errors import UserError
from trainables.models.base import ACTIVATIONS, NORMS_1D, NORMS_2D, Shape
from trainables.models.convolutions import Conv2d
from trainables.sections import DiscriminatorConfig, GeneratorConfig, Head

NetworkConfig = GeneratorConfig | DiscriminatorConfig  # the settings of one network
POOLS = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}


class Dropout(nn.Dropout):
    """nn.Dropout that draws from the generator of its run, if it has one, and not from PyTorch's, which all threads share."""

    rng: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.p:
            return x
        keep = torch.empty_like(x).bernoulli_(1 - self.p, generator=self.rng)
        return x * keep.div_(1 - self.p)


class Residual(nn.Module):
    """A block with a residual branch, `residual`, and a skip connection."""

    residual: nn.Sequential


# Hidden layers ---------------------------------------------------------------------------------------


def activation(settings: NetworkConfig, *, fresh: bool = False) -> list[nn.Module]:
    """Return the activation, followed by dropout if it is above 0.

    fresh: not in place, for an input that other layers read too.
    """
    module = ACTIVATIONS[settings.activation]() if settings.slope is None else nn.LeakyReLU(settings.slope, inplace=True)
    if fresh and hasattr(module, "inplace"):
        module.inplace = False  # type: ignore[assignment]  # a bool in every activation that has it
    return [module, Dropout(settings.dropout)] if settings.dropout else [module]


def norm_and_activation(n: int, settings: NetworkConfig) -> list[nn.Module]:
    """Return the norm, activation and dropout that follow a convolution to n channels."""
    return [NORMS_2D[settings.norm](n), *activation(settings)]


def norm_and_activation_dense(n: int, settings: NetworkConfig) -> list[nn.Module]:
    """Return the norm, activation and dropout that follow a dense layer of n units."""
    return [NORMS_1D[settings.norm](n), *activation(settings)]


def needs_bias(settings: NetworkConfig) -> bool:
    """Whether a hidden layer gets a bias: only without a norm, which has a bias already."""
    return settings.norm == "none"


def extra_layers(n: int, settings: NetworkConfig) -> list[nn.Module]:
    """Return depth - 1 more convolutions of n channels at the same resolution, each with norm and activation."""
    kernel = settings.kernel or 3
    layers: list[nn.Module] = []
    for _ in range((settings.depth or 1) - 1):
        layers += [Conv2d(n, n, kernel, padding=kernel // 2, bias=needs_bias(settings)), *norm_and_activation(n, settings)]
    return layers


# Resampling ------------------------------------------------------------------------------------------


def upsample_layers(n: int, out: int, g: GeneratorConfig, *, bias: bool) -> list[nn.Module]:
    """Return a layer from n to `out` channels that doubles the size of the map.

    A transposed convolution (Radford et al. 2016), a convolution after resizing (Odena et al. 2016), or a convolution to four times the channels
    and a pixel shuffle (Shi et al. 2016; without their later initialisation).
    """
    if g.upsampling in (None, "transposed"):
        kernel = g.kernel or 4
        return [nn.ConvTranspose2d(n, out, kernel, 2, (kernel - 1) // 2, output_padding=kernel % 2, bias=bias)]
    kernel = g.kernel or 3
    if g.upsampling == "pixel_shuffle":
        return [Conv2d(n, 4 * out, kernel, padding=kernel // 2, bias=bias), nn.PixelShuffle(2)]
    return [upsample(str(g.upsampling)), Conv2d(n, out, kernel, padding=kernel // 2, bias=bias)]


def upsample(mode: str) -> nn.Module:
    """Return a layer that doubles the size of the map without weights. mode: nearest or bilinear."""
    return nn.Upsample(scale_factor=2, mode=mode)


def downsample_layers(n: int, out: int, d: DiscriminatorConfig, *, normed: bool = True) -> list[nn.Module]:
    """Return a layer from n to `out` channels that halves the size of the map, with its norm and activation.

    A strided convolution, or pooling after the activation.
    """
    after = norm_and_activation(out, d) if normed else activation(d)
    bias = needs_bias(d) or not normed
    if d.downsampling in (None, "strided"):
        kernel = d.kernel or 4
        return [Conv2d(n, out, kernel, 2, (kernel - 1) // 2, bias=bias), *after]
    kernel = d.kernel or 3
    return [Conv2d(n, out, kernel, padding=kernel // 2, bias=bias), *after, POOLS[str(d.downsampling)](2)]


# First and last layers-------------------------------------------------------------------------------------


class FromOnePlace(nn.ConvTranspose2d):
    """A transposed convolution of a 1x1 map, computed as a matrix product: up to four times as fast on a CPU."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """[N, C, 1, 1] -> [N, out, h, w], in the channels-last memory format, like the weights."""
        y = x.flatten(1) @ self.weight.permute(0, 2, 3, 1).flatten(1)
        y = y.view(len(x), *self.kernel_size, self.out_channels).permute(0, 3, 1, 2)
        return y if self.bias is None else y + self.bias[:, None, None]


class ToOnePlace(nn.Conv2d):
    """A convolution without padding of a map of the kernel's size, computed as a matrix product too."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] -> [N, out, 1, 1]."""
        y = linear(x.permute(0, 2, 3, 1).flatten(1), self.weight.permute(0, 2, 3, 1).flatten(1), self.bias)
        return y[:, :, None, None]


def first_layers(latents: int, n: int, start: int, head: Head, *, bias: bool) -> list[nn.Module]:
    """Return layers from z [N, latents] to the first map [N, n, start, start].

    A dense layer, or a transposed convolution, which has one bias per channel.
    """
    if head == "dense":
        return [nn.Linear(latents, n * start * start, bias=bias), nn.Unflatten(1, (n, start, start))]
    return [nn.Unflatten(1, (latents, 1, 1)), FromOnePlace(latents, n, start, bias=bias)]


class Unit(nn.Module):
    """Sigmoid output of G: pixels in [0, 1], rescaled to [-1, 1], which all other code uses."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x.sigmoid() - 1


class ToUnit(nn.Module):
    """Rescale pixels from [-1, 1] to [0, 1], before D's first layer."""

    def forward(self, x: Tensor) -> Tensor:
        return (x + 1) / 2


class Unbounded(nn.Module):
    """Linear output of G; in evaluation mode clipped to [-1, 1], for the evaluator."""

    def forward(self, x: Tensor) -> Tensor:
        return x if self.training else x.clamp(-1, 1)


def output_layer(g: GeneratorConfig, shape: Shape) -> nn.Module:
    """Return the last layer of G, which bounds the pixels. Raises UserError for a sigmoid with points.

    With sigmoid, both networks work in pixels of [0, 1], as in Lucic et al. 2018. All code between them uses [-1, 1], so that noise,
    augmentations and penalties mean the same for every output. |grad D| is taken by pixels of [-1, 1]: half of that by pixels of [0, 1].
    """
    if len(shape) == 3:
        return {"tanh": nn.Tanh, "sigmoid": Unit, "linear": Unbounded}[g.output]()
    if g.output == "sigmoid":
        raise UserError(
            f"g.output: sigmoid needs images, as points have no bounds; the data are points of shape {shape}; leave g.output out"
        )
    return nn.Identity()


def input_layers(g: GeneratorConfig) -> list[nn.Module]:
    """Return the layers before D's first layer: pixels in the range that G's output layer computes."""
    return [ToUnit()] if g.output == "sigmoid" else []
