"""Settings of the networks, in every architecture: each has an effect and can be read back, or is refused; and every pair of them."""

import copy
import hashlib
from functools import cache
from itertools import combinations
from typing import Any, get_args

import pairs
import pytest
import torch
from tiny import BASE, equal, through_a_file, tiny, tiny_config
from torch import Tensor, nn

from trainables.config import TrialConfig
from trainables.models import ARCHS
from trainables.models.base import NORMS_1D, NORMS_2D, group_norm
from trainables.models.layers import ToUnit, Unit, upsample_layers
from trainables.readback import network, of_discriminator, of_generator
from trainables.sections import Downsampling, Head, Init, Norm, Output, Upsampling

SETTINGS: dict[str, list[Any]] = {
    "norm": list(get_args(Norm)),
    "slope": [0.05],
    "kernel": [2, 3, 4, 5],
    "dropout": [0.4],
    "init": list(get_args(Init)),
    "head": list(get_args(Head)),
    "depth": [1, 2, 3],
}
OF_SIDE = {
    "g": {"upsampling": list(get_args(Upsampling)), "output": list(get_args(Output))},
    "d": {"downsampling": list(get_args(Downsampling))},
}
CONVOLUTIONAL = {
    (setting, value)
    for side in OF_SIDE
    for setting, values in (SETTINGS | OF_SIDE[side]).items()
    if setting in ("kernel", "head") or "sampling" in setting
    for value in values
}
NOT_RESIDUAL = {("init", "fixup")}
EVEN = {("kernel", 2), ("kernel", 4)}
REFUSED: dict[str, set[tuple[str, Any]]] = {  # values that an architecture refuses, for either network
    "mlp": CONVOLUTIONAL | NOT_RESIDUAL | {("norm", "instance")},
    "dcgan": NOT_RESIDUAL,
    "resnet": EVEN | {("upsampling", "transposed"), ("upsampling", "pixel_shuffle")},
    "infogan": NOT_RESIDUAL | {("norm", "instance"), ("head", "conv")},
    "r3": EVEN
    | {("upsampling", "transposed"), ("upsampling", "pixel_shuffle"), ("downsampling", "strided"), ("head", "dense"), ("head", "conv")},
}
DEFAULTS: dict[str, set[tuple[str, Any]]] = {  # values that change nothing in an architecture without norms, as they are its defaults
    "mlp": {("depth", 2)},
    "dcgan": {("kernel", 4), ("init", "normal"), ("head", "conv"), ("depth", 1), ("upsampling", "transposed"), ("downsampling", "strided")},
    "resnet": {("kernel", 3), ("head", "dense"), ("upsampling", "nearest"), ("downsampling", "average")},
    "infogan": {
        ("kernel", 4),
        ("init", "normal"),
        ("head", "dense"),
        ("depth", 1),
        ("upsampling", "transposed"),
        ("downsampling", "strided"),
    },
    "r3": {("kernel", 3), ("depth", 2), ("upsampling", "bilinear")},
}
DEFAULTS_OF_ALL = {("norm", "none"), ("output", "tanh")}
every_arch = pytest.mark.parametrize("arch", ARCHS)
every_side = pytest.mark.parametrize("side", ["g", "d"])


def with_setting(arch: str, side: str, setting: str, value: Any) -> dict[str, Any]:
    also = {f"{side}.activation": "leaky_relu"} if setting == "slope" else {}
    return {**plain(arch, side, setting), **also, f"{side}.{setting}": value}


def plain(arch: str, side: str, setting: str) -> dict[str, Any]:
    """Settings without norms. Two architectures get another initialisation, in which the blocks of r3 have an effect and the output of a narrow infogan is
    not close to 0.
    """
    return {
        **BASE,
        "arch": arch,
        "g.norm": "none",
        **({f"{side}.init": "xavier"} if arch in ("r3", "infogan") and setting != "init" else {}),
    }


def built(settings: dict[str, Any], side: str, shape: tuple[int, ...]) -> nn.Module:
    torch.manual_seed(0)
    arch, config = ARCHS[settings["arch"]], TrialConfig.from_flat(settings)
    return arch.generator(config, shape) if side == "g" else arch.discriminator(config, shape)


def read(net: nn.Module, side: str) -> dict[str, Any]:
    return network(net) | (of_generator(net) if side == "g" else of_discriminator(net))


def output(net: nn.Module, side: str, shape: tuple[int, ...]) -> Tensor:
    """Return the output for a fixed batch."""
    torch.manual_seed(1)
    return net(torch.randn(5, 6) if side == "g" else torch.rand(5, *shape) * 2 - 1)  # type: ignore[no-any-return]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 12)])
