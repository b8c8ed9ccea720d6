"""Unrolling: G is differentiated through the steps with which D would answer."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Optimizer

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.gan import Gan
from trainables.models.conditional import apply
from trainables.sections import Count
from trainables.tricks.base import TRICKS, Trick
from trainables.updates.alternating import Alternating
from trainables.updates.base import Signals, update

Moments = tuple[float, Tensor, Tensor]  # Adam's step count, mean of gradients, mean of squares


@update("unrolled")
class Unrolled(Alternating):
    """G's loss is taken after `steps` more Adam steps of D, and differentiated through them. Metz et al. 2017, eq. 7 to 10, and its code.

    The steps see one batch of each side, as in the authors' code, whose D is unrolled with Adam and its means so far. D itself moves one
    step, from where it is. In a zero-sum loss (minimax, wasserstein, f-GAN's; the paper and its code have minimax) G wins all that D then
    loses, on real images too: D's answer depends on G. Of other losses only G's own is differentiated. Where a gradient penalty looks
    (points that tricks make of the fakes) is held fixed.
    """

    steps: Count = 5

    def check(self, config: TrialConfig) -> None:
        if (name := config.optimisers[1]) != "adam":
            raise UserError(f"update: unrolled differentiates through Adam's steps of D, as its authors do; D's optimiser is {name!r}")
        if constraints := [name for name in config.tricks if TRICKS.pick(name).constrain is not Trick.constrain]:
            raise UserError(
                f"{constraints[0]} must be off with update: unrolled: the steps that it differentiates through hold no constraint"
            )
        if "gradient_clipping" in config.tricks:
            raise UserError("gradient_clipping must be off with update: unrolled: the steps that it differentiates through are not clipped")
        if counts := [name for name in config.tricks if TRICKS.pick(name).counts_steps]:
            raise UserError(f"{counts[0]} must be off with update: unrolled, whose steps of D are not taken: it would count them")
        if config.d.norm in ("batch", "instance") and (penalties := [name for name in config.tricks if TRICKS.pick(name).of_gradients]):
            raise UserError(
                f"{penalties[0]} with update: unrolled takes third derivatives of D, which PyTorch has not for d.norm: {config.d.norm}; take none or layer"
            )

    def build(self, gan: Gan) -> None:
        if gan.loss.zero_sum:
            lost = gan.loss.d
            gan.loss = replace(gan.loss, g=lambda real, fake: -lost(real, fake))

    def g_step(self, gan: Gan) -> Signals:
        (real, real_labels), z, d = gan.batches.next_labelled(), gan.noise(), gan.nets.d
        labels = real_labels, gan.g_labels(real_labels)
        fake = apply(gan.nets.g, z, labels[1])
        answer, moments = joined([p.detach() for p in d.parameters()]).requires_grad_(), moments_of(d, gan.d_opt)
        for updates in range(gan.d_updates, gan.d_updates + self.steps):
            # views: D's weights are functions of the images of earlier steps, by which a penalty of this one must not differentiate
            terms = within(d, answer, lambda: gan.d_terms(gan.d_forward(real.detach(), fake.view_as(fake), labels=labels, updates=updates)))  # noqa: B023  (called at once)
            (gradient,) = torch.autograd.grad(torch.stack(list(terms.values())).sum(), answer, create_graph=True)
            answer, moments = adam_step(answer, gradient, moments, gan.d_opt)
        shown = real if gan.real_in_g or gan.loss.zero_sum else None
        terms = within(d, answer, lambda: gan.g_terms(gan.forward(shown, fake, labels=labels, updates=gan.g_updates, latents=z)))
        norm = gan.differentiate(gan.g_opt, terms)
        gan.g_move()
        return terms | {"g/grad_norm": norm}


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """All weights as one vector: a small network's steps cost by the number of operations, not by their size."""
    return torch.cat([tensor.flatten() for tensor in tensors])


def moments_of(net: nn.Module, opt: Optimizer) -> Moments:
    """Adam's, of all weights as one vector; zeros for a weight that it has not met."""
    states = [opt.state.get(p, {}) for p in net.parameters()]
    mean, square = (
        joined([state.get(name, torch.zeros_like(p)) for state, p in zip(states, net.parameters(), strict=True)])
        for name in ("exp_avg", "exp_avg_sq")
    )
    return float(next((state["step"] for state in states if state), 0)), mean, square


class Within(nn.Module):
    """Calls a function, so that functional_call can exchange D's weights in all that it does, tricks included."""

    def __init__(self, d: nn.Module):
        super().__init__()
        self.d = d

    def forward(self, function: Callable[[], Signals]) -> Signals:
        return function()


def within(d: nn.Module, weights: Tensor, function: Callable[[], Signals]) -> Signals:
    own = dict(d.named_parameters())
    parts = weights.split([p.numel() for p in own.values()])
    exchanged = {f"d.{name}": part.view(p.shape) for part, (name, p) in zip(parts, own.items(), strict=True)}
    found: Signals = functional_call(Within(d), exchanged, (function,))
    return found


def adam_step(weight: Tensor, gradient: Tensor, moments: Moments, opt: Optimizer) -> tuple[Tensor, Moments]:
    """Kingma & Ba 2015, algorithm 1, as torch.optim.Adam takes it, but differentiable."""
    group = opt.param_groups[0]
    beta1, beta2 = group["betas"]
    step, mean, square = moments[0] + 1, torch.lerp(moments[1], gradient, 1 - beta1), beta2 * moments[2] + (1 - beta2) * gradient.square()
    root = square.clamp_min(1e-30).sqrt() / (1 - beta2**step) ** 0.5  # 1e-30: sqrt has no gradient at 0, where a dead unit's is
    return weight - group["lr"] / (1 - beta1**step) * mean / (root + group["eps"]), (step, mean, square)
