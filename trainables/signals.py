"""Signals: scalars that show how training goes, accumulated without synchronising the device."""

import torch
from torch import Tensor, nn

from trainables.clock import Clock
from trainables.models.conditional import apply


class Signals:
    """Sums scalars on the device, in place; all are read at once at the tick."""

    def __init__(self, clock: Clock, device: torch.device):
        self.clock, self.device = clock, device
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.shown: list[int] = []  # images shown after each step
        self.fine = torch.zeros((), dtype=torch.int64, device=device)  # steps before the first non-finite value
        self.check = torch.zeros((), device=device)  # 0 as long as all values are finite, then NaN

    @torch.no_grad()
    def clear(self) -> None:
        """Set all sums to 0."""
        self.counts, self.shown = dict.fromkeys(self.counts, 0), []
        for total in (self.fine, self.check, *self.sums.values()):
            total.zero_()

    @torch.no_grad()
    def add(self, values: dict[str, Tensor]) -> None:
        """Add the scalars of one step. Steps may have different keys: G's come once in d_steps."""
        keys = list(values)
        for key in keys:
            if key not in self.sums:
                self.sums[key] = torch.zeros((), device=self.device)
        new = torch.stack([value.detach().float() for value in values.values()])
        torch._foreach_add_([self.sums[key] for key in keys], list(new.unbind()))
        self.check.add_((new * 0).sum())  # fewer operations than isfinite, and they are most of the time of a small network
        self.fine.add_(self.check == 0)
        self.clock.each(lambda: self._count(keys))

    def _count(self, keys: list[str]) -> None:
        self.shown.append(self.clock.images)
        for key in keys:
            self.counts[key] = self.counts.get(key, 0) + 1

    def not_finite(self) -> str:
        """Return which signals are not finite and since when, in words; "" if all are finite."""
        if (fine := int(self.fine.item())) == len(self.shown):
            return ""
        names = [name for name, total in self.sums.items() if not torch.isfinite(total)]
        return f"{', '.join(names)} not finite after {self.shown[fine]} images"

    def means(self) -> dict[str, float]:
        """Return the mean of each signal over the steps that have it."""
        keys = [key for key, count in self.counts.items() if count]
        totals = torch.stack([self.sums[key] for key in keys]).tolist()
        means = {key: total / self.counts[key] for key, total in zip(keys, totals, strict=True)}
        if {"d/real_logit", "d/fake_logit"} <= means.keys():
            means["d/distance"] = means["d/real_logit"] - means["d/fake_logit"]  # estimates the Wasserstein distance if D is a critic
        return means


def image_gradient(d: nn.Module, images: Tensor, labels: Tensor | None = None) -> float:
    """Return the mean |d logit / d image| over images [N, *shape] (with classes [N]).

    Uses evaluation mode, so running statistics and power iterations do not change.
    """
    images = images.detach().requires_grad_()
    d.eval()
    (gradient,) = torch.autograd.grad(apply(d, images, labels).sum(), images)
    d.train()
    return float(gradient.flatten(1).norm(dim=1).mean().item())
