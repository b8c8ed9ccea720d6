"""Minibatches: D sees how much its batch varies."""

import torch
from torch import Tensor, nn

from trainables.config import TrialConfig
from trainables.models.base import Discriminator
from trainables.tricks.base import Nets, Trick, trick


class WithDeviation(nn.Module):
    """Appends one channel that holds the batch's standard deviation, averaged over all features and places."""

    def forward(self, features: Tensor) -> Tensor:
        """[N, C, ...] -> [N, C + 1, ...]."""
        deviation = (features.var(0, unbiased=False) + 1e-8).sqrt().mean()  # 1e-8: sqrt has no gradient at 0; Karras et al.'s own
        return torch.cat([features, deviation.expand(len(features), 1, *features.shape[2:])], 1)


@trick("minibatch_std")
class MinibatchStd(Trick):
    """The batch's standard deviation as one more feature of D's last layer. Karras et al. 2018, section 3."""

    def build(self, nets: Nets, config: TrialConfig) -> None:
        head = nets.d.head if isinstance(nets.d, Discriminator) else None
        if isinstance(head, nn.Linear):
            wider: nn.Module = nn.Linear(head.in_features + 1, 1, device=head.weight.device)
        elif isinstance(head, nn.Conv2d):
            wider = nn.Conv2d(head.in_channels + 1, 1, head.kernel_size, device=head.weight.device)  # type: ignore[arg-type]  # a pair of ints
        else:
            raise ValueError(f"minibatch_std needs a Discriminator with a Linear or Conv2d head; {config.arch!r} has {head}")
        assert isinstance(wider, (nn.Linear, nn.Conv2d))
        with torch.no_grad():  # what was there starts as it was
            wider.weight[:, :-1] = head.weight
            wider.weight[:, -1] = 0
            if wider.bias is not None and head.bias is not None:
                wider.bias.copy_(head.bias)
        nets.d.head = nn.Sequential(WithDeviation(), wider)
