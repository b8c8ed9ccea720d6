"""Trick: one idea for steadier training. Its dataclass fields are its settings; it overrides only the hooks it acts on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Any, ClassVar, Literal, TypeVar, dataclass_transform

import torch
from torch import Tensor, nn

from ganstudy.errors import UserError
from ganstudy.registry import Registry
from trainables import tables
from trainables.config import TrialConfig
from trainables.entries import make_entry, with_settings
from trainables.generators import Generator
from trainables.models.base import Shape
from trainables.models.conditional import apply


@plain_dataclass
class Nets:
    g: nn.Module
    d: nn.Module


@plain_dataclass(kw_only=True)
class Step:
    """What one update looks at. Images are as D is shown them; a term may differentiate logits by them."""

    nets: Nets
    real: Tensor | None  # [N, *shape]; None in a G step where neither loss nor trick looks at it
    fake: Tensor  # [N, *shape]
    real_logits: Tensor | None  # [N]
    fake_logits: Tensor  # [N]
    rng: torch.Generator  # on the images' device
    made: Tensor | None = None  # [N, *shape], the fakes before the views
    latents: Tensor | None = None  # [N, latent.dim], what they were made of; in a G step only
    real_features: Tensor | None = None  # what D's body gives its head, where a trick asks for `features`
    fake_features: Tensor | None = None
    real_labels: Tensor | None = None  # [N], the classes that D is told; None in a run without conditions
    fake_labels: Tensor | None = None
    updates: int = 0  # of this step's network, so far
    t: float = 0.0  # share of the budget that is spent
    epoch: float = 0.0  # how often each real image was shown
    keep: float = 1.0  # the share of its adversarial loss that G keeps; before_g may lower it
    signals: dict[str, Tensor] = field(default_factory=dict)  # scalars to report beside the terms; before_d and before_g may add some
    loss_logits: tuple[Tensor, Tensor] = field(init=False)  # (real, fake) logits that the loss is of; before_d and before_g may change them

    def __post_init__(self) -> None:
        self.loss_logits = (self.fake_logits if self.real_logits is None else self.real_logits, self.fake_logits)

    def d(self, images: Tensor, *, side: Literal["real", "fake"]) -> Tensor:
        """[N]: D's logits of other images [N, *shape] than those it has judged, told the classes of that side, in its order."""
        return apply(self.nets.d, images, self.real_labels if side == "real" else self.fake_labels)

    def reals(self) -> tuple[Tensor, Tensor]:
        """(images, logits) of the real side, in a D step, where it is always there."""
        assert self.real is not None
        assert self.real_logits is not None
        return self.real, self.real_logits


@plain_dataclass(kw_only=True)
class Trick:
    """Nothing yet: a subclass overrides some of these moments, in the order in which a run comes to them."""

    image_grad: ClassVar[bool] = False  # d_term differentiates logits by step.real or step.fake
    of_gradients: ClassVar[bool] = False  # d_term is a function of D's gradients by images, wherever it takes them
    counts_steps: ClassVar[bool] = False  # d_term or before_d changes what the trick remembers
    features: ClassVar[bool] = False  # a term reads step.real_features or step.fake_features
    real_in_g: ClassVar[bool] = False  # g_term looks at real images too

    def check(self, config: TrialConfig) -> None:
        """UserError where the trick makes no sense beside the other settings."""

    def d_shape(self, shape: Shape) -> Shape:
        """The shape of what D is shown, given that of one sample."""
        return shape

    def build(self, nets: Nets, config: TrialConfig) -> None:
        """Once, before the optimisers exist. May rewrap modules."""

    def view(self, images: Tensor, t: float, rng: torch.Generator) -> Tensor:
        """What D is shown of a batch, real and fake alike. t runs from 0 to 1 over the budget."""
        return images

    def fakes(self, fake: Tensor, labels: Tensor | None, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """The fake images [N, *shape] that D learns from and their classes [N], given G's newest; before the views."""
        return fake, labels

    def classes(self, labels: Tensor) -> Tensor:
        """The classes [N] of which G makes what it learns from, given those that were drawn; in a conditional run only."""
        return labels

    def needs_image_grad(self, updates: int) -> bool:
        """Whether the D step after `updates` of them differentiates logits by images."""
        return self.image_grad

    def before_d(self, step: Step) -> None:
        """Before D's loss is taken: may change step.judged, and add to step.signals."""

    def before_g(self, step: Step) -> None:
        """Before G's loss is taken: may change step.judged and step.keep, and add to step.signals."""

    def d_term(self, step: Step) -> Tensor | None:
        """A scalar added to D's loss."""
        return None

    def g_term(self, step: Step) -> Tensor | None:
        """A scalar added to G's loss."""
        return None

    def rate(self, t: float) -> float:
        """A factor of both learning rates."""
        return 1.0

    def on_gradients(self, parameters: list[Tensor], norm: Tensor) -> None:
        """Between a network's gradients, whose norm is given, and its update: may change them."""

    def constrain(self, nets: Nets) -> None:
        """Wherever D's weights have moved, a rule's step ahead included: keep them where they must be."""

    def after_d(self, nets: Nets) -> None:
        """After each D update."""

    def after_g(self, nets: Nets, images: int) -> None:
        """After each G update. images: real images shown to D so far."""

    def generator(self, generator: Generator) -> Generator:
        """The generator to judge, given G; for another network than G, `sampler.of(network)`."""
        return generator

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@plain_dataclass(kw_only=True)
class ImageTrick(Trick):
    """A trick that only images can have: points are refused."""

    def d_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            name = next(name for name, cls in TRICKS.items() if cls is type(self))
            raise UserError(f"{name} works on images [C, H, W]; the data are points of shape {shape}, so leave it out")
        return shape


TRICKS: Registry[type[Trick]] = tables.TRICKS

T = TypeVar("T", bound=type[Trick])


@dataclass_transform(kw_only_default=True)
def trick(name: str) -> Callable[[T], T]:
    """Name a Trick. Its annotated fields become its settings, checked, known everywhere as "name.field"; each needs a default, its paper's."""
    return with_settings(TRICKS, name)


def make_trick(name: str, settings: Mapping[str, Any]) -> Trick:
    """A checked trick. Raises UserError for an unknown trick or setting, or a value out of its bounds."""
    return make_entry(TRICKS, name, settings)
