"""The sections of a trial's config, and what kinds of values its settings may have."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

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
        raise ValueError(f"data.classes must name one class at least, as [0, 3] or [Bag, Coat]; given {classes!r}")
    return ",".join(sorted(names, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)))


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DataConfig(Section):
    name: str = "digits"
    size: Count | None = None  # training images used; None: all
    resolution: Count | None = None  # pixels a side; None: as they are (32 for a folder of pictures)
    root: str | None = None  # where the files lie; decides nothing but that
    download: bool = False
    classes: Annotated[str | None, BeforeValidator(joined)] = None  # "0,3,7" or "Bag,Coat", also as a list: these alone; None: all
    imbalance: Ratio | None = None  # rows of the first class for one of the last; None: as they are
    modes: Count | None = None  # what follows is of the shape of some mixtures; None: as published
    radius: Positive | None = None
    std: Positive | None = None
    side: Count | None = None  # modes along each side of a grid
    spacing: Positive | None = None  # between them
    turns: Positive | None = None  # of a spiral
    dim: Count | None = None  # coordinates of a point of mixture1200
    inner: Count | None = None  # those of them in which a mode varies


class NetConfig(Section):
    lr: Positive = 2e-4
    width: Count = 64  # channels (units) of the narrowest hidden layer
    depth: Count | None = None  # hidden layers; of convolutional networks: layers (blocks) a resolution. None: as the architecture has them
    slope: Share | None = None  # of leaky_relu, below 0; None: .2
    kernel: Annotated[int, Field(ge=2)] | None = None  # pixels a side of the convolutions; None: the architecture's own
    dropout: Share = 0.0  # of what leaves each hidden activation; none where samples are judged
    init: Init | None = None  # how weights start; None: as the architecture's authors have it
    gain: Positive | None = None  # times as large as init has them; None: 1
    head: Head | None = None  # G's first layer, D's last, in convolutional networks; None: the architecture's own


class GeneratorConfig(NetConfig):
    activation: Activation = "relu"
    norm: Norm = "batch"
    upsampling: Upsampling | None = None  # None: the architecture's own
    output: Output = "tanh"  # of images. sigmoid: both networks work in pixels of [0, 1]. Points have no bounds
    condition: Literal["concat", "batchnorm"] | None = None  # how it is told the class to make; None: it is told none
    embedding: Count | None = None  # numbers in which concat tells a class; None: one-hot


class DiscriminatorConfig(NetConfig):
    activation: Activation = "leaky_relu"
    norm: Norm = "none"
    downsampling: Downsampling | None = None  # None: the architecture's own
    optimiser: str | None = None  # None: that of both
    condition: Literal["concat", "projection", "auxiliary"] | None = None  # how it judges by the class; None: it does not
    class_weight: Positive | None = None  # of the loss of an auxiliary head; None: 1


class LatentConfig(Section):
    dim: Annotated[int, Field(ge=1, le=10_000)] = 64
    distribution: Literal["normal", "uniform", "sphere", "truncated"] = "normal"
    truncation: Positive | None = None  # of truncated: the largest size of a coordinate; None: 2
