"""Networks of every architecture: shapes, ranges, widths, norms and initialisation."""

from itertools import product
from typing import Any, get_args

import pytest
import torch
from steps import rng
from torch import nn

from trainables.config import TrialConfig
from trainables.models import ARCHS
from trainables.models.base import ACTIVATIONS, NORMS_1D, NORMS_2D, SIZES
from trainables.models.layers import FromOnePlace, ToOnePlace
from trainables.models.resnet import Block
from trainables.readback import layers
from trainables.sections import Activation, DiscriminatorConfig, GeneratorConfig, Norm

every_arch = pytest.mark.parametrize("arch", ARCHS)
convolutional = pytest.mark.parametrize("arch", ["dcgan", "resnet", "r3"])
COMBINATIONS = [
    (arch, norm, activation)
    for arch, norm, activation in product(ARCHS, get_args(Norm), get_args(Activation))
    if norm in (NORMS_1D if arch in ("mlp", "infogan") else NORMS_2D)
]


def config(arch: str, **settings: Any) -> TrialConfig:
    names = {name.replace("__", "."): value for name, value in settings.items()}
    return TrialConfig.from_flat({"arch": arch, "g.width": 4, "d.width": 4, "latent.dim": 5, **names})


def check_pair(settings: TrialConfig, shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    """Build G and D; check that images are in [-1, 1], logits are finite, and every parameter has a gradient."""
    torch.manual_seed(0)
    arch = ARCHS[settings.arch]
    g, d = arch.generator(settings, shape), arch.discriminator(settings, shape)
    images = g(torch.randn(6, settings.latent.dim))
    assert images.shape == (6, *shape)
    assert len(shape) == 1 or images.abs().max() <= 1
    logits = d(images)
    assert logits.shape == (6,)
    assert logits.isfinite().all()
    logits.sum().backward()
    assert all(p.grad is not None for net in (g, d) for p in net.parameters())
    return g, d


@pytest.mark.parametrize(("arch", "norm", "activation"), COMBINATIONS)
def test_every_norm_and_activation(arch: str, norm: str, activation: str) -> None:
    settings = config(arch, g__norm=norm, d__norm=norm, g__activation=activation, d__activation=activation)
    nets = check_pair(settings, (3, 8, 8))
    kind = type(ACTIVATIONS[activation]())  # type: ignore[index]
    for net in nets:
        assert sum(isinstance(module, kind) for module in net.modules()) >= 2
        assert any("Norm" in type(module).__name__ for module in net.modules()) == (norm != "none")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
@convolutional
def test_convolutional_networks_support_every_size(arch: str, size: int, channels: int) -> None:
    check_pair(config(arch), (channels, size, size))


@pytest.mark.parametrize("shape", [(2,), (7,), (1, 8, 8), (3, 5, 9)])
@pytest.mark.parametrize("depth", [None, 1, 2, 4])
def test_mlp_supports_any_shape(shape: tuple[int, ...], depth: int | None) -> None:
    for net in check_pair(config("mlp", g__depth=depth, d__depth=depth), shape):
        assert sum(isinstance(module, nn.Linear) for module in net.modules()) == (depth or 2) + 1


def test_points_are_unbounded() -> None:
    g = ARCHS["mlp"].generator(config("mlp"), (2,))
    assert g(1000 * torch.randn(50, 5)).abs().max() > 1


@pytest.mark.parametrize("shape", [(2,), (1, 7, 7), (1, 8, 12), (1, 4, 4), (3, 128, 128), (1, 36, 36)])
@convolutional
def test_convolutional_networks_refuse_other_shapes(arch: str, shape: tuple[int, ...]) -> None:
    for make in (ARCHS[arch].generator, ARCHS[arch].discriminator):
        with pytest.raises(
            ValueError, match=rf"arch: {arch} needs square images of \[8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64\] pixels"
        ) as error:
            make(config(arch), shape)
        assert str(shape) in str(error.value)


def test_a_size_is_the_first_map_doubled() -> None:
    assert all(size == start * 2**doublings for size, (start, doublings) in SIZES.items())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("layer", "shape"), [(FromOnePlace, (5, 6, 1, 1)), (ToOnePlace, (5, 6, 3, 3))])
