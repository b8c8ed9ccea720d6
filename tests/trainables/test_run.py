"""The training loop: resuming bit for bit and the signals of a tick, for every table entry and every pair of entries."""

import copy
import math
from itertools import combinations, product
from typing import Any

import pairs
import pytest
import torch
from tiny import equal, through_a_file, tiny, together
from torch import Tensor, nn

from trainables.effective import effective
from trainables.loop import Tick
from trainables.losses import LOSSES
from trainables.models import ARCHS
from trainables.models.base import Discriminator
from trainables.signals import image_gradient
from trainables.tricks import TRICKS
from trainables.tricks.base import Step, Trick, trick

OF_D = {"orthogonal_regularisation"}  # by default
G_TERMS = {name for name, cls in TRICKS.items() if cls.g_term is not Trick.g_term} - OF_D
D_TERMS = {name for name, cls in TRICKS.items() if cls.d_term is not Trick.d_term}
every_arch = pytest.mark.parametrize("arch", ARCHS)
every_loss = pytest.mark.parametrize("loss", LOSSES)


# Resuming --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entries",
    [*pairs.alone(), *(pytest.param(row, marks=pytest.mark.slow) for row in pairs.rows())],
    ids=lambda row: "-".join(name if on is True else on for name, on in row.items() if on),
)
def test_trains_resumes_bit_for_bit_and_reports_its_terms(entries: dict[str, Any]) -> None:
    settings = pairs.asked(entries)
    whole = tiny(settings)
    shown = effective(whole)
    assert {name: shown[name] for name in settings.keys() & shown.keys()} == {
        name: settings[name] for name in settings.keys() & shown.keys()
    }
    ticks = whole.ticks()
    untrained, first, second = next(ticks), next(ticks), next(ticks)
    state = through_a_file(whole.state_dict())  # between two turns of G
    expected = list(ticks)
    assert untrained == Tick(0, {})
    assert [tick.images for tick in (first, second, *expected)] == [24, 48, 72]
    for tick in (second, *expected):
        assert tick.signals.keys() == reported(settings)
        assert all(type(value) is float and math.isfinite(value) for value in tick.signals.values())
        assert tick.signals["d/distance"] == tick.signals["d/real_logit"] - tick.signals["d/fake_logit"]
        assert all(0 <= value <= 1 for name, value in tick.signals.items() if name.endswith("accuracy"))
        assert all(value > 0 for name, value in tick.signals.items() if "grad" in name)

    resumed = tiny({**settings, "seed": 0})
    torch.manual_seed(987654321)  # the global random state of another process
    torch.rand(17)
    resumed.load_state_dict(state)
    assert list(resumed.ticks()) == expected
    assert torch.equal(resumed.generator().sample(20), whole.generator().sample(20))
    assert equal(resumed.state_dict(), whole.state_dict())


def reported(settings: dict[str, Any]) -> set[str]:
    """Return the names of the signals of a tick."""
    names = {"d/adv", "g/adv", "d/grad_norm", "g/grad_norm", "d/real_logit", "d/fake_logit", "d/distance", "g/updates"}
    names |= {"d/image_grad_real", "d/image_grad_fake"} | {f"d/{name}" for name in D_TERMS & settings.keys()}
    names |= {"d/class", "g/class"} if settings.get("d.condition") == "auxiliary" else set()
    names |= {f"g/{name}" for name in G_TERMS & settings.keys()} | ({"d/ada_p"} if "ada" in settings else set())
    return names | ({"d/real_accuracy", "d/fake_accuracy"} if LOSSES[settings["loss"]].boundary is not None else set())


def test_every_pair_of_entries_is_covered_unless_refused() -> None:
    """Counted without the code that chose the rows."""
    met = {pair for row in pairs.rows() for pair in combinations(((name, row[name]) for name in pairs.CHOICES), 2)}
    for (a, choices), (b, others) in combinations(pairs.CHOICES.items(), 2):
        for x, y in product(choices, others):
            pair = ((a, x), (b, y))
            assert (pair in met) != (pair in pairs.refused()), pair


REASONS = {  # (name, name) -> start of the message, for every refused pair
    ("loss", "label_smoothing"): "label_smoothing needs a loss with labels, one of",
    ("loss", "ada"): "ada needs a loss that decides between real and fake, one of",
    ("top_k", "feature_matching"): "top_k selects the samples of G's adversarial loss",
    ("ema", "swa"): "swa and ema both replace the generator that is evaluated",
    **{("update", name): f"{name} must be off with update: unrolled" for name in ("gradient_clipping", "ada", "lecam")},
    ("update", "optimiser"): "update: unrolled needs Adam as D's optimiser",
    ("update", "weight_clipping"): "weight_clipping must be off with update: unrolled",
    ("condition", "packing"): "packing must be off with d.condition",
}


