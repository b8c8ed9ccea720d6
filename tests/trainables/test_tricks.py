"""Tricks: closed forms if D is linear or constant, else bounds. Families of tricks are tested in separate files, see TESTED_IN."""

import copy
import math
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from steps import at, linear_step, rng, step_of, term
from tiny import another, needs, tiny
from torch import Tensor, nn

from trainables.config import TrialConfig, settings
from trainables.generators import Generator
from trainables.losses import LOSSES
from trainables.models import ARCHS
from trainables.models.base import Discriminator
from trainables.sections import LatentConfig
from trainables.tricks import TRICKS
from trainables.tricks.base import Nets, Step, Trick, make_trick
from trainables.tricks.minibatch import WithCloseness, WithDeviation
from trainables.tricks.scheduled import Scheduled

SHAPES = [(2,), (3, 4, 4)]
every_shape = pytest.mark.parametrize("shape", SHAPES)
every_arch = pytest.mark.parametrize("arch", ARCHS)


TESTED_IN = {  # test file -> the tricks whose definition it tests
    "test_tricks": {"weight_penalty", "weight_clipping", "spectral_norm", "orthogonal_regularisation", "label_smoothing", "label_flipping"}
    | {"instance_noise", "packing", "minibatch_std", "minibatch_discrimination"},
    "test_penalties": {"r1", "r2", "wgan_gp", "dragan", "gradient_penalty"},
    "test_generator_terms": {"top_k", "feature_matching", "mode_seeking", "historical_averaging", "experience_replay", "lecam"},
    "test_augment": {"diffaugment", "ada", "consistency"},
    "test_averages": {"ema", "swa"},
    "test_rates": {"gradient_clipping", "lr_schedule"},
}
NEEDED = {  # other settings without which a setting has no effect
    **{
        f"{name}.{setting}": {f"{name}.end": 0.0}
        for name, cls in TRICKS.items()
        if issubclass(cls, Scheduled)
        for setting in ("until", "shape")
    },
    "swa.share": {"budget_kimg": 0.288},
    "top_k.least": {"top_k.decay": 0.1},
    "experience_replay.images": {"experience_replay.share": 0.5},
}
EXTREME = {  # two values that give different results in a tiny trial, if default and end of the range do not
    "ema.halflife_kimg": (1e-4, 1e-3),
    "experience_replay.images": (7, 512),
    "ada.target": (-0.9, 0.9),
    "ada.speed_kimg": (0.05, 0.2),
    "top_k.decay": (0.5, 0.9),
    "gradient_clipping.norm": (1e-3, 0.1),
}
STRONG: dict[str, dict[str, Any]] = {  # settings with which a trick has an effect within 12 steps of 12 images
    "top_k": {"top_k.decay": 0.5},
    "ada": {"ada.speed_kimg": 0.05, "ada.target": -0.9},
    "label_flipping": {"label_flipping.share": 0.5},
    "gradient_clipping": {"gradient_clipping.norm": 1e-3},
    "lecam": {"lecam.weight": 10.0},
    "orthogonal_regularisation": {"orthogonal_regularisation.weight": 1.0},
}


def test_every_trick_has_a_test() -> None:
    """A new trick fails here until one of these files tests it."""
    assert set().union(*TESTED_IN.values()) == TRICKS.keys()
    for file, names in TESTED_IN.items():
        text = (Path(__file__).parent / f"{file}.py").read_text()
        assert all(f'"{name}"' in text for name in names), file


@cache
def evaluated(settings: tuple[tuple[str, Any], ...]) -> Tensor:
    """Return samples after a tiny trial, with learning rates high enough for its settings to matter."""
    run = tiny({"d.lr": 0.05, "g.lr": 0.05, **dict(settings)})
    list(run.ticks())
    return run.generator().sample(5)


@pytest.mark.parametrize(("name", "arch"), list(zip(TRICKS, cycle(ARCHS), strict=False)))
def test_every_trick_changes_the_training(name: str, arch: str) -> None:
    """Samples differ with the trick on and off."""
    base = {**needs(name), "arch": arch}
    assert not torch.equal(evaluated(tuple(base.items())), evaluated(tuple({**base, name: True, **STRONG.get(name, {})}.items())))


