"""TrialConfig: names, round trips, ids, refusals, and a range for every setting."""

import json
import random
from dataclasses import asdict
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution
from tiny import another, needs, together

from study.spec.domains import at, extremes
from study.spec.ranges import NO_RANGE, RANGES
from trainables.config import TrialConfig, live, settings, switch_of
from trainables.data import OWN
from trainables.sections import Count, Positive
from trainables.tricks import TRICKS
from trainables.tricks.base import Trick, trick
from trainables.updates import UPDATES
from trainables.updates.alternating import Alternating
from trainables.updates.base import Update, update

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


# Refusals --------------------------------------------------------------------------------------------

REFUSALS: list[tuple[dict[str, Any], str]] = [
    # unknown names, with the nearest
    ({"losss": "hinge"}, "no setting named 'losss'; did you mean 'loss'?"),
    ({"dlr": 1e-4}, "did you mean 'd.lr'?"),
    ({"r1": True, "r1.gama": 1.0}, "no setting named 'r1.gama'; did you mean 'r1.gamma'?"),
    ({"qqqqqq": 1}, "no setting named 'qqqqqq'; `ganstudy list settings` prints all "),
    ({"tricks": {"r1": {}}}, "no setting named 'tricks'"),
    ({"loss": "hing"}, "no loss named 'hing'; did you mean 'hinge'?"),
    ({"data": "digts"}, "no data set named 'digts'; did you mean 'digits'?"),
    ({"arch": "dcgam"}, "no architecture named 'dcgam'; did you mean 'dcgan'?"),
    ({"update": "lookahed"}, "no update rule named 'lookahed'; did you mean 'lookahead'?"),
    ({"update": "lookahead", "lookahead.steps": 5}, "no setting named 'lookahead.steps'; "),
    ({"optimiser": "adm"}, "no optimiser named 'adm'; did you mean 'adam'?"),
    ({"d.optimiser": "rms"}, "no optimiser named 'rms'"),
    ({"loop": "gam"}, "no training loop named 'gam'; did you mean 'gan'?"),
    ({"g.norm": "spectral"}, "g.norm must be 'none', 'batch', 'layer', 'instance' or 'group'; given 'spectral'"),
    # wrong types
    ({"g.lr": "1e-4"}, "g.lr must be a number; given '1e-4'"),
    ({"d_steps": 2.0}, "d_steps must be a whole number; given 2.0"),
    ({"data": 5}, "data must be text; given 5"),
    ({"loss": None}, "loss must be text; given null"),
    ({"batch_size": True}, "batch_size must be a whole number; given true"),
    ({"budget_kimg": True}, "budget_kimg must be a number; given true"),
    ({"update": "lookahead", "lookahead.k": 2.5}, "lookahead.k must be a whole number; given 2.5"),
    ({"update": "lookahead", "lookahead.alpha": 0.0}, "lookahead.alpha must be above 0; given 0.0"),
    ({"update": ["lookahead"]}, "update must be text; given [lookahead]"),
    ({"r1": True, "r1.gamma": True}, "r1.gamma must be a number; given true"),
    ({"r1": True, "r1.gamma": "10"}, "r1.gamma must be a number; given '10'"),
    ({"r1": 1}, "r1 enables a trick and must be true or false; given 1"),
    ({"r1": 10.0}, "r1 enables a trick and must be true or false; given 10.0"),
    # words that YAML 1.2 reads as text
    (
        {"r1": "on"},
        "r1 enables a trick and must be true or false; given 'on' (YAML 1.2 reads on, off, yes and no as text: write true or false)",
    ),
    ({"data.download": "yes"}, "data.download must be true or false; given 'yes' (YAML 1.2"),
    # out of bounds
    ({"g.lr": 0.0}, "g.lr must be above 0; given 0.0"),
    ({"g.gain": 1.4}, "g.gain needs g.init: one of normal, xavier, kaiming, orthogonal; given 1.4 with g.init: null"),
    (
        {"arch": "resnet", "d.norm": "none", "d.init": "fixup", "d.gain": 2.0},
        "d.gain needs d.init: one of normal, xavier, kaiming, orthogonal; given 2.0 with d.init: fixup",
    ),
    ({"d.lr": float("inf")}, "d.lr must be a finite number; given .inf"),
    ({"d.lr": float("nan")}, "d.lr must be"),
    ({"beta1": float("nan")}, "beta1 must be"),
    ({"beta2": 1.0}, "beta2 must be below 1; given 1.0"),
    ({"d_steps": 0}, "d_steps must be at least 1; given 0"),
    ({"seed": -1}, "seed must be at least 0; given -1"),
    ({"tick_kimg": 0.0004}, "tick_kimg must be at least 0.001; given 0.0004"),
    ({"budget_kimg": 0.0}, "budget_kimg must be at least 0.001; given 0.0"),
    ({"r1": True, "r1.gamma": -1.0}, "r1.gamma must be above 0; given -1.0"),
    # combinations
    ({"r1.gamma": 1.0}, "r1.gamma needs r1: true; set that too, or remove r1.gamma"),
    ({"r1": False, "r1.gamma": 1.0}, "r1.gamma needs r1: true"),
    ({"label_smoothing": True, "loss": "hinge"}, "label_smoothing needs a loss with labels, one of ['least_squares', 'minimax', 'nonsat"),
    ({"packing": True, "batch_size": 33}, "batch_size must be a multiple of packing.samples = 2; given 33"),
    ({"batch_size": 1}, "batch_size must be at least 2 with g.norm: batch, which needs a variance over the batch; given 1"),
    (
        {"batch_size": 2, "packing": True, "d.norm": "batch"},
        "batch_size must be at least 4 with packing.samples = 2 and d.norm: batch; given 2",
    ),
    ({"batch_size": 10**9}, "batch_size must be at most 65536; given 1000000000"),
    ({"lookahead.k": 5}, "lookahead.k needs update: lookahead; set that too, or remove lookahead.k"),
    ({"update": "unrolled", "lookahead.k": 5}, "lookahead.k needs update: lookahead"),
    (
        {"update": "simultaneous", "d_steps": 5},
        "d_steps needs update: one of alternating, lookahead, optimistic, unrolled; given 5 with update: simultaneous",
    ),
    (
        {"update": "extragradient", "g_steps": 2},
        "g_steps needs update: one of alternating, lookahead, optimistic, unrolled; given 2 with update: extragradient",
    ),
    (
        {"update": "unrolled", "optimiser": "sgd"},
        "update: unrolled needs Adam as D's optimiser, as it differentiates through Adam's steps; given 'sgd'",
    ),
    ({"update": "unrolled", "weight_clipping": True}, "weight_clipping must be off with update: unrolled"),
    (
        {"update": "unrolled", "r1": True, "d.norm": "batch"},
        "r1 with update: unrolled takes third derivatives of D, which PyTorch does not",
    ),
    (
        {"optimiser": "sgd", "beta2": 0.9},
        "beta2 needs optimiser or d.optimiser: one of adam, adamw, rmsprop; given 0.9 with optimiser: sgd, d.optimiser: null",
    ),
    (
        {"optimiser": "rmsprop", "weight_decay": 0.1},
        "weight_decay needs optimiser or d.optimiser: adamw; given 0.1 with optimiser: rmsprop",
    ),
    ({"loss": "hinge", "margin": 3.0}, "margin needs loss: energy; given 3.0 with loss: hinge"),
    (
        {"arch": "mlp", "d.norm": "instance"},
        "d.norm must be one of ['batch', 'group', 'layer', 'none'] with arch: mlp, whose layers are dense; given 'instance'",
    ),
    ({"latent.truncation": 1.0}, "latent.truncation needs latent.distribution: truncated; given 1.0 with latent.distribution: normal"),
    ({"latent.dim": 10_001}, "latent.dim must be at most 10000; given 10001"),
    ({"g.slope": 0.1}, "g.slope needs g.activation: leaky_relu; given 0.1 with g.activation: relu"),
    ({"d.slope": 0.1, "d.activation": "elu"}, "d.slope needs d.activation: leaky_relu; given 0.1 with d.activation: elu"),
    (
        {"g.kernel": 4, "g.depth": 2},
        "g.kernel must be odd if convolutions keep the size of the map (only strided and transposed ones may",
    ),
    ({"d.kernel": 4, "d.downsampling": "max"}, "d.kernel must be odd if convolutions keep the size of the map"),
    (
        {"arch": "r3", "g.head": "dense"},
        "g.head needs arch: one of dcgan, infogan, resnet; given 'dense' with arch: r3",
    ),
    ({"d.dropout": 1.0}, "d.dropout must be below 1; given 1.0"),
    ({"d.kernel": 1}, "d.kernel must be at least 2; given 1"),
    (
        {"arch": "r3", "spectral_norm": True},
        "spectral_norm divides weights by their largest singular value, and some weights of D are initialised to 0 with arch: r3, d.init: the default; set d.init",
    ),
    (
        {"arch": "resnet", "spectral_norm": True, "d.init": "fixup"},
        "some weights of D are initialised to 0 with arch: resnet, d.init: fixup; set d.init",
    ),
    (
        {"g.condition": "concat"},
        "g.condition and d.condition must be set together, because G learns the class from D; given 'concat' and null",
    ),
    ({"d.condition": "projection"}, "given null and 'projection'"),
    ({"g.embedding": 8}, "g.embedding needs g.condition: concat; given 8 with g.condition: null"),
    (
        {"g.condition": "batchnorm", "d.condition": "projection", "g.embedding": 8},
        "g.embedding needs g.condition: concat; given 8 with g.condition: batchnorm",
    ),
    (
        {"g.condition": "concat", "d.condition": "projection", "d.class_weight": 2.0},
        "d.class_weight needs d.condition: auxiliary; given 2.0 with d.condition: projection",
    ),
    (
        {"g.condition": "batchnorm", "d.condition": "projection", "g.norm": "layer"},
        "g.condition: batchnorm needs g.norm: batch, whose gains and biases depend on the class; given 'layer'",
    ),
    ({"g.condition": "spade", "d.condition": "concat"}, "no condition of G named 'spade'; there are ['batchnorm', 'concat']"),
    (
        {"g.condition": "concat", "d.condition": "projection", "packing": True},
        "packing must be off with d.condition: projection: D gives a pack one logit, and its samples have several classes",
    ),
    (
        {"g.condition": "concat", "d.condition": "projection", "loss": "relativistic", "experience_replay": True},
        "experience_replay must be off with g.condition and loss: relativistic: both images of a pair have one class",
    ),
    (
        {"g.condition": "concat", "d.condition": "projection", "loss": "relativistic", "mode_seeking": True},
        "mode_seeking must be off with g.condition and loss: relativistic",
    ),
    (
        {"update": "lookahead", "lookahead.k": 32, "batch_size": 64, "budget_kimg": 2.0},
        "lookahead.k must be at most 31, the updates of G within budget_kimg, or it has no effect; given 32",
    ),
    # several errors
    ({"g.lr": -1.0, "d.lr": "x"}, "g.lr must be above 0; given -1.0; d.lr must be a number; given 'x'"),
]


