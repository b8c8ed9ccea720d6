"""Trick, the base class of all tricks, and what its hooks get: Nets and Step.

A trick is one addition to GAN training. Its dataclass fields are its settings; it overrides only the hooks that it needs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Any, ClassVar, Literal, TypeVar, dataclass_transform

import torch
from torch import Tensor, nn

from ganstudy.errors import UserError
from ganstudy.registry import Registry
from trainables import tables
from trainables.clock import Clock
from trainables.config import TrialConfig
from trainables.entries import make_entry, with_settings
from trainables.generators import Generator
from trainables.models.base import Shape
from trainables.models.conditional import apply


@plain_dataclass
class Nets:
    """The two networks of a trial."""

    g: nn.Module
    d: nn.Module


@plain_dataclass(kw_only=True)
class Step:
    """The data of one step of D or of G: images, logits and classes of a batch.

    `real` and `fake` are the inputs of D, after the `view` of every trick. Logits are differentiable by them if `needs_image_grad` asked for it.
    N is the batch size; with packing, D's inputs and logits are fewer.
    """

    nets: Nets
    real: Tensor | None  # [N, *shape]; None in a step of G if neither the loss nor a trick reads it
    fake: Tensor  # [N, *shape]
    real_logits: Tensor | None  # [N]; None if `real` is
    fake_logits: Tensor  # [N]
    rng: torch.Generator  # on the images' device; the only source of random numbers of a hook
    made: Tensor | None = None  # [N, *shape], the fake images before `view`
    latents: Tensor | None = None  # [N, latent.dim], the z of the fake images; in a step of G only
    real_features: Tensor | None = None  # [N, C, …], the output of D's body; None unless a trick sets `features` or D has an auxiliary head
    fake_features: Tensor | None = None  # the same of the fake images
    real_labels: Tensor | None = None  # int64 [N], the classes of the real images; None in an unconditional trial
    fake_labels: Tensor | None = None  # int64 [N], the classes of the fake images
    keep: float = 1.0  # weight of G's adversarial loss; before_g may lower it
    signals: dict[str, Tensor] = field(default_factory=dict)  # scalars to report with the terms; before_d and before_g may add to it
    loss_logits: tuple[Tensor, Tensor] = field(init=False)  # (real, fake) logits that the loss gets; before_d and before_g may replace them

    def __post_init__(self) -> None:
        self.loss_logits = (self.fake_logits if self.real_logits is None else self.real_logits, self.fake_logits)

    def d(self, images: Tensor, *, side: Literal["real", "fake"]) -> Tensor:
        """Return D's logits [N] of further images [N, *shape].

        A conditional D gets the classes of the real or the fake batch, as `side` says, in the order of that batch.
        """
        return apply(self.nets.d, images, self.real_labels if side == "real" else self.fake_labels)

    def reals(self) -> tuple[Tensor, Tensor]:
        """Return (real, real_logits) in a step of D, where both are always given."""
        assert self.real is not None
        assert self.real_logits is not None
        return self.real, self.real_logits


@plain_dataclass(kw_only=True)
class Trick:
    """The base class of tricks: every hook has a default that changes nothing.

    Decorate a subclass with `@trick("name")`. Its annotated fields become settings; its docstring must name the source, and `ganstudy list` shows
    the first line. Hooks are called in this order:

    * once: check, d_shape, build;
    * before each step: rate;
    * in a step of D: fakes, needs_image_grad, view, before_d, d_term, on_gradients, constrain, after_d;
    * in a step of G: classes, view, before_g, g_term, on_gradients, after_g;
    * at a tick: view, generator, state_dict.

    Where several tricks override a hook, they are called in the order of the table TRICKS; each gets the result of the one before it.

    A hook must draw random numbers from the `rng` that it gets, and from nothing else, so that trials are reproducible. It should not copy values
    to the host (`.item()`, `if tensor:`), as this makes the CPU wait for the GPU in every step.

    What changes from step to step (the share of the budget that is spent, a count, a branch) a hook gets from `self.clock`, which calls a function in
    every step: `self.clock.number(lambda: 1 - self.clock.t)`. State on the device is changed in place (`self.p.copy_(…)`), not replaced. A trick
    that does otherwise works, but its trials cannot be captured on a GPU (trainables.capture) and run several times as long.

    The class attributes below are flags. Set them without a type annotation (`image_grad = True`): an annotated field would become a setting.
    """

    clock = Clock()  # that of the run, set before `build`; this one stands still
    image_grad: ClassVar[bool] = False  # d_term differentiates step.real_logits or step.fake_logits by the images, in every step
    of_gradients: ClassVar[bool] = False  # d_term is a function of D's gradients by images; update: unrolled then refuses some norms
    counts_steps: ClassVar[bool] = False  # before_d or d_term changes the state of the trick; update: unrolled refuses such a trick
    features: ClassVar[bool] = False  # a term reads step.real_features or step.fake_features
    real_in_g: ClassVar[bool] = False  # before_g or g_term reads real images, their logits or features: a step of G then draws some

    def check(self, config: TrialConfig) -> None:
        """Raise UserError if the trick cannot work with the other settings.

        Called when a config is made, before any data are loaded. Must not change the trick.
        """

    def d_shape(self, shape: Shape) -> Shape:
        """Return the shape of one input of D, given the shape of one sample.

        Called once, before the networks are built. Override it together with `view` if that changes the shape; raise UserError for data that the
        trick cannot work with.
        """
        return shape

    def build(self, nets: Nets, config: TrialConfig) -> None:
        """Prepare the trick: create its state, and change the networks if needed.

        Called once, after the networks are on their device and before the optimisers exist. May replace modules and parametrise weights. All that a
        hook remembers is created here.
        """

    def view(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return the images that D gets, given a batch [N, *shape] of real or of fake images.

        Called for both sides in every step of D and of G, and at a tick. The result must be differentiable, as G learns through it. Must not change
        `images` in place.
        """
        return images

    def fakes(self, fake: Tensor, labels: Tensor | None, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Return the fake images [N, *shape] that D learns from and their classes [N], given the newest of G.

        Called in a step of D, without gradients and before `view`. labels is None in an unconditional trial; then return None too.
        """
        return fake, labels

    def classes(self, labels: Tensor) -> Tensor:
        """Return the classes [N] of the fake images, given those that were drawn.

        Called in a step of G of a conditional trial, before G makes the images.
        """
        return labels

    def needs_image_grad(self) -> bool:
        """Whether this step of D differentiates logits by images.

        Called before D's forward pass. The default is the flag `image_grad`; override it if only some steps need the gradient.
        """
        return self.image_grad

    def before_d(self, step: Step) -> None:
        """Called in a step of D, before the loss. May replace step.loss_logits and add to step.signals, and change nothing else of the step."""

    def before_g(self, step: Step) -> None:
        """Called in a step of G, before the loss. May replace step.loss_logits, lower step.keep and add to step.signals, and change nothing else of the step."""

    def d_term(self, step: Step) -> Tensor | None:
        """Return a scalar that is added to D's loss, and reported as d/<name of the trick>; None for a step without it.

        Called after `before_d` of all tricks. Must not change the step.
        """
        return None

    def g_term(self, step: Step) -> Tensor | None:
        """Return a scalar that is added to G's loss, and reported as g/<name of the trick>; None for a step without it.

        Called after `before_g` of all tricks. D's weights need no gradient here. Must not change the step.
        """
        return None

    def rate(self, t: float) -> float:
        """Return a factor of both learning rates, given the share t of the budget that is spent. Called before each step; must not change state."""
        return 1.0

    def on_gradients(self, parameters: list[Tensor], norm: Tensor) -> None:
        """Called between the backward pass and the update of D, and of G. May change the gradients of the parameters in place.

        norm: that of the whole gradient, a scalar on the device, taken before any trick changes it. If it is not finite, the update is skipped.
        """

    def constrain(self, nets: Nets) -> None:
        """Change D's weights in place so that they satisfy a constraint.

        Called after every change of D's weights, also after the extrapolation step of extragradient. Must be idempotent.
        """

    def after_d(self, nets: Nets) -> None:
        """Called after each update of D and its `constrain`. May change the state of the trick, but not the networks."""

    def after_g(self, nets: Nets) -> None:
        """Called after each update of G. May change the state of the trick, but not the networks."""

    def generator(self, generator: Generator) -> Generator:
        """Return the generator that is evaluated and saved, given that of G or of the trick before.

        Called at a tick, and whenever a generator is asked for. Return `generator.of(network)` to evaluate another network. Must change neither G
        nor the state of the trick.
        """
        return generator

    def state_dict(self) -> dict[str, Any]:
        """Return all that the hooks remember from step to step, for a checkpoint: tensors, numbers, strings, and dicts and lists of them."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint, given what `state_dict` returned. Called after `build`; must copy tensors to the device."""


@plain_dataclass(kw_only=True)
class ImageTrick(Trick):
    """The base class of tricks that need images. Raises UserError for points."""

    def d_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            name = next(name for name, cls in TRICKS.items() if cls is type(self))
            raise UserError(
                f"{name} needs images [C, H, W]; the data are points of shape {shape}; leave {name} out, or choose a data set of images"
            )
        return shape


TRICKS: Registry[type[Trick]] = tables.TRICKS

T = TypeVar("T", bound=type[Trick])


@dataclass_transform(kw_only_default=True)
def trick(name: str) -> Callable[[T], T]:
    """Decorator: register a subclass of Trick under `name`.

    Its annotated fields become settings "name.field", checked against their types; each needs a default, that of the paper. Raises UserError if a
    field has no default, if the class has no docstring, or if the name is taken.
    """
    return with_settings(TRICKS, name)


def make_trick(name: str, settings: Mapping[str, Any]) -> Trick:
    """Return a trick with these settings, {"gamma": 10.0, …}. Raises UserError for an unknown trick or setting, or a value out of bounds."""
    return make_entry(TRICKS, name, settings)