def test_no_other_pair_of_entries_is_refused() -> None:
    refused = pairs.refused()
    for pair, reason in refused.items():
        assert reason.startswith(REASONS[pair[0][0], pair[1][0]]), pair
    assert {(pair[0][0], pair[1][0]) for pair in refused} == REASONS.keys()
    for name, suits in (("label_smoothing", lambda loss: loss.relabel), ("ada", lambda loss: loss.boundary is not None)):
        assert {a[1] for a, b in refused if (a[0], b[0]) == ("loss", name)} == {key for key, loss in LOSSES.items() if not suits(loss)}
    assert {value for pair in refused for name, value in pair if name == "update"} == {"unrolled"}


@every_arch
def test_a_state_can_be_loaded_twice(arch: str) -> None:
    """Saving and loading change no state, and both resumed runs end alike."""
    settings = together(TRICKS, pairs.asked({"arch": arch, "loss": "nonsaturating"}))
    run = tiny(settings)
    ticks = run.ticks()
    next(ticks), next(ticks)
    state = through_a_file(run.state_dict())
    ends = []
    for _ in range(2):
        again = tiny(settings)
        again.load_state_dict(copy.deepcopy(state))
        assert equal(again.state_dict(), state)
        ends.append((list(again.ticks()), again.state_dict()))
    assert equal(ends[0][1], ends[1][1])
    assert ends[0][0] == ends[1][0] == list(ticks)


def test_resuming_with_a_plugin_that_uses_the_global_random_state(plugins: None) -> None:
    @trick("dropping")
    class Dropping(Trick):
        """D sees half of the pixels, by dropout. Nobody 2026."""

        def view(self, images: Tensor, rng: torch.Generator) -> Tensor:
            return nn.functional.dropout(images)

    whole, resumed = tiny({"dropping": True}), tiny({"dropping": True})
    ticks = whole.ticks()
    next(ticks), next(ticks)
    state = through_a_file(whole.state_dict())
    expected = list(ticks)
    torch.manual_seed(987654321)
    resumed.load_state_dict(state)
    assert list(resumed.ticks()) == expected


@every_arch
def test_measuring_more_often_does_not_change_training(arch: str) -> None:
    on = dict.fromkeys(("ema", "spectral_norm", "instance_noise", "dragan"), True)
    settings = {"arch": arch, "loss": "relativistic", "d.norm": "batch", "d_steps": 3, **on}
    plain = tiny(settings)
    list(plain.ticks())
    watched = tiny({**settings, "tick_kimg": 0.012})
    for _ in watched.ticks():
        watched.generator().sample(7, seed=3)
        effective(watched)
        watched.tick_signals()
    assert equal(watched.state_dict(), plain.state_dict())


def test_the_seed_determines_all_randomness() -> None:
    def trained(seed: int) -> list[Tick]:
        torch.manual_seed(seed + 100)  # the global random state must not matter
        return list(tiny({"seed": seed, "instance_noise": True, "wgan_gp": True}).ticks())

    assert trained(1) == trained(1) != trained(2)


# What a tick reports ---------------------------------------------------------------------------------


def test_terms_of_g_are_reported(plugins: None) -> None:
    @trick("shy")
    class Shy(Trick):
        """G is rewarded for images near 0. Nobody 2026."""

        def g_term(self, step: Step) -> Tensor:
            return step.fake.square().mean()

    run = tiny({"shy": True})
    ticks = list(run.ticks())
    assert "d/shy" not in ticks[1].signals
    assert ticks[-1].signals["g/shy"] < ticks[1].signals["g/shy"]  # the term affects G


@every_loss
def test_signals_are_means_of_the_steps(loss: str) -> None:
    """Compared with single steps of a run with the same seed. G's signals are means over G's steps only."""
    settings = {"loss": loss, "d_steps": 2, "r1": True}
    run, steps = tiny(settings), tiny(settings)
    ticks = list(run.ticks())[1:]
    for tick in ticks:
        values: dict[str, list[float]] = {}
        for i in range(4):
            signals = steps.d_step() | (steps.g_step() if i % 2 else {})
            for name, value in signals.items():
                values.setdefault(name, []).append(value.item())
        assert {len(found) for name, found in values.items() if name.startswith("g/")} == {2}
        for name, found in values.items():
            assert tick.signals[name] == pytest.approx(sum(found) / len(found), rel=1e-5, abs=1e-6), name


