"""Tricks that change G's loss: they select samples, add a term, or replace the adversarial loss."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.models.base import Discriminator
from trainables.sections import Positive
from trainables.tricks.base import Nets, Step, Trick, trick

_Fraction = Annotated[float, Field(gt=0, le=1)]


@trick("top_k")
class TopK(Trick):
    """G's loss is taken over only the k fake samples with the largest logits. Sinha et al. 2020, section 3.

    k starts as the batch size and is multiplied by `decay` after each epoch of D, down to the share `least` of the batch. With a loss of pairs, the
    real images of the same pairs are kept. The defaults .99 and .5 are those of public implementations too.
    """

    least: _Fraction = 0.5
    """smallest share of the fake images that G learns from"""
    decay: _Fraction = 0.99
    """factor on that share after each epoch of D"""

    def check(self, config: TrialConfig) -> None:
        if config.tricks.get("feature_matching", {}).get("adversarial") == 0:
            raise UserError(
                "top_k selects the samples of G's adversarial loss, which feature_matching.adversarial: 0 removes; set that above 0, or leave top_k out"
            )

    def before_g(self, step: Step) -> None:
        real, fake = step.loss_logits
        n = len(fake)
        k = self.clock.choice(lambda: max(1, round(n * max(self.least, self.decay ** int(self.clock.epoch)))))
        best = fake.topk(k).indices
        step.loss_logits = real[best], fake[best]


@trick("feature_matching")
class FeatureMatching(Trick):
    """G minimises weight |E f(real) - E f(fake)|^2, where f are the features before D's last layer. Salimans et al. 2016, section 3.1.

    This replaces G's adversarial loss, which is multiplied by `adversarial` (0 in the paper, 1 for both).
    """

    features = True
    real_in_g = True
    weight: Positive = 1.0
    """weight of the term"""
    adversarial: Annotated[float, Field(ge=0, le=1)] = 0.0
    """factor on G's adversarial loss"""

    def build(self, nets: Nets, config: TrialConfig) -> None:
        if not isinstance(nets.d, Discriminator):
            raise UserError(
                f"feature_matching needs an architecture whose D is a Discriminator (body and head); that of arch: {config.arch} is a {type(nets.d).__name__}"
            )

    def before_g(self, step: Step) -> None:
        step.keep *= self.adversarial

    def g_term(self, step: Step) -> Tensor:
        assert step.real_features is not None
        assert step.fake_features is not None
        return self.weight * (step.real_features.mean(0) - step.fake_features.mean(0)).square().sum()


@trick("mode_seeking")
class ModeSeeking(Trick):
    """G minimises weight / (|G(z1) - G(z2)| / |z1 - z2|), with mean absolute differences: different z give different images. Mao et al. 2019.

    As in the authors' code, one half of the batch is compared with the other, with the same classes in a conditional trial; the inverse of the ratio
    is minimised, with 1e-5 against division by zero.
    """

    weight: Positive = 1.0
    """weight of the term"""

    def check(self, config: TrialConfig) -> None:
        if config.batch_size < 2:
            raise UserError(f"batch_size must be at least 2 with mode_seeking, which compares pairs; given {config.batch_size}")

    def classes(self, labels: Tensor) -> Tensor:
        half = len(labels) // 2
        return torch.cat([labels[:half], labels[:half], labels[2 * half :]])

    def g_term(self, step: Step) -> Tensor:
        assert step.made is not None
        assert step.latents is not None
        half = len(step.made) // 2
        ratio = _mean_difference(step.made, half) / _mean_difference(step.latents, half)
        return self.weight / (ratio + 1e-5)


def _mean_difference(batch: Tensor, half: int) -> Tensor:
    """Return the mean absolute difference between the two halves of a batch [N, …]: a scalar."""
    return (batch[:half] - batch[half : 2 * half]).abs().mean()
