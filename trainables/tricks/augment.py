"""Augmentation tricks: D gets augmented images, or is penalised if augmentations change its logits."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from ganstudy.errors import UserError
from ganstudy.units import KIMG
from trainables.config import TrialConfig
from trainables.losses import LOSSES
from trainables.sections import NotNegative, Positive
from trainables.tricks.augmentations import Policy, augmented
from trainables.tricks.base import ImageTrick, Nets, Step, trick

_EVERY = 4  # minibatches between two updates of p. Karras et al. 2020 (ADA), section 3.1


@trick("diffaugment")
class DiffAugment(ImageTrick):
    """Augment all real and fake images that D gets, differentiably, in steps of D and of G. Zhao et al. 2020."""

    policy: Policy = "colour,translation,cutout"
    """augmentations to apply, joined by commas"""

    def view(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return augmented(images, self.policy, rng)


@trick("ada")
class Ada(ImageTrick):
    """Augment with probability p, controlled so that the mean sign of D's logits of real images is `target`. Karras et al. 2020 (ADA), section 3.

    Each augmentation is applied to each image with probability p. p starts at 0 and changes every 4 minibatches, at a rate of 1 per `speed_kimg`
    thousand images. Only the controller is that of StyleGAN2-ADA: its pipeline of 18 transformations is not implemented; the augmentations are those of
    diffaugment. p is reported as d/ada_p.
    """

    counts_steps = True
    target: Annotated[float, Field(gt=-1, lt=1)] = 0.6
    """the mean sign of D's logits of real images that the controller aims at"""
    speed_kimg: Positive = 500.0
    """thousands of images in which the probability can change by 1"""
    policy: Policy = "flip,translation,colour,cutout"
    """augmentations to apply, joined by commas"""

    def check(self, config: TrialConfig) -> None:
        if LOSSES.pick(config.loss).boundary is None:
            decided = sorted(name for name, loss in LOSSES.items() if loss.boundary is not None)
            raise UserError(f"ada needs a loss that decides between real and fake, one of {decided}; given {config.loss!r}")

    def build(self, nets: Nets, config: TrialConfig) -> None:
        self.boundary = LOSSES.pick(config.loss).boundary or 0.0
        self.step = _EVERY * config.batch_size / (KIMG * self.speed_kimg)
        device = next(nets.d.parameters()).device
        self.p, self.signs, self.batches = torch.zeros((), device=device), torch.zeros((), device=device), 0

    def view(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return augmented(images, self.policy, rng, p=self.p)

    @torch.no_grad()
    def before_d(self, step: Step) -> None:
        self.signs.add_((step.reals()[1] - self.boundary).sign().mean())
        if self.clock.choice(self._due):
            self.p.add_(self.step * (self.signs / _EVERY - self.target).sign()).clamp_(0, 1)
            self.signs.zero_()
        step.signals["d/ada_p"] = self.p

    def _due(self) -> bool:
        """Count this minibatch; whether p changes after it."""
        self.batches = (self.batches + 1) % _EVERY
        return self.batches == 0

    def state_dict(self) -> dict[str, Any]:
        return {"p": self.p.clone(), "signs": self.signs.clone(), "batches": self.batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.p.copy_(state["p"])
        self.signs.copy_(state["signs"])
        self.batches = state["batches"]


@trick("consistency")
class Consistency(ImageTrick):
    """real E (D(x) - D(T(x)))^2 over real x (Zhang et al. 2020, CR) + fake times the same over fake x (Zhao et al. 2021, bCR: 10 too).

    T flips and translates images, as in both papers; translations are at most an eighth of the image.
    """

    real: NotNegative = 10.0
    """weight of the term on real images"""
    fake: NotNegative = 0.0
    """weight of the term on fake images"""
    policy: Policy = "flip,translation"
    """augmentations to apply, joined by commas"""

    def check(self, config: TrialConfig) -> None:
        if not self.real + self.fake:
            raise UserError("consistency.real or consistency.fake must be above 0; given 0 for both")

    def d_term(self, step: Step) -> Tensor:
        real, real_logits = step.reals()
        terms = []
        if self.real:
            terms.append(self.real * (real_logits - step.d(self.transformed(real, step.rng), side="real")).square().mean())
        if self.fake:
            terms.append(self.fake * (step.fake_logits - step.d(self.transformed(step.fake, step.rng), side="fake")).square().mean())
        return torch.stack(terms).sum()

    def transformed(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return T(images), detached."""
        return augmented(images.detach(), self.policy, rng)