@pytest.mark.parametrize("name", [name for name in settings() if name.partition(".")[0] in TRICKS and "." in name])
def test_every_setting_changes_the_training(name: str) -> None:
    head = name.partition(".")[0]
    base = {**needs(name), **STRONG.get(head, {}), **NEEDED.get(name, {})}
    base.pop(name, None)
    low, high = EXTREME.get(name, (settings()[name], another(name)))
    assert not torch.equal(evaluated(tuple({**base, name: low}.items())), evaluated(tuple({**base, name: high}.items())))


@pytest.mark.parametrize("name", sorted({*STRONG, "swa", "experience_replay", "r1", "lr_schedule", "historical_averaging"}))
def test_a_trick_resumes_with_its_state(name: str) -> None:
    """After five steps of D, in the middle of all intervals, with settings with which the trick had an effect by then."""
    more = {"experience_replay.images": 20} if name == "experience_replay" else {"r1.interval": 4} if name == "r1" else STRONG.get(name, {})
    settings = {**needs(name), name: True, **more, "tick_kimg": 0.06}
    whole, resumed = tiny(settings), tiny(settings)
    ticks = whole.ticks()
    next(ticks), next(ticks)
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    assert list(resumed.ticks()) == list(ticks)
    assert torch.equal(resumed.generator().sample(5), whole.generator().sample(5))


# Constraints -----------------------------------------------------------------------------------------


@every_arch
@pytest.mark.parametrize("limit", [0.003, 0.01, 0.1])
def test_weight_clipping_keeps_weights_within_the_limit(arch: str, limit: float) -> None:
    run = tiny({"arch": arch, "weight_clipping": True, "weight_clipping.limit": limit, "d.lr": 0.05, "d.norm": "batch"})
    for _ in run.ticks():
        largest = max(p.abs().max().item() for p in run.nets.d.parameters())
    assert largest == pytest.approx(limit)  # the limit is reached, and not exceeded
    assert max(p.abs().max().item() for p in run.nets.g.parameters()) > limit


def test_the_weight_penalty_is_half_the_squared_norm_of_weights() -> None:
    d = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Conv1d(1, 1, 1))
    with torch.no_grad():
        for p in d.parameters():
            p.fill_(2.0)  # 4 + 1 weights; the 2 + 2 + 2 + 1 biases and gains do not count
    step = Step(nets=Nets(d, d), real=None, fake=torch.zeros(1), real_logits=None, fake_logits=torch.zeros(1), rng=rng())
    value = term(make_trick("weight_penalty", {"weight": 3.0}), step)
    assert value.item() == pytest.approx(3 / 2 * 5 * 4)
    value.backward()
    torch.testing.assert_close(d[0].weight.grad, 3 * d[0].weight.detach())  # type: ignore[operator]
    assert d[0].bias.grad is None


@pytest.mark.slow
@every_arch
@pytest.mark.parametrize("others", [{}, {"minibatch_std": True, "packing": True}])
def test_spectral_norm_leaves_no_singular_value_above_one(arch: str, others: dict[str, Any]) -> None:
    run = tiny({"arch": arch, "spectral_norm": True, "d.lr": 0.01, **others})
    list(run.ticks())
    shown = run.view(run.batches.next_batch(), run.rng)
    for _ in range(300):  # until the power iteration has converged
        run.nets.d(shown)
    layers = [module for module in run.nets.d.modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    assert len(layers) == {"mlp": 3, "dcgan": 3, "resnet": 8, "infogan": 4, "r3": 9}[arch]
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2).item() == pytest.approx(1, abs=1e-3)
    assert not any(hasattr(module, "parametrizations") for module in run.nets.g.modules())


