"""Optimisers: equality with PyTorch's, their settings, and skipped steps."""

import math
import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from tiny import tiny, tiny_config
from torch import Tensor, nn

from trainables.optimisers import OPTIMISERS

LR = 0.1
PEERS = {  # with beta1 = 0.6, beta2 = 0.9
    "adam": lambda ps: torch.optim.Adam(ps, LR, (0.6, 0.9)),
    "adamw": lambda ps: torch.optim.AdamW(ps, LR, (0.6, 0.9)),
    "sgd": lambda ps: torch.optim.SGD(ps, LR, momentum=0.6),
    "rmsprop": lambda ps: torch.optim.RMSprop(ps, LR, alpha=0.9, momentum=0.6),
}
every_optimiser = pytest.mark.parametrize("name", OPTIMISERS)


def numbers(n: int) -> list[Tensor]:
    return list(torch.randn(n, 3, 2, generator=torch.Generator().manual_seed(0)))


def moved(name: str, gradients: list[Tensor], settings: dict[str, Any]) -> Tensor:
    """Return weights after steps with these gradients, starting from ones. Sets `found_inf` for non-finite gradients."""
    p = nn.Parameter(torch.ones(3, 2))
    opt = OPTIMISERS[name]([p], LR, tiny_config({"optimiser": name, **settings}))
    for gradient in gradients:
        p.grad = gradient.clone()
        opt.found_inf = (~gradient.isfinite().all()).float()  # type: ignore[attr-defined]
        opt.step()
    return p.detach()


@every_optimiser
def test_an_optimiser_equals_pytorchs(name: str) -> None:
    p = nn.Parameter(torch.ones(3, 2))
    peer = PEERS[name]([p])  # type: ignore[no-untyped-call]
    for gradient in numbers(5):
        p.grad = gradient.clone()
        peer.step()
    settings = {"beta1": 0.6} if name == "sgd" else {"beta1": 0.6, "beta2": 0.9}
    torch.testing.assert_close(moved(name, numbers(5), settings), p.detach())


@every_optimiser
@pytest.mark.parametrize("bad", [math.inf, math.nan])
@pytest.mark.parametrize("at", [0, 2])
def test_a_step_with_a_non_finite_gradient_is_skipped(name: str, bad: float, at: int) -> None:
    """Later steps are the same as without it, also if it is the first step."""
    good = numbers(4)
    staged = [*good[:at], torch.full((3, 2), bad), *good[at:]]
    assert torch.equal(moved(name, staged, {"beta1": 0.5}), moved(name, good, {"beta1": 0.5}))


def test_sgd_without_momentum_is_gradient_descent() -> None:
    gradients = numbers(3)
    torch.testing.assert_close(moved("sgd", gradients, {"beta1": 0.0}), 1 - LR * sum(gradients))


@pytest.mark.parametrize(("decay", "share"), [(None, 0.01), (0.0, 0.0), (0.5, 0.5)])
def test_adamw_decays_weights_with_zero_gradients(decay: float | None, share: float) -> None:
    shrunk = moved("adamw", [torch.zeros(3, 2)] * 2, {"weight_decay": decay})
    torch.testing.assert_close(shrunk, torch.full((3, 2), (1 - LR * share) ** 2))


def test_d_may_have_another_optimiser() -> None:
    both, apart = tiny({"optimiser": "rmsprop"}), tiny({"d.optimiser": "sgd"})
    assert [type(opt).__name__ for opt in (both.g_opt, both.d_opt, apart.g_opt, apart.d_opt)] == ["RMSprop", "RMSprop", "Adam", "SGD"]
    assert [opt.param_groups[0]["lr"] for opt in (apart.g_opt, apart.d_opt)] == [2e-4, 2e-4]
    for run in (both, apart):
        for opt, net in ((run.g_opt, run.nets.g), (run.d_opt, run.nets.d)):
            assert {id(p) for group in opt.param_groups for p in group["params"]} == {id(p) for p in net.parameters()}


@every_optimiser
def test_every_optimiser_changes_training(name: str) -> None:
    def evaluated(optimiser: str) -> Tensor:
        run = tiny({"optimiser": optimiser, "g.lr": 0.01, "weight_decay": 0.1 if optimiser == "adamw" else None})
        list(run.ticks())
        return run.generator().sample(5)

    assert torch.equal(evaluated(name), evaluated("adam")) == (name == "adam")


@every_optimiser
def test_docstrings_cite_a_source(name: str) -> None:
    assert any(character.isdigit() for character in OPTIMISERS[name].__doc__ or "")  # a year


def test_training_does_not_import_the_compiler() -> None:
    """Which takes seconds and 146 MB of each process; torch.optim imports it at first use."""
    code = """
import sys
from tiny import tiny
from trainables.optimisers import OPTIMISERS
for name in OPTIMISERS:
    run = tiny({"optimiser": name})
    run.load_state_dict([run.state_dict() for tick in run.ticks()][-1])
sys.exit("torch._dynamo" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
