"""Optimisers, by name. A step whose gradient is not finite has never been: each heeds `found_inf`, a number on the device, so that nothing waits."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from ganstudy.registry import Registry
from trainables import tables
from trainables.config import TrialConfig

OPTIMISERS: Registry[Callable[[Iterable[nn.Parameter], float, TrialConfig], Optimizer]] = tables.OPTIMISERS
Make = TypeVar("Make", bound=Callable[[Iterable[nn.Parameter], float, TrialConfig], Optimizer])

_DECAY = 0.01  # of AdamW where the config does not say; PyTorch's


def optimiser(name: str, *, takes: tuple[str, ...] = ()) -> Callable[[Make], Make]:
    """Decorator: add an optimiser. `takes`: which of beta2 and weight_decay it reads. It must skip steps where `found_inf` is not 0."""

    def enter(make: Make) -> Make:
        make.takes = takes  # type: ignore[attr-defined]
        return OPTIMISERS.register(name)(make)

    return enter


@optimiser("adam", takes=("beta2",))
def adam(parameters: Iterable[nn.Parameter], lr: float, config: TrialConfig) -> Optimizer:
    """Means of gradients (beta1) over means of their squares (beta2). Kingma & Ba 2015, algorithm 1"""
    return Adam(parameters, lr, (config.beta1, config.beta2), fused=True)


@optimiser("adamw", takes=("beta2", "weight_decay"))
def adamw(parameters: Iterable[nn.Parameter], lr: float, config: TrialConfig) -> Optimizer:
    """Adam, and each weight shrinks by lr × weight_decay (0.01 unless set). Loshchilov & Hutter 2019, algorithm 2"""
    decay = _DECAY if config.weight_decay is None else config.weight_decay
    return AdamW(parameters, lr, (config.beta1, config.beta2), weight_decay=decay, fused=True)


@optimiser("sgd")
def sgd(parameters: Iterable[nn.Parameter], lr: float, config: TrialConfig) -> Optimizer:
    """Gradient descent with momentum beta1 (0: plain). Sutskever et al. 2013, as in PyTorch; the D of Chintala et al. 2016, tip 9"""
    opt = SGD(parameters, lr, momentum=config.beta1, fused=True)
    for group in opt.param_groups if config.beta1 else ():
        for p in group["params"]:  # fused SGD makes it at the first step, and would not if that one is not finite
            opt.state[p]["momentum_buffer"] = torch.zeros_like(p)
    return opt


@optimiser("rmsprop", takes=("beta2",))
def rmsprop(parameters: Iterable[nn.Parameter], lr: float, config: TrialConfig) -> Optimizer:
    """Gradients over the mean of their squares (beta2: alpha), momentum beta1. Tieleman & Hinton 2012; Arjovsky et al. 2017 take 0 and .99"""
    return RMSprop(parameters, lr, alpha=config.beta2, momentum=config.beta1)


class RMSprop(Optimizer):
    """torch.optim.RMSprop, bit by bit, but that it heeds found_inf as the fused optimisers do; PyTorch has no fused one."""

    found_inf: torch.Tensor

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, *, alpha: float, momentum: float):
        super().__init__(parameters, {"lr": lr, "alpha": alpha, "momentum": momentum, "eps": 1e-8})
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = {"square_avg": torch.zeros_like(p), "momentum_buffer": torch.zeros_like(p)}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure is ever given
        bad = self.found_inf > 0
        for group in self.param_groups:
            moving = [p for p in group["params"] if p.grad is not None]
            squares, moments = ([self.state[p][name] for p in moving] for name in ("square_avg", "momentum_buffer"))
            gradients = [torch.where(bad, 0.0, p.grad) for p in moving]
            torch._foreach_mul_(squares, torch.where(bad, 1.0, group["alpha"]))
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["alpha"])
            scales = torch._foreach_sqrt(squares)
            torch._foreach_add_(scales, group["eps"])
            torch._foreach_mul_(moments, torch.where(bad, 1.0, group["momentum"]))
            torch._foreach_addcdiv_(moments, gradients, scales)
            torch._foreach_add_(moving, torch._foreach_mul(moments, torch.where(bad, 0.0, -group["lr"])))