def test_spectral_norm_makes_one_power_iteration_per_forward_pass() -> None:
    """Miyato et al. 2018, algorithm 1: each forward pass continues from the u and v of the last one."""
    run = tiny({"spectral_norm": True})
    layer = next(module for module in run.nets.d.modules() if isinstance(module, nn.Linear))
    norm = layer.parametrizations.weight[0]  # type: ignore[union-attr, index]
    w, v = layer.parametrizations.weight.original.detach(), norm._v.clone()  # type: ignore[union-attr, operator]
    run.nets.d(run.batches.next_batch())
    u = nn.functional.normalize(w @ v, dim=0)
    torch.testing.assert_close(norm._u, u)  # type: ignore[union-attr]
    torch.testing.assert_close(norm._v, nn.functional.normalize(w.T @ u, dim=0))  # type: ignore[union-attr]


def test_orthogonal_regularisation_ignores_the_length_of_rows() -> None:
    """weight times the squared inner products of different rows, each pair counted twice, without biases."""
    d, g = nn.Conv2d(1, 2, (1, 2)), nn.Linear(2, 2)
    with torch.no_grad():
        d.weight.copy_(torch.tensor([[3.0, 4.0], [2.0, 1.0]]).view(2, 1, 1, 2))  # inner product 10
        g.weight.copy_(torch.tensor([[5.0, 0.0], [0.0, 7.0]]))
    step = step_of([0.0], [0.0], nets=Nets(g, d))
    costs = {"weight": 0.5, "net": "both"}
    both = make_trick("orthogonal_regularisation", costs)
    assert term(both, step).item() == pytest.approx(0.5 * 2 * 10**2)
    assert term(both, step, "g").item() == 0
    assert make_trick("orthogonal_regularisation", {**costs, "net": "d"}).g_term(step) is None
    assert make_trick("orthogonal_regularisation", {**costs, "net": "g"}).d_term(step) is None


# Labels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_share_of_the_labels_is_flipped(share: float) -> None:
    """Pairs are swapped, so no logit is lost or doubled. step.real_logits and G's loss do not change."""
    step = step_of([1.0] * 20_000, [-1.0] * 20_000)
    flipping = make_trick("label_flipping", {"share": share})
    flipping.before_g(step)
    assert step.loss_logits == (step.real_logits, step.fake_logits)
    flipping.before_d(step)
    real, fake = step.loss_logits
    assert torch.equal(real, -fake)
    assert (real == -1).float().mean().item() == pytest.approx(share, abs=0.01)
    assert step.reals()[1].min() == 1


def test_with_half_of_the_labels_flipped_the_best_logit_is_0() -> None:
    """The gradient of D's loss is 0 at logits of 0."""
    logits = torch.zeros(20_000, requires_grad=True)
    step = step_of([0.0], [0.0], real_logits=logits, fake_logits=logits)
    make_trick("label_flipping", {"share": 0.5}).before_d(step)
    (gradient,) = torch.autograd.grad(LOSSES["nonsaturating"].d(*step.loss_logits), logits)
    assert gradient.sum().item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", [name for name, loss in LOSSES.items() if loss.relabel])
@pytest.mark.parametrize("label", [0.1, 0.3])
def test_label_smoothing_of_fakes(loss: str, label: float) -> None:
    """D's loss is minimal if D predicts `label` for fake images. With `fake: 0`, the default, there is no such term."""
    run = tiny({"loss": loss, "label_smoothing": True, "label_smoothing.real": 1.0, "label_smoothing.fake": label})
    best = torch.tensor([math.log(label / (1 - label)) if loss != "least_squares" else label], requires_grad=True)
    step = step_of([0.0], [0.0], real_logits=torch.zeros(1), fake_logits=best)
    (gradient,) = torch.autograd.grad(LOSSES[loss].d(torch.zeros(1), best) + term(run.tricks["label_smoothing"], step), best)
    assert gradient.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", [name for name, loss in LOSSES.items() if loss.relabel])
@pytest.mark.parametrize("label", [0.7, 0.9])
def test_label_smoothing_is_one_sided(loss: str, label: float) -> None:
    """D's loss is minimal if D predicts `label` for real images; the target of fake images stays 0."""
    run = tiny({"loss": loss, "label_smoothing": True, "label_smoothing.real": label})
    smoothing = run.tricks["label_smoothing"]
    best = torch.tensor([math.log(label / (1 - label)) if loss != "least_squares" else label], requires_grad=True)
    step = Step(nets=run.nets, real=best, fake=best, real_logits=best, fake_logits=best, rng=run.rng)
    total = LOSSES[loss].d(best, torch.zeros(1)) + term(smoothing, step)
    (gradient,) = torch.autograd.grad(total, best)
    assert gradient.item() == pytest.approx(0, abs=1e-6)
    assert smoothing.g_term(step) is None


