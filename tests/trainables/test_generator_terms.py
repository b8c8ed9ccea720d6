"""Terms of G's loss, and tricks with a history, on steps whose result is known."""

import math
from typing import Any

import pytest
import torch
from steps import at, rng, step_of, term
from tiny import tiny, tiny_config
from torch import Tensor, nn

from trainables.config import TrialConfig
from trainables.losses import LOSSES
from trainables.tricks.base import Nets, make_trick

# Top k -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("epoch", "best"), [(0.0, 8), (0.99, 8), (1.0, 6), (1.9, 6), (2.0, 4), (3.0, 4), (100.0, 4)])
def test_top_k_keeps_the_k_largest_logits(epoch: float, best: int) -> None:
    """k is 8, three quarters of that after an epoch, and at least 4. The real logits of the same pairs are kept; steps of D do not change."""
    fake = [3.0, -1.0, 2.0, 7.0, 0.0, -5.0, 4.0, 1.0]
    step = step_of([10 * x for x in fake], fake)
    top = at(make_trick("top_k", {"decay": 0.75, "least": 0.5}), images=round(100 * epoch), of=100)
    top.before_d(step)
    assert step.loss_logits[1] is step.fake_logits
    top.before_g(step)
    assert sorted(step.loss_logits[1].tolist()) == sorted(fake)[-best:]
    assert step.loss_logits[0].tolist() == [10 * x for x in step.loss_logits[1].tolist()]


@pytest.mark.parametrize("loss", LOSSES)
def test_top_k_gives_no_gradient_to_other_samples(loss: str) -> None:
    fake = torch.tensor([0.3, -0.2, 0.1, -0.4], requires_grad=True)
    step = step_of([0.0, 0.5, -0.5, 1.0], [0.0], fake_logits=fake)
    at(make_trick("top_k", {"decay": 0.1}), images=900, of=100).before_g(step)
    (gradient,) = torch.autograd.grad(LOSSES[loss].g(*step.loss_logits), fake)
    assert (gradient != 0).tolist() == [True, False, True, False]


def test_top_k_needs_an_adversarial_loss() -> None:
    on = {"top_k": True, "feature_matching": True}
    with pytest.raises(
        ValueError, match=r"top_k selects the samples of G's adversarial loss, which feature_matching.adversarial: 0 removes"
    ):
        tiny_config(on)
    assert tiny_config({**on, "feature_matching.adversarial": 0.5})


# Feature matching ------------------------------------------------------------------------------------


def test_feature_matching_is_the_squared_distance_of_mean_features() -> None:
    real, fake = torch.randn(6, 3, 2, generator=rng(0)), torch.randn(6, 3, 2, generator=rng(1))
    step = step_of([0.0], [0.0], real_features=real, fake_features=fake)
    expected = 2.5 * float(((real.mean(0) - fake.mean(0)) ** 2).sum())
    assert term(make_trick("feature_matching", {"weight": 2.5}), step, "g").item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("arch", ["mlp", "dcgan"])
@pytest.mark.parametrize("keep", [0.0, 0.25, 1.0])
def test_feature_matching_replaces_the_adversarial_loss(arch: str, keep: float) -> None:
    """G's loss is the term plus `adversarial` times the adversarial loss; the features are the input of D's head."""
    run = tiny({"arch": arch, "feature_matching": True, "feature_matching.adversarial": keep})
    seen = []
    forward = run.forward

    def watched(*args: Any, **more: Any) -> Any:
        seen.append(forward(*args, **more))
        return seen[-1]

    run.forward = watched  # type: ignore[method-assign]
    signals = run.g_step()
    (step,) = seen
    assert step.real_features is not None
    torch.testing.assert_close(run.nets.d.head(step.real_features).flatten(), step.real_logits)  # type: ignore[operator]
    plain = LOSSES["nonsaturating"].g(step.fake_logits, step.fake_logits).item()
    assert signals["g/adv"].item() == pytest.approx(keep * plain, rel=1e-5)
    distance = (step.real_features.mean(0) - step.fake_features.mean(0)).square().sum().item()  # type: ignore[union-attr]
    assert signals["g/feature_matching"].item() == pytest.approx(distance, rel=1e-5)


def test_feature_matching_needs_features() -> None:
    with pytest.raises(
        ValueError, match=r"feature_matching needs an architecture whose D is a Discriminator .*; that of arch: dcgan is a Linear"
    ):
        make_trick("feature_matching", {}).build(Nets(nn.Linear(1, 1), nn.Linear(1, 1)), TrialConfig())


# Mode seeking ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("steepness", [0.5, 3.0])
@pytest.mark.parametrize("n", [6, 7])
def test_mode_seeking_of_a_linear_g(steepness: float, n: int) -> None:
    """For G(z) = c z, the ratio of differences is c: the term is weight / c."""
    z = torch.randn(n, 4, generator=rng())
    step = step_of([0.0], [0.0], made=steepness * z, latents=z)
    assert term(make_trick("mode_seeking", {"weight": 2.0}), step, "g").item() == pytest.approx(2 / steepness, rel=1e-4)


def test_mode_seeking_spreads_gs_samples() -> None:
    """A large weight dominates the adversarial loss, and samples move apart. A batch of one is refused."""
    spreads = []
    for on in ({}, {"mode_seeking": True, "mode_seeking.weight": 10.0}):
        run = tiny({"g.lr": 0.03, "g.norm": "none", "budget_kimg": 0.288, **on})
        list(run.ticks())
        spreads.append(run.generator().sample(200).std(0).mean().item())
    assert spreads[1] > 2 * spreads[0]
    with pytest.raises(ValueError, match="batch_size must be at least 2 with mode_seeking, which compares pairs; given 1"):
        tiny_config({"mode_seeking": True, "batch_size": 1, "g.norm": "none"})


