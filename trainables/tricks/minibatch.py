"""Minibatches: D sees how much its batch varies."""

import torch
from torch import Tensor, nn

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.models.base import Discriminator
from trainables.sections import Count
from trainables.tricks.base import Nets, Trick, trick


class WithDeviation(nn.Module):
    """Appends one channel that holds the batch's standard deviation, averaged over all features and places."""

    def forward(self, features: Tensor) -> Tensor:
        """[N, C, ...] -> [N, C + 1, ...]."""
        deviation = (features.var(0, unbiased=False) + 1e-8).sqrt().mean()  # 1e-8: sqrt has no gradient at 0; Karras et al.'s own
        return torch.cat([features, deviation.expand(len(features), 1, *features.shape[2:])], 1)


class WithCloseness(nn.Module):
    """Appends a channel a kernel: how close a sample is to the others of its batch, sum_j exp(-|M_i - M_j|), M = features T."""

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


def last_layer(d: nn.Module, name: str, arch: str) -> nn.Linear | nn.Conv2d:
    """The last layer of a Discriminator's head. UserError where there is none to widen."""
    head = d.head if isinstance(d, Discriminator) else None
    last = head[-1] if isinstance(head, nn.Sequential) else head
    if isinstance(last, (nn.Linear, nn.Conv2d)):
        return last
    raise UserError(f"{name} needs a Discriminator with a Linear or Conv2d head; {arch!r} has {head}")


def widen(d: nn.Module, last: nn.Linear | nn.Conv2d, more: nn.Module, channels: int) -> None:
    """Put `more`, which appends channels, before the last layer, and widen that by weights of 0: what was there starts as it was."""
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
    """The batch's standard deviation as one more feature of D's last layer. Karras et al. 2018, section 3."""

    def build(self, nets: Nets, config: TrialConfig) -> None:
        widen(nets.d, last_layer(nets.d, "minibatch_std", config.arch), WithDeviation(), 1)


@trick("minibatch_discrimination")
class MinibatchDiscrimination(Trick):
    """How close a sample is to the others of its batch, as `kernels` more features of D's last layer. Salimans et al. 2016, section 3.2.

    The sum over j includes i itself (a constant 1), as the paper writes it. `dims` is the number of dimensions of each kernel: 100 kernels of 5 dimensions as in the authors' code; of
    its initialisation only the .05 of T is taken, not the weight norm nor the scaling by a first batch.
    """

    kernels: Count = 100
    dims: Count = 5

    def build(self, nets: Nets, config: TrialConfig) -> None:
        last = last_layer(nets.d, "minibatch_discrimination", config.arch)
        widen(nets.d, last, WithCloseness(last.weight[0].numel(), self.kernels, self.dims, last.weight.device), self.kernels)
