"""Conditional networks: the networks of any architecture, conditioned on the class of each sample.

Classes are int64 [N], from 0 to K - 1.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, embedding

from ganstudy.errors import UserError
from ganstudy.registry import Registry
from trainables import tables
from trainables.config import TrialConfig
from trainables.data.source import Source
from trainables.models.base import NO_MEMORY, Discriminator, Shape, plain_discriminator, plain_generator
from trainables.precision import in_its_format, widened
from trainables.sections import NetConfig


def apply(net: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    """Return the output of a network for x [N, …], in float32 if it trains in bfloat16; labels [N] are passed if the network is conditional, else None."""
    with in_its_format(net, x.device):
        y: Tensor = net(x) if labels is None else net(x, labels)
    return widened(y)


# Generators ------------------------------------------------------------------------------------------


def one_hot(labels: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """Return [N, classes]: 1 at the label of each row, else 0. PyTorch's checks the labels first, for which a step would wait."""
    return (labels[:, None] == torch.arange(classes, device=labels.device)).to(dtype)


class ConditionalGenerator(nn.Module):
    """A conditional G: z [N, latent.dim] and classes [N] -> [N, *shape]."""

    more = 0  # inputs of `net` in addition to z

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    @classmethod
    def check(cls, config: TrialConfig) -> None:
        """Raises UserError where the condition cannot work with the other settings."""


class Conditional(Protocol):
    """An entry of G_CONDITIONS or D_CONDITIONS: builds a conditional network.

    Arguments: the config, the shape of one sample, and the number of classes.
    """

    def __call__(self, config: TrialConfig, shape: Shape, classes: int) -> nn.Module: ...

    def check(self, config: TrialConfig) -> None: ...


G_CONDITIONS: Registry[Conditional] = tables.G_CONDITIONS
D_CONDITIONS: Registry[Conditional] = tables.D_CONDITIONS


@G_CONDITIONS.register("concat")
class ConcatGenerator(ConditionalGenerator):
    """The class is concatenated to z: one-hot, or as a learned embedding of g.embedding numbers. Mirza & Osindero 2014, section 3.2"""

    def __init__(self, config: TrialConfig, shape: Shape, classes: int):
        more = config.g.embedding or classes
        latent = config.latent.model_copy(update={"dim": config.latent.dim + more})
        super().__init__(plain_generator(config.model_copy(update={"latent": latent}), shape))
        self.classes, self.more = classes, more
        self.embedding = nn.Embedding(classes, more) if config.g.embedding else None

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        of_class = one_hot(labels, self.classes, z.dtype) if self.embedding is None else self.embedding(labels)
        images: Tensor = self.net(torch.cat([z, of_class], 1))
        return images


class ConditionalNorm(nn.Module):
    """A batch norm with one gain and bias per class; all classes are initialised to the values of the given norm."""

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, classes: int):
        super().__init__()
        self.norm = type(norm)(norm.num_features, eps=norm.eps, momentum=norm.momentum, affine=False)
        self.gain = nn.Parameter(norm.weight.detach().repeat(classes, 1))
        self.bias = nn.Parameter(norm.bias.detach().repeat(classes, 1))
        self.labels: Tensor | None = None  # of the current batch; the generator sets it

    def forward(self, x: Tensor) -> Tensor:
        """Return the normed x, of the same shape [N, C, …]."""
        assert self.labels is not None
        gain, bias = (embedding(self.labels, of).view(*x.shape[:2], *[1] * (x.ndim - 2)) for of in (self.gain, self.bias))
        normed: Tensor = self.norm(x)
        return bias + gain * normed


