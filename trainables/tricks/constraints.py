"""Constraints on weights, of D for the most part."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from trainables.config import TrialConfig
from trainables.models.conditional import ConditionalNorm
from trainables.sections import Positive
from trainables.tricks.base import Nets, Step, Trick, trick
from trainables.tricks.scheduled import Scheduled


@trick("weight_clipping")
class WeightClipping(Trick):
    """Each of D's weights is kept within ±limit. Arjovsky et al. 2017, algorithm 1."""

    limit: Positive = 0.01

    @torch.no_grad()
    def constrain(self, nets: Nets) -> None:
        parameters: list[Tensor] = list(nets.d.parameters())
        torch._foreach_clamp_min_(parameters, -self.limit)
        torch._foreach_clamp_max_(parameters, self.limit)


@trick("weight_penalty")
class WeightPenalty(Scheduled):
    """weight/2 times the squared norm of D's weights, biases and gains left out. Krogh & Hertz 1992; on D in courses, and Kurach et al. 2019 ("L2").

    The sum over all layers. The code of Kurach et al. has their mean: its 10 are 10 divided by the number of layers here. The weight's schedule is
    as in gradient_penalty.
    """

    weight: Positive = 1e-3

    def d_term(self, step: Step) -> Tensor:
        norms = torch._foreach_norm([p for p in step.nets.d.parameters() if p.ndim > 1])
        return self.strength(step) * self.weight / 2 * torch.stack(list(norms)).square().sum()


@trick("spectral_norm")
class SpectralNorm(Trick):
    """Each of D's weights is divided by its largest singular value, by power iteration. Miyato et al. 2018, algorithm 1."""

    def build(self, nets: Nets, config: TrialConfig) -> None:
        for module in list(nets.d.modules()):
            if isinstance(module, (nn.Linear, nn.Conv2d, nn.Embedding)):  # a class's row too, as in Miyato & Koyama 2018
                spectral_norm(module)


@trick("orthogonal_regularisation")
class OrthogonalRegularisation(Scheduled):
    """weight |W W' * (1 - I)|^2 of each weight: its rows, an output's each, should be at right angles, of any length. Brock et al. 2019 (BigGAN), eq. 3.

    It is the form of 2019, without the diagonal that Brock et al. 2017 have too. BigGAN uses it on G; the default here is D. Rows are those of the
    first dimension, as in BigGAN's code. The weight's schedule is as in gradient_penalty.
    """

    weight: Positive = 1e-4
    net: Literal["d", "g", "both"] = "d"

    def d_term(self, step: Step) -> Tensor | None:
        return None if self.net == "g" else self.strength(step) * self.weight * off_diagonal(step.nets.d)

    def g_term(self, step: Step) -> Tensor | None:
        return None if self.net == "d" else self.strength(step) * self.weight * off_diagonal(step.nets.g)


def off_diagonal(net: nn.Module) -> Tensor:
    """Squares of the inner products of different rows, summed over all weights: a scalar."""
    gains = {
        id(p) for module in net.modules() if isinstance(module, ConditionalNorm) for p in module.parameters()
    }  # a row a class: no weights
    rows = [p.flatten(1) for p in net.parameters() if p.ndim > 1 and id(p) not in gains]
    return torch.stack([(gram := w @ w.T).square().sum() - gram.diagonal().square().sum() for w in rows]).sum()
