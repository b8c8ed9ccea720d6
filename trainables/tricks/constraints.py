"""Tricks that constrain or penalise weights, mostly those of D."""

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
    """Clip each weight of D to [-limit, limit]. Arjovsky et al. 2017, algorithm 1."""

    limit: Positive = 0.01
    """largest absolute value of D's weights"""

    @torch.no_grad()
    def constrain(self, nets: Nets) -> None:
        parameters: list[Tensor] = list(nets.d.parameters())
        torch._foreach_clamp_min_(parameters, -self.limit)
        torch._foreach_clamp_max_(parameters, self.limit)


@trick("weight_penalty")
class WeightPenalty(Scheduled):
    """weight/2 |W|^2 over all weights of D, without biases and gains. Krogh & Hertz 1992; on D in courses, and Kurach et al. 2019 ("L2").

    This is the sum over layers. The code of Kurach et al. takes their mean: its 10 corresponds to 10 divided by the number of layers here. The
    weight is scheduled as in gradient_penalty.
    """

    weight: Positive = 1e-3
    """weight of the penalty"""

    def d_term(self, step: Step) -> Tensor:
        norms = torch._foreach_norm([p for p in step.nets.d.parameters() if p.ndim > 1])
        return self.scaled(self.weight / 2) * torch.stack(list(norms)).square().sum()


@trick("spectral_norm")
class SpectralNorm(Trick):
    """Divide the weight of each layer of D by its largest singular value, from power iteration. Miyato et al. 2018, algorithm 1."""

    def build(self, nets: Nets, config: TrialConfig) -> None:
        for module in list(nets.d.modules()):
            if isinstance(module, (nn.Linear, nn.Conv2d, nn.Embedding)):  # embeddings of classes too, as in Miyato & Koyama 2018
                spectral_norm(module)


@trick("orthogonal_regularisation")
class OrthogonalRegularisation(Scheduled):
    """weight |W W' * (1 - I)|^2, summed over weights W: their rows should be orthogonal, of any length. Brock et al. 2019 (BigGAN), eq. 3.

    This is the form of 2019, without the diagonal that Brock et al. 2017 penalise too. BigGAN uses it on G; the default here is D. A row is one index
    of the first dimension, as in BigGAN's code. The weight is scheduled as in gradient_penalty.
    """

    weight: Positive = 1e-4
    """weight of the penalty"""
    net: Literal["d", "g", "both"] = "d"
    """the network whose weights are regularised"""

    def d_term(self, step: Step) -> Tensor | None:
        return None if self.net == "g" else self.scaled(self.weight) * off_diagonal(step.nets.d)

    def g_term(self, step: Step) -> Tensor | None:
        return None if self.net == "d" else self.scaled(self.weight) * off_diagonal(step.nets.g)


def off_diagonal(net: nn.Module) -> Tensor:
    """Return the squared inner products of different rows, summed over all weights: a scalar."""
    gains = {
        id(p) for module in net.modules() if isinstance(module, ConditionalNorm) for p in module.parameters()
    }  # their rows are classes, not outputs
    rows = [p.flatten(1) for p in net.parameters() if p.ndim > 1 and id(p) not in gains]
    return torch.stack([(gram := w @ w.T).square().sum() - gram.diagonal().square().sum() for w in rows]).sum()