@every_side
@every_arch
def test_every_setting_has_an_effect_and_is_read_back_or_is_refused(arch: str, side: str, shape: tuple[int, ...]) -> None:
    for setting, values in (SETTINGS | OF_SIDE[side]).items():
        for value in values:
            settings = with_setting(arch, side, setting, value)
            if (setting, value) in REFUSED[arch]:
                with pytest.raises(ValueError, match=rf"^{side}\.{setting}.*given {value!r}|given arch: {arch}"):
                    TrialConfig.from_flat(settings)
                continue
            net, others = built(settings, side, shape), {k: v for k, v in settings.items() if k != f"{side}.{setting}"}
            usual = built(others if setting == "slope" else plain(arch, side, setting), side, shape)
            y = output(net, side, shape)
            assert y.shape == ((5, *shape) if side == "g" else (5,))
            y.sum().backward()
            assert all(p.grad is not None for p in net.parameters())
            assert read(net, side).get(setting, value) == value
            assert read(net, side)["width"] == 8
            same = y.shape == (expected := output(usual, side, shape)).shape and torch.equal(y, expected)
            assert same == (
                (setting, value) in DEFAULTS[arch] | DEFAULTS_OF_ALL or (arch, side, setting, value) == ("resnet", "g", "depth", 1)
            ), (
                setting,
                value,
            )


# Pairs of settings -----------------------------------------------------------------------------------


@cache
def rows(arch: str, side: str) -> list[dict[str, Any]]:
    """Return few combinations that together contain every allowed pair of values."""
    choices = {
        setting: [None, *values] if setting not in ("norm", "output") else values for setting, values in (SETTINGS | OF_SIDE[side]).items()
    }
    choices |= {"dropout": [0.0, 0.4], "activation": ["relu", "leaky_relu", "gelu"]}
    entries = [(setting, value) for setting, values in choices.items() for value in values]
    refused: dict[pairs.Pair, str] = {}
    for pair in combinations(entries, 2):
        compatible = {"norm": "none", "activation": "leaky_relu"}
        try:
            TrialConfig.model_validate({"arch": arch, side: compatible | dict(pair)})
        except ValueError as reason:
            refused[pair] = str(reason)
    return pairs.covering(choices, refused)


@every_side
@every_arch
def test_every_pair_of_settings(arch: str, side: str) -> None:
    for row in rows(arch, side):
        settings = {**BASE, "arch": arch, **{f"{side}.{setting}": value for setting, value in row.items()}}
        net = built(settings, side, (1, 8, 8))
        y = output(net, side, (1, 8, 8))
        assert y.isfinite().all()
        y.sum().backward()
        assert all(p.grad is not None for p in net.parameters())
        shown = read(net, side)
        assert {setting: value for setting, value in row.items() if setting in shown and value is not None} == {
            setting: shown[setting] for setting, value in row.items() if setting in shown and value is not None
        }


@pytest.mark.parametrize("arch", [arch for arch in ARCHS if arch != "mlp"])
def test_resumes_bit_for_bit(arch: str) -> None:
    """With dropout, running statistics, and tricks on images."""
    fits = {"g.upsampling": "nearest", "d.downsampling": "max", "g.kernel": 3, "d.kernel": 5, "g.depth": 2, "d.depth": 1}
    others = {"g.dropout": 0.3, "d.dropout": 0.5, "g.output": "sigmoid", "d.norm": "batch", "latent.distribution": "truncated"}
    check_resuming({"arch": arch, **fits, **others, **dict.fromkeys(("instance_noise", "diffaugment", "packing", "r1"), True)})


@pytest.mark.parametrize("which", [0, 1])
@every_arch
def test_networks_of_unusual_settings_resume_bit_for_bit(arch: str, which: int) -> None:
    """The two combinations above with the most values other than the default."""
    unusual = {side: sorted(rows(arch, side), key=lambda row: sum(value in (None, 0.0) for value in row.values()))[which] for side in "gd"}
    settings = {f"{side}.{setting}": value for side, row in unusual.items() for setting, value in row.items()}
    check_resuming({"arch": arch, "data": "digits", **settings})


def check_resuming(settings: dict[str, Any]) -> None:
    whole, resumed = tiny(settings), tiny(settings)
    ticks = whole.ticks()
    next(ticks), next(ticks)
    state = through_a_file(whole.state_dict())
    whole.generator().sample(7)  # sampling must not change the random state of dropout
    expected = list(ticks)
    torch.manual_seed(987654321)
    resumed.load_state_dict(state)
    assert list(resumed.ticks()) == expected
    assert equal(resumed.state_dict(), whole.state_dict())
    assert torch.equal(resumed.generator().sample(5), whole.generator().sample(5))


