"""Averages of G over training, compared with known means."""

import copy

import pytest
import torch
from steps import at
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
    """The average goes from 0 to the constant 1 as 1 - 2^(-images / half-life), for any number of updates; running statistics do too."""
    ema = Ema(halflife_kimg=halflife)
    ema.build(constant(0.0), TrialConfig(g_steps=g_steps))
    target, start = constant(1.0), 10**6  # late, so that rampup has no effect
    target.g[1].num_batches_tracked.fill_(7)  # type: ignore[index]
    ema.images, images = start, start
    while images < start + 2000:
        images += batch_size
        for _ in range(g_steps):
            at(ema, images=images).after_g(target)
    expected = 1 - 0.5 ** ((images - start) / (1000 * halflife))
    for name, value in ema.average.state_dict().items():
        reached = torch.full_like(value, 7) if name.endswith("tracked") else torch.full_like(value, expected)
        torch.testing.assert_close(value, reached, rtol=1e-4, atol=1e-6)


def test_each_update_of_a_round_counts_for_as_many_images() -> None:
    """A turn of G after three half-lives, with three updates, with weights 1, 2 and 3 after the initial 0: each update is one half-life."""
    ema = Ema(halflife_kimg=1.0)
    ema.build(constant(0.0), TrialConfig(g_steps=3))
    ema.images = 10**6
    for value in (1.0, 2.0, 3.0):
        at(ema, images=10**6 + 3000).after_g(constant(value))
    assert ema.images == 10**6 + 3000
    torch.testing.assert_close(next(ema.average.parameters()), torch.full((2, 2), 1 / 8 + 2 / 4 + 3 / 2))


@pytest.mark.parametrize("rampup", [0.05, 0.2])
def test_rampup_limits_the_half_life(rampup: float) -> None:
    """The half-life is at most `rampup` times the images so far, so that the last `rampup` of them count for one half."""
    ema = Ema(halflife_kimg=1000.0, rampup=rampup)
    ema.build(constant(0.0), TrialConfig())
    ema.images = round(10_000 * (1 - rampup))
    at(ema, images=10_000).after_g(constant(1.0))
    torch.testing.assert_close(next(ema.average.parameters()), torch.full((2, 2), 0.5))


def test_ema_is_evaluated_and_does_not_change_the_training() -> None:
    run, plain = tiny({"ema": True, "ema.halflife_kimg": 0.002}), tiny()
    ends = list(run.ticks()), list(plain.ticks())
    assert ends[0] == ends[1]  # averaging does not change the training
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
    """Weights are 1, 2, …, 10 after each tenth of the budget; those in the last `share` are averaged. Before that, G itself is evaluated."""
    swa, plain = make_trick("swa", {"share": share}), Generator(constant(0.0).g, LatentConfig(dim=2))
    swa.build(constant(0.0), TrialConfig(budget_kimg=1.0))
    for tenth in range(1, 11):
        at(swa, images=100 * tenth).after_g(constant(float(tenth)))
        counted = [i for i in range(1, tenth + 1) if i / 10 > 1 - share]
        assert (swa.generator(plain) is plain) == (not counted)
    for value in swa.generator(plain).parameters():
        torch.testing.assert_close(value, torch.full_like(value, sum(counted) / len(counted)))


def test_swa_recomputes_the_running_statistics() -> None:
    """G is a . z + b of normal z, then a batch norm. The mean of weights 1 and 3 is 2: its variance is 2 * 2², not the mean of 2 * 1² and 2 * 3²."""
    swa, generator = make_trick("swa", {"share": 1.0}), Generator(constant(0.0).g, LatentConfig(dim=2))
    swa.build(constant(0.0), TrialConfig(budget_kimg=1.0, batch_size=500))
    for value in (1.0, 3.0):
        at(swa, images=1).after_g(constant(value))
    before = copy.deepcopy(swa.state_dict())
    torch.manual_seed(0)
    drawn = torch.get_rng_state()
    norm = swa.generator(generator).net[1]  # type: ignore[index]
    torch.testing.assert_close(norm.running_mean, torch.full((2,), 2.0), rtol=0.05, atol=0)
    torch.testing.assert_close(norm.running_var, torch.full((2,), 8.0), rtol=0.05, atol=0)
    torch.testing.assert_close(swa.state_dict(), before, rtol=0, atol=0)  # evaluation does not change the state
    assert torch.equal(torch.get_rng_state(), drawn)


def test_swa_and_ema_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="swa and ema both replace the generator that is evaluated"):
        tiny({"ema": True, "swa": True})