def test_matrix_products_equal_the_convolutions_that_they_replace(
    layer: type[nn.ConvTranspose2d | nn.Conv2d], shape: tuple[int, ...], order: torch.memory_format, bias: bool
) -> None:
    """Values, first derivatives, and the second derivatives of a gradient penalty, in both memory formats."""
    torch.manual_seed(0)
    ours = layer(6, 4, 3, bias=bias).double().to(memory_format=order)
    theirs = layer.__bases__[0](6, 4, 3, bias=bias).double()
    theirs.load_state_dict(ours.state_dict())
    found = []
    for net in (ours, theirs):
        x = torch.randn(shape, generator=rng(), dtype=torch.float64).requires_grad_()
        y = net(x)
        (by_x,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
        (y.square().sum() + by_x.square().sum()).backward()
        found.append((y, by_x, x.grad, *(p.grad for p in net.parameters())))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("size", [8, 32, 64])
def test_dcgan_widths_double_as_maps_halve(size: int) -> None:
    g, d = check_pair(config("dcgan"), (3, size, size))
    doublings = SIZES[size][1]
    widths = [4 << i for i in range(doublings)]
    assert [m.out_channels for m in d.modules() if isinstance(m, nn.Conv2d)] == [*widths, 1]
    assert [m.out_channels for m in g.modules() if isinstance(m, nn.ConvTranspose2d)] == [*reversed(widths), 3]


def test_dcgan_matches_radford() -> None:
    """Every layer for 64 pixels and 3 channels, as in their figure 1 and guidelines; D's last layer is a 4x4 convolution without padding."""
    settings = config("dcgan", g__width=64, d__width=64, g__norm="batch", d__norm="batch", latent__dim=100)
    g, d = ARCHS["dcgan"].generator(settings, (3, 64, 64)), ARCHS["dcgan"].discriminator(settings, (3, 64, 64))
    up = [(100, 512, 4, 1, 0), (512, 256, 4, 2, 1), (256, 128, 4, 2, 1), (128, 64, 4, 2, 1), (64, 3, 4, 2, 1)]
    down = [(3, 64, 4, 2, 1), (64, 128, 4, 2, 1), (128, 256, 4, 2, 1), (256, 512, 4, 2, 1), (512, 1, 4, 1, 0)]
    for net, kind, expected in ((g, nn.ConvTranspose2d, up), (d, nn.Conv2d, down)):
        assert all(isinstance(layer, kind) for layer in layers(net))
        assert [(m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0], m.padding[0]) for m in layers(net)] == expected  # type: ignore[index]
    assert [type(m).__name__ for m in g[1:]] == [  # type: ignore[index]
        *("FromOnePlace", "BatchNorm2d", "ReLU"),
        *("ConvTranspose2d", "BatchNorm2d", "ReLU") * 3,
        *("ConvTranspose2d", "Tanh"),
    ]
    assert [type(m).__name__ for m in d.body] == ["Conv2d", "LeakyReLU"] + ["Conv2d", "BatchNorm2d", "LeakyReLU"] * 3  # type: ignore[attr-defined]
    assert {m.negative_slope for m in d.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}
    assert d.body(torch.zeros(2, 3, 64, 64)).shape == (2, 512, 4, 4)


def test_dcgan_initialisation_matches_radford() -> None:
    torch.manual_seed(0)
    settings = config("dcgan", g__width=64, d__width=64, g__norm="batch", d__norm="layer")
    for make in (ARCHS["dcgan"].generator, ARCHS["dcgan"].discriminator):
        net = make(settings, (3, 32, 32))
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
                assert module.weight.mean().item() == pytest.approx(0, abs=0.002)
            elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
                assert module.weight.mean().item() == pytest.approx(1, abs=0.02)
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.5)
            if isinstance(getattr(module, "bias", None), torch.Tensor):
                assert not module.bias.any()  # type: ignore[operator]


def test_resnet_matches_miyato() -> None:
    """Their networks for CIFAR-10: G of width 256 with 128 latents, D of width 128 without a norm. Parameters are counted by hand from table 4."""
    settings = config("resnet", g__width=256, d__width=128, g__norm="batch", latent__dim=128)
    g, d = ARCHS["resnet"].generator(settings, (3, 32, 32)), ARCHS["resnet"].discriminator(settings, (3, 32, 32))
    conv, skip, norm = 256 * 256 * 9, 256 * 256 + 256, 2 * 256
    block = norm + conv + norm + conv + 256 + skip  # a convolution before a norm has no bias
    assert sum(p.numel() for p in g.parameters()) == (128 + 1) * 256 * 16 + 3 * block + norm + 256 * 9 * 3 + 3
    conv, skip = 128 * 128 * 9 + 128, 128 * 128 + 128
    first = 3 * 128 * 9 + 128 + conv + 3 * 128 + 128
    assert sum(p.numel() for p in d.parameters()) == first + (2 * conv + skip) + 2 * (2 * conv) + 128 + 1
    maps = [m for m in d.modules() if isinstance(m, Block)]
    assert [isinstance(m.shrink, nn.AvgPool2d) for m in maps] == [True, True, False, False]


