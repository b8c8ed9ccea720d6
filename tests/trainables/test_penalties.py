"""Gradient penalties: every place times every target; the named penalties are cases of gradient_penalty."""

import math
from itertools import product
from typing import Any, get_args

import pytest
import torch
from steps import at, linear_step, rng, term
from tiny import tiny
from torch import Tensor, nn

from trainables.tricks import TRICKS
from trainables.tricks.base import Nets, Step, make_trick
from trainables.tricks.penalties import PLACES, TARGETS, Target, Where
from trainables.tricks.scheduled import Scheduled

every_shape = pytest.mark.parametrize("shape", [(2,), (3, 4, 4)])


@every_shape
@pytest.mark.parametrize(("name", "setting"), [("r1", "gamma"), ("r2", "gamma")])
@pytest.mark.parametrize("strength", [0.5, 10.0])
def test_r1_and_r2_of_a_linear_d(name: str, setting: str, strength: float, shape: tuple[int, ...]) -> None:
    step, norm = linear_step(shape)
    assert term(make_trick(name, {setting: strength}), step).item() == pytest.approx(strength / 2 * norm**2, rel=1e-5)


def test_r1_penalises_real_and_r2_fake_images() -> None:
    """D(x) = x²/2 has the gradient x: each penalty is the mean squared norm of its images."""
    real, fake = torch.randn(50, 3, generator=rng(0)), 2 * torch.randn(50, 3, generator=rng(1))
    real.requires_grad_(), fake.requires_grad_()
    logits: dict[str, Any] = {"real_logits": real.square().sum(1) / 2, "fake_logits": fake.square().sum(1) / 2}
    step = Step(nets=Nets(nn.Identity(), nn.Identity()), real=real, fake=fake, rng=rng(), **logits)
    for name, side in (("r1", real), ("r2", fake)):
        assert term(make_trick(name, {"gamma": 2.0}), step).item() == pytest.approx(side.square().sum(1).mean().item(), rel=1e-5)


@every_shape
@pytest.mark.parametrize("name", ["wgan_gp", "dragan"])
@pytest.mark.parametrize("weight", [0.5, 10.0])
def test_wgan_gp_and_dragan_of_a_linear_d(name: str, weight: float, shape: tuple[int, ...]) -> None:
    step, norm = linear_step(shape)
    assert term(make_trick(name, {"weight": weight}), step).item() == pytest.approx(weight * (norm - 1) ** 2, rel=1e-4)


@pytest.mark.parametrize("name", ["r1", "r2", "wgan_gp", "dragan"])
def test_penalties_are_differentiable_by_the_weights(name: str) -> None:
    """The derivative of |w|² is 2w, that of (|w| - 1)² is 2 (1 - 1/|w|) w."""
    step, norm = linear_step((2,))
    weight = step.nets.d.head.weight  # type: ignore[union-attr]
    assert isinstance(weight, Tensor)
    (gradient,) = torch.autograd.grad(term(TRICKS[name](), step), weight)
    factor = 10 if name in ("r1", "r2") else 20 * (1 - 1 / norm)
    torch.testing.assert_close(gradient, factor * weight.detach(), rtol=1e-4, atol=1e-5)


class RecordingD(nn.Module):
    """A D that stores its input in `shown`."""

    def forward(self, images: Tensor) -> Tensor:
        self.shown = images.detach()
        return images.flatten(1).sum(1)


@every_shape
def test_wgan_gp_interpolates_between_real_and_fake(shape: tuple[int, ...]) -> None:
    """The points are uniform on the lines between real and fake images, drawn for each image."""
    d = RecordingD()
    real, fake = torch.zeros(1000, *shape), torch.ones(1000, *shape)
    TRICKS["wgan_gp"]().d_term(Step(nets=Nets(d, d), real=real, fake=fake, real_logits=real, fake_logits=fake, rng=rng()))
    points = d.shown.flatten(1)
    assert torch.equal(points, points[:, :1].expand_as(points))  # all pixels of an image have the same factor
    assert len(points[:, 0].unique()) > 990
    assert points.mean().item() == pytest.approx(0.5, abs=0.05)
    assert 0 <= points.min() < 0.01 < 0.99 < points.max() <= 1


