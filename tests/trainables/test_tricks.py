"""What each trick is: closed forms where D is linear or constant, and bounds where it is not."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from tiny import needs, tiny
from torch import Tensor, nn

from trainables.config import TrialConfig, make_trick, settings
from trainables.losses import LOSSES
from trainables.models import ARCHS
from trainables.models.base import Discriminator
from trainables.tricks import TRICKS
from trainables.tricks.averages import Ema
from trainables.tricks.base import Nets, Step, Trick
from trainables.tricks.minibatch import WithDeviation

SHAPES = [(2,), (3, 4, 4)]
every_shape = pytest.mark.parametrize("shape", SHAPES)
every_arch = pytest.mark.parametrize("arch", ARCHS)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear_step(shape: tuple[int, ...]) -> tuple[Step, float]:
    """A step of D(x) = w x + b, whose gradient is w at every image; and |w|."""
    torch.manual_seed(0)
    head = nn.Linear(math.prod(shape), 1)
    d = Discriminator(nn.Flatten(), head)
    real, fake = (torch.randn(6, *shape, requires_grad=True) for _ in range(2))
    step = Step(nets=Nets(nn.Identity(), d), real=real, fake=fake, real_logits=d(real), fake_logits=d(fake), rng=rng())
    return step, head.weight.norm().item()


def term(trick: Trick, step: Step) -> Tensor:
    value = trick.d_term(step)
    assert value is not None
    assert value.shape == ()
    return value


def test_every_trick_is_shown_here() -> None:
    """A new trick fails here until its identity is written below."""
    shown = {"r1", "r2", "wgan_gp", "dragan", "weight_penalty", "weight_clipping", "spectral_norm"}
    shown |= {"label_smoothing", "instance_noise", "packing", "minibatch_std", "ema"}
    assert TRICKS.keys() == shown


@pytest.mark.parametrize("name", TRICKS)
@every_arch
def test_every_trick_changes_the_training(name: str, arch: str) -> None:
    """Off and on differ after a tick in what is judged; no trick is a name only."""

    def judged(switch: dict[str, Any]) -> Tensor:
        run = tiny({"arch": arch, "budget_kimg": 0.048, "d.lr": 0.05, **switch})
        list(run.ticks())
        return run.sampler().sample(5)

    assert not torch.equal(judged({}), judged({name: True}))


@pytest.mark.parametrize("name", [name for name in settings() if name.partition(".")[0] in TRICKS and "." in name])
def test_every_knob_changes_the_training(name: str) -> None:
    values = {"samples": (2, 3), "until": (0.5, 1.0), "halflife_kimg": (1e-4, 1e-3), "real": (0.7, 0.9), "limit": (0.01, 0.1)}

    def judged(value: float) -> Tensor:
        run = tiny({**needs(name), "d.lr": 0.05, "g.lr": 0.05, name: value})
        list(run.ticks())
        return run.sampler().sample(5)

    low, high = values.get(name.partition(".")[2], (0.1, 1.0))
    assert not torch.equal(judged(low), judged(high))


# Penalties -------------------------------------------------------------------------------------------


@every_shape
@pytest.mark.parametrize(("name", "knob"), [("r1", "gamma"), ("r2", "gamma")])
@pytest.mark.parametrize("strength", [0.5, 10.0])
def test_r1_and_r2_of_a_linear_d(name: str, knob: str, strength: float, shape: tuple[int, ...]) -> None:
    step, norm = linear_step(shape)
    assert term(make_trick(name, {knob: strength}), step).item() == pytest.approx(strength / 2 * norm**2, rel=1e-5)


def test_r1_looks_at_the_real_and_r2_at_the_fake() -> None:
    """D(x) = x²/2 has the gradient x: the penalties are the mean squared norms of each side."""
    real, fake = torch.randn(50, 3, generator=rng(0)), 2 * torch.randn(50, 3, generator=rng(1))
    real.requires_grad_(), fake.requires_grad_()
    logits = {"real_logits": real.square().sum(1) / 2, "fake_logits": fake.square().sum(1) / 2}
    step = Step(nets=Nets(nn.Identity(), nn.Identity()), real=real, fake=fake, rng=rng(), **logits)
    for name, side in (("r1", real), ("r2", fake)):
        assert term(make_trick(name, {"gamma": 2.0}), step).item() == pytest.approx(side.square().sum(1).mean().item(), rel=1e-5)


@every_shape
@pytest.mark.parametrize("name", ["wgan_gp", "dragan"])
@pytest.mark.parametrize("weight", [0.5, 10.0])
def test_distance_from_one_of_a_linear_d(name: str, weight: float, shape: tuple[int, ...]) -> None:
    step, norm = linear_step(shape)
    assert term(make_trick(name, {"weight": weight}), step).item() == pytest.approx(weight * (norm - 1) ** 2, rel=1e-4)


@pytest.mark.parametrize("name", ["r1", "r2", "wgan_gp", "dragan"])
def test_a_penalty_is_differentiable_by_the_weights(name: str) -> None:
    """The second derivative: of |w|² it is 2w, of (|w| - 1)² it is 2 (1 - 1/|w|) w."""
    step, norm = linear_step((2,))
    weight = step.nets.d.head.weight  # type: ignore[union-attr]
    assert isinstance(weight, Tensor)
    (gradient,) = torch.autograd.grad(term(TRICKS[name](), step), weight)
    factor = 10 if name in ("r1", "r2") else 20 * (1 - 1 / norm)
    torch.testing.assert_close(gradient, factor * weight.detach(), rtol=1e-4, atol=1e-5)


class Watcher(nn.Module):
    """A D that remembers what it was shown."""

    def forward(self, images: Tensor) -> Tensor:
        self.shown = images.detach()
        return images.flatten(1).sum(1)


@every_shape
def test_where_wgan_gp_looks(shape: tuple[int, ...]) -> None:
    """On the lines between the real and the fake images, each at a place of its own."""
    d = Watcher()
    real, fake = torch.zeros(1000, *shape), torch.ones(1000, *shape)
    TRICKS["wgan_gp"]().d_term(Step(nets=Nets(d, d), real=real, fake=fake, real_logits=real, fake_logits=fake, rng=rng()))
    places = d.shown.flatten(1)
    assert torch.equal(places, places[:, :1].expand_as(places))  # all pixels of an image at the same place
    assert len(places[:, 0].unique()) > 990
    assert places.mean().item() == pytest.approx(0.5, abs=0.05)
    assert 0 <= places.min() < 0.01 < 0.99 < places.max() <= 1


@every_shape
def test_where_dragan_looks(shape: tuple[int, ...]) -> None:
    """From each real image at most half a standard deviation upwards, on its own direction; never at a fake."""
    d = Watcher()
    real = 3 * torch.randn(1000, *shape, generator=rng(3))
    fake = torch.full_like(real, math.nan)
    TRICKS["dragan"]().d_term(Step(nets=Nets(d, d), real=real, fake=fake, real_logits=real, fake_logits=fake, rng=rng()))
    moved = d.shown - real
    assert (moved >= -1e-6).all()
    assert moved.max() <= 0.5 * real.std() + 1e-5
    assert moved.mean().item() == pytest.approx(0.125 * real.std().item(), rel=0.1)  # half of half of a half


# Constraints -----------------------------------------------------------------------------------------


@every_arch
@pytest.mark.parametrize("limit", [0.003, 0.01, 0.1])
def test_clipping_keeps_every_weight_within_the_limit(arch: str, limit: float) -> None:
    run = tiny({"arch": arch, "weight_clipping": True, "weight_clipping.limit": limit, "d.lr": 0.05, "d.norm": "batch"})
    for _ in run.ticks():
        largest = max(p.abs().max().item() for p in run.nets.d.parameters())
    assert largest == pytest.approx(limit)  # reached, and never passed
    assert max(p.abs().max().item() for p in run.nets.g.parameters()) > limit


def test_the_weight_penalty_is_half_the_squared_norm_of_weights() -> None:
    d = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Conv1d(1, 1, 1))
    with torch.no_grad():
        for p in d.parameters():
            p.fill_(2.0)  # 4 weights and 1, and 2 + 2 + 2 + 1 biases and gains that do not count
    step = Step(nets=Nets(d, d), real=None, fake=torch.zeros(1), real_logits=None, fake_logits=torch.zeros(1), rng=rng())
    value = term(make_trick("weight_penalty", {"weight": 3.0}), step)
    assert value.item() == pytest.approx(3 / 2 * 5 * 4)
    value.backward()
    torch.testing.assert_close(d[0].weight.grad, 3 * d[0].weight.detach())
    assert d[0].bias.grad is None


@every_arch
@pytest.mark.parametrize("others", [{}, {"minibatch_std": True, "packing": True}])
def test_spectral_norm_leaves_no_singular_value_above_one(arch: str, others: dict[str, Any]) -> None:
    run = tiny({"arch": arch, "spectral_norm": True, "d.lr": 0.01, **others})
    list(run.ticks())
    shown = run.view(run.batches.next_batch(), run.rng)
    for _ in range(300):  # power iteration at rest
        run.nets.d(shown)
    layers = [module for module in run.nets.d.modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    assert len(layers) == {"mlp": 3, "dcgan": 3, "resnet": 8}[arch]
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2).item() == pytest.approx(1, abs=1e-3)
    assert not any(hasattr(module, "parametrizations") for module in run.nets.g.modules())


# Labels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [name for name, loss in LOSSES.items() if loss.relabel])
@pytest.mark.parametrize("label", [0.7, 0.9])
def test_label_smoothing_is_one_sided(loss: str, label: float) -> None:
    """D's loss is least where it says `label` of real images, while 0 of fakes stays 0."""
    run = tiny({"loss": loss, "label_smoothing": True, "label_smoothing.real": label})
    smoothing = run.tricks["label_smoothing"]
    best = torch.tensor([math.log(label / (1 - label)) if loss != "least_squares" else label], requires_grad=True)
    step = Step(nets=run.nets, real=best, fake=best, real_logits=best, fake_logits=best, rng=run.rng)
    total = LOSSES[loss].d(best, torch.zeros(1)) + term(smoothing, step)
    (gradient,) = torch.autograd.grad(total, best)
    assert gradient.item() == pytest.approx(0, abs=1e-6)
    assert smoothing.g_term(step) is None


