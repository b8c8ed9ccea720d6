"""Augmentations: the effect of each on an image, their derivatives, and the tricks that use them."""

from typing import Any

import pytest
import torch
from steps import linear_step, rng, step_of, term
from tiny import needs, tiny, tiny_config
from torch import Tensor, nn

from trainables.tricks import TRICKS
from trainables.tricks.augmentations import AUGMENTATIONS, augmented, brightness, contrast, cutout, flip, saturation, translation
from trainables.tricks.base import ImageTrick, Nets, make_trick

COLOURED = 2 * torch.rand(500, 3, 16, 8, generator=rng(7)) - 1
IMAGE_TRICKS = [name for name, cls in TRICKS.items() if issubclass(cls, ImageTrick)]
every_function = pytest.mark.parametrize("function", [f for several in AUGMENTATIONS.values() for f in several], ids=lambda f: f.__name__)


def factors(images: Tensor, level: Tensor, out: Tensor) -> Tensor:
    """Return the factor by which the distance of each image from `level` was scaled: [N]. Fails unless it is one number per image."""
    factor = ((out - level) * (images - level)).sum((1, 2, 3)) / (images - level).square().sum((1, 2, 3))
    torch.testing.assert_close(out, level + factor.view(-1, 1, 1, 1) * (images - level), rtol=1e-4, atol=1e-5)
    return factor


def spans(values: Tensor, low: float, high: float) -> None:
    """Check that 500 values are consistent with a uniform distribution on [low, high]."""
    width = high - low
    assert low <= values.min() < low + 0.05 * width
    assert high - 0.05 * width < values.max() <= high
    assert values.mean().item() == pytest.approx((low + high) / 2, abs=0.06 * width)


def test_brightness_adds_one_number_to_all_pixels() -> None:
    moved = brightness(COLOURED, rng()) - COLOURED
    torch.testing.assert_close(moved, moved[:, :1, :1, :1].expand_as(moved))
    spans(moved[:, 0, 0, 0], -0.5, 0.5)


def test_saturation_keeps_the_grey_of_each_pixel() -> None:
    spans(factors(COLOURED, COLOURED.mean(1, keepdim=True), saturation(COLOURED, rng())), 0, 2)
    grey = COLOURED[:, :1]
    assert torch.equal(saturation(grey, rng()), grey)


def test_contrast_keeps_the_mean_of_each_image() -> None:
    spans(factors(COLOURED, COLOURED.mean((1, 2, 3), keepdim=True), contrast(COLOURED, rng())), 0.5, 1.5)


def test_translation_moves_by_whole_pixels_and_fills_with_0() -> None:
    """Up to an eighth of 16 rows and of 8 columns: each of the 5 × 3 translations occurs."""
    found = set()
    for image, out in zip(COLOURED, translation(COLOURED, rng()), strict=True):
        padded = nn.functional.pad(image, (8, 8, 16, 16))
        moves = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-1, 2)
            if torch.equal(padded[:, 16 - down : 32 - down, 8 - right : 16 - right], out)
        ]
        assert len(moves) == 1
        found |= set(moves)
    assert len(found) == 15


def test_a_cutout_is_a_rectangle_of_half_the_size() -> None:
    """Its centre is anywhere in the image, so that half of it may be outside. Other pixels do not change."""
    areas = []
    for image, out in zip(COLOURED, cutout(COLOURED, rng()), strict=True):
        cut = (out == 0).all(0)
        assert torch.equal(out, image * ~cut)
        rows, columns = cut.any(1).sum().item(), cut.any(0).sum().item()
        assert cut.sum() == rows * columns  # one full rectangle
        areas.append((rows, columns))
    assert max(areas) == (8, 4)
    assert len(set(areas)) > 5


def test_half_of_the_images_are_flipped() -> None:
    out = flip(COLOURED, rng())
    flipped = [torch.equal(a, b.flip(2)) for a, b in zip(out, COLOURED, strict=True)]
    assert all(is_flipped or torch.equal(a, b) for is_flipped, a, b in zip(flipped, out, COLOURED, strict=True))
    assert sum(flipped) == pytest.approx(250, abs=40)


@every_function
@pytest.mark.parametrize("channels", [1, 3])
def test_g_learns_through_an_augmentation(function: Any, channels: int) -> None:
    """First and second derivatives, against finite differences; gradient penalties need the second ones."""
    images = torch.rand(2, channels, 3, 3, dtype=torch.float64, generator=rng(1), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: function(x, rng()).double(), images)
    assert torch.autograd.gradgradcheck(lambda x: function(x, rng()).double().square(), images)


def test_an_augmentation_with_a_probability() -> None:
    """p = 0 changes no image, p = 1 all images, p = 1/3 a third of them."""
    assert torch.equal(augmented(COLOURED, "flip,colour,cutout", rng(), p=torch.zeros(())), COLOURED)
    everything = augmented(COLOURED, "colour", rng(), p=torch.ones(()))
    assert (everything != COLOURED).flatten(1).any(1).all()
    some = augmented(COLOURED, "translation", rng(), p=torch.tensor(1 / 3))
    changed = (some != COLOURED).flatten(1).any(1).float().mean().item()
    assert changed == pytest.approx(1 / 3 * 14 / 15, abs=0.06)  # one translation in 15 is by 0 pixels