@pytest.mark.parametrize(("width", "size", "channels"), [(64, 28, 1), (64, 32, 3), (6, 12, 3)])
def test_infogan_matches_chen(width: int, size: int, channels: int) -> None:
    """Parameters counted by hand: dense layers of 1024 units and of 128 maps for width 64, then 4x4 convolutions. A layer before a norm has no bias."""
    settings = config("infogan", g__width=width, d__width=width, d__norm="batch", latent__dim=62)
    g, d = ARCHS["infogan"].generator(settings, (channels, size, size)), ARCHS["infogan"].discriminator(settings, (channels, size, size))
    dense, maps, places = 16 * width, 2 * width, (size // 4) ** 2
    of_g = (
        62 * dense
        + 2 * dense
        + dense * maps * places
        + 2 * maps * places
        + maps * width * 16
        + 2 * width
        + width * channels * 16
        + channels
    )
    of_d = channels * width * 16 + width + width * maps * 16 + 2 * maps + maps * places * dense + 2 * dense + dense + 1
    assert sum(p.numel() for p in g.parameters()) == of_g
    assert sum(p.numel() for p in d.parameters()) == of_d
    if (width, size) == (64, 28):
        assert [tuple(m.weight.shape) for m in layers(g)] == [(1024, 62), (6272, 1024), (128, 64, 4, 4), (64, 1, 4, 4)]
        assert [tuple(m.weight.shape) for m in layers(d)] == [(64, 1, 4, 4), (128, 64, 4, 4), (1024, 6272), (1, 1024)]
    torch.manual_seed(0)
    for net in (ARCHS["infogan"].generator(settings, (3, 16, 16)), ARCHS["infogan"].discriminator(settings, (3, 16, 16))):
        weights = torch.cat([layer.weight.detach().flatten() for layer in layers(net)])
        assert weights.std().item() == pytest.approx(0.02, rel=0.02)
        assert all(not layer.bias.any() for layer in layers(net) if layer.bias is not None)


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 20, 20), (3, 36, 36), (2, 8, 12)])
def test_infogan_supports_sides_that_are_multiples_of_4(shape: tuple[int, ...]) -> None:
    check_pair(config("infogan"), shape)


@pytest.mark.parametrize("shape", [(2,), (1, 30, 30), (1, 8, 10)])
def test_infogan_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    for make in (ARCHS["infogan"].generator, ARCHS["infogan"].discriminator):
        with pytest.raises(ValueError, match=r"arch: infogan needs images whose sides are multiples of 4 pixels; the data are"):
            make(config("infogan"), shape)


@pytest.mark.parametrize(("change", "size"), [({"up": True}, 8), ({"down": True}, 2), ({}, 4)])
def test_a_block_adds_skip_and_residual(change: dict[str, bool], size: int) -> None:
    x = torch.randn(2, 3, 4, 4)
    settings = DiscriminatorConfig(activation="relu") if "down" in change else GeneratorConfig(norm="none")
    block = Block(3, 3, settings, **change)  # type: ignore[arg-type]
    nn.init.zeros_(block.residual[-1].weight)  # type: ignore[arg-type]
    nn.init.zeros_(block.residual[-1].bias)  # type: ignore[arg-type]
    before = x.clone()
    y = block(x)
    assert torch.equal(x, before)  # an in-place activation would change the input of the skip
    assert torch.allclose(y, block.shrink(block.skip(block.resize(x))))
    assert y.shape == (2, 3, size, size)


def test_resnet_initialisation_matches_miyatos_code() -> None:
    torch.manual_seed(0)
    block = ARCHS["resnet"].generator(config("resnet", g__width=64), (3, 32, 32))[2]  # type: ignore[index]
    for conv, gain in ((block.residual[0], 2**0.5), (block.skip, 1.0)):
        fan = 2 * 64 * conv.weight[0, 0].numel()
        assert conv.weight.std().item() == pytest.approx(gain * (2 / fan) ** 0.5, rel=0.05)


@every_arch
def test_no_norm_on_ds_input_or_gs_output(arch: str) -> None:
    """Radford et al. 2016: batch norm on D's input layer, as on G's output, makes samples oscillate."""
    settings = config(arch, g__norm="batch", d__norm="batch")
    g, d = check_pair(settings, (1, 8, 8))
    kinds = [type(module) for module in d.modules() if isinstance(module, (nn.Linear, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d))]
    assert kinds[0] is kinds[1]  # two layers before the first norm
    last = [m for m in g.modules() if isinstance(m, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm1d, nn.BatchNorm2d))][-1]
    assert "Norm" not in type(last).__name__


@every_arch
def test_only_batch_norm_mixes_samples(arch: str) -> None:
    """With layer norm, unlike batch norm, the logit of an image does not depend on the others."""
    for norm, alone in (("none", True), ("layer", True), ("batch", False)):
        _, d = check_pair(config(arch, d__norm=norm, d__init="xavier"), (1, 8, 8))  # r3 initialises its blocks to the identity
        images = torch.randn(6, 1, 8, 8)
        assert torch.allclose(d(images)[:2], d(images[:2]), atol=1e-5) == alone


@every_arch
def test_architectures_cite_a_source(arch: str) -> None:
    assert "et al. 20" in ARCHS[arch].source


def test_tables_cover_every_name() -> None:
    assert ACTIVATIONS.keys() == set(get_args(Activation))
    assert NORMS_1D.keys() | NORMS_2D.keys() == set(get_args(Norm))
