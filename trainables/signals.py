"""Signals: scalars that show how training goes, accumulated without synchronising the device."""

from typing import Any

import torch
from torch import Tensor, nn

from ganstudy.errors import UserError
from trainables.clock import Clock
from trainables.models.conditional import apply


def scalar(value: Any, what: str) -> Tensor:
    """Return a tensor without dimensions as it is. Raises UserError for anything else; `what` names the value and whose it is."""
    if isinstance(value, Tensor) and value.ndim == 0:
        return value
    given = f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else f"{value!r:.60} ({type(value).__name__})"
    raise UserError(f"{what} must be a tensor without dimensions, such as a mean over the batch; given is {given}")


def differentiable(value: Any, what: str) -> Tensor:
    """`scalar`, which must also depend on the logits. Raises UserError if it does not."""
    if not (found := scalar(value, what)).requires_grad:
        raise UserError(f"{what} must depend on the logits, so that it can be differentiated; given is a constant or a detached tensor")
    return found


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
        """Add the scalars of one step. Steps may have different keys: G's come once in d_steps. Raises UserError for what is no scalar."""
        keys = list(values)
        for key in keys:
            if key not in self.sums:
                self.sums[key] = torch.zeros((), device=self.device)
        new = torch.stack([scalar(value, f"the signal {key}").detach().float() for key, value in values.items()])
        torch._foreach_add_([self.sums[key] for key in keys], list(new.unbind()))
        self.check.add_((new * 0).sum())  # fewer operations than isfinite, and they are most of the time of a small network
        self.fine.add_(self.check == 0)
        self.clock.each(lambda: self._count(keys))

    def _count(self, keys: list[str]) -> None:
        self.shown.append(self.clock.images)
        for key in keys:
            self.counts[key] = self.counts.get(key, 0) + 1

    def not_finite(self) -> tuple[list[str], int]:
        """Return which signals are not finite, and the images after which the first one was not; [] if all are finite."""
        if (fine := int(self.fine.item())) == len(self.shown):
            return [], 0
        return [name for name, total in self.sums.items() if not torch.isfinite(total)], self.shown[fine]

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