# Single settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "groups"), [(64, 32), (128, 32), (48, 24), (8, 4), (2, 1), (7, 1), (1, 1)])
def test_group_norm_has_32_groups_or_the_most_that_divide(n: int, groups: int) -> None:
    norm = group_norm(n)
    assert isinstance(norm, nn.GroupNorm)
    assert norm.num_groups == groups
    x = torch.randn(3, n, 4, 4)
    means = norm(x).view(3, groups, -1)
    torch.testing.assert_close(means.mean(2), torch.zeros(3, groups), atol=1e-5, rtol=0)
    torch.testing.assert_close(means.var(2, unbiased=False), torch.ones(3, groups), atol=1e-3, rtol=0)


def test_group_norm_is_in_both_tables() -> None:
    assert NORMS_1D["group"] is NORMS_2D["group"] is group_norm


@every_arch
def test_dropout_is_active_in_training_only(arch: str) -> None:
    """A share of the activations is 0 and the rest is scaled up, so that the mean stays. Samples and image gradients are computed without dropout."""
    run = tiny({"arch": arch, "g.dropout": 0.4, "d.dropout": 0.4})
    for net in (run.nets.g, run.nets.d):
        modules = list(net.modules())
        drops = [i for i, module in enumerate(modules) if isinstance(module, nn.Dropout)]
        activations = [i for i, module in enumerate(modules) if isinstance(module, (nn.ReLU, nn.LeakyReLU))]
        assert [i - 1 for i in drops] == activations  # one dropout after each activation
    seen: list[Tensor] = []
    drop = next(module for module in run.nets.d.modules() if isinstance(module, nn.Dropout))
    drop.register_forward_hook(lambda module, inputs, output: seen.append(output / inputs[0]))
    list(run.ticks())
    for factors in seen[:2]:
        left = factors[factors.isfinite() & (factors != 0)]
        assert 0 < len(left) < factors.isfinite().sum()
        torch.testing.assert_close(left, torch.full_like(left, 1 / 0.6))
    seen.clear()
    run.tick_signals()
    assert {value for factors in seen for value in factors[factors.isfinite()].unique().tolist()} == {1.0}
    generator = run.generator()
    assert torch.equal(generator.sample(5), generator.sample(5))


@pytest.mark.parametrize("upsampling", get_args(Upsampling))
@pytest.mark.parametrize("kernel", [3, 5])
def test_each_upsampling(upsampling: str, kernel: int) -> None:
    """Nearest and bilinear keep a constant map constant; layers whose weights differ between pixels can turn it into a checkerboard."""
    g = tiny_config({"arch": "dcgan", "g.upsampling": upsampling, "g.kernel": kernel}).g
    torch.manual_seed(0)
    y = nn.Sequential(*upsample_layers(3, 2, g, bias=True))(torch.ones(1, 3, 12, 12))
    assert y.shape == (1, 2, 24, 24)
    inner = y[0, :, 6:-6, 6:-6]
    flat = inner.std((1, 2)).max().item() < 1e-5
    assert flat == (upsampling in ("nearest", "bilinear"))


# Compatibility ---------------------------------------------------------------------------------------

STATES = {  # hashes of the names and shapes of all tensors, for G and D: users have stored such networks
    "mlp": ("9750e4afdc", "08e7ef58ff"),
    "dcgan": ("46035a99bc", "729441fec7"),
    "resnet": ("c0f1e1f3d7", "b03e5fd5c7"),
}


def fingerprint(net: nn.Module) -> str:
    lines = [f"{name} {tuple(tensor.shape)}" for name, tensor in net.state_dict().items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:10]


@pytest.mark.parametrize("arch", STATES)
def test_stored_networks_still_load(arch: str) -> None:
    config = TrialConfig.from_flat({"arch": arch, "d.norm": "batch"})
    g, d = ARCHS[arch].generator(config, (1, 28, 28)), ARCHS[arch].discriminator(config, (1, 28, 28))
    assert (fingerprint(g), fingerprint(d)) == STATES[arch]
    extra = (nn.Dropout, ToUnit, Unit)
    assert not any(isinstance(module, extra) for net in (g, d) for module in net.modules())  # default settings add no modules
    copy.deepcopy(g).load_state_dict(g.state_dict())