# Views -----------------------------------------------------------------------------------------------


@every_shape
@pytest.mark.parametrize(("std", "until"), [(0.1, 1.0), (0.5, 0.5)])
@pytest.mark.parametrize("t", [0.0, 0.1, 0.4])
def test_instance_noise_has_the_variance_it_says(std: float, until: float, t: float, shape: tuple[int, ...]) -> None:
    noise = make_trick("instance_noise", {"std": std, "until": until}).view(torch.zeros(20_000, *shape), t, rng())
    assert noise.std().item() == pytest.approx(std * (1 - t / until), rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.02 * std)


@pytest.mark.parametrize("until", [0.0, 0.25, 0.5, 1.0])
def test_instance_noise_is_gone_at_until(until: float) -> None:
    run = tiny({"instance_noise": True, "instance_noise.std": 1.0, "instance_noise.until": until})
    images = torch.randn(7, 2)
    seen = []
    for run.images in (0, 35, 36, 71, 72, 143, 144, 150):  # of a budget of 144
        seen.append((run.images, torch.equal(run.view(images, run.rng), images)))
    assert seen == [(shown, shown >= 144 * until) for shown, _ in seen]


def test_instance_noise_is_on_both_sides_and_never_on_what_is_judged() -> None:
    run = tiny({"instance_noise": True, "instance_noise.std": 100.0})
    step = run.look(run.batches.next_batch(), run.nets.g(run.noise()))
    assert step.reals()[0].std() > 50
    assert step.fake.std() > 50
    assert run.sampler().sample(100).std() < 10