@pytest.mark.parametrize(("flat", "message"), REFUSALS, ids=lambda value: " ".join(value) if isinstance(value, dict) else "")
def test_invalid_settings_are_refused_with_the_reason(flat: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011  (the message is checked below)
        TrialConfig.from_flat(flat)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("tricks", "message"),
    [
        ({"r11": {}}, "no trick named 'r11'; did you mean 'r1'?"),
        (
            {"r1": {"gama": 1.0}},
            "r1 has no setting 'gama'; did you mean 'gamma'? its settings are ['warmup', 'end', 'until', 'shape', 'interval', 'gamma']",
        ),
    ],
)
def test_the_constructor_refuses_too(tricks: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        TrialConfig(tricks=tricks)
    assert message in str(error.value)


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


# Plugins ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("plugins")
def test_a_plugin_trick_works_like_a_built_in_one() -> None:
    @trick("zoo")
    class Zoo(Trick):
        """A trick for wasserstein only. Nobody 2026."""

        strength: Positive = 3.0

        def check(self, config: TrialConfig) -> None:
            if config.loss != "wasserstein":
                raise ValueError(f"zoo needs loss: wasserstein; given {config.loss!r}")

    assert settings()["zoo"] is False
    assert settings()["zoo.strength"] == 3.0
    config = TrialConfig.from_flat({"loss": "wasserstein", "zoo": True, "zoo.strength": 4.0})
    assert config.flat()["zoo.strength"] == 4.0
    assert len({config.config_id, TrialConfig.from_flat({"loss": "wasserstein", "zoo": True}).config_id, TrialConfig().config_id}) == 3
    with pytest.raises(ValueError, match="zoo needs loss: wasserstein; given 'hinge'"):
        TrialConfig.from_flat({"loss": "hinge", "zoo": True})
    with pytest.raises(ValueError, match=r"zoo.strength must be above 0; given -1.0"):
        TrialConfig.from_flat({"loss": "wasserstein", "zoo": True, "zoo.strength": -1.0})
    with pytest.raises(ValueError, match=r"the name of a trick must be new; 'zoo' is taken"):
        trick("zoo")(type("Other", (Trick,), {"__doc__": "Other."}))


@pytest.mark.usefixtures("plugins")
def test_a_trick_needs_its_own_docstring() -> None:
    with pytest.raises(ValueError, match=r"a trick needs a docstring.*'bare' has none"):

        @trick("bare")
        class Bare(TRICKS["r1"]):  # type: ignore[misc, name-defined, valid-type]
            pass


@pytest.mark.usefixtures("plugins")
def test_a_plugin_update_rule_works_like_a_built_in_one() -> None:
    @update("lazy")
    class Lazy(Alternating):
        """G moves every `every` rounds. Nobody 2026."""

        every: Count = 2

    assert settings()["lazy.every"] == 2
    config = TrialConfig.from_flat({"update": "lazy", "lazy.every": 3})
    assert (config.update_settings, config.flat()["lazy.every"]) == ({"every": 3}, 3)
    assert TrialConfig(update="lazy").update_settings == {"every": 2}
    assert len({config.config_id, TrialConfig(update="lazy").config_id, TrialConfig().config_id}) == 3
    with pytest.raises(ValueError, match=r"lazy.every must be at least 1; given 0"):
        TrialConfig.from_flat({"update": "lazy", "lazy.every": 0})


def test_tricks_rules_and_sections_have_distinct_names() -> None:
    sections = {name.partition(".")[0] for name in settings() if "." in name and not switch_of(name)}
    assert not TRICKS.keys() & UPDATES.keys()
    assert not (TRICKS.keys() | UPDATES.keys()) & (sections | TrialConfig.model_fields.keys())


@pytest.mark.parametrize("name", [*TRICKS, *UPDATES])
def test_tricks_and_update_rules_cite_a_source_and_have_defaults(name: str) -> None:
    cls: type[Trick] | type[Update] = TRICKS.get(name) or UPDATES[name]
    assert cls.__doc__
    assert any(word[:2] in ("19", "20") and word[:4].isdigit() for word in cls.__doc__.replace(";", " ").replace(".", " ").split())
    assert asdict(cls()).keys() == {setting.partition(".")[2] for setting in SETTINGS if setting.partition(".")[0] == name}
