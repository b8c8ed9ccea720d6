"""Layers by the settings of a network: what the architectures are composed of."""

from torch import Tensor, nn
from torch.nn.functional import linear

from ganstudy.errors import UserError
from trainables.models.base import ACTIVATIONS, NORMS_1D, NORMS_2D, Shape
from trainables.sections import DiscriminatorConfig, GeneratorConfig, Head, Norm

Side = GeneratorConfig | DiscriminatorConfig
POOLS = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}


class Residual(nn.Module):
    """A block that adds `residual` of x to x."""

    residual: nn.Sequential


# Hidden layers ---------------------------------------------------------------------------------------


def activation(side: Side, *, fresh: bool = False) -> list[nn.Module]:
    """The activation, and dropout where there is some. `fresh`: it leaves its input as it is, for others read it too."""
    module = ACTIVATIONS[side.activation]() if side.slope is None else nn.LeakyReLU(side.slope, inplace=True)
    if fresh and hasattr(module, "inplace"):
        module.inplace = False  # type: ignore[assignment]  # a flag of torch's
    return [module, nn.Dropout(side.dropout)] if side.dropout else [module]


def finish(n: int, side: Side) -> list[nn.Module]:
    """What follows a convolution to n channels."""
    return [NORMS_2D[side.norm](n), *activation(side)]


def finish_dense(n: int, side: Side) -> list[nn.Module]:
    """What follows a dense layer of n units."""
    return [NORMS_1D[side.norm](n), *activation(side)]


def biased(side: Side) -> bool:
    return side.norm == "none"  # a norm has its own


def more(n: int, side: Side, *, norm: Norm | None = None) -> list[nn.Module]:
    """The further layers of a resolution, depth - 1 of them."""
    kernel = side.kernel or 3
    if norm is not None:
        side = side.model_copy(update={"norm": norm})
    layers: list[nn.Module] = []
    for _ in range((side.depth or 1) - 1):
        layers += [nn.Conv2d(n, n, kernel, padding=kernel // 2, bias=biased(side)), *finish(n, side)]
    return layers


# Other sizes -----------------------------------------------------------------------------------------


def doubled(n: int, out: int, g: GeneratorConfig, *, bias: bool) -> list[nn.Module]:
    """A layer from n to `out` channels that doubles the map: transposed (Radford et al. 2016), after resizing (Odena et al. 2016), or by the pixels of
    four times the channels (Shi et al. 2016; of their later initialisation nothing)."""
    if g.upsampling in (None, "transposed"):
        kernel = g.kernel or 4
        return [nn.ConvTranspose2d(n, out, kernel, 2, (kernel - 1) // 2, output_padding=kernel % 2, bias=bias)]
    kernel = g.kernel or 3
    if g.upsampling == "pixel_shuffle":
        return [nn.Conv2d(n, 4 * out, kernel, padding=kernel // 2, bias=bias), nn.PixelShuffle(2)]
    return [upsample(str(g.upsampling)), nn.Conv2d(n, out, kernel, padding=kernel // 2, bias=bias)]


def upsample(mode: str) -> nn.Module:
    return nn.Upsample(scale_factor=2, mode=mode)


def halved(n: int, out: int, d: DiscriminatorConfig, *, normed: bool = True) -> list[nn.Module]:
    """A layer from n to `out` channels that halves the map, with what follows it: in strides, or by pooling after the activation."""
    after = finish(out, d) if normed else activation(d)
    bias = biased(d) or not normed
    if d.downsampling in (None, "strided"):
        kernel = d.kernel or 4
        return [nn.Conv2d(n, out, kernel, 2, (kernel - 1) // 2, bias=bias), *after]
    kernel = d.kernel or 3
    return [nn.Conv2d(n, out, kernel, padding=kernel // 2, bias=bias), *after, POOLS[str(d.downsampling)](2)]


# Ends ------------------------------------------------------------------------------------------------


class FromOnePlace(nn.ConvTranspose2d):
    """A transposed convolution of a map of one place: as the product of matrices that it is, which a CPU does up to four times as fast."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """[N, C, 1, 1] -> [N, out, h, w], with channels last in memory, as the weights are."""
        y = x.flatten(1) @ self.weight.permute(0, 2, 3, 1).flatten(1)
        y = y.view(len(x), *self.kernel_size, self.out_channels).permute(0, 3, 1, 2)
        return y if self.bias is None else y + self.bias[:, None, None]


class ToOnePlace(nn.Conv2d):
    """A valid convolution of a map of the kernel's size: likewise."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] -> [N, out, 1, 1]."""
        y = linear(x.permute(0, 2, 3, 1).flatten(1), self.weight.permute(0, 2, 3, 1).flatten(1), self.bias)
        return y[:, :, None, None]


def first(latents: int, n: int, start: int, head: Head, *, bias: bool) -> list[nn.Module]:
    """From latents to the first map, [N, n, start, start]: a dense layer, or a transposed convolution, whose bias is one a channel."""
    if head == "dense":
        return [nn.Linear(latents, n * start * start, bias=bias), nn.Unflatten(1, (n, start, start))]
    return [nn.Unflatten(1, (latents, 1, 1)), FromOnePlace(latents, n, start, bias=bias)]


class Unit(nn.Module):
    """Sigmoid: G makes pixels in [0, 1]. Everybody else is given them as [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x.sigmoid() - 1


class ToUnit(nn.Module):
    """Pixels of [-1, 1] -> of [0, 1], before D's first layer."""

    def forward(self, x: Tensor) -> Tensor:
        return (x + 1) / 2


class Unbounded(nn.Module):
    """What G makes as it is; clipped to [-1, 1] in evaluation mode, for those who judge it."""

    def forward(self, x: Tensor) -> Tensor:
        return x if self.training else x.clamp(-1, 1)


def squashed(g: GeneratorConfig, shape: Shape) -> nn.Module:
    """The end of G: what keeps pixels within bounds. UserError for bounds of points.

    With sigmoid the two networks work in pixels of [0, 1], as Lucic et al. 2018 have it, and all between them in [-1, 1]: noise, augmentations and
    penalties mean the same whatever the output. (So |grad D| is by pixels of [-1, 1], half of that by pixels of [0, 1].)
    """
    if len(shape) == 3:
        return {"tanh": nn.Tanh, "sigmoid": Unit, "linear": Unbounded}[g.output]()
    if g.output == "sigmoid":
        raise UserError(f"g.output: sigmoid makes pixels in [0, 1], and points have no bounds; the data are {shape}, so leave it out")
    return nn.Identity()


def seen(g: GeneratorConfig) -> list[nn.Module]:
    """The beginning of D: pixels as G's own end makes them."""
    return [ToUnit()] if g.output == "sigmoid" else []
