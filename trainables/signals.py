"""Signals: what a person who trains GANs watches, gathered without making the device wait."""

import torch
from torch import Tensor, nn

from trainables.models.conditional import apply


class Signals:
    """Sums scalars on the device; they are read at the tick, all at once."""

    def __init__(self, device: torch.device):
        self.device = device
        self.clear()

    def clear(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.bad_at = torch.full((), -1, device=self.device)  # images at the first value that was not finite

    @torch.no_grad()
    def add(self, values: dict[str, Tensor], images: int) -> None:
        """Scalars of one step; not every key comes in every step (G's come once in d_steps)."""
        new = [value.detach() for value in values.values()]
        for key, value in zip(values, new, strict=True):
            self.sums[key] = self.sums[key] + value if key in self.sums else value
            self.counts[key] = self.counts.get(key, 0) + 1
        bad = ~torch.stack(new).isfinite().all()
        self.bad_at = torch.where(bad & (self.bad_at < 0), images, self.bad_at)

    def not_finite(self) -> str:
        """What left the finite numbers and when, in words; "" if nothing did."""
        if (images := int(self.bad_at.item())) < 0:
            return ""
        names = [name for name, total in self.sums.items() if not torch.isfinite(total)]
        return f"{', '.join(names)} not finite after {images} images"

    def means(self) -> dict[str, float]:
        keys = list(self.sums)
        totals = torch.stack([self.sums[key] for key in keys]).tolist()
        means = {key: total / self.counts[key] for key, total in zip(keys, totals, strict=True)}
        if {"d/real_logit", "d/fake_logit"} <= means.keys():
            means["d/distance"] = means["d/real_logit"] - means["d/fake_logit"]  # a critic's estimate of the distance
        return means


def image_gradient(d: nn.Module, images: Tensor, labels: Tensor | None = None) -> float:
    """Mean |d logit / d image| over images [N, *shape] (of these classes), in evaluation mode, so that norms and power iterations do not move."""
    images = images.detach().requires_grad_()
    d.eval()
    (gradient,) = torch.autograd.grad(apply(d, images, labels).sum(), images)
    d.train()
    return float(gradient.flatten(1).norm(dim=1).mean().item())