# Historical averaging --------------------------------------------------------------------------------


def filled(value: float) -> nn.Module:
    net = nn.Linear(2, 3)
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(value)
    return net


@pytest.mark.parametrize("side", ["d", "g"])
def test_historical_averaging_is_the_distance_from_the_mean_so_far(side: str) -> None:
    """9 parameters are 0, then 1, 2, 6: at 6, the mean so far is (0 + 1 + 2) / 3 = 1."""
    averaging = make_trick("historical_averaging", {"weight": 0.5})
    averaging.build(Nets(filled(0.0), filled(0.0)), TrialConfig())
    for value, mean in ((1.0, 0.0), (2.0, 0.5), (6.0, 1.0), (1.0, 2.25)):
        nets = Nets(filled(value), filled(value))
        found = term(averaging, step_of([0.0], [0.0], nets=nets), side)
        assert found.item() == pytest.approx(0.5 * 9 * (value - mean) ** 2)
        (gradient,) = torch.autograd.grad(found, getattr(nets, side).bias)
        torch.testing.assert_close(gradient, torch.full((3,), value - mean))
        averaging.after_d(nets) if side == "d" else averaging.after_g(nets)


# Experience replay -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "size"), [(0.5, 25), (0.25, 7), (0.9, 40)])
def test_experience_replay_gives_d_old_fakes(share: float, size: int) -> None:
    """The pixels of a fake image are the number of its step. `share` of them are older, from the buffer; the buffer does not exceed its size."""
    replay = make_trick("experience_replay", {"share": share, "images": size})
    replay.build(Nets(nn.Linear(1, 1), nn.Linear(1, 1)), TrialConfig())
    n, draws = round(share * 20), rng()
    ages = []
    for step in range(1, 40):
        before, held = replay.state_dict()["buffer"], replay.state_dict()["held"]
        there = set() if before is None else set(before[:held].flatten().tolist())
        shown, labels = replay.fakes(torch.full((20, 3, 1), float(step)), torch.full((20,), step), draws)
        assert shown.shape == (20, 3, 1)
        assert torch.equal(labels, shown[:, 0, 0].long())  # type: ignore[arg-type]  # replayed images keep their classes
        values = shown[:, 0, 0]
        old = values[values < step]
        assert len(old) == (n if step > 1 else 0)
        assert set(old.tolist()) <= there
        ages += [step - value for value in old.tolist()]
        state = replay.state_dict()
        assert state["held"] == min(size, step * n)
        assert (state["buffer"] == step).flatten(1).all(1).sum() == (n if held == size else min(n, size - held))
    assert max(ages) > 2  # some are much older
    replay.build(Nets(nn.Linear(1, 1), nn.Linear(1, 1)), TrialConfig())
    assert [replay.fakes(torch.ones(20, 3), None, draws)[1] for _ in range(3)] == [None] * 3


def test_experience_replay_refuses_shares_that_the_buffer_cannot_hold() -> None:
    for settings in ({"share": 0.01}, {"images": 5}):
        with pytest.raises(
            ValueError, match=r"experience_replay.share times batch_size must be from 1 to experience_replay.images = \d+ samples; given"
        ):
            tiny_config({"experience_replay": True, **{f"experience_replay.{setting}": value for setting, value in settings.items()}})


def test_experience_replay_does_not_change_steps_of_g() -> None:
    run = tiny({"experience_replay": True, "experience_replay.images": 6})
    plain = tiny()
    run.d_step(), plain.d_step()
    run.rng.set_state(plain.rng.get_state())
    for ours, theirs in zip(run.nets.d.parameters(), plain.nets.d.parameters(), strict=True):
        assert torch.equal(ours, theirs)  # the buffer is still empty
    assert torch.equal(run.g_step()["g/adv"], plain.g_step()["g/adv"])


# LeCam -----------------------------------------------------------------------------------------------


def test_lecam_by_hand() -> None:
    """Moving averages with decay 0.9, corrected for their initial 0. Logits on the wrong side of the other average cost nothing."""
    lecam = make_trick("lecam", {"weight": 2.0, "decay": 0.9})
    lecam.build(Nets(nn.Linear(1, 1), nn.Linear(1, 1)), TrialConfig())
    steps = [([1.0, 3.0], [-1.0, 0.0]), ([2.0, 4.0], [-2.0, 2.0]), ([-9.0, 1.0], [5.0, 0.5])]
    history: list[tuple[float, float]] = []
    for real, fake in steps:
        history.append((sum(real) / 2, sum(fake) / 2))
        weights = [0.9**age for age in reversed(range(len(history)))]
        a_real, a_fake = (sum(w * values[side] for w, values in zip(weights, history, strict=True)) / sum(weights) for side in (0, 1))
        expected = sum(max(0.0, x - a_fake) ** 2 for x in real) / 2 + sum(max(0.0, a_real - x) ** 2 for x in fake) / 2
        assert term(lecam, step_of(real, fake)).item() == pytest.approx(2 * expected, rel=1e-4)


def test_lecam_pulls_real_logits_towards_fake_ones() -> None:
    logits: Tensor = torch.tensor([2.0, 3.0], requires_grad=True)
    lecam = make_trick("lecam", {})
    lecam.build(Nets(nn.Linear(1, 1), nn.Linear(1, 1)), TrialConfig())
    (gradient,) = torch.autograd.grad(term(lecam, step_of([0.0], [-1.0], real_logits=logits)), logits)
    assert (gradient > 0).all()
    assert math.isfinite(gradient.sum())
