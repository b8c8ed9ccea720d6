"""Tricks that give D features of the whole minibatch, so that it can detect a lack of variation."""

import torch
from torch import Tensor, nn

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.models.base import Discriminator
from trainables.sections import Count
from trainables.tricks.base import Nets, Trick, trick


class WithDeviation(nn.Module):
    """Append one channel: the standard deviation over the batch, averaged over all features and pixels."""

    def forward(self, features: Tensor) -> Tensor:
        """[N, C, ...] -> [N, C + 1, ...]."""
        deviation = (features.var(0, unbiased=False) + 1e-8).sqrt().mean()  # 1e-8: sqrt has no gradient at 0; the value of Karras et al.
        return torch.cat([features, deviation.expand(len(features), 1, *features.shape[2:])], 1)


class WithCloseness(nn.Module):
    """Append one channel per kernel: the similarity of a sample to its batch, sum_j exp(-|M_i - M_j|), M = features T."""

    def __init__(self, inputs: int, kernels: int, dims: int, device: torch.device):
        super().__init__()
        self.t = nn.Parameter(0.05 * torch.randn(inputs, kernels, dims).to(device))  # .05: as in the authors' code

    def forward(self, features: Tensor) -> Tensor:
        """[N, C, ...] -> [N, C + kernels, ...]."""
        rows = torch.einsum("na,abc->nbc", features.flatten(1), self.t)
        distances = (rows[:, None] - rows).abs().sum(3)  # [N, N, kernels]
        closeness = (-distances).exp().sum(1)
        shape = (*closeness.shape, *[1] * (features.ndim - 2))
        return torch.cat([features, closeness.view(shape).expand(*closeness.shape, *features.shape[2:])], 1)


def _last_layer(d: nn.Module, name: str, arch: str) -> nn.Linear | nn.Conv2d:
    """Return the last layer of D's head. Raises UserError unless it is a Linear or a Conv2d of a Discriminator."""
    head = d.head if isinstance(d, Discriminator) else None
    last = head[-1] if isinstance(head, nn.Sequential) else head
    if isinstance(last, (nn.Linear, nn.Conv2d)):
        return last
    raise UserError(
        f"{name} needs an architecture whose D is a Discriminator with a Linear or Conv2d head; that of arch: {arch} has {head}"
    )


def _widen_head(d: nn.Module, last: nn.Linear | nn.Conv2d, more: nn.Module, channels: int) -> None:
    """Insert `more`, which appends channels, before the last layer, and widen that layer by weights of 0.

    The logits of the new D are at first those of the old one.
    """
    if isinstance(last, nn.Linear):
        wider: nn.Linear | nn.Conv2d = nn.Linear(last.in_features + channels, 1, bias=last.bias is not None, device=last.weight.device)
    else:
        wider = type(last)(last.in_channels + channels, 1, last.kernel_size, device=last.weight.device)  # type: ignore[arg-type]  # a pair of ints
    with torch.no_grad():
        wider.weight[:, :-channels] = last.weight
        wider.weight[:, -channels:] = 0
        if wider.bias is not None and last.bias is not None:
            wider.bias.copy_(last.bias)
    before: list[nn.Module] = list(d.head)[:-1] if isinstance(d.head, nn.Sequential) else []
    d.head = nn.Sequential(*before, more, wider)


@trick("minibatch_std")
class MinibatchStd(Trick):
    """Append the standard deviation of the batch to the features of D's last layer. Karras et al. 2018, section 3."""

    def build(self, nets: Nets, config: TrialConfig) -> None:
        _widen_head(nets.d, _last_layer(nets.d, "minibatch_std", config.arch), WithDeviation(), 1)


@trick("minibatch_discrimination")
class MinibatchDiscrimination(Trick):
    """Append sum_j exp(-|M_i - M_j|), M = features T, for each of `kernels`, to the features of D's last layer. Salimans et al. 2016, section 3.2.

    The sum over j includes i itself (a constant 1), as in the paper. `dims` is the number of dimensions of each kernel. The defaults are those of the
    authors' code: 100 kernels of 5 dimensions. Of its initialisation, only the .05 of T is implemented, not the weight norm or the scaling by a first
    batch.
    """

    kernels: Count = 100
    """number of kernels"""
    dims: Count = 5
    """dimensions of each kernel"""

    def build(self, nets: Nets, config: TrialConfig) -> None:
        last = _last_layer(nets.d, "minibatch_discrimination", config.arch)
        _widen_head(nets.d, last, WithCloseness(last.weight[0].numel(), self.kernels, self.dims, last.weight.device), self.kernels)