@every_shape
def test_dragan_adds_noise_to_real_images(shape: tuple[int, ...]) -> None:
    """Each pixel of a real image grows by at most half a standard deviation; fake images are not used."""
    d = RecordingD()
    real = 3 * torch.randn(1000, *shape, generator=rng(3))
    fake = torch.full_like(real, math.nan)
    TRICKS["dragan"]().d_term(Step(nets=Nets(d, d), real=real, fake=fake, real_logits=real, fake_logits=fake, rng=rng()))
    moved = d.shown - real
    assert (moved >= -1e-6).all()
    assert moved.max() <= 0.5 * real.std() + 1e-5
    assert moved.mean().item() == pytest.approx(
        0.125 * real.std().item(), rel=0.1
    )  # 1/2 std times the means 1/2 and 1/2 of two uniform factors


# Places and targets ----------------------------------------------------------------------------------

DISTANCES = {"one": lambda norm: (norm - 1) ** 2, "at_most_one": lambda norm: max(0.0, norm - 1) ** 2, "zero": lambda norm: norm**2}


def test_the_tables_have_every_choice() -> None:
    assert set(get_args(Where)) == PLACES.keys()
    assert set(get_args(Target)) == TARGETS.keys() == DISTANCES.keys()


@pytest.mark.parametrize(("where", "to"), list(product(PLACES, DISTANCES)))
@pytest.mark.parametrize("steepness", [0.5, 2.0])
def test_every_penalty_of_a_linear_d(where: str, to: str, steepness: float) -> None:
    """The gradient is the same everywhere, so all points agree and "both" counts twice; "at_most_one" penalises only norms above 1."""
    step, norm = linear_step((3,))
    with torch.no_grad():
        step.nets.d.head.weight *= steepness / norm  # type: ignore[union-attr, operator]
    real, fake = step.reals()[0], step.fake
    step = Step(nets=step.nets, real=real, fake=fake, real_logits=step.nets.d(real), fake_logits=step.nets.d(fake), rng=rng())
    found = term(make_trick("gradient_penalty", {"where": where, "to": to, "weight": 3.0}), step).item()
    assert found == pytest.approx((2 if where == "both" else 1) * 3 * DISTANCES[to](steepness), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("r1", {"where": "real", "to": "zero", "weight": 5.0}),
        ("r2", {"where": "fake", "to": "zero", "weight": 5.0}),
        ("wgan_gp", {"where": "line", "to": "one", "weight": 10.0}),
        ("dragan", {"where": "around", "to": "one", "weight": 10.0}),
    ],
)
def test_the_named_penalties_are_cases_of_the_general_one(name: str, same: dict[str, Any]) -> None:
    """Bit for bit, over a whole trial."""
    general = {f"gradient_penalty.{setting}": value for setting, value in same.items()}
    ends = [list(tiny(settings).ticks()) for settings in ({name: True}, {"gradient_penalty": True, **general})]
    for ours, theirs in zip(*ends, strict=True):
        assert [ours.signals[key] for key in ours.signals] == [
            theirs.signals[key.replace(name, "gradient_penalty")] for key in ours.signals
        ]


# Intervals and schedules -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["r1", "r2", "wgan_gp", "dragan", "gradient_penalty"])
def test_interval_applies_the_penalty_every_nth_step_times_n(name: str) -> None:
    weight = TRICKS[name]()
    lazy = make_trick(name, {"interval": 4})
    for updates in range(9):
        step, _ = linear_step((3,))
        at(lazy, d_updates=updates)
        if updates % 4:
            assert lazy.d_term(step) is None
            assert not lazy.needs_image_grad()
        else:
            assert term(lazy, step).item() == pytest.approx(4 * term(weight, linear_step((3,))[0]).item(), rel=1e-5)
    run = tiny({name: True, f"{name}.interval": 4, "budget_kimg": 0.072})
    assert [f"d/{name}" in run.d_step() for _ in range(6)] == [True, False, False, False, True, False]


