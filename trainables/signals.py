"""Signals: scalars that show how training goes, accumulated without synchronising the device."""

import torch
from torch import Tensor, nn

from trainables.models.conditional import apply


class Signals:
    """Sums scalars on the device; all are read at once at the tick."""

    def __init__(self, device: torch.device):
        self.device = device
        self.clear()

    def clear(self) -> None:
        """Discard all sums."""
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.bad_at = torch.full((), -1, device=self.device)  # images shown at the first non-finite value; -1: none

    @torch.no_grad()
    def add(self, values: dict[str, Tensor], images: int) -> None:
        """Add the scalars of one step, taken after `images` real images. Steps may have different keys: G's come once in d_steps."""
        new = [value.detach() for value in values.values()]
        for key, value in zip(values, new, strict=True):
            self.sums[key] = self.sums[key] + value if key in self.sums else value
            self.counts[key] = self.counts.get(key, 0) + 1
        bad = ~torch.stack(new).isfinite().all()
        self.bad_at = torch.where(bad & (self.bad_at < 0), images, self.bad_at)

    def not_finite(self) -> str:
        """Return which signals are not finite and since when, in words; "" if all are finite."""
        if (images := int(self.bad_at.item())) < 0:
            return ""
        names = [name for name, total in self.sums.items() if not torch.isfinite(total)]
        return f"{', '.join(names)} not finite after {images} images"

    def means(self) -> dict[str, float]:
        """Return the mean of each signal over the steps that have it."""
        keys = list(self.sums)
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
