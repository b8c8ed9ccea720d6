"""Divergence: which values end a run, and which values of a plugin are refused."""

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny import equal, tiny
from torch import Tensor
from torch.nn.functional import softplus

from ganstudy import UserError
from trainables.clock import Clock
from trainables.loop import Diverged
from trainables.losses import LOSSES, Loss
from trainables.models import ARCHS
from trainables.run import Run
from trainables.signals import Signals
from trainables.tricks import TRICKS
from trainables.tricks.base import Step, Trick, trick

every_arch = pytest.mark.parametrize("arch", ARCHS)
every_loss = pytest.mark.parametrize("loss", LOSSES)


@pytest.fixture
def fuse(plugins: None) -> Iterator[dict[str, float]]:
    """Register losses and a trick that fail at call fuse["at"]: they multiply the value by fuse["value"]."""
    state = {"at": 0.0, "value": math.inf, "calls": 0.0}

    def lit(value: Tensor) -> Tensor:
        state["calls"] += 1
        return value * state["value"] if state["calls"] == state["at"] else value

    plain = LOSSES["nonsaturating"]
    LOSSES["fused_d"] = replace(plain, d=lambda real, fake: lit(plain.d(real, fake)))
    LOSSES["fused_g"] = replace(plain, g=lambda real, fake: lit(plain.g(real, fake)))

    @trick("fused")
    class Fused(Trick):
        """Fails at a known step. Nobody 2026."""

        def d_term(self, step: Step) -> Tensor:
            return lit(step.fake_logits.mean())

    yield state
    del LOSSES["fused_d"], LOSSES["fused_g"]


def weights(run: Run) -> dict[str, Tensor]:
    return {f"{side}.{name}": p.detach().clone() for side in ("g", "d") for name, p in getattr(run.nets, side).named_parameters()}


@every_arch
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize(
    ("settings", "term"), [({"loss": "fused_d"}, "d/adv"), ({"loss": "fused_g"}, "g/adv"), ({"fused": True}, "d/fused")]
)
def test_divergence_names_the_signals_and_the_images(
    fuse: dict[str, float], arch: str, settings: dict[str, Any], term: str, value: float
) -> None:
    """The sixth step fails: the tick after the eighth step raises Diverged, earlier ticks remain, and weights stay finite."""
    fuse |= {"at": 6, "value": value}
    run = tiny({"arch": arch, **settings})
    ticks = run.ticks()
    assert [next(ticks).images, next(ticks).images] == [0, 48]
    with pytest.raises(Diverged) as error:
        next(ticks)
    found, _, images = str(error.value).partition(" not finite after ")
    assert found.split(", ") == [term, f"{term[0]}/grad_norm"]
    assert images == "72 images"
    assert run.images == 96
    assert all(p.isfinite().all() for p in weights(run).values())


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_non_finite_gradient_changes_no_weight(fuse: dict[str, float], value: float) -> None:
    """Nor any state of the optimiser: the step is skipped."""
    fuse |= {"at": 3, "value": value}
    run = tiny({"loss": "fused_d"})
    run.d_step(), run.d_step()
    before, optimiser = weights(run), copy.deepcopy(run.d_opt.state_dict())
    assert not run.d_step()["d/adv"].isfinite()
    assert equal(weights(run), before)
    assert equal(run.d_opt.state_dict(), optimiser)
    assert run.d_step()["d/adv"].isfinite()  # the next step is normal
    assert not equal(weights(run), before)


@every_arch
@pytest.mark.parametrize("side", ["g.lr", "d.lr"])
def test_a_huge_learning_rate_diverges_with_finite_weights(arch: str, side: str) -> None:
    run = tiny({"arch": arch, "data": "digits", "loss": "wasserstein", "g.norm": "none", side: 1e30})
    with pytest.raises(Diverged, match=r"not finite after \d+ images"):
        list(run.ticks())
    assert all(p.isfinite().all() for p in weights(run).values())