# Tricks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", IMAGE_TRICKS)
def test_image_tricks_refuse_points(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} needs images \[C, H, W\]; the data are points of shape \(2,\)"):
        tiny({name: True})


@pytest.mark.parametrize("name", IMAGE_TRICKS)
@pytest.mark.parametrize("policy", ["", "color", "flip, cutout"])
def test_unknown_names_in_a_policy_are_refused(name: str, policy: str) -> None:
    with pytest.raises(
        ValueError,
        match=rf"{name}\.policy: a policy must be names of \['colour', 'cutout', 'flip', 'translation'\], joined by commas;.*given",
    ):
        tiny_config({**needs(name), name: True, f"{name}.policy": policy})


@pytest.mark.parametrize("others", [{}, {"packing": True, "instance_noise": True}])
def test_diffaugment_is_on_real_and_fake_but_not_on_evaluated_samples(others: dict[str, Any]) -> None:
    run = tiny({"arch": "dcgan", "diffaugment": True, "diffaugment.policy": "cutout", **others})
    run.nets.g.zero_grad()
    step = run.forward(torch.ones(12, 1, 8, 8), 0.5 + run.nets.g(run.noise()))
    assert ((step.reals()[0].abs() < 0.5).flatten(1).sum(1) >= 4).all()  # a cutout has at least a quarter of its area inside the image
    step.fake_logits.sum().backward()
    assert all((p.grad != 0).any() for p in run.nets.g.parameters() if p.ndim > 1)  # type: ignore[union-attr]
    assert ((run.generator().sample(20) == 0).float().mean()) < 0.1


def test_ada_changes_p_by_the_sign_of_the_logits() -> None:
    """Logits of real images are above 0 for 12 batches, below 0 for 20, above 0 for 24.

    4 batches of 12 images are a fifth of 0.24 kimg, so p changes by 1/5 every 4 batches, within [0, 1].
    """
    ada = make_trick("ada", {"speed_kimg": 0.24})
    ada.build(Nets(nn.Linear(1, 1), nn.Linear(1, 1)), tiny_config({"arch": "dcgan"}))
    seen = []
    for sign in [1.0] * 12 + [-1.0] * 20 + [1.0] * 24:
        ada.before_d(step_of([sign] * 5, [0.0] * 5))
        seen.append(ada.state_dict()["p"].item())
    assert seen[3::4] == pytest.approx([0.2, 0.4, 0.6, 0.4, 0.2, 0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1], abs=1e-6)
    assert seen[:3] == [0, 0, 0]  # p does not change in between


@pytest.mark.parametrize(("right", "rises"), [(9, True), (7, False)])
def test_ada_compares_the_mean_sign_with_its_target(right: int, rises: bool) -> None:
    """9 of 10 logits above the boundary have mean sign 0.8, 7 of 10 have 0.4; the target is 0.6. The boundary of least squares is 0.5."""
    for loss, boundary in (("nonsaturating", 0.0), ("least_squares", 0.5)):
        ada = make_trick("ada", {"speed_kimg": 0.24})
        ada.build(Nets(nn.Linear(1, 1), nn.Linear(1, 1)), tiny_config({"arch": "dcgan", "loss": loss}))
        ada.p += 0.5  # type: ignore[attr-defined]
        for _ in range(4):
            ada.before_d(step_of([boundary + 0.1] * right + [boundary - 0.1] * (10 - right), [0.0]))
        assert ada.p.item() == pytest.approx(0.7 if rises else 0.3)  # type: ignore[attr-defined]


def test_ada_needs_a_loss_with_a_boundary() -> None:
    with pytest.raises(ValueError, match=r"ada needs a loss that decides between real and fake, one of .*; given 'wasserstein'"):
        tiny_config({"arch": "dcgan", "loss": "wasserstein", "ada": True})


@pytest.mark.parametrize("weights", [(10.0, 0.0), (0.0, 10.0), (3.0, 2.0)])
def test_consistency_is_the_squared_difference_of_logits(weights: tuple[float, float]) -> None:
    """On the sides whose weight is above 0, with the same random draws."""
    step, _ = linear_step((1, 4, 4))
    found = term(make_trick("consistency", {"real": weights[0], "fake": weights[1]}), step)
    draws, expected = rng(), 0.0
    for weight, images in zip(weights, (step.reals()[0], step.fake), strict=True):
        if weight:
            moved = step.nets.d(augmented(images, "flip,translation", draws))
            expected += weight * (step.nets.d(images) - moved).square().mean().item()
    assert expected > 0
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_consistency_of_an_invariant_d_is_0() -> None:
    """A sum over pixels is invariant to flips. Two weights of 0 are refused."""
    step, _ = linear_step((1, 4, 4))
    with torch.no_grad():
        step.nets.d.head.weight.fill_(1.0)  # type: ignore[union-attr, operator]
    images = step.reals()[0]
    same = step_of([0.0], [0.0], nets=step.nets, real=images, real_logits=step.nets.d(images))
    assert term(make_trick("consistency", {"policy": "flip"}), same).item() == pytest.approx(0, abs=1e-8)
    with pytest.raises(ValueError, match=r"consistency.real or consistency.fake must be above 0"):
        tiny_config({"arch": "dcgan", "consistency": True, "consistency.real": 0.0})