# Input transforms ------------------------------------------------------------------------------------


@every_shape
@pytest.mark.parametrize(("std", "until"), [(0.1, 1.0), (0.5, 0.5)])
@pytest.mark.parametrize("t", [0.0, 0.1, 0.4])
def test_instance_noise_has_the_given_std(std: float, until: float, t: float, shape: tuple[int, ...]) -> None:
    trick = at(make_trick("instance_noise", {"std": std, "until": until}), images=round(1000 * t))
    noise = trick.view(torch.zeros(20_000, *shape), rng())
    assert noise.std().item() == pytest.approx(std * (1 - t / until), rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.02 * std)


@pytest.mark.parametrize(("shape", "left"), [("linear", 0.75), ("constant", 1.0), ("cosine", (1 + math.cos(math.pi / 4)) / 2)])
def test_shapes_of_the_schedule_of_instance_noise(shape: str, left: float) -> None:
    noise = make_trick("instance_noise", {"std": 0.5, "until": 0.8, "shape": shape})
    assert at(noise, images=200).view(torch.zeros(20_000), rng()).std().item() == pytest.approx(0.5 * left, rel=0.02)
    assert at(noise, images=800).view(torch.zeros(20_000), rng()).std() == 0


@pytest.mark.parametrize("until", [0.0, 0.25, 0.5, 1.0])
def test_instance_noise_is_0_from_until_on(until: float) -> None:
    run = tiny({"instance_noise": True, "instance_noise.std": 1.0, "instance_noise.until": until})
    images = torch.randn(7, 2)
    seen = []
    for images_shown in (0, 35, 36, 71, 72, 143, 144, 150):  # the budget is 144 images
        run.clock.set(images=images_shown)
        seen.append((run.images, torch.equal(run.view(images, run.rng), images)))
    assert seen == [(shown, shown >= 144 * until) for shown, _ in seen]


def test_instance_noise_is_on_real_and_fake_but_not_on_evaluated_samples() -> None:
    run = tiny({"instance_noise": True, "instance_noise.std": 100.0})
    step = run.forward(run.batches.next_batch(), run.nets.g(run.noise()))
    assert step.reals()[0].std() > 50
    assert step.fake.std() > 50
    assert run.generator().sample(100).std() < 10


@pytest.mark.parametrize("shape", [(2,), (3, 4, 5)])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_packing_concatenates_neighbours_along_the_channels(samples: int, shape: tuple[int, ...]) -> None:
    packing = make_trick("packing", {"samples": samples})
    images = torch.randn(12, *shape)
    packed = packing.view(images, rng())
    assert packed.shape == (12 // samples, *packing.d_shape(shape))
    for pack, together in zip(packed, images.split(samples), strict=True):
        assert torch.equal(pack, torch.cat(list(together)))


@every_arch
def test_packing_gives_one_logit_per_pack(arch: str) -> None:
    run = tiny({"arch": arch, "packing": True, "packing.samples": 3})
    step = run.forward(run.batches.next_batch(), run.nets.g(run.noise()))
    assert step.reals()[1].shape == step.fake_logits.shape == (4,)
    assert run.generator().sample(5).shape == (5, *run.source.shape)


# Minibatches -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(10, 4), (10, 4, 3, 3)])
def test_the_deviation_of_a_minibatch(shape: tuple[int, ...]) -> None:
    """The mean over features and pixels of numpy's standard deviation over the batch; the same for every sample and pixel."""
    features = torch.randn(shape, generator=rng())
    out = WithDeviation()(features)
    assert out.shape == (shape[0], shape[1] + 1, *shape[2:])
    assert torch.equal(out[:, :-1], features)
    np.testing.assert_allclose(out[:, -1], np.std(features.numpy(), axis=0).mean(), rtol=1e-5)


def test_a_minibatch_of_two_signs() -> None:
    features = torch.tensor([[3.0, 1.0], [-3.0, -1.0]])
    assert WithDeviation()(features)[:, -1].tolist() == pytest.approx([2.0, 2.0])  # (3 + 1) / 2


def test_the_deviation_of_equal_samples_has_a_finite_gradient() -> None:
    features = torch.ones(4, 2, requires_grad=True)
    out = WithDeviation()(features)
    assert out[:, -1].max() <= 1.1e-4
    (gradient,) = torch.autograd.grad(out.sum(), features)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3, 3)])
