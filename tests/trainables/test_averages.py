"""Averages of G over the course of training: against the mean that is known."""

import copy

import pytest
import torch
from tiny import tiny
from torch import nn

from trainables.config import TrialConfig
from trainables.generators import Generator
from trainables.sections import LatentConfig
from trainables.tricks.averages import Ema
from trainables.tricks.base import Nets, make_trick


def constant(value: float) -> Nets:
    g = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        for tensor in (*g.parameters(), *(b for b in g.buffers() if b.is_floating_point())):
            tensor.fill_(value)
    return Nets(g, nn.Identity())


@pytest.mark.parametrize("halflife", [0.5, 10.0])
@pytest.mark.parametrize("batch_size", [10, 64, 500])
@pytest.mark.parametrize("g_steps", [1, 3])
def test_the_half_life_is_in_thousands_of_images(halflife: float, batch_size: int, g_steps: int) -> None:
    """From 0 to a constant 1: 1 - 2^(-images / half-life), however many updates it takes; running statistics too."""
    ema = Ema(halflife_kimg=halflife)
    ema.build(constant(0.0), TrialConfig(g_steps=g_steps))
    target, start = constant(1.0), 10**6  # late, so that the ramp of the beginning is over
    target.g[1].num_batches_tracked.fill_(7)  # type: ignore[index]
    ema.images, images = start, start
    while images < start + 2000:
        images += batch_size
        for _ in range(g_steps):
            ema.after_g(target, images)
    expected = 1 - 0.5 ** ((images - start) / (1000 * halflife))
    for name, value in ema.average.state_dict().items():
        reached = torch.full_like(value, 7) if name.endswith("tracked") else torch.full_like(value, expected)
        torch.testing.assert_close(value, reached, rtol=1e-4, atol=1e-6)


def test_each_update_of_a_round_weighs_as_much() -> None:
    """Of weights 0, 1, 2 and 3 in a round of three half-lives: each update is one of them, the newest counts a half."""
    ema = Ema(halflife_kimg=1.0)
    ema.build(constant(0.0), TrialConfig(g_steps=3))
    ema.images = 10**6
    for value in (1.0, 2.0, 3.0):
        ema.after_g(constant(value), 10**6 + 3000)
    assert ema.images == 10**6 + 3000
    torch.testing.assert_close(next(ema.average.parameters()), torch.full((2, 2), 1 / 8 + 2 / 4 + 3 / 2))


@pytest.mark.parametrize("rampup", [0.05, 0.2])
def test_the_half_life_begins_short(rampup: float) -> None:
    """At most 5 % of the images so far: half of the way is made in the last twentieth."""
    ema = Ema(halflife_kimg=1000.0, rampup=rampup)
    ema.build(constant(0.0), TrialConfig())
    ema.images = round(10_000 * (1 - rampup))
    ema.after_g(constant(1.0), 10_000)
    torch.testing.assert_close(next(ema.average.parameters()), torch.full((2, 2), 0.5))


def test_the_average_is_judged_and_g_is_trained() -> None:
    run, plain = tiny({"ema": True, "ema.halflife_kimg": 0.002}), tiny()
    ends = list(run.ticks()), list(plain.ticks())
    assert ends[0] == ends[1]  # averaging moves nothing
    for ours, theirs in zip(run.nets.g.parameters(), plain.nets.g.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert run.generator().net is not run.nets.g
    assert not torch.equal(run.generator().sample(5), plain.generator().sample(5))
    before = copy.deepcopy(run.nets.g.state_dict())
    run.generator().sample(5)
    torch.testing.assert_close(run.nets.g.state_dict(), before, rtol=0, atol=0)
    assert not any(p.requires_grad for p in run.generator().net.parameters())


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_swa_is_the_plain_mean_of_the_last_share(share: float) -> None:
    """Of weights 1, 2, …, 10 after each tenth of the budget: the mean of those in the last share; before that, G itself is judged."""
    swa, plain = make_trick("swa", {"share": share}), Generator(constant(0.0).g, LatentConfig(dim=2))
    swa.build(constant(0.0), TrialConfig(budget_kimg=1.0))
    for tenth in range(1, 11):
        swa.after_g(constant(float(tenth)), 100 * tenth)
        counted = [i for i in range(1, tenth + 1) if i / 10 > 1 - share]
        assert (swa.generator(plain) is plain) == (not counted)
    for value in swa.generator(plain).parameters():
        torch.testing.assert_close(value, torch.full_like(value, sum(counted) / len(counted)))


def test_the_statistics_of_a_mean_are_its_own() -> None:
    """G makes a . z + b of normal z, then a batch norm. Of weights 1 and 3 the mean is 2, with b: mean b, variance 2 * 2²; not the mean of 2 * 1² and 2 * 3²."""
    swa, generator = make_trick("swa", {"share": 1.0}), Generator(constant(0.0).g, LatentConfig(dim=2))
    swa.build(constant(0.0), TrialConfig(budget_kimg=1.0, batch_size=500))
    for value in (1.0, 3.0):
        swa.after_g(constant(value), 1)
    before = copy.deepcopy(swa.state_dict())
    torch.manual_seed(0)
    drawn = torch.get_rng_state()
    norm = swa.generator(generator).net[1]  # type: ignore[index]
    torch.testing.assert_close(norm.running_mean, torch.full((2,), 2.0), rtol=0.05, atol=0)
    torch.testing.assert_close(norm.running_var, torch.full((2,), 8.0), rtol=0.05, atol=0)
    torch.testing.assert_close(swa.state_dict(), before, rtol=0, atol=0)  # looking moves nothing
    assert torch.equal(torch.get_rng_state(), drawn)


def test_only_one_average_is_judged() -> None:
    with pytest.raises(ValueError, match="swa and ema each name the generator that is judged"):
        tiny({"ema": True, "swa": True})
