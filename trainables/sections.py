"""The sections of a trial's config, the kinds of values of its settings, and what each setting needs."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ganstudy.errors import UserError
from trainables.needs import needs, needs_taker
from trainables.tables import ARCHS, DATA

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Kimg = Annotated[float, Field(ge=0.001, allow_inf_nan=False)]  # thousands of images; one at least
Count = Annotated[int, Field(ge=1)]
Ratio = Annotated[float, Field(ge=1, allow_inf_nan=False)]

Activation = Literal["relu", "leaky_relu", "selu", "elu", "gelu", "silu", "tanh"]
Norm = Literal["none", "batch", "layer", "instance", "group"]
Init = Literal["normal", "xavier", "kaiming", "orthogonal", "fixup"]
Head = Literal["dense", "conv"]
Upsampling = Literal["transposed", "nearest", "bilinear", "pixel_shuffle"]
Downsampling = Literal["strided", "average", "max"]
Output = Literal["tanh", "sigmoid", "linear"]


def joined(classes: object) -> object:
    """[3, "Bag", 0] -> "0,3,Bag": one spelling of one choice, which YAML, JSON, CSV and tables leave alone."""
    items = classes if isinstance(classes, (list, tuple)) else [classes]
    if classes is None or any(not isinstance(item, (int, str)) or isinstance(item, bool) for item in items):
        return classes  # whoever checks the type says what it must be
    names = {name.strip() for item in items for name in str(item).split(",")}
    if not all(names) or not names:
        raise UserError(f"data.classes must name one class at least, as [0, 3] or [Bag, Coat]; given {classes!r}")
    return ",".join(sorted(names, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)))


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _of_data(setting: str) -> object:
    """Needs a data set that reads the setting."""
    return needs_taker(DATA, setting, "data")


def _of_arch(setting: str) -> object:
    """Needs an architecture that reads the setting."""
    return needs_taker(ARCHS, setting, "arch")


class DataConfig(Section):
    name: str = "digits"
    size: Count | None = None  # training images used; None: all
    resolution: Count | None = None  # pixels a side; None: as stored (32 for a folder of pictures)
    root: str | None = None  # where the files are; changes no result
    download: bool = False
    classes: Annotated[str | None, BeforeValidator(joined)] = None  # only these: "0,3,7" or "Bag,Coat", also as a list; None: all
    imbalance: Ratio | None = None  # rows of the first class for each row of the last; None: as stored
    modes: Annotated[Count | None, _of_data("modes")] = None  # from here on: the shape of a mixture; None: as published
    radius: Annotated[Positive | None, _of_data("radius")] = None
    std: Annotated[Positive | None, _of_data("std")] = None
    side: Annotated[Count | None, _of_data("side")] = None  # modes along each side of a grid
    spacing: Annotated[Positive | None, _of_data("spacing")] = None  # distance between them
    turns: Annotated[Positive | None, _of_data("turns")] = None  # of a spiral
    dim: Annotated[Count | None, _of_data("dim")] = None  # coordinates of a point of mixture1200
    inner: Annotated[Count | None, _of_data("inner")] = None  # how many of them vary within a mode


class NetConfig(Section):
    """What both networks have."""

    lr: Positive = 2e-4
    width: Count = 64  # channels (units) of the narrowest hidden layer
    depth: Count | None = None  # hidden layers; of convolutional networks: layers (blocks) a resolution. None: the architecture's own
    slope: Annotated[Share | None, needs(".activation", "leaky_relu")] = None  # below 0; None: .2
    kernel: Annotated[Annotated[int, Field(ge=2)] | None, _of_arch("kernel")] = (
        None  # pixels a side of the convolutions; None: the architecture's own
    )
    dropout: Share = 0.0  # after each hidden activation; none when samples are evaluated
    init: Init | None = None  # distribution of the initial weights; None: the architecture's own
    gain: Annotated[Positive | None, needs(".init", "normal", "xavier", "kaiming", "orthogonal")] = (
        None  # factor of the initial weights; None: 1
    )
    head: Annotated[Head | None, _of_arch("head")] = None  # G's first layer, D's last; None: the architecture's own


class GeneratorConfig(NetConfig):
    activation: Activation = "relu"
    norm: Norm = "batch"
    upsampling: Annotated[Upsampling | None, _of_arch("upsampling")] = None  # None: the architecture's own
    output: Output = "tanh"  # of images. sigmoid: both networks work in pixels of [0, 1]. Points have no bounds
    condition: str | None = None  # how G gets the class to make; None: unconditional
    embedding: Annotated[Count | None, needs(".condition", "concat")] = None  # numbers in which concat passes a class; None: one-hot


class DiscriminatorConfig(NetConfig):
    activation: Activation = "leaky_relu"
    norm: Norm = "none"
    downsampling: Annotated[Downsampling | None, _of_arch("downsampling")] = None  # None: the architecture's own
    optimiser: str | None = None  # None: the same as G's
    condition: str | None = None  # how D uses the class; None: unconditional
    class_weight: Annotated[Positive | None, needs(".condition", "auxiliary")] = None  # of the loss of an auxiliary head; None: 1


class LatentConfig(Section):
    dim: Annotated[int, Field(ge=1, le=10_000)] = 64
    distribution: Literal["normal", "uniform", "sphere", "truncated"] = "normal"
    truncation: Annotated[Positive | None, needs(".distribution", "truncated")] = None  # the largest size of a coordinate; None: 2
