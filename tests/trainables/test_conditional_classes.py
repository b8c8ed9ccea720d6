"""Conditional GANs: every image is paired with the right class, in batches, losses and tricks."""

import copy
from typing import Any

import pytest
import torch
from steps import rng
from tiny import tiny
from torch import Tensor

from trainables.batches import Batches
from trainables.latents import draw_classes, draw_latent
from trainables.run import Run
from trainables.tricks.base import make_trick


def conditions(of_g: str = "concat", of_d: str = "projection", **more: Any) -> dict[str, Any]:
    return {"g.condition": of_g, "d.condition": of_d, "data": "digits", **more}


def test_classes_are_drawn_by_their_shares() -> None:
    """Within 4 standard errors. Classes with share 0 are never drawn, at any position."""
    shares, n = torch.tensor([0, 0.5, 0.0, 0.2, 0.3, 0], dtype=torch.float64), 100_000
    found = torch.bincount(draw_classes(n, shares, rng()), minlength=6) / n
    assert ((found - shares).abs() <= 4 * (shares * (1 - shares) / n).sqrt()).all()
    assert torch.equal(draw_classes(50, shares, rng(3)), draw_classes(50, shares, rng(3)))


@pytest.mark.parametrize("size", [None, 7])
def test_batches_include_the_classes_of_their_rows(size: int | None) -> None:
    """Labels do not change the images, bit for bit. Resumed batches have the same images and classes."""
    images = torch.arange(12, dtype=torch.float32).view(12, 1).numpy()
    labels = (torch.arange(12) % 5).numpy()
    labelled, plain = Batches(images, 5, seed=1, size=size, labels=labels), Batches(images, 5, seed=1, size=size)
    for i in range(9):
        if i == 4:
            state = labelled.state_dict()
            again = Batches(images, 5, seed=2, size=size, labels=labels)
            again.load_state_dict(state)
        shown, of_shown = labelled.next_labelled()
        assert torch.equal(shown, plain.next_batch())
        assert torch.equal(of_shown, shown[:, 0].long() % 5)  # type: ignore[arg-type]
        if i >= 4:
            assert all(torch.equal(a, b) for a, b in zip(again.next_labelled(), (shown, of_shown), strict=True))  # type: ignore[arg-type]
    first, of_first = labelled.first_labelled(3)
    assert torch.equal(of_first, first[:, 0].long() % 5)  # type: ignore[arg-type]
    assert plain.next_labelled()[1] is plain.first_labelled(2)[1] is None
    kept = labelled.first_labelled(labelled.size)[1]
    assert kept is not None
    assert torch.equal(labelled.shares(6), torch.bincount(kept, minlength=6).double() / labelled.size)


def recorded(run: Run) -> list[tuple[Tensor, Tensor]]:
    """Record all inputs of D from now on: (images, classes)."""
    asked: list[tuple[Tensor, Tensor]] = []
    run.nets.d.register_forward_pre_hook(lambda _, given: asked.append((given[0].detach().clone(), given[1].clone())))
    return asked


def test_d_gets_the_classes_of_real_and_of_fake_images() -> None:
    run = tiny({**conditions(), "data.size": None, "batch_size": 600})
    spy, state = recorded(run), run.batches.state_dict()
    real, labels = run.batches.next_labelled()
    run.batches.load_state_dict(state)
    before, shares = run.rng.get_state(), run.shares
    assert shares is not None
    run.d_step()
    assert torch.equal(spy[0][0], real)
    assert torch.equal(spy[0][1], labels)  # type: ignore[arg-type]
    again = rng()
    again.set_state(before)
    z = draw_latent(600, run.config.latent, again)
    assert torch.equal(spy[1][1], draw_classes(600, shares, again))
    torch.testing.assert_close(spy[1][0], tiny({**conditions(), "data.size": None, "batch_size": 600}).nets.g(z, spy[1][1]))
    run.g_step()
    assert len(spy) == 3  # the step of G runs D on fake images only
    for of_fake in (spy[1][1], spy[2][1]):
        counts = torch.bincount(of_fake, minlength=10)
        assert (counts - 600 * shares).square().div(600 * shares).sum() < 30  # chi squared with 9 degrees of freedom


@pytest.mark.parametrize("loss", ["relativistic", "relativistic_average"])
def test_paired_losses_compare_images_of_one_class(loss: str) -> None:
    """R3GAN compares a real image with a fake image of its class."""
    run = tiny({**conditions(), "loss": loss})
    spy = recorded(run)
    run.d_step(), run.g_step()
    assert torch.equal(spy[0][1], spy[1][1])
    assert torch.equal(spy[2][1], spy[3][1])
    assert not torch.equal(spy[0][1], spy[2][1])


@pytest.mark.parametrize("penalty", ["wgan_gp", "dragan"])
def test_penalties_on_interpolated_images_use_the_real_classes(penalty: str) -> None:
    run = tiny({**conditions(), penalty: True})
    spy = recorded(run)
    run.d_step()
    assert torch.equal(spy[2][1], spy[0][1])
    assert not torch.equal(spy[2][1], spy[1][1])


def test_consistency_keeps_the_class_of_each_image() -> None:
    run = tiny({**conditions(), "consistency": True, "consistency.fake": 1.0})
    spy = recorded(run)
    run.d_step()
    assert [torch.equal(spy[2 + i][1], spy[i][1]) for i in (0, 1)] == [True, True]


def test_mode_seeking_compares_samples_of_one_class() -> None:
    """Mao et al. 2019 generate two images per condition. Steps of D use the classes as drawn."""
    run = tiny({**conditions(), "mode_seeking": True, "batch_size": 13})
    spy = recorded(run)
    run.d_step(), run.g_step()
    assert torch.equal(spy[2][1][:6], spy[2][1][6:12])
    assert not torch.equal(spy[1][1][:6], spy[1][1][6:12])
    assert make_trick("mode_seeking", {}).classes(torch.arange(5)).tolist() == [0, 1, 0, 1, 4]


def test_tick_signals_change_no_state_and_use_the_classes() -> None:
    run = tiny(conditions())
    before, spy = copy.deepcopy(run.state_dict()), recorded(run)
    run.tick_signals()
    torch.testing.assert_close(run.state_dict(), before, rtol=0, atol=0)
    assert torch.equal(spy[0][1], run.batches.first_labelled(12)[1])  # type: ignore[arg-type]
