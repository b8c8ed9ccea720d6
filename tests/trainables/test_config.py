"""TrialConfig: names, round trips, ids, and a range for every setting."""

import json
import random
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution
from tiny import another, needs, together

from study.spec.domains import at, extremes
from study.spec.ranges import NO_RANGE, RANGES
from trainables.config import TrialConfig, live, settings, switch_of
from trainables.data import OWN
from trainables.tricks import TRICKS

SETTINGS = [name for name in settings() if switch_of(name)]

DEFAULTS: dict[str, Any] = {
    "data": "digits",
    "data.size": None,
    "data.resolution": None,
    "data.root": None,
    "data.download": False,
    "data.classes": None,
    "data.imbalance": None,
    **{f"data.{name}": None for name in OWN},
    "loop": "gan",
    "arch": "dcgan",
    "loss": "nonsaturating",
    "margin": None,
    "g.lr": 0.0002,
    "g.width": 64,
    "g.depth": None,
    "g.activation": "relu",
    "g.norm": "batch",
    "d.lr": 0.0002,
    "d.width": 64,
    "d.depth": None,
    "d.activation": "leaky_relu",
    "d.norm": "none",
    "latent.dim": 64,
    "latent.distribution": "normal",
    "latent.truncation": None,
    "g.upsampling": None,
    "g.output": "tanh",
    "d.downsampling": None,
    **{f"{side}.{setting}": None for side in "gd" for setting in ("slope", "kernel", "init", "gain", "head")},
    "g.dropout": 0.0,
    "d.dropout": 0.0,
    "beta1": 0.5,
    "beta2": 0.999,
    "optimiser": "adam",
    "d.optimiser": None,
    "g.condition": None,
    "g.embedding": None,
    "d.condition": None,
    "d.class_weight": None,
    "weight_decay": None,
    "update": "alternating",
    "lookahead.k": 5,
    "lookahead.alpha": 0.5,
    "unrolled.steps": 5,
    "d_steps": 1,
    "g_steps": 1,
    "batch_size": 64,
    "budget_kimg": 20.0,
    "tick_kimg": 2.0,
    "seed": 0,
    "instance_noise.std": 0.1,
    "instance_noise.until": 1.0,
    "packing.samples": 2,
    "label_smoothing.real": 0.9,
    "weight_clipping.limit": 0.01,
    "weight_penalty.weight": 0.001,
    "r1.gamma": 10.0,
    "r2.gamma": 10.0,
    "wgan_gp.weight": 10.0,
    "dragan.weight": 10.0,
    "ema.halflife_kimg": 10.0,
    "ema.rampup": 0.05,
    "swa.share": 0.25,
    "instance_noise.shape": "linear",
    "label_smoothing.fake": 0.0,
    "label_flipping.share": 0.05,
    "orthogonal_regularisation.weight": 1e-4,
    "orthogonal_regularisation.net": "d",
    "minibatch_discrimination.kernels": 100,
    "minibatch_discrimination.dims": 5,
    "gradient_penalty.where": "line",
    "gradient_penalty.to": "one",
    "gradient_penalty.weight": 10.0,
    **{
        f"{name}.{setting}": value
        for name in ("gradient_penalty", "r1", "r2", "wgan_gp", "dragan", "weight_penalty", "orthogonal_regularisation")
        for setting, value in (("warmup", 0.0), ("end", 1.0), ("until", 1.0), ("shape", "cosine"))
    },
    **{f"{name}.interval": 1 for name in ("gradient_penalty", "r1", "r2", "wgan_gp", "dragan")},
    "gradient_clipping.norm": 1.0,
    "lr_schedule.shape": "linear",
    "lr_schedule.warmup": 0.0,
    "lr_schedule.start": 0.0,
    "lr_schedule.end": 0.0,
    "top_k.least": 0.5,
    "top_k.decay": 0.99,
    "feature_matching.weight": 1.0,
    "feature_matching.adversarial": 0.0,
    "mode_seeking.weight": 1.0,
    "historical_averaging.weight": 1.0,
    "experience_replay.share": 0.5,
    "experience_replay.images": 1024,
    "lecam.weight": 0.3,
    "lecam.decay": 0.99,
    "diffaugment.policy": "colour,translation,cutout",
    "ada.target": 0.6,
    "ada.speed_kimg": 500.0,
    "ada.policy": "flip,translation,colour,cutout",
    "consistency.real": 10.0,
    "consistency.fake": 0.0,
    "consistency.policy": "flip,translation",
}