@pytest.mark.parametrize("shape", [(2,), (3, 4, 5)])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_packing_joins_neighbours_along_the_channels(samples: int, shape: tuple[int, ...]) -> None:
    packing = make_trick("packing", {"samples": samples})
    images = torch.randn(12, *shape)
    packed = packing.view(images, 0.0, rng())
    assert packed.shape == (12 // samples, *packing.d_shape(shape))
    for pack, together in zip(packed, images.split(samples), strict=True):
        assert torch.equal(pack, torch.cat(list(together)))


@every_arch
def test_a_packed_d_gives_one_logit_a_pack(arch: str) -> None:
    run = tiny({"arch": arch, "packing": True, "packing.samples": 3})
    step = run.look(run.batches.next_batch(), run.nets.g(run.noise()))
    assert step.reals()[1].shape == step.fake_logits.shape == (4,)
    assert run.sampler().sample(5).shape == (5, *run.source.shape)


# Minibatches -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(10, 4), (10, 4, 3, 3)])
def test_the_deviation_of_a_minibatch(shape: tuple[int, ...]) -> None:
    """numpy's, of each feature at each place over the batch, averaged; the same for every sample and place."""
    features = torch.randn(shape, generator=rng())
    out = WithDeviation()(features)
    assert out.shape == (shape[0], shape[1] + 1, *shape[2:])
    assert torch.equal(out[:, :-1], features)
    np.testing.assert_allclose(out[:, -1], np.std(features.numpy(), axis=0).mean(), rtol=1e-5)


def test_a_minibatch_of_two_signs() -> None:
    features = torch.tensor([[3.0, 1.0], [-3.0, -1.0]])
    assert WithDeviation()(features)[:, -1].tolist() == pytest.approx([2.0, 2.0])  # (3 + 1) / 2


def test_a_collapsed_minibatch_has_a_gradient() -> None:
    features = torch.ones(4, 2, requires_grad=True)
    out = WithDeviation()(features)
    assert out[:, -1].max() <= 1.1e-4
    (gradient,) = torch.autograd.grad(out.sum(), features)
    assert gradient.isfinite().all()


@every_arch
def test_minibatch_std_starts_as_the_plain_d(arch: str) -> None:
    """The same weights, and no weight yet on the new feature."""
    plain, with_std = tiny({"arch": arch}), tiny({"arch": arch, "minibatch_std": True})
    images = plain.batches.next_batch()
    torch.testing.assert_close(with_std.nets.d(images), plain.nets.d(images), rtol=1e-6, atol=1e-7)
    list(with_std.ticks())
    (wider,) = [module for module in with_std.nets.d.head.modules() if hasattr(module, "weight")]  # type: ignore[union-attr]
    assert (wider.weight[:, -1] != 0).all()  # type: ignore[index]  # but it learns


@pytest.mark.parametrize("d", [nn.Linear(2, 1), Discriminator(nn.Flatten(), nn.Bilinear(2, 2, 1))])  # type: ignore[arg-type]
def test_minibatch_std_says_what_it_needs(d: nn.Module) -> None:
    with pytest.raises(ValueError, match="minibatch_std needs a Discriminator with a Linear or Conv2d head; 'dcgan' has "):
        TRICKS["minibatch_std"]().build(Nets(nn.Identity(), d), TrialConfig())


# Averages --------------------------------------------------------------------------------------------


def constant(value: float) -> Nets:
    g = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        for tensor in (*g.parameters(), *(b for b in g.buffers() if b.is_floating_point())):
            tensor.fill_(value)
    return Nets(g, nn.Identity())


@pytest.mark.parametrize("halflife", [0.5, 10.0])
@pytest.mark.parametrize("batch_size", [10, 64, 500])
def test_the_half_life_is_in_thousands_of_images(halflife: float, batch_size: int) -> None:
    """From 0 to a constant 1: 1 - 2^(-images / half-life), however many updates it takes; running statistics too."""
    ema = Ema(halflife_kimg=halflife)
    ema.build(constant(0.0), TrialConfig())
    target, start = constant(1.0), 10**6  # late, so that the ramp of the beginning is over
    target.g[1].num_batches_tracked.fill_(7)  # type: ignore[index, operator, union-attr]
    ema.images, images = start, start
    while images < start + 2000:
        images += batch_size
        ema.after_g(target, images)
    expected = 1 - 0.5 ** ((images - start) / (1000 * halflife))
    for name, value in ema.average.state_dict().items():
        reached = torch.full_like(value, 7) if name.endswith("tracked") else torch.full_like(value, expected)
        torch.testing.assert_close(value, reached, rtol=1e-4, atol=1e-6)


def test_the_half_life_begins_short() -> None:
    """At most 5 % of the images so far: half of the way is made in the last twentieth."""
    ema = Ema(halflife_kimg=1000.0)
    ema.build(constant(0.0), TrialConfig())
    ema.images = 9500
    ema.after_g(constant(1.0), 10_000)
    torch.testing.assert_close(next(ema.average.parameters()), torch.full((2, 2), 0.5))


def test_the_average_is_judged_and_g_is_trained() -> None:
    run, plain = tiny({"ema": True, "ema.halflife_kimg": 0.002}), tiny()
    ends = list(run.ticks()), list(plain.ticks())
    assert ends[0] == ends[1]  # averaging moves nothing
    for ours, theirs in zip(run.nets.g.parameters(), plain.nets.g.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert run.sampler().net is not run.nets.g
    assert not torch.equal(run.sampler().sample(5), plain.sampler().sample(5))
    before = copy.deepcopy(run.nets.g.state_dict())
    run.sampler().sample(5)
    torch.testing.assert_close(run.nets.g.state_dict(), before, rtol=0, atol=0)
    assert not any(p.requires_grad for p in run.sampler().net.parameters())


# The base --------------------------------------------------------------------------------------------


def test_a_trick_that_overrides_nothing_does_nothing() -> None:
    step, _ = linear_step((2,))
    idle, images = Trick(), torch.randn(3, 2)
    assert idle.d_term(step) is idle.g_term(step) is None
    assert idle.view(images, 0.5, rng()) is images
    assert idle.d_shape((3, 4, 4)) == (3, 4, 4)
    assert idle.sampler(step.nets.d) is step.nets.d
    assert idle.state_dict() == {}