@pytest.fixture
def odd() -> Iterator[dict[str, Any]]:
    """What the trick `odd` and the loss `odd` give: hook -> a function of their usual value. A hook without one does as usual."""
    does: dict[str, Any] = {}

    def given(hook: str, usual: Any) -> Any:
        return does[hook](usual) if hook in does else usual

    @trick("odd")
    class Odd(Trick):
        """A trick of a plugin. Nobody 2026"""

        def d_term(self, step: Step) -> Any:
            return given("d_term", 0 * step.fake_logits.mean())

        def g_term(self, step: Step) -> Any:
            return given("g_term", 0 * step.fake_logits.mean())

        def before_d(self, step: Step) -> None:
            step.signals["d/odd_signal"] = given("signal", step.fake_logits.mean())

        def rate(self, t: float) -> Any:
            return given("rate", 1.0)

    LOSSES["odd"] = Loss(
        source="none",
        d=lambda real, fake: given("d", softplus(-real).mean() + softplus(fake).mean()),
        g=lambda real, fake: given("g", softplus(-fake).mean()),
    )
    yield does
    del LOSSES["odd"], TRICKS["odd"]


SCALARS = {
    "d": "d of the loss odd",
    "g": "g of the loss odd",
    "d_term": "d_term of the trick odd",
    "g_term": "g_term of the trick odd",
    "signal": "the signal d/odd_signal",
}


@pytest.mark.parametrize("hook", SCALARS)
@pytest.mark.parametrize(
    ("does", "told"),
    [
        (lambda usual: usual.expand(3), r"a tensor of shape \[3\]"),
        (lambda usual: "0.5", r"'0\.5' \(str\)"),
        (lambda usual: np.float32(0.5), r"np\.float32\(0\.5\) \(float32\)"),
        (lambda usual: usual.item(), r".* \(float\)"),
    ],
    ids=["no mean", "text", "float32", "float"],
)
def test_a_loss_a_term_or_a_signal_that_is_no_scalar_is_refused_by_name(odd: dict[str, Any], hook: str, does: Any, told: str) -> None:
    odd[hook] = does
    with pytest.raises(UserError, match=rf"^{SCALARS[hook]} must be a tensor without dimensions, such as a mean .*; given is {told}$"):
        list(tiny({"loss": "odd", "odd": True}).ticks())


@pytest.mark.parametrize(("value", "told"), [(None, "one number"), ("1", "one number"), (math.nan, "a finite number")])
def test_a_rate_that_is_no_finite_number_is_refused_by_name(odd: dict[str, Any], value: object, told: str) -> None:
    odd["rate"] = lambda usual: value
    with pytest.raises(UserError, match=f"the rate of the trick odd must be {told}"):
        list(tiny({"odd": True}).ticks())


def test_a_signal_that_enters_no_loss_is_no_divergence_if_it_is_not_finite(odd: dict[str, Any]) -> None:
    odd["signal"] = lambda usual: usual * math.nan
    with pytest.raises(UserError, match=r"what a trick reports must be finite .*; d/odd_signal is not after 12 images\. Mend the trick"):
        list(tiny({"odd": True}).ticks())
    odd["d"] = lambda usual: usual * math.nan
    with pytest.raises(Diverged, match="d/adv"):
        list(tiny({"odd": True, "loss": "odd"}).ticks())


def test_signals_name_the_first_non_finite_step_until_cleared() -> None:
    clock = Clock()
    signals = Signals(clock, torch.device("cpu"))
    one, bad = torch.tensor(1.0), torch.tensor(math.nan)
    for value in (one, bad, one, bad):
        clock.advance(images=10)
        signals.add({"a": one, "b": value})
    assert signals.not_finite() == (["b"], 20)
    signals.clear()
    signals.add({"a": one})
    signals.add({"a": 3 * one, "b": one})
    assert signals.not_finite() == ([], 0)
    assert signals.means() == {"a": 2, "b": 1}
