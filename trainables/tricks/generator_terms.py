"""Lessons: what G learns from, beside D's verdict or in its place."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.models.base import Discriminator
from trainables.sections import Positive
from trainables.tricks.base import Nets, Step, Trick, trick

Fraction = Annotated[float, Field(gt=0, le=1)]


@trick("top_k")
class TopK(Trick):
    """G learns only from the k of its samples that D takes most for real. Sinha et al. 2020, section 3.

    k begins as the whole batch and is multiplied by `decay` after each epoch of D, down to the share `least` of the batch. With a loss of
    pairs, the real ones of the same pairs are kept. .99 and a half are also what public implementations of it take.
    """

    least: Fraction = 0.5
    decay: Fraction = 0.99

    def check(self, config: TrialConfig) -> None:
        if config.tricks.get("feature_matching", {}).get("adversarial") == 0:
            raise UserError(
                "top_k chooses what G's adversarial loss is of, and feature_matching.adversarial: 0 leaves nothing of that loss"
            )

    def before_g(self, step: Step) -> None:
        real, fake = step.loss_logits
        k = max(1, round(len(fake) * max(self.least, self.decay ** int(step.epoch))))
        best = fake.topk(k).indices
        step.loss_logits = real[best], fake[best]


@trick("feature_matching")
class FeatureMatching(Trick):
    """G minimises weight |E f(real) - E f(fake)|^2, f the features before D's last layer. Salimans et al. 2016, section 3.1.

    It takes the place of G's adversarial loss; `adversarial` is the share of that which stays (0 in the paper, 1 for both).
    """

    features = True
    real_in_g = True
    weight: Positive = 1.0
    adversarial: Annotated[float, Field(ge=0, le=1)] = 0.0

    def build(self, nets: Nets, config: TrialConfig) -> None:
        if not isinstance(nets.d, Discriminator):
            raise UserError(
                f"feature_matching needs a Discriminator, with a body of features and a head; {config.arch!r} has {type(nets.d).__name__}"
            )

    def before_g(self, step: Step) -> None:
        step.keep *= self.adversarial

    def g_term(self, step: Step) -> Tensor:
        assert step.real_features is not None
        assert step.fake_features is not None
        return self.weight * (step.real_features.mean(0) - step.fake_features.mean(0)).square().sum()


@trick("mode_seeking")
class ModeSeeking(Trick):
    """G is paid for images that differ more than their latents: weight / (|G(z1) - G(z2)| / |z1 - z2|), mean absolute differences. Mao et al. 2019.

    One half of the batch against the other, of the same classes where there are any, and the inverse of the ratio as what is minimised, with
    1e-5 against division by zero: all as in the authors' code.
    """

    weight: Positive = 1.0

    def check(self, config: TrialConfig) -> None:
        if config.batch_size < 2:
            raise UserError(f"mode_seeking compares pairs: batch_size must be 2 at least; given {config.batch_size}")

    def classes(self, labels: Tensor) -> Tensor:
        half = len(labels) // 2
        return torch.cat([labels[:half], labels[:half], labels[2 * half :]])

    def g_term(self, step: Step) -> Tensor:
        assert step.made is not None
        assert step.latents is not None
        half = len(step.made) // 2
        ratio = apart(step.made, half) / apart(step.latents, half)
        return self.weight / (ratio + 1e-5)


def apart(batch: Tensor, half: int) -> Tensor:
    return (batch[:half] - batch[half : 2 * half]).abs().mean()
