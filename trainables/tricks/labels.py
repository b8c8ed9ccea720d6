"""Tricks that change the labels real and fake in D's loss."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.losses import LOSSES
from trainables.sections import Share
from trainables.tricks.base import Nets, Step, Trick, trick


@trick("label_flipping")
class LabelFlipping(Trick):
    """Swap the labels real and fake of a `share` of the pairs in D's loss. Chintala et al. 2016 ("How to train a GAN?"), tip 6.

    Each pair of a real and a fake logit is swapped independently. As logits are swapped and not images, this works with every loss, and D's norms and
    gradient penalties get unmixed batches. G's loss does not change.
    """

    share: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """share of the pairs of a real and a fake image whose labels are swapped in D's loss"""

    def before_d(self, step: Step) -> None:
        real, fake = step.loss_logits
        swap = torch.rand(len(fake), generator=step.rng, device=fake.device) < self.share
        step.loss_logits = torch.where(swap, fake, real), torch.where(swap, real, fake)


@trick("label_smoothing")
class LabelSmoothing(Trick):
    """D's target for real images is `real` instead of 1; that for fake images is `fake`. Salimans et al. 2016, section 3.4 (one-sided).

    `fake` above 0 smooths both sides (Szegedy et al. 2016). Salimans et al. advise against it: where the data have almost no density, fake samples then
    have no incentive to move towards the data.
    """

    real: Annotated[float, Field(gt=0, le=1)] = 0.9
    """D's target for real images"""
    fake: Share = 0.0
    """D's target for fake images"""

    def check(self, config: TrialConfig) -> None:
        if LOSSES.pick(config.loss).relabel is None:
            labelled = sorted(name for name, loss in LOSSES.items() if loss.relabel)
            raise UserError(f"label_smoothing needs a loss with labels, one of {labelled}; given {config.loss!r}")

    def build(self, nets: Nets, config: TrialConfig) -> None:
        self.loss = LOSSES.pick(config.loss)

    def d_term(self, step: Step) -> Tensor:
        assert self.loss.relabel
        assert self.loss.boundary is not None
        real, fake = step.loss_logits
        term = self.loss.relabel(real, self.real)
        if self.fake:  # the loss of fake images is that of real ones, mirrored at the boundary
            term = term + self.loss.relabel(2 * self.loss.boundary - fake, 1 - self.fake)
        return term
