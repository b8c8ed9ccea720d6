"""Optimisers by name. All skip steps with non-finite gradients via `found_inf`, a scalar on the device, so nothing synchronises."""

from collections.abc import Callable, Iterable
from inspect import unwrap
from typing import TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from ganstudy.arguments import check_takes
from ganstudy.errors import UserError
from ganstudy.registry import Registry
from trainables import tables
from trainables.config import TrialConfig

OPTIMISERS: Registry[Callable[[Iterable[nn.Parameter], float, TrialConfig], Optimizer]] = tables.OPTIMISERS
Make = TypeVar("Make", bound=Callable[[Iterable[nn.Parameter], float, TrialConfig], Optimizer])

_DECAY = 0.01  # default of AdamW, as in PyTorch


class _Eager(Optimizer):
    """An optimiser without the wrappers for torch.compile, which import the compiler at first use: 2 s and 146 MB of each process that trains."""

    add_param_group = unwrap(Optimizer.add_param_group)
    state_dict = unwrap(Optimizer.state_dict)
    load_state_dict = unwrap(Optimizer.load_state_dict)
    zero_grad = unwrap(Optimizer.zero_grad)


class Adam(_Eager, torch.optim.Adam):
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))


class AdamW(_Eager, torch.optim.AdamW):
    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))


class SGD(_Eager, torch.optim.SGD):
    step = torch.no_grad()(unwrap(torch.optim.SGD.step))


def optimiser(name: str, *, takes: tuple[str, ...] = ()) -> Callable[[Make], Make]:
    """Decorator: register an optimiser. `takes`: which of beta2 and weight_decay it reads. It must skip a step if `found_inf` is not 0."""

    def enter(make: Make) -> Make:
        check_takes(make, ("parameters", "lr", "config"), f"the optimiser {name!r}")
        make.takes = takes  # type: ignore[attr-defined]
        return OPTIMISERS.register(name)(make)

    return enter


def make_optimiser(name: str, parameters: Iterable[nn.Parameter], lr: float, config: TrialConfig) -> Optimizer:
    """Return an optimiser of these parameters. Raises UserError for an unknown name, and if the entry makes something else."""
    made = OPTIMISERS.pick(name)(parameters, lr, config)
    if not isinstance(made, Optimizer):
        raise UserError(f"the optimiser {name!r} must return a torch.optim.Optimizer; given {type(made).__name__}")
    return made


@optimiser("adam", takes=("beta2",))
def adam(parameters: Iterable[nn.Parameter], lr: float, config: TrialConfig) -> Optimizer:
    """Mean of gradients (beta1) divided by the root of the mean of their squares (beta2). Kingma & Ba 2015, algorithm 1"""
    return Adam(parameters, lr, (config.beta1, config.beta2), fused=True)


@optimiser("adamw", takes=("beta2", "weight_decay"))
def adamw(parameters: Iterable[nn.Parameter], lr: float, config: TrialConfig) -> Optimizer:
    """Adam with decoupled weight decay lr × weight_decay (default 0.01). Loshchilov & Hutter 2019, algorithm 2"""
    decay = _DECAY if config.weight_decay is None else config.weight_decay
    return AdamW(parameters, lr, (config.beta1, config.beta2), weight_decay=decay, fused=True)


@optimiser("sgd")
def sgd(parameters: Iterable[nn.Parameter], lr: float, config: TrialConfig) -> Optimizer:
    """Gradient descent with momentum beta1 (0: no momentum). Sutskever et al. 2013, as in PyTorch; for D in Chintala et al. 2016, tip 9"""
    opt = SGD(parameters, lr, momentum=config.beta1, fused=True)
    for group in opt.param_groups if config.beta1 else ():
        for p in group["params"]:  # fused SGD creates it at the first step, but not if that step is skipped
            opt.state[p]["momentum_buffer"] = torch.zeros_like(p)
    return opt


@optimiser("rmsprop", takes=("beta2",))
def rmsprop(parameters: Iterable[nn.Parameter], lr: float, config: TrialConfig) -> Optimizer:
    """Gradients divided by the root of the mean of their squares (alpha = beta2), momentum beta1. Tieleman & Hinton 2012; Arjovsky et al. 2017 use 0 and .99"""
    return RMSprop(parameters, lr, alpha=config.beta2, momentum=config.beta1)


class RMSprop(_Eager):
    """torch.optim.RMSprop that also skips steps via `found_inf`, as fused optimisers do; PyTorch has no fused RMSprop."""

    found_inf: torch.Tensor

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, *, alpha: float, momentum: float):
        super().__init__(parameters, {"lr": lr, "alpha": alpha, "momentum": momentum, "eps": 1e-8})
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = {"square_avg": torch.zeros_like(p), "momentum_buffer": torch.zeros_like(p)}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # closures are not supported
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