@G_CONDITIONS.register("batchnorm")
class NormGenerator(ConditionalGenerator):
    """Each batch norm has one gain and bias per class. Dumoulin et al. 2017; de Vries et al. 2017; in GANs Miyato & Koyama 2018"""

    def __init__(self, config: TrialConfig, shape: Shape, classes: int):
        super().__init__(plain_generator(config, shape))
        self.norms: list[ConditionalNorm] = []  # a plain list, as they are modules of `net` already
        for module in list(self.net.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
                    self.norms.append(ConditionalNorm(child, classes))
                    setattr(module, name, self.norms[-1])
        if not self.norms:
            raise UserError(f"g.condition: batchnorm needs a G with batch norms; the G of arch: {config.arch} has none")

    @classmethod
    def check(cls, config: TrialConfig) -> None:
        if config.g.norm != "batch":
            raise UserError(
                f"g.condition: batchnorm needs g.norm: batch, whose gains and biases depend on the class; given {config.g.norm!r}"
            )

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        for norm in self.norms:
            norm.labels = labels
        images: Tensor = self.net(z)
        for norm in self.norms:
            norm.labels = None
        return images


# Discriminators --------------------------------------------------------------------------------------


class ConditionalDiscriminator(Discriminator):
    """A conditional D: images [N, *shape] and classes [N] -> logits [N].

    Body and head are those that the architecture built, so that a trick can replace the head.
    """

    def __init__(self, config: TrialConfig, shape: Shape):
        plain = plain_discriminator(config, shape)
        if not isinstance(plain, Discriminator):
            raise UserError(
                f"d.condition needs an architecture whose D is a Discriminator (body and head); that of arch: {config.arch} is a {type(plain).__name__}"
            )
        super().__init__(plain.body, plain.head)  # type: ignore[arg-type]  # an architecture's head is a single layer; no trick has replaced it yet

    @classmethod
    def check(cls, config: TrialConfig) -> None:
        """Raises UserError where the condition cannot work with the other settings."""

    def features(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the output of the body, [N, C, …], which the head reads."""
        features: Tensor = self.body(images)
        return features

    def logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return logits [N] of features [N, C, …] and classes [N]."""
        logits: Tensor = self.head(features)
        return logits.flatten()

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]  # a conditional D takes labels too
        return self.logits(self.features(images, labels), labels)


@D_CONDITIONS.register("concat")
class ConcatDiscriminator(ConditionalDiscriminator):
    """The one-hot class is concatenated to the input: K constant channels of an image (Perarnau et al. 2016), K coordinates of a point. Mirza & Osindero 2014

    A dense architecture gets the pixels and the class as one row, as in Mirza & Osindero.
    """

    def __init__(self, config: TrialConfig, shape: Shape, classes: int):
        flat = len(shape) == 3 and takes_points(config)
        shape = (prod(shape),) if flat else shape
        super().__init__(config, (shape[0] + classes, *shape[1:]))
        self.flat, self.classes = flat, classes
        self.off = -1.0 if config.g.output == "sigmoid" else 0.0  # D's input layer maps -1 to 0, as it does for a black pixel

    def features(self, images: Tensor, labels: Tensor) -> Tensor:
        images = images.flatten(1) if self.flat else images
        of_class = self.off + (1 - self.off) * one_hot(labels, self.classes, images.dtype).view(len(images), -1, *[1] * (images.ndim - 2))
        features: Tensor = self.body(torch.cat([images, of_class.expand(-1, -1, *images.shape[2:])], 1))
        return features


@D_CONDITIONS.register("projection")
class ProjectionDiscriminator(ConditionalDiscriminator):
    """logit + <v_y, features summed over pixels>, with a learned vector v_y per class. Miyato & Koyama 2018, eq. 3"""

    def __init__(self, config: TrialConfig, shape: Shape, classes: int):
        super().__init__(config, shape)
        self.embedding = nn.Embedding(classes, _features_of(self.body, shape)[0])
        nn.init.xavier_uniform_(self.embedding.weight)  # as in the authors' code

    def logits(self, features: Tensor, labels: Tensor) -> Tensor:
        pooled = features.flatten(2).sum(2) if features.ndim > 2 else features
        logits: Tensor = super().logits(features, labels) + (self.embedding(labels) * pooled).sum(1)
        return logits


@D_CONDITIONS.register("auxiliary")
class AuxiliaryDiscriminator(ConditionalDiscriminator):
    """A second linear head classifies the image; both networks minimise d.class_weight times its cross entropy. Odena et al. 2017 (AC-GAN), eq. 2 and 3"""

    def __init__(self, config: TrialConfig, shape: Shape, classes: int):
        super().__init__(config, shape)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(prod(_features_of(self.body, shape)), classes))
        self.class_weight = 1.0 if config.d.class_weight is None else config.d.class_weight

    def class_loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return -E log P(class | image), a scalar, without the weight."""
        return cross_entropy(self.classifier(features), labels)


def classes_of(config: TrialConfig, source: Source) -> int | None:
    """Return the number of classes of a conditional config; None for an unconditional one.

    Raises UserError if the config is conditional and the data have no labels.
    """
    if config.g.condition is None:
        return None
    if source.train_labels is None:
        raise UserError(f"g.condition: {config.g.condition} needs labelled data; {source.no_labels}")
    return len(source.classes)


def build_generator(config: TrialConfig, shape: Shape, *, classes: int | None) -> nn.Module:
    """Build the G of a config, for samples of this shape. classes: their number; None builds an unconditional G.

    Raises UserError if it does not fit the data or the memory.
    """
    with _in_memory("g", config.g):
        if classes is None:
            return plain_generator(config, shape)
        assert config.g.condition
        return G_CONDITIONS.pick(config.g.condition)(config, shape, classes)


def build_discriminator(config: TrialConfig, shape: Shape, *, classes: int | None) -> nn.Module:
    """Build the D of a config, for inputs of this shape. classes: their number; None builds an unconditional D.

    Raises UserError if it does not fit the data or the memory.
    """
    with _in_memory("d", config.d):
        if classes is None:
            return plain_discriminator(config, shape)
        assert config.d.condition
        return D_CONDITIONS.pick(config.d.condition)(config, shape, classes)


@contextmanager
def _in_memory(side: str, given: NetConfig) -> Iterator[None]:
    """Raise UserError if PyTorch cannot allocate the weights, or what two samples need."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not NO_MEMORY.search(str(error)):
            raise
        raise UserError(
            f"networks must fit into memory; those with {side}.width {given.width}"
            + (f" and {side}.depth {given.depth}" if given.depth else "")
            + f" do not. Lower {side}.width or {side}.depth"
        ) from error


def unconditional(net: nn.Module) -> nn.Module:
    """Return the part that the architecture built, sharing its modules; an unconditional net is returned unchanged."""
    if isinstance(net, ConditionalGenerator):
        return net.net
    return Discriminator(net.body, net.head) if isinstance(net, ConditionalDiscriminator) else net  # type: ignore[arg-type]


def takes_points(config: TrialConfig) -> bool:
    """Whether the architecture can build a D for points, [N, D]."""
    try:
        with torch.random.fork_rng(devices=[]):
            plain_discriminator(config, (2,))
    except UserError:
        return False
    return True


@torch.no_grad()
def _features_of(body: nn.Module, shape: Shape) -> Shape:
    """Return the shape of the features of one image. In evaluation mode: running statistics and random state stay unchanged."""
    features: Tensor = body.eval()(torch.zeros(2, *shape))
    body.train()
    return tuple(features.shape[1:])
