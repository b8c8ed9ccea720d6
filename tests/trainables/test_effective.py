"""Every setting is applied: its value is read back from an object, or a test shows its effect."""

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
    "arch": "test_the_architecture_has_its_layers",
    "loop": "test_a_loop_is_looked_up_by_name",
    "d_steps": "test_d_steps_and_g_steps_are_the_updates_per_round",
    "g_steps": "test_d_steps_and_g_steps_are_the_updates_per_round",
    "latent.distribution": "test_latents_follow_the_distribution",
    "latent.truncation": "test_latents_follow_the_distribution",
    "g.init": "test_init_and_gain_set_the_initial_weights",
    "d.init": "test_init_and_gain_set_the_initial_weights",
    "g.gain": "test_init_and_gain_set_the_initial_weights",
    "d.gain": "test_init_and_gain_set_the_initial_weights",
    "budget_kimg": "test_budget_and_tick_set_the_images_of_each_tick",
    "tick_kimg": "test_budget_and_tick_set_the_images_of_each_tick",
    "seed": "test_the_seed_determines_weights_latents_and_order",
    "data.resolution": "test_samples_have_the_resolution",
    "data.root": "test_root_and_download_are_read_by_the_data_sets",  # also in test_data.py, for each data set
    "data.download": "test_root_and_download_are_read_by_the_data_sets",
    "data.classes": "test_classes_and_imbalance_select_the_training_rows",
    "data.imbalance": "test_classes_and_imbalance_select_the_training_rows",
    **{f"data.{name}": "test_shape_settings_change_the_points" for name in OWN},
}
READ_BACK = [name for name in settings() if name not in SHOWN_BY_BEHAVIOUR]


def test_every_setting_is_read_back_or_has_a_test() -> None:
    everything = [{}, *(needs(name) | {name: True} for name in TRICKS), *({"update": update} for update in UPDATES)]
    assert set().union(*(effective(tiny(settings)) for settings in everything)) == set(READ_BACK)
    assert all(test in globals() for test in SHOWN_BY_BEHAVIOUR.values())


@pytest.mark.parametrize("name", READ_BACK)
def test_each_setting_is_read_back_as_given(name: str) -> None:
    given = needs(name) | {name: another(name)}
    shown, base = effective(tiny(given)), effective(tiny(needs(name)))
    assert shown[name] == another(name)
    assert type(shown[name]) is type(another(name))
    assert base.get(name, False) != another(name)
    along = {setting for setting in settings() if setting.startswith(f"{another(name)}." if name == "update" else f"{name}.")}
    along |= {name.replace("activation", "slope")} - {name}  # slope applies to leaky_relu only
    assert {other for other in shown if shown[other] != base.get(other)} - along == {name}  # no other setting changed


@pytest.mark.parametrize("arch", ARCHS)
def test_many_settings_together_are_read_back(arch: str) -> None:
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
def test_norms_are_read_back_at_every_depth(side: str, depth: int, norm: str) -> None:
    shown = effective(tiny({f"{side}.depth": depth, f"{side}.norm": norm}))
    assert (shown[f"{side}.depth"], shown[f"{side}.norm"]) == (depth, norm)


def test_both_optimisers_have_the_betas_and_every_parameter() -> None:
    run = tiny({"beta1": 0.3, "beta2": 0.8, "minibatch_std": True, "spectral_norm": True})
    for opt, net in ((run.g_opt, run.nets.g), (run.d_opt, run.nets.d)):
        assert {group["betas"] for group in opt.param_groups} == {(0.3, 0.8)}
        assert {id(p) for group in opt.param_groups for p in group["params"]} == {id(p) for p in net.parameters()}


@pytest.mark.parametrize("arch", ARCHS)
def test_reading_back_changes_no_state(arch: str) -> None:
    run = tiny({"arch": arch, "g.norm": "batch", "d.norm": "batch", "ema": True, "spectral_norm": True})
    before = copy.deepcopy(run.state_dict())
    effective(run)
    torch.testing.assert_close(run.state_dict(), before, rtol=0, atol=0)


# Settings that no object shows -----------------------------------------------------------------------


