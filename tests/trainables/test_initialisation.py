"""Initialisation: the distribution of each choice of `init`, and fixup in residual networks."""

from typing import get_args

import pytest
import torch
from tiny import tiny_config
from torch import nn

from trainables.config import TrialConfig
from trainables.models import ARCHS
from trainables.models.base import Discriminator
from trainables.models.initialisation import INITIALISERS, Scale, Shift
from trainables.models.layers import Residual
from trainables.readback import layers
from trainables.sections import Init

Layers = list[nn.Linear | nn.Conv2d | nn.ConvTranspose2d]


@pytest.mark.parametrize("slope", [0.0, 0.2, 0.5])
@pytest.mark.parametrize(
    "layer", [nn.Linear(400, 300), nn.Conv2d(50, 60, 3), nn.ConvTranspose2d(60, 50, 4, 2, 1), nn.ConvTranspose2d(100, 40, 4)]
)
def test_kaiming_keeps_the_mean_square_of_activations(layer: nn.Module, slope: float) -> None:
    """He et al. 2015: the outputs of a layer have the mean square of its inputs before leaky_relu. The input of G's first layer is a 1x1 map."""
    torch.manual_seed(0)
    INITIALISERS["kaiming"](layer, slope)  # type: ignore[arg-type]
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    shape = {nn.Linear: (200, 400), nn.Conv2d: (20, 50, 9, 9), nn.ConvTranspose2d: (20, 60, 9, 9)}[type(layer)]
    x = torch.randn(500, 100, 1, 1) if getattr(layer, "in_channels", 0) == 100 else torch.randn(shape)
    y = layer(nn.functional.leaky_relu(x, slope))
    y = y if y.ndim == 2 or x.shape[-1] == 1 else y[..., 2:-2, 2:-2]  # without the border, which sums over fewer inputs
    assert y.square().mean().item() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("name", get_args(Init))
def test_the_distribution_of_each_init(name: Init) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(30, 40, 3)
    INITIALISERS[name](layer, 0.2)
    weight = layer.weight.detach()
    if name == "orthogonal":
        torch.testing.assert_close(weight.flatten(1) @ weight.flatten(1).T, torch.eye(40), atol=1e-5, rtol=0)
        return
    std = {"normal": 0.02, "xavier": (2 / (9 * 70)) ** 0.5, "kaiming": (2 / 1.04 / 270) ** 0.5, "fixup": (2 / 1.04 / 270) ** 0.5}[name]
    assert weight.std().item() == pytest.approx(std, rel=0.03)
    assert weight.mean().item() == pytest.approx(0, abs=4 * std / weight.numel() ** 0.5)
    assert weight.abs().max().item() == pytest.approx(3**0.5 * std, rel=0.01) if name == "xavier" else weight.abs().max() > 3 * std


@pytest.mark.parametrize("name", ["normal", "xavier", "kaiming", "orthogonal"])
@pytest.mark.parametrize("arch", ARCHS)
def test_biases_are_0_and_only_kaiming_depends_on_the_slope(arch: str, name: str) -> None:
    for side in ("g", "d"):
        nets = []
        for slope in (0.1, 0.9):
            torch.manual_seed(0)
            settings = {
                "arch": arch,
                f"{side}.init": name,
                f"{side}.activation": "leaky_relu",
                f"{side}.slope": slope,
                f"{side}.norm": "none",
            }
            make = ARCHS[arch].generator if side == "g" else ARCHS[arch].discriminator
            nets.append(layers(make(tiny_config(settings), (2,) if arch == "mlp" else (1, 8, 8))))
        assert all(not layer.bias.any() for net in nets for layer in net if layer.bias is not None)
        gains = {round((a.weight / b.weight).mean().item(), 4) for a, b in zip(*nets, strict=True)}
        assert gains == {round((1.81 / 1.01) ** 0.5, 4) if name == "kaiming" else 1.0}