def random_flat(seed: int) -> dict[str, Any]:
    """Return random values from all ranges, with about half of the tricks."""
    rng = random.Random(seed)
    flat: dict[str, Any] = {name: at(line.domain, rng.random()) for name, line in RANGES.items()} | {"seed": seed, "budget_kimg": 1000.0}
    flat |= {"arch": "mlp", "loss": "nonsaturating"} if rng.random() < 0.5 else {"arch": "dcgan", "g.kernel": 3, "d.kernel": 5}
    if rng.random() < 0.5:
        flat |= dict.fromkeys(("g.condition", "d.condition"))
    flat |= {"g.norm": "batch"} if flat["g.condition"] == "batchnorm" else {}
    if flat["update"] == "unrolled":
        flat |= {"optimiser": "adam", "d.optimiser": "adam", "d.norm": "layer"}
    flat["batch_size"] = 12 * (1 + flat["batch_size"] // 12)  # divisible by any packing
    on = together([name for name in TRICKS if rng.random() < 0.5], live({"data": "digits", **flat}))
    return live({**flat, **on})


# Round trips and identities --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(50))
def test_flat_round_trip(seed: int) -> None:
    flat = random_flat(seed)
    config = TrialConfig.from_flat(flat)
    assert flat.items() <= config.flat().items()  # no given setting is lost
    assert TrialConfig.from_flat(config.flat()) == config
    assert TrialConfig.from_flat(json.loads(json.dumps(config.flat()))) == config
    assert TrialConfig.model_validate(config.model_dump()) == config
    assert config.flat().keys() <= settings().keys()


def test_settings_returns_the_defaults() -> None:
    defaults = settings()
    off = {name: value for name, value in defaults.items() if name not in SETTINGS}
    assert TrialConfig.from_flat(off) == TrialConfig()
    on = [name for name, value in together(TRICKS, {"data": "digits", "arch": "dcgan"}).items() if value is True]
    assert len(on) > len(TRICKS) / 2
    given = {name: value for name, value in {**defaults, **dict.fromkeys(on, True)}.items() if name not in TRICKS or value}
    everything = {name: value for name, value in given.items() if (switch := switch_of(name)) is None or switch.met(given.get)}
    assert TrialConfig.from_flat(everything) == TrialConfig(tricks={name: {} for name in on})
    assert TrialConfig.from_flat(everything).flat() == everything
    assert TrialConfig.from_flat(live(everything)) == TrialConfig.from_flat(everything)


def test_a_disabled_trick_equals_an_absent_one() -> None:
    assert TrialConfig.from_flat({"r1": False}) == TrialConfig()


@pytest.mark.parametrize("name", [name for name in settings() if name != "loop"])
def test_config_id_identifies_the_config(name: str) -> None:
    """The id ignores settings that do not change the method (seed, tick, file locations) and depends on all others."""
    base = TrialConfig.from_flat(needs(name))
    config = TrialConfig.from_flat({**base.flat(), name: another(name)})
    ignored = name in ("seed", "tick_kimg", "data.root", "data.download")
    assert (config.config_id == base.config_id) == ignored
    assert config.trial_id == f"{config.config_id}-s{config.seed}"


def test_config_ids_of_a_whole_design_differ() -> None:
    ids = {TrialConfig.from_flat(random_flat(seed)).config_id for seed in range(200)}
    assert len(ids) == 200
    assert all(len(name) == 10 and int(name, 16) >= 0 for name in ids)


def test_defaults_never_change() -> None:
    """Existing records depend on them, because an id hashes what differs from the defaults. New settings may be added."""
    assert DEFAULTS.items() <= settings().items()
    assert not any(settings()[name] for name in TRICKS)
    assert TrialConfig().config_id == "44136fa355"
    pinned = {"data": "ring8", "arch": "mlp", "g.lr": 1e-3, "r1": True, "r1.gamma": 2.0}
    assert TrialConfig.from_flat(pinned).config_id == "59819ba1bf"


def test_integers_equal_floats_of_the_same_value() -> None:
    whole, fraction = ({"r1": True, "r1.gamma": gamma, "budget_kimg": kimg} for gamma, kimg in ((3, 7), (3.0, 7.0)))
    assert TrialConfig.from_flat(whole) == TrialConfig.from_flat(fraction)
    assert TrialConfig.from_flat(whole).config_id == TrialConfig.from_flat(fraction).config_id
    assert TrialConfig.from_flat({"r1": True, "r1.gamma": 10}).config_id == TrialConfig.from_flat({"r1": True}).config_id  # the default


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        TrialConfig().seed = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        TrialConfig().g.lr = 1.0  # type: ignore[misc]


# Ranges ----------------------------------------------------------------------------------------------


def test_every_setting_has_a_range_and_every_range_a_setting() -> None:
    assert settings().keys() - TRICKS.keys() == RANGES.keys() | NO_RANGE.keys()  # tricks are booleans
    assert not RANGES.keys() & NO_RANGE.keys()
    assert all(entry.reason for entry in NO_RANGE.values())


@pytest.mark.parametrize("name", RANGES)
def test_a_range_is_valid_and_includes_the_default(name: str) -> None:
    line, default = RANGES[name], settings()[name]
    assert any(character.isdigit() for character in line.source)  # a year, or a number it is derived from
    for value in extremes(line.domain):
        also = {"packing": {"batch_size": 12 * 64}}.get(name.partition(".")[0], {})
        assert TrialConfig.from_flat(needs(name) | also | {name: value}).flat()[name] == value
    if default is None:  # the default of the architecture
        return
    if isinstance(line.domain, CategoricalDistribution):
        assert default in line.domain.choices
    else:
        assert line.domain.low <= default <= line.domain.high  # type: ignore[attr-defined]
