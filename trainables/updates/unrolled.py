"""Unrolled updates: G's gradient is taken through several steps of D."""

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

_Moments = tuple[Tensor, Tensor, Tensor]  # Adam's step count (float64 []), mean of gradients, mean of squares


@update("unrolled")
class Unrolled(Alternating):
    """G minimises its loss after `steps` more Adam steps of D, differentiated through these steps. Metz et al. 2017, eq. 7 to 10, and its code.

    All unrolled steps use one real and one fake batch, and Adam with the moments of D's optimiser, as in the authors' code. D's own update is one
    plain step from its current weights.

    With a zero-sum loss (minimax, wasserstein, f-GAN's; the paper and its code use minimax), G's loss is minus D's loss after the unrolled steps. It
    includes the loss on real images, as the unrolled D depends on G. With other losses, G's own loss is used. Points that a gradient penalty
    interpolates from fake images are constants: no gradient flows through them to G.
    """

    steps: Count = 5
    """updates of D that G looks ahead"""

    def check(self, config: TrialConfig) -> None:
        if (name := config.optimisers[1]) != "adam":
            raise UserError(f"update: unrolled needs Adam as D's optimiser, as it differentiates through Adam's steps; given {name!r}")
        if constraints := [name for name in config.tricks if TRICKS.pick(name).constrain is not Trick.constrain]:
            raise UserError(f"{constraints[0]} must be off with update: unrolled, whose unrolled steps of D apply no constraint")
        if "gradient_clipping" in config.tricks:
            raise UserError("gradient_clipping must be off with update: unrolled, whose unrolled steps of D are not clipped")
        if counts := [name for name in config.tricks if TRICKS.pick(name).counts_steps]:
            raise UserError(f"{counts[0]} must be off with update: unrolled, whose unrolled steps of D would change its state")
        if config.d.norm in ("batch", "instance") and (penalties := [name for name in config.tricks if TRICKS.pick(name).of_gradients]):
            raise UserError(
                f"{penalties[0]} with update: unrolled takes third derivatives of D, which PyTorch does not have for d.norm: {config.d.norm}; set d.norm: none or layer"
            )

    def build(self, gan: Gan) -> None:
        if gan.loss.zero_sum:
            lost = gan.loss.d
            gan.loss = replace(gan.loss, g=lambda real, fake: -lost(real, fake))

    def g_step(self, gan: Gan) -> Signals:
        (real, real_labels), z, d = gan.batches.next_labelled(), gan.noise(), gan.nets.d
        labels = real_labels, gan.g_labels(real_labels)
        fake = apply(gan.nets.g, z, labels[1])
        weights, moments = _flat([p.detach() for p in d.parameters()]).requires_grad_(), _adam_moments(d, gan.d_opt)
        for _ in range(self.steps):
            # new tensors per step: D's weights depend on the images of earlier steps, and a penalty must not differentiate by those
            terms = _call_with(
                d,
                weights,
                lambda: gan.d_terms(gan.d_forward(real.detach(), fake.view_as(fake), labels=labels)),
            )
            (gradient,) = torch.autograd.grad(torch.stack(list(terms.values())).sum(), weights, create_graph=True)
            weights, moments = _adam_step(weights, gradient, moments, gan.d_opt)
            gan.clock.advance(d_updates=1)  # a lazy penalty counts these steps
        gan.clock.advance(d_updates=-self.steps)
        shown = real if gan.real_in_g or gan.loss.zero_sum else None
        terms = _call_with(d, weights, lambda: gan.g_terms(gan.forward(shown, fake, labels=labels, latents=z)))
        norm = gan.differentiate(gan.g_opt, terms)
        gan.g_move()
        return terms | {"g/grad_norm": norm}


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    """Return all tensors as one vector: fewer operations, which dominate the time of a small network."""
    return torch.cat([tensor.flatten() for tensor in tensors])


def _adam_moments(net: nn.Module, opt: Optimizer) -> _Moments:
    """Return Adam's moments of all weights as vectors; zeros for a weight without state."""
    states = [opt.state.get(p, {}) for p in net.parameters()]
    mean, square = (
        _flat([state.get(name, torch.zeros_like(p)) for state, p in zip(states, net.parameters(), strict=True)])
        for name in ("exp_avg", "exp_avg_sq")
    )
    taken = next((state["step"].double() for state in states if state), mean.new_zeros((), dtype=torch.float64))
    return taken, mean, square


class _CallWith(nn.Module):
    """A module that calls a function, so that functional_call can replace D's weights in it, tricks included."""

    def __init__(self, d: nn.Module):
        super().__init__()
        self.d = d

    def forward(self, function: Callable[[], Signals]) -> Signals:
        return function()


def _call_with(d: nn.Module, weights: Tensor, function: Callable[[], Signals]) -> Signals:
    """Call a function with D's weights replaced by `weights`, one vector."""
    own = dict(d.named_parameters())
    parts = weights.split([p.numel() for p in own.values()])
    exchanged = {f"d.{name}": part.view(p.shape) for part, (name, p) in zip(parts, own.items(), strict=True)}
    found: Signals = functional_call(_CallWith(d), exchanged, (function,))
    return found


def _adam_step(weight: Tensor, gradient: Tensor, moments: _Moments, opt: Optimizer) -> tuple[Tensor, _Moments]:
    """Return weight and moments after one differentiable step of Adam, as torch.optim.Adam computes it. Kingma & Ba 2015, algorithm 1."""
    group = opt.param_groups[0]
    beta1, beta2 = group["betas"]
    step, mean, square = moments[0] + 1, torch.lerp(moments[1], gradient, 1 - beta1), beta2 * moments[2] + (1 - beta2) * gradient.square()
    root = square.clamp_min(1e-30).sqrt() / (1 - beta2**step) ** 0.5  # 1e-30: sqrt has no gradient at 0, the value for a dead unit
    return weight - group["lr"] / (1 - beta1**step) * mean / (root + group["eps"]), (step, mean, square)