def test_the_closeness_of_a_minibatch(shape: tuple[int, ...]) -> None:
    """As in the paper, for each sample and kernel: sum_j exp(-|M_i - M_j|), the same at each pixel."""
    features = torch.randn(shape, generator=rng())
    close = WithCloseness(math.prod(shape[1:]), 3, 2, torch.device("cpu"))
    with torch.no_grad():
        close.t.mul_(20)
        out = close(features)
        rows = features.flatten(1) @ close.t.flatten(1)  # [N, kernels * dims]
    assert torch.equal(out[:, :4], features)
    for i in range(5):
        for b in range(3):
            expected = sum(math.exp(-(rows[i] - rows[j])[2 * b : 2 * b + 2].abs().sum().item()) for j in range(5))
            torch.testing.assert_close(out[i, 4 + b], torch.full(shape[2:], expected))


def test_the_initialisation_of_closeness_matches_the_authors_code() -> None:
    torch.manual_seed(0)
    assert WithCloseness(100, 20, 5, torch.device("cpu")).t.std().item() == pytest.approx(0.05, rel=0.05)


def test_the_closeness_of_equal_samples_is_the_batch_size() -> None:
    close = WithCloseness(2, 3, 2, torch.device("cpu"))
    assert close(torch.ones(6, 2))[:, 2:].tolist() == [[6.0] * 3] * 6


@every_arch
@pytest.mark.parametrize("on", [("minibatch_std",), ("minibatch_discrimination",), ("minibatch_std", "minibatch_discrimination")])
def test_minibatch_features_do_not_change_the_initial_d(on: tuple[str, ...], arch: str) -> None:
    """The weights are those of the plain D; those of the new features are 0 until the first update."""
    plain, wider = tiny({"arch": arch}), tiny({"arch": arch, **dict.fromkeys(on, True)})
    images = plain.batches.next_batch()
    torch.testing.assert_close(wider.nets.d(images), plain.nets.d(images), rtol=1e-6, atol=1e-7)
    channels = wider.nets.d.head[-1].weight.shape[1] - plain.nets.d.head.weight.shape[1]  # type: ignore[index, union-attr]
    assert channels == ("minibatch_std" in on) + 100 * ("minibatch_discrimination" in on)
    list(wider.ticks())
    assert (wider.nets.d.head[-1].weight[:, -channels:] != 0).all()  # type: ignore[index, union-attr]  # these weights learn


@pytest.mark.parametrize("name", ["minibatch_std", "minibatch_discrimination"])
@pytest.mark.parametrize("d", [nn.Linear(2, 1), Discriminator(nn.Flatten(), nn.Bilinear(2, 2, 1))])  # type: ignore[arg-type]
def test_minibatch_features_need_a_head_that_can_be_widened(d: nn.Module, name: str) -> None:
    with pytest.raises(
        ValueError, match=f"{name} needs an architecture whose D is a Discriminator with a Linear or Conv2d head; that of arch: dcgan has "
    ):
        TRICKS[name]().build(Nets(nn.Identity(), d), TrialConfig())


# The base --------------------------------------------------------------------------------------------


def test_a_trick_that_overrides_nothing_does_nothing() -> None:
    step, _ = linear_step((2,))
    idle, images = Trick(), torch.randn(3, 2)
    assert idle.d_term(step) is idle.g_term(step) is None
    assert idle.view(images, rng()) is images
    assert idle.d_shape((3, 4, 4)) == (3, 4, 4)
    generator = Generator(step.nets.d, LatentConfig())
    assert idle.generator(generator) is generator
    assert idle.state_dict() == {}