def test_the_architecture_has_its_layers() -> None:
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
def test_d_steps_and_g_steps_are_the_updates_per_round(d_steps: int, g_steps: int) -> None:
    """Also if a tick falls between two updates of G."""
    ticks = list(tiny({"d_steps": d_steps, "g_steps": g_steps}).ticks())
    assert [tick.signals["g/updates"] for tick in ticks[1:]] == [g_steps * (updates // d_steps) for updates in (4, 8, 12)]


def test_latents_follow_the_distribution() -> None:
    def latents(distribution: str, **more: Any) -> torch.Tensor:
        settings = {f"latent.{name}": value for name, value in {"distribution": distribution, "dim": 100, **more}.items()}
        return tiny({**settings, "batch_size": 2000, "data.size": None}).noise()

    normal, uniform, sphere = (latents(distribution) for distribution in ("normal", "uniform", "sphere"))
    for limit, more in ((2.0, {}), (0.5, {"truncation": 0.5})):
        assert 0.99 * limit < latents("truncated", **more).abs().max() <= limit
    torch.testing.assert_close(sphere.norm(dim=1), torch.full((2000,), 10.0))
    assert sphere.std().item() == pytest.approx(1, rel=0.01)
    assert normal.std().item() == pytest.approx(1, rel=0.01)
    assert normal.norm(dim=1).std() > 0.5  # lengths vary
    assert -1 <= uniform.min() < -0.99 < 0.99 < uniform.max() <= 1
    assert uniform.std().item() == pytest.approx(3**-0.5, rel=0.01)


@pytest.mark.parametrize("side", ["g", "d"])
@pytest.mark.parametrize("arch", ARCHS)
def test_init_and_gain_set_the_initial_weights(arch: str, side: str) -> None:
    """The setting affects every layer of its network only. test_initialisation.py checks the distributions."""
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
        (0.1, 1.0, 12, [0, 108]),  # the last batch is not cut
        (0.1, 0.04, 12, [0, 48, 84, 108]),  # a tick follows the first batch that reaches a multiple of tick_kimg
        (0.024, 0.001, 12, [0, 12, 24]),  # at most one tick per batch
        (0.001, 0.001, 50, [0, 50]),
    ],
)
def test_budget_and_tick_set_the_images_of_each_tick(budget: float, tick: float, batch_size: int, expected: list[int]) -> None:
    run = tiny({"budget_kimg": budget, "tick_kimg": tick, "batch_size": batch_size})
    assert [tick.images for tick in run.ticks()] == expected
    assert run.images == expected[-1]


def test_the_seed_determines_weights_latents_and_order() -> None:
    first, same, other = (tiny({"seed": seed}) for seed in (1, 1, 2))
    draws = [[*run.nets.g.parameters(), *run.nets.d.parameters(), run.noise(), run.batches.next_batch()] for run in (first, same, other)]
    weights = [i for i, draw in enumerate(draws[0]) if draw.ndim > 1]
    assert all(torch.equal(a, b) for a, b in zip(draws[0], draws[1], strict=True))
    assert not any(torch.equal(draws[0][i], draws[2][i]) for i in weights)


@pytest.mark.parametrize("resolution", [8, 16, 28])
@pytest.mark.parametrize("arch", ARCHS)
def test_samples_have_the_resolution(arch: str, resolution: int) -> None:
    run = tiny({"arch": arch, "data": "digits", "data.resolution": resolution})
    assert run.generator().sample(3).shape == (3, 1, resolution, resolution)


def test_classes_and_imbalance_select_the_training_rows() -> None:
    run = Run(
        tiny_config({"data": "digits", "data.classes": [7, 1], "data.imbalance": 3, "data.size": None}),
        load(DataConfig(classes=[7, 1], imbalance=3)),  # type: ignore[arg-type]
    )
    assert run.source.classes == ("1", "7")
    assert run.batches.size == len(run.source.train) < 300


@pytest.mark.parametrize("name", [f"data.{name}" for name in OWN])
def test_shape_settings_change_the_points(name: str) -> None:
    """Another value gives other points; test_mixtures.py checks their shape."""
    config = tiny_config(needs(name) | {name: another(name)})
    assert load(config.data).fingerprint != load(config.data.model_copy(update={name.removeprefix("data."): None})).fingerprint


def test_root_and_download_are_read_by_the_data_sets(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=str(tmp_path)):
        source_of(DataConfig(name="image_folder", root=str(tmp_path)))
    with pytest.raises(ValueError, match=r"data.download must be left out for digits"):
        source_of(DataConfig(name="digits", download=True))