@pytest.mark.parametrize("name", ["r1", "r2", "wgan_gp", "dragan", "gradient_penalty"])
@pytest.mark.parametrize(
    ("end", "until", "t", "left"), [(0.1, 0.5, 0.0, 1.0), (0.1, 0.5, 0.25, 0.55), (0.1, 0.5, 0.7, 0.1), (0.0, 1.0, 0.5, 0.5)]
)
def test_a_weight_changes_to_its_end_along_a_cosine(name: str, end: float, until: float, t: float, left: float) -> None:
    fading, plain = at(make_trick(name, {"end": end, "until": until}), images=round(1000 * t)), TRICKS[name]()
    ratio = term(fading, linear_step((3,))[0]) / term(plain, linear_step((3,))[0])
    assert ratio.item() == pytest.approx(left, rel=1e-5)


schedules = pytest.mark.parametrize(
    ("schedule", "t", "left"),
    [
        ({"end": 0.2, "until": 0.8, "shape": "linear"}, 0.2, 0.8),
        ({"end": 0.2, "until": 0.8, "shape": "constant"}, 0.7, 1.0),
        ({"end": 0.2, "until": 0.8, "shape": "constant"}, 0.8, 0.2),
        ({"warmup": 0.4}, 0.1, 0.25),
        ({"warmup": 0.4}, 0.5, 1.0),
        ({"warmup": 0.4, "end": 3.0, "until": 0.5}, 0.25, 0.625 * 2),
    ],
)


@pytest.mark.parametrize("name", ["r1", "r2", "wgan_gp", "dragan", "gradient_penalty"])
@schedules
def test_schedules_of_gradient_penalties(name: str, schedule: dict[str, Any], t: float, left: float) -> None:
    ratio = term(at(make_trick(name, schedule), images=round(1000 * t)), linear_step((3,))[0]) / term(TRICKS[name](), linear_step((3,))[0])
    assert ratio.item() == pytest.approx(left, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "side", "settings"),
    [("weight_penalty", "d", {}), ("orthogonal_regularisation", "d", {"net": "both"}), ("orthogonal_regularisation", "g", {"net": "both"})],
)
@schedules
def test_schedules_of_penalties_on_weights(
    name: str, side: str, settings: dict[str, Any], schedule: dict[str, Any], t: float, left: float
) -> None:
    torch.manual_seed(0)
    nets = Nets(nn.Linear(3, 2), nn.Linear(3, 2))
    step: dict[str, Any] = {
        "nets": nets,
        "real": None,
        "fake": torch.zeros(1),
        "real_logits": None,
        "fake_logits": torch.zeros(1),
        "rng": rng(),
    }
    scheduled = at(make_trick(name, {**settings, **schedule}), images=round(1000 * t))
    ratio = term(scheduled, Step(**step), side) / term(make_trick(name, settings), Step(**step), side)
    assert ratio.item() == pytest.approx(left, rel=1e-5)


def test_every_scheduled_penalty_is_tested_here() -> None:
    tested = {"r1", "r2", "wgan_gp", "dragan", "gradient_penalty", "weight_penalty", "orthogonal_regularisation"}
    assert tested == {name for name, cls in TRICKS.items() if issubclass(cls, Scheduled)}


def test_a_scheduled_weight_of_0_gives_no_term() -> None:
    step, _ = linear_step((3,))
    assert at(make_trick("r1", {"end": 0.0, "until": 0.5}), images=500).d_term(step) is None
    assert at(make_trick("r1", {"warmup": 0.1}), images=0).d_term(step) is None
