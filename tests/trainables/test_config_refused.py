"""TrialConfig: what it refuses, with the reason."""

from typing import Any

import pytest

from trainables.config import TrialConfig

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
