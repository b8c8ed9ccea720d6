"""Sections of TrialConfig: types, defaults and needs of their settings."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ganstudy.errors import UserError
from trainables.needs import needs, needs_taker
from trainables.tables import ARCHS, DATA

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Kimg = Annotated[float, Field(ge=0.001, allow_inf_nan=False)]  # thousands of images; at least one image
Count = Annotated[int, Field(ge=1)]
Ratio = Annotated[float, Field(ge=1, allow_inf_nan=False)]

Activation = Literal["relu", "leaky_relu", "selu", "elu", "gelu", "silu", "tanh"]
Norm = Literal["none", "batch", "layer", "instance", "group"]
Init = Literal["normal", "xavier", "kaiming", "orthogonal", "fixup"]
Head = Literal["dense", "conv"]
Upsampling = Literal["transposed", "nearest", "bilinear", "pixel_shuffle"]
Downsampling = Literal["strided", "average", "max"]
Output = Literal["tanh", "sigmoid", "linear"]
Precision = Literal["fp32", "tf32", "bf16"]


def joined(classes: object) -> object:
    """Convert [3, "Bag", 0] to the canonical text "0,3,Bag", which YAML, JSON, CSV and tables preserve. Raises UserError if it is empty."""
    items = classes if isinstance(classes, (list, tuple)) else [classes]
    if classes is None or any(not isinstance(item, (int, str)) or isinstance(item, bool) for item in items):
        return classes  # pydantic reports the wrong type
    names = {name.strip() for item in items for name in str(item).split(",")}
    if not all(names) or not names:
        raise UserError(f"data.classes must name at least one class, such as [0, 3] or [Bag, Coat]; given {classes!r}")
    return ",".join(sorted(names, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)))


class Section(BaseModel):
    """Base class: immutable, strict types, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _of_data(setting: str) -> object:
    """Return the need of a data set that reads the setting."""
    return needs_taker(DATA, setting, "data")


def _of_arch(setting: str) -> object:
    """Return the need of an architecture that reads the setting."""
    return needs_taker(ARCHS, setting, "arch")


class DataConfig(Section):
    """Data set, its subset and its shape."""

    name: str = "digits"
    size: Count | None = None  # training images used; None: all
    resolution: Count | None = None  # pixels a side; None: as stored (32 for a folder of pictures)
    root: str | None = None  # folder of the files; does not affect results
    download: bool = False
    classes: Annotated[str | None, BeforeValidator(joined)] = None  # keep only these classes: "0,3,7" or "Bag,Coat", or a list; None: all
    imbalance: Ratio | None = None  # ratio of rows of the first class to rows of the last; None: as stored
    modes: Annotated[Count | None, _of_data("modes")] = None  # this and the following: shape of the points; None: as published
    radius: Annotated[Positive | None, _of_data("radius")] = None
    std: Annotated[Positive | None, _of_data("std")] = None
    side: Annotated[Count | None, _of_data("side")] = None  # modes along each side of a grid
    spacing: Annotated[Positive | None, _of_data("spacing")] = None  # distance between neighbours
    turns: Annotated[Positive | None, _of_data("turns")] = None  # turns of a spiral
    dim: Annotated[Count | None, _of_data("dim")] = None  # coordinates of a point of mixture1200
    inner: Annotated[Count | None, _of_data("inner")] = None  # how many of them vary within a mode


class NetConfig(Section):
    """Settings that both networks have."""

    lr: Positive = 2e-4
    width: Count = 64  # channels (units) of the narrowest hidden layer
    depth: Count | None = (
        None  # hidden layers; in convolutional networks: layers (blocks) per resolution. None: the default of the architecture
    )
    slope: Annotated[Share | None, needs(".activation", "leaky_relu")] = None  # slope of leaky_relu below 0; None: 0.2
    kernel: Annotated[Annotated[int, Field(ge=2)] | None, _of_arch("kernel")] = (
        None  # side of the convolution kernels in pixels; None: the default of the architecture
    )
    dropout: Share = 0.0  # after each hidden activation; disabled in evaluation
    init: Init | None = None  # distribution of the initial weights; None: the default of the architecture
    gain: Annotated[Positive | None, needs(".init", "normal", "xavier", "kaiming", "orthogonal")] = (
        None  # factor on the initial weights; None: 1
    )
    head: Annotated[Head | None, _of_arch("head")] = None  # first layer of G, last layer of D; None: the default of the architecture


class GeneratorConfig(NetConfig):
    """Settings of G."""

    activation: Activation = "relu"
    norm: Norm = "batch"
    upsampling: Annotated[Upsampling | None, _of_arch("upsampling")] = None  # None: the default of the architecture
    output: Output = "tanh"  # range of pixels. sigmoid: both networks use [0, 1]. Points are unbounded
    condition: str | None = None  # how G gets the class to make; None: unconditional
    embedding: Annotated[Count | None, needs(".condition", "concat")] = None  # dimensions of a learned class embedding; None: one-hot


class DiscriminatorConfig(NetConfig):
    """Settings of D."""

    activation: Activation = "leaky_relu"
    norm: Norm = "none"
    downsampling: Annotated[Downsampling | None, _of_arch("downsampling")] = None  # None: the default of the architecture
    optimiser: str | None = None  # None: the same as G's
    condition: str | None = None  # how D uses the class; None: unconditional
    class_weight: Annotated[Positive | None, needs(".condition", "auxiliary")] = (
        None  # weight of the class loss of an auxiliary head; None: 1
    )


class LatentConfig(Section):
    """Distribution of G's latents."""

    dim: Annotated[int, Field(ge=1, le=10_000)] = 64
    distribution: Literal["normal", "uniform", "sphere", "truncated"] = "normal"
    truncation: Annotated[Positive | None, needs(".distribution", "truncated")] = None  # largest absolute value of a coordinate; None: 2