def test_the_default_init_of_dcgan_is_normal() -> None:
    """Without norms, whose gains init: normal leaves at 1."""
    weights = []
    for init in (None, "normal"):
        torch.manual_seed(0)
        net = ARCHS["dcgan"].generator(TrialConfig.from_flat({"g.norm": "none", "g.init": init}), (1, 16, 16))
        weights.append([layer.weight for layer in layers(net)])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


# Fixup -----------------------------------------------------------------------------------------------


def fixup_networks(arch: str) -> tuple[nn.Module, Discriminator]:
    torch.manual_seed(0)
    both = {
        f"{side}.{setting}": value
        for side in "gd"
        for setting, value in (("init", "fixup"), ("norm", "none"), ("width", 48), ("activation", "relu"))
    }
    config = TrialConfig.from_flat({"arch": arch, **both})
    return ARCHS[arch].generator(config, (1, 16, 16)), ARCHS[arch].discriminator(config, (1, 16, 16))


@pytest.mark.parametrize(("arch", "m"), [("resnet", 2), ("r3", 3)])
def test_fixup_matches_zhang(arch: str, m: int) -> None:
    """Rule by rule: the last layer of each residual branch is 0, the others are scaled by L^(-1/(2m - 2)), each layer and activation follows a scalar bias,
    and a scalar multiplier ends the branch. D's last layer is 0.
    """
    for net in fixup_networks(arch):
        blocks = [module for module in net.modules() if isinstance(module, Residual)]
        for block in blocks:
            *earlier, last = layers(block.residual)
            assert len(earlier) == m - 1
            assert not last.weight.any()
            for layer in earlier:
                expected = (2 / layer.weight[0].numel()) ** 0.5 * len(blocks) ** (-1 / (2 * m - 2))
                assert layer.weight.std().item() == pytest.approx(expected, rel=0.1 if layer.weight.numel() > 1000 else 0.3)
            assert all(layer.bias is None for layer in layers(block.residual))
            parts = [part for part in block.residual if not isinstance(part, nn.Identity)]  # nn.Identity: in place of a norm
            after_bias = [i for i, part in enumerate(parts) if isinstance(part, (nn.Conv2d, nn.ReLU))]
            assert all(isinstance(parts[i - 1], Shift) for i in after_bias)
            assert isinstance(parts[-1], Scale)
            assert len(parts) == 2 * len(after_bias) + 1
        assert {float(module.by.detach()) for module in net.modules() if isinstance(module, Shift)} == {0.0}
        assert {float(module.by.detach()) for module in net.modules() if isinstance(module, Scale)} == {1.0}
    assert not net.head.weight.any()  # type: ignore[operator, union-attr]
    assert not net(torch.randn(3, 1, 16, 16)).any()


@pytest.mark.parametrize("arch", ["resnet", "r3"])
def test_all_layers_of_a_fixup_network_learn(arch: str) -> None:
    """No weight is all 0 after a few steps, although many are initialised to 0."""
    for net, x in zip(fixup_networks(arch), (torch.randn(8, 64), torch.randn(8, 1, 16, 16)), strict=True):
        weights = [p for p in net.parameters() if p.ndim > 1]
        opt = torch.optim.Adam(net.parameters(), 1e-3)
        for _ in range(3):
            opt.zero_grad()
            (net(x) - torch.randn(8, *[1] * (net(x).ndim - 1))).square().mean().backward()
            opt.step()
        assert all(p.grad is not None and p.grad.any() for p in weights)
        assert all(p.any() for p in weights)


def test_fixup_needs_residual_blocks_and_no_norm() -> None:
    with pytest.raises(ValueError, match=r"g.init: fixup needs residual blocks, which resnet and r3 have; given arch: dcgan"):
        TrialConfig.from_flat({"arch": "dcgan", "g.init": "fixup", "g.norm": "none"})
    with pytest.raises(ValueError, match=r"g.init: fixup replaces norms, so g.norm must be none \(Zhang et al. 2019\); given 'batch'"):
        TrialConfig.from_flat({"arch": "resnet", "g.init": "fixup"})
