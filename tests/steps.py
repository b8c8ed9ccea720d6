"""Handmade steps, for tricks with a result in closed form."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from trainables.clock import Clock
from trainables.models.base import Discriminator
from trainables.tricks.base import Nets, Step, Trick


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear_step(shape: tuple[int, ...], **more: Any) -> tuple[Step, float]:
    """Return a step of D(x) = w x + b, whose gradient is w for every image, and |w|."""
    torch.manual_seed(0)
    head = nn.Linear(math.prod(shape), 1)
    d = Discriminator(nn.Flatten(), head)
    real, fake = (torch.randn(6, *shape, requires_grad=True) for _ in range(2))
    step = Step(nets=Nets(nn.Identity(), d), real=real, fake=fake, real_logits=d(real), fake_logits=d(fake), rng=rng(), **more)
    return step, head.weight.norm().item()


def step_of(of_real: list[float], of_fake: list[float], /, **more: Any) -> Step:
    """Return a step with these real and fake logits; its images are placeholders."""
    logits = torch.tensor(of_real), torch.tensor(of_fake)
    nets = Nets(nn.Identity(), nn.Identity())
    fields = {"nets": nets, "real": logits[0], "fake": logits[1], "real_logits": logits[0], "fake_logits": logits[1], "rng": rng()}
    return Step(**{**fields, **more})


def at(trick: Trick, *, images: int = 0, of: int = 1000, d_updates: int = 0) -> Trick:
    """Return the trick, told that D was shown so many images, `of` the whole budget and of an epoch."""
    trick.clock = Clock(budget=of, epoch_size=of)
    trick.clock.set(images=images, d_updates=d_updates)
    return trick


def term(trick: Trick, step: Step, side: str = "d") -> Tensor:
    """Return the scalar term of a trick for D or G."""
    value = trick.d_term(step) if side == "d" else trick.g_term(step)
    assert value is not None
    assert value.shape == ()
    return value
