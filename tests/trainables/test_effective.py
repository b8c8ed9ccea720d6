"""Every setting reaches what it should: what is asked for is what is read back, or what the run does."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import BASE, another, needs, source_of, tiny, tiny_config, together
from torch import nn

from trainables.config import settings
from trainables.data import OWN, load
from trainables.effective import effective
from trainables.models import ARCHS
from trainables.readback import layers
from trainables.run import LOOPS, Run
from trainables.sections import DataConfig
from trainables.tricks import TRICKS
from trainables.updates import UPDATES

SHOWN_BY_BEHAVIOUR = {
    "arch": "test_the_architecture_is_the_one_asked_for",
    "loop": "test_a_loop_is_looked_up_by_name",
    "d_steps": "test_d_steps_and_g_steps_are_the_updates_of_a_round",
    "g_steps": "test_d_steps_and_g_steps_are_the_updates_of_a_round",
    "latent.distribution": "test_the_latents_are_of_the_distribution_asked_for",
    "latent.truncation": "test_the_latents_are_of_the_distribution_asked_for",
    "g.init": "test_the_weights_start_as_asked",
    "d.init": "test_the_weights_start_as_asked",
    "g.gain": "test_the_weights_start_as_asked",
    "d.gain": "test_the_weights_start_as_asked",
    "budget_kimg": "test_budget_and_tick_say_where_the_run_pauses_and_ends",
    "tick_kimg": "test_budget_and_tick_say_where_the_run_pauses_and_ends",
    "seed": "test_the_seed_decides_the_weights_the_latents_and_the_order",
    "data.resolution": "test_the_resolution_is_that_of_the_samples",
    "data.root": "test_root_and_download_are_the_loaders",  # in test_data.py, data set by data set
    "data.download": "test_root_and_download_are_the_loaders",
    "data.classes": "test_classes_and_their_imbalance_are_those_trained_on",
    "data.imbalance": "test_classes_and_their_imbalance_are_those_trained_on",
    **{f"data.{name}": "test_the_shape_of_points_is_the_one_asked_for" for name in OWN},
}
READ_BACK = [name for name in settings() if name not in SHOWN_BY_BEHAVIOUR]


def test_every_setting_is_shown_one_way_or_the_other() -> None:
    everything = [{}, *(needs(name) | {name: True} for name in TRICKS), *({"update": update} for update in UPDATES)]
    assert set().union(*(effective(tiny(settings)) for settings in everything)) == set(READ_BACK)
    assert all(test in globals() for test in SHOWN_BY_BEHAVIOUR.values())


@pytest.mark.parametrize("name", READ_BACK)
def test_what_is_asked_for_is_what_is_read_back(name: str) -> None:
    asked = needs(name) | {name: another(name)}
    shown, base = effective(tiny(asked)), effective(tiny(needs(name)))
    assert shown[name] == another(name)
    assert type(shown[name]) is type(another(name))
    assert base.get(name, False) != another(name)
    along = {setting for setting in settings() if setting.startswith(f"{another(name)}." if name == "update" else f"{name}.")}
    along |= {name.replace("activation", "slope")} - {name}  # of a leaky_relu that is no more
    assert {other for other in shown if shown[other] != base.get(other)} - along == {name}  # and nothing else moved


@pytest.mark.parametrize("arch", ARCHS)
def test_all_at_once(arch: str) -> None:
    asked: dict[str, Any] = {
        **BASE,
        "arch": arch,
        "loss": "least_squares",
        "update": "lookahead",
        "lookahead.k": 7,
        "optimiser": "adamw",
        "d.optimiser": "rmsprop",
        "weight_decay": 0.2,
        "g.norm": "layer",
        "d.norm": "batch",
        "g.activation": "elu",
        "d.activation": "gelu",
    }
    asked |= {"g.lr": 3e-3, "d.lr": 4e-3, "beta1": 0.3, "beta2": 0.8, "g.width": 10, "d.width": 12}
    asked = together(TRICKS, asked)
    shown = effective(tiny(asked))
    for name in asked.keys() & shown.keys():
        assert shown[name] == asked[name], name


@pytest.mark.parametrize("side", ["g", "d"])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_a_norm_is_there_at_every_depth(side: str, depth: int, norm: str) -> None:
    shown = effective(tiny({f"{side}.depth": depth, f"{side}.norm": norm}))
    assert (shown[f"{side}.depth"], shown[f"{side}.norm"]) == (depth, norm)


def test_both_optimisers_have_the_betas_and_every_parameter() -> None:
    run = tiny({"beta1": 0.3, "beta2": 0.8, "minibatch_std": True, "spectral_norm": True})
    for opt, net in ((run.g_opt, run.nets.g), (run.d_opt, run.nets.d)):
        assert {group["betas"] for group in opt.param_groups} == {(0.3, 0.8)}
        assert {id(p) for group in opt.param_groups for p in group["params"]} == {id(p) for p in net.parameters()}


@pytest.mark.parametrize("arch", ARCHS)
def test_looking_moves_nothing(arch: str) -> None:
    run = tiny({"arch": arch, "g.norm": "batch", "d.norm": "batch", "ema": True, "spectral_norm": True})
    before = copy.deepcopy(run.state_dict())
    effective(run)
    torch.testing.assert_close(run.state_dict(), before, rtol=0, atol=0)


# Settings that are read back from no object ----------------------------------------------------------


def test_the_architecture_is_the_one_asked_for() -> None:
    layers = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    kinds = {
        "mlp": ({nn.Linear}, {nn.Linear}),
        "dcgan": ({nn.ConvTranspose2d}, {nn.Conv2d}),
        "resnet": ({nn.Linear, nn.Conv2d}, {nn.Linear, nn.Conv2d}),
    }
    kinds |= {"infogan": ({nn.Linear, nn.ConvTranspose2d}, {nn.Linear, nn.Conv2d}), "r3": kinds["resnet"]}
    assert ARCHS.keys() == kinds.keys()
    for arch, of_nets in kinds.items():
        nets = tiny({"arch": arch}).nets
        found = ({kind for kind in layers for module in net.modules() if isinstance(module, kind)} for net in (nets.g, nets.d))
        assert tuple(found) == of_nets


def test_a_loop_is_looked_up_by_name() -> None:
    assert LOOPS.pick(tiny_config().loop) is Run


@pytest.mark.parametrize(("d_steps", "g_steps"), [(1, 1), (2, 1), (3, 1), (5, 1), (1, 3), (3, 2)])
def test_d_steps_and_g_steps_are_the_updates_of_a_round(d_steps: int, g_steps: int) -> None:
    """Also where a tick comes between two updates of G."""
    ticks = list(tiny({"d_steps": d_steps, "g_steps": g_steps}).ticks())
    assert [tick.signals["g/updates"] for tick in ticks[1:]] == [g_steps * (updates // d_steps) for updates in (4, 8, 12)]


def test_the_latents_are_of_the_distribution_asked_for() -> None:
    def latents(distribution: str, **more: Any) -> torch.Tensor:
        settings = {f"latent.{name}": value for name, value in {"distribution": distribution, "dim": 100, **more}.items()}
        return tiny({**settings, "batch_size": 2000, "data.size": None}).noise()

    normal, uniform, sphere = (latents(distribution) for distribution in ("normal", "uniform", "sphere"))
    for limit, more in ((2.0, {}), (0.5, {"truncation": 0.5})):
        assert 0.99 * limit < latents("truncated", **more).abs().max() <= limit
    torch.testing.assert_close(sphere.norm(dim=1), torch.full((2000,), 10.0))
    assert sphere.std().item() == pytest.approx(1, rel=0.01)
    assert normal.std().item() == pytest.approx(1, rel=0.01)
    assert normal.norm(dim=1).std() > 0.5  # of no fixed length
    assert -1 <= uniform.min() < -0.99 < 0.99 < uniform.max() <= 1
    assert uniform.std().item() == pytest.approx(3**-0.5, rel=0.01)


@pytest.mark.parametrize("side", ["g", "d"])
@pytest.mark.parametrize("arch", ARCHS)
def test_the_weights_start_as_asked(arch: str, side: str) -> None:
    """Every layer of the one network; by what law is in test_starts.py."""
    own, other = (tiny({"arch": arch, **more}).nets for more in ({}, {f"{side}.init": "orthogonal"}))
    for layer, started in zip(layers(getattr(own, side)), layers(getattr(other, side)), strict=True):
        assert not torch.equal(layer.weight, started.weight)
        rows = started.weight.detach().flatten(1)
        gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
        torch.testing.assert_close(gram, torch.eye(len(gram)), atol=1e-5, rtol=0)
    larger = tiny({"arch": arch, f"{side}.init": "orthogonal", f"{side}.gain": 1.4}).nets
    for started, more in zip(layers(getattr(other, side)), layers(getattr(larger, side)), strict=True):
        torch.testing.assert_close(more.weight, 1.4 * started.weight)
    if side == "d":
        assert all(torch.equal(p, q) for p, q in zip(own.g.parameters(), other.g.parameters(), strict=True))


@pytest.mark.parametrize(
    ("budget", "tick", "batch_size", "expected"),
    [
        (0.144, 0.048, 12, [0, 48, 96, 144]),
        (0.144, 0.144, 12, [0, 144]),
        (0.1, 1.0, 12, [0, 108]),  # the batch that spends the budget is shown whole
        (0.1, 0.04, 12, [0, 48, 84, 108]),  # the first batch that reaches a multiple of the tick
        (0.024, 0.001, 12, [0, 12, 24]),  # no tick is finer than a batch
        (0.001, 0.001, 50, [0, 50]),
    ],
)
def test_budget_and_tick_say_where_the_run_pauses_and_ends(budget: float, tick: float, batch_size: int, expected: list[int]) -> None:
    run = tiny({"budget_kimg": budget, "tick_kimg": tick, "batch_size": batch_size})
    assert [tick.images for tick in run.ticks()] == expected
    assert run.images == expected[-1]


def test_the_seed_decides_the_weights_the_latents_and_the_order() -> None:
    first, same, other = (tiny({"seed": seed}) for seed in (1, 1, 2))
    draws = [[*run.nets.g.parameters(), *run.nets.d.parameters(), run.noise(), run.batches.next_batch()] for run in (first, same, other)]
    weights = [i for i, draw in enumerate(draws[0]) if draw.ndim > 1]
    assert all(torch.equal(a, b) for a, b in zip(draws[0], draws[1], strict=True))
    assert not any(torch.equal(draws[0][i], draws[2][i]) for i in weights)


@pytest.mark.parametrize("resolution", [8, 16, 28])
@pytest.mark.parametrize("arch", ARCHS)
def test_the_resolution_is_that_of_the_samples(arch: str, resolution: int) -> None:
    run = tiny({"arch": arch, "data": "digits", "data.resolution": resolution})
    assert run.generator().sample(3).shape == (3, 1, resolution, resolution)


def test_classes_and_their_imbalance_are_those_trained_on() -> None:
    run = Run(
        tiny_config({"data": "digits", "data.classes": [7, 1], "data.imbalance": 3, "data.size": None}),
        load(DataConfig(classes=[7, 1], imbalance=3)),  # type: ignore[arg-type]
    )
    assert run.source.classes == ("1", "7")
    assert run.batches.size == len(run.source.train) < 300


@pytest.mark.parametrize("name", [f"data.{name}" for name in OWN])
def test_the_shape_of_points_is_the_one_asked_for(name: str) -> None:
    """Another value gives other points, which test_mixtures.py measures."""
    config = tiny_config(needs(name) | {name: another(name)})
    assert load(config.data).fingerprint != load(config.data.model_copy(update={name.removeprefix("data."): None})).fingerprint


def test_root_and_download_are_the_loaders(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=str(tmp_path)):
        source_of(DataConfig(name="image_folder", root=str(tmp_path)))
    with pytest.raises(ValueError, match=r"data.download must be left out for digits"):
        source_of(DataConfig(name="digits", download=True))
