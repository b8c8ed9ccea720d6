"""Labels: what D is told of the images."""

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
    """A share of D's labels is wrong: these real images are called fake, and as many fakes real. Chintala et al. 2016 ("How to train a GAN?"), tip 6.

    Logits change sides, not images: it works with every loss, labelled or not, and the norms of D and the gradient penalties see clean batches.
    Each pair of a real and a fake image is swapped by a coin of its own. G's labels are right.
    """

    share: Annotated[float, Field(gt=0, lt=1)] = 0.05

    def before_d(self, step: Step) -> None:
        real, fake = step.loss_logits
        swap = torch.rand(len(fake), generator=step.rng, device=fake.device) < self.share
        step.loss_logits = torch.where(swap, fake, real), torch.where(swap, real, fake)


@trick("label_smoothing")
class LabelSmoothing(Trick):
    """One-sided: D is told that real images are real with probability `real` only; fakes stay 0. Salimans et al. 2016, section 3.4.

    `fake` above 0 smooths the other side too (Szegedy et al. 2016), of which Salimans et al. warn: where only fakes are, they then have no
    reason to move towards the data.
    """

    real: Annotated[float, Field(gt=0, le=1)] = 0.9
    fake: Share = 0.0

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
        if self.fake:  # what is said of fakes is what is said of reals, mirrored at the boundary
            term = term + self.loss.relabel(2 * self.loss.boundary - fake, 1 - self.fake)
        return term
