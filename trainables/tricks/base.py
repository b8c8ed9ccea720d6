"""Trick: one idea for steadier training. Its dataclass fields are its knobs; it overrides only the moments it acts on."""

from collections.abc import Callable
from dataclasses import dataclass as plain_dataclass
from typing import Any, ClassVar, TypeVar, dataclass_transform

import torch
from torch import Tensor, nn

from trainables.config import TrialConfig
from trainables.models.base import Shape
from trainables.registry import Registry, with_knobs


@plain_dataclass
class Nets:
    g: nn.Module
    d: nn.Module


@plain_dataclass(kw_only=True)
class Step:
    """What one update looks at. Images are as D is shown them; a term may differentiate logits by them."""

    nets: Nets
    real: Tensor | None  # [N, *shape]; None in a G step of an unpaired loss
    fake: Tensor  # [N, *shape]
    real_logits: Tensor | None  # [N]
    fake_logits: Tensor  # [N]
    rng: torch.Generator  # on the images' device

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

    def check(self, config: TrialConfig) -> None:
        """ValueError where the trick makes no sense beside the other settings."""

    def d_shape(self, shape: Shape) -> Shape:
        """The shape of what D is shown, given that of one sample."""
        return shape

    def build(self, nets: Nets, config: TrialConfig) -> None:
        """Once, before the optimisers exist. May rewrap modules."""

    def view(self, images: Tensor, t: float, rng: torch.Generator) -> Tensor:
        """What D is shown of a batch, real and fake alike. t runs from 0 to 1 over the budget."""
        return images

    def d_term(self, step: Step) -> Tensor | None:
        """A scalar added to D's loss."""
        return None

    def g_term(self, step: Step) -> Tensor | None:
        """A scalar added to G's loss."""
        return None

    def constrain(self, nets: Nets) -> None:
        """Wherever D's weights have moved, a rule's step ahead included: keep them where they must be."""

    def after_d(self, nets: Nets) -> None:
        """After each D update."""

    def after_g(self, nets: Nets, images: int) -> None:
        """After each G update. images: real images shown to D so far."""

    def sampler(self, g: nn.Module) -> nn.Module:
        """The generator to judge."""
        return g

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


TRICKS: Registry[type[Trick]] = Registry("trick")

T = TypeVar("T", bound=type[Trick])


@dataclass_transform(kw_only_default=True)
def trick(name: str) -> Callable[[T], T]:
    """Name a Trick. Its annotated fields become its knobs, checked, known everywhere as "name.field"; each needs a default, its paper's."""
    return with_knobs(TRICKS, name)
