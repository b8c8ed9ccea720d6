"""Labels: what D is told of the images."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from trainables.config import TrialConfig
from trainables.losses import LOSSES
from trainables.tricks.base import Nets, Step, Trick, trick


@trick("label_smoothing")
class LabelSmoothing(Trick):
    """One-sided: D is told that real images are real with probability `real` only; fakes stay 0. Salimans et al. 2016, section 3.4."""

    real: Annotated[float, Field(gt=0, le=1)] = 0.9

    def check(self, config: TrialConfig) -> None:
        if LOSSES.pick(config.loss).relabel is None:
            labelled = sorted(name for name, loss in LOSSES.items() if loss.relabel)
            raise ValueError(f"label_smoothing needs a loss with labels, one of {labelled}; given {config.loss!r}")

    def build(self, nets: Nets, config: TrialConfig) -> None:
        self.loss = LOSSES.pick(config.loss)

    def d_term(self, step: Step) -> Tensor:
        assert self.loss.relabel
        return self.loss.relabel(step.reals()[1], self.real)
