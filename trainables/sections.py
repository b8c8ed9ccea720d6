"""Sections of TrialConfig: types, defaults and needs of their settings."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ganstudy.errors import UserError
from ganstudy.written import shown
from trainables.needs import needs, needs_taker
from trainables.tables import ARCHS, DATA

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Kimg = Annotated[float, Field(ge=0.001, le=1e9)]  # thousands of images; at least one image
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
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
        raise UserError(f"data.classes must name at least one class, such as [0, 3] or [Bag, Coat]; given {shown(classes)}")
    return ",".join(sorted(names, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)))


class Section(BaseModel):
    """Base class: immutable, strict types, no unknown fields. The text below a field is its meaning, which lists and the JSON Schema show."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


def _of_data(setting: str) -> object:
    """Return the need of a data set that reads the setting."""
    return needs_taker(DATA, setting, "data")


def _of_arch(setting: str) -> object:
    """Return the need of an architecture that reads the setting."""
    return needs_taker(ARCHS, setting, "arch")


class DataConfig(Section):
    """Data set, its subset and its shape."""

    name: str = "digits"
    """the data set"""
    size: Count | None = None
    """training images used; null: all"""
    resolution: Count | None = None
    """pixels a side; null: as stored (32 for a folder of pictures)"""
    root: str | None = None
    """folder of the files; does not affect results"""
    download: bool = False
    """whether the files may be downloaded if they are missing"""
    classes: Annotated[str | None, BeforeValidator(joined)] = None
    """keep only these classes: a list such as [0, 3] or [Bag, Coat]; null: all"""
    imbalance: Ratio | None = None
    """rows of the first class for each row of the last, to make a long tail; null: as stored"""
    modes: Annotated[Count | None, _of_data("modes")] = None
    """number of modes of the points; null: as published"""
    radius: Annotated[Positive | None, _of_data("radius")] = None
    """radius of the ring or spiral of points; null: as published"""
    std: Annotated[Positive | None, _of_data("std")] = None
    """standard deviation of each mode of the points; null: as published"""
    side: Annotated[Count | None, _of_data("side")] = None
    """modes along each side of a grid; null: as published"""
    spacing: Annotated[Positive | None, _of_data("spacing")] = None
    """distance between neighbours of a grid; null: as published"""
    turns: Annotated[Positive | None, _of_data("turns")] = None
    """turns of a spiral; null: as published"""
    dim: Annotated[Count | None, _of_data("dim")] = None
    """coordinates of a point of mixture1200; null: as published"""
    inner: Annotated[Count | None, _of_data("inner")] = None
    """how many coordinates of a point of mixture1200 vary within a mode; null: as published"""


class NetConfig(Section):
    """Settings that both networks have."""

    lr: Positive = 2e-4
    """learning rate"""
    width: Count = 64
    """channels (units) of the narrowest hidden layer"""
    depth: Count | None = None
    """hidden layers; in convolutional networks: layers (blocks) per resolution; null: the default of the architecture"""
    slope: Annotated[Share | None, needs(".activation", "leaky_relu")] = None
    """slope of leaky_relu below 0; null: 0.2"""
    kernel: Annotated[Annotated[int, Field(ge=2, le=1_000)] | None, _of_arch("kernel")] = None
    """side of the convolution kernels in pixels; null: the default of the architecture"""
    dropout: Share = 0.0
    """probability of dropping each hidden activation while training; sampling drops none"""
    init: Init | None = None
    """distribution of the initial weights; null: the default of the architecture"""
    gain: Annotated[Positive | None, needs(".init", "normal", "xavier", "kaiming", "orthogonal")] = None
    """factor on the initial weights; null: 1"""
    head: Annotated[Head | None, _of_arch("head")] = None
    """first layer of G, last layer of D; null: the default of the architecture"""


class GeneratorConfig(NetConfig):
    """Settings of G."""

    activation: Activation = "relu"
    """activation of the hidden layers of G"""
    norm: Norm = "batch"
    """normalisation in the hidden layers of G"""
    upsampling: Annotated[Upsampling | None, _of_arch("upsampling")] = None
    """how G doubles the resolution; null: the default of the architecture"""
    output: Output = "tanh"
    """range of pixels; sigmoid: both networks use [0, 1]. Points are unbounded"""
    condition: str | None = None
    """how G gets the class to make; null: unconditional"""
    embedding: Annotated[Count | None, needs(".condition", "concat")] = None
    """dimensions of a learned class embedding; null: one-hot"""


class DiscriminatorConfig(NetConfig):
    """Settings of D."""

    activation: Activation = "leaky_relu"
    """activation of the hidden layers of D"""
    norm: Norm = "none"
    """normalisation in the hidden layers of D"""
    downsampling: Annotated[Downsampling | None, _of_arch("downsampling")] = None
    """how D halves the resolution; null: the default of the architecture"""
    optimiser: str | None = None
    """optimiser of D; null: the same as G's"""
    condition: str | None = None
    """how D uses the class; null: unconditional"""
    class_weight: Annotated[Positive | None, needs(".condition", "auxiliary")] = None
    """weight of the class loss of an auxiliary head; null: 1"""


class LatentConfig(Section):
    """Distribution of G's latents."""

    dim: Annotated[int, Field(ge=1, le=10_000)] = 64
    """dimensions of the latents"""
    distribution: Literal["normal", "uniform", "sphere", "truncated"] = "normal"
    """distribution of the latents: normal, uniform on [-1, 1], uniform on a sphere, or truncated normal"""
    truncation: Annotated[Positive | None, needs(".distribution", "truncated")] = None
    """largest absolute value of a coordinate of truncated latents; null: 2"""