@every_arch
def test_losses_and_gradient_norms_match_a_manual_computation(arch: str) -> None:
    """The gradient is that of d/adv + d/trick, and its norm is over all parameters of the network. The other network does not change."""
    run = tiny({"arch": arch, "weight_penalty": True, "weight_penalty.weight": 3.0})
    g_before, d_before = copy.deepcopy(run.nets.g.state_dict()), copy.deepcopy(run.nets.d)
    rng, batches = run.rng.get_state(), copy.deepcopy(run.batches.state_dict())
    signals = run.d_step()
    assert all(torch.equal(value, g_before[name]) for name, value in run.nets.g.named_parameters())
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in run.nets.d.parameters() if p.grad is not None))
    assert signals["d/grad_norm"].item() == pytest.approx(norm, rel=1e-5)

    again = tiny({"arch": arch})
    again.rng.set_state(rng)
    again.batches.load_state_dict(batches)
    real = again.batches.next_batch()
    with torch.no_grad():
        fake = again.nets.g(again.noise())
    weights = sum(p.square().sum() for p in d_before.parameters() if p.ndim > 1)
    loss = LOSSES["nonsaturating"].d(d_before(real), d_before(fake)) + 1.5 * weights
    gradients = torch.autograd.grad(loss, list(d_before.parameters()))
    for ours, theirs in zip(run.nets.d.parameters(), gradients, strict=True):
        torch.testing.assert_close(ours.grad, theirs)

    d_before_g = copy.deepcopy(dict(run.nets.d.named_parameters()))
    signals = run.g_step()
    assert all(torch.equal(value, d_before_g[name]) for name, value in run.nets.d.named_parameters())
    assert all(p.requires_grad for p in run.nets.d.parameters())
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in run.nets.g.parameters() if p.grad is not None))
    assert signals["g/grad_norm"].item() == pytest.approx(norm, rel=1e-5)
    assert signals.keys() == {"g/adv", "g/grad_norm"}


@every_loss
def test_accuracy_is_the_share_on_the_right_side_of_the_boundary(loss: str) -> None:
    run = tiny({"loss": loss})
    boundary = LOSSES[loss].boundary
    offsets = torch.tensor([-2.0, 0.1, 1.0, 3.0])
    step = Step(
        nets=run.nets, real=offsets, fake=offsets, real_logits=offsets + (boundary or 0), fake_logits=offsets + (boundary or 0), rng=run.rng
    )
    found = {name: value.item() for name, value in run.accuracy(step).items()}
    assert found == ({} if boundary is None else {"d/real_accuracy": 0.75, "d/fake_accuracy": 0.25})


@pytest.mark.parametrize("shape", [(2,), (3, 4, 4)])
def test_the_image_gradient_of_a_linear_d(shape: tuple[int, ...]) -> None:
    """Its norm equals the norm of the weights for every image."""
    linear = nn.Linear(math.prod(shape), 1)
    d = Discriminator(nn.Flatten(), linear)
    assert image_gradient(d, torch.randn(5, *shape)) == pytest.approx(linear.weight.norm().item(), rel=1e-5)
    assert d.training
    assert linear.weight.grad is None


@pytest.mark.parametrize(("size", "samples"), [(1, 2), (7, 2), (7, 3), (50, 4)])
def test_data_smaller_than_a_batch(size: int, samples: int) -> None:
    """Packs stay full, also when the number of rows is not a multiple of the pack size."""
    ticks = list(tiny({"data.size": size, "packing": True, "packing.samples": samples, "batch_size": 24}).ticks())
    assert ticks[-1].images == 144


# Refused combinations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"arch": "dcgan", "data": "ring8"}, r"arch: dcgan needs square images of .* the data are \(2,\).*arch: mlp for points"),
        ({"arch": "dcgan", "data.resolution": 9}, r"data.resolution must be one of \[8, 12, 16, .*\] with arch: dcgan; given 9"),
        (
            {"arch": "infogan", "data.resolution": 9, "g.head": "dense"},
            r"data.resolution must be a multiple of 4 with arch: infogan; given 9",
        ),
        ({"data.size": 100_001}, r"data.size must be from 1 to 100000, the number of training images; given 100001"),
        ({"loss": "hinge", "label_smoothing": True}, r"label_smoothing needs a loss with labels"),
        ({"update": "extragradient", "d_steps": 2}, r"d_steps needs update: one of alternating, .*; given 2 with update: extragradient"),
        ({"packing": True, "batch_size": 13}, r"batch_size must be a multiple of packing.samples"),
    ],
)
def test_invalid_settings_are_refused_with_the_reason(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(settings)
