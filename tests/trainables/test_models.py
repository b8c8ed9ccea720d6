"""Networks: shapes, ranges, widths, norms and how they start, for every architecture."""

from itertools import product
from typing import Any, get_args

import pytest
import torch
from torch import nn

from trainables.config import Activation, Norm, TrialConfig
from trainables.models import ARCHS
from trainables.models.base import ACTIVATIONS, NORMS_1D, NORMS_2D
from trainables.models.dcgan import SIZES

every_arch = pytest.mark.parametrize("arch", ARCHS)
COMBINATIONS = [
    (arch, norm, activation)
    for arch, norm, activation in product(ARCHS, get_args(Norm), get_args(Activation))
    if norm in (NORMS_1D if arch == "mlp" else NORMS_2D)
]


def config(arch: str, **settings: Any) -> TrialConfig:
    names = {name.replace("__", "."): value for name, value in settings.items()}
    return TrialConfig.from_flat({"arch": arch, "g.width": 4, "d.width": 4, "latent.dim": 5, **names})


def check_pair(settings: TrialConfig, shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    """G and D of the shape, with images within [-1, 1] and a finite logit each."""
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
    assert all(p.grad is not None for net in (g, d) for p in net.parameters())  # every parameter is on the way
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
def test_dcgan_makes_the_sizes_it_names(size: int, channels: int) -> None:
    check_pair(config("dcgan"), (channels, size, size))


@pytest.mark.parametrize("shape", [(2,), (7,), (1, 8, 8), (3, 5, 9)])
@pytest.mark.parametrize("depth", [None, 1, 2, 4])
def test_mlp_makes_any_shape(shape: tuple[int, ...], depth: int | None) -> None:
    for net in check_pair(config("mlp", g__depth=depth, d__depth=depth), shape):
        assert sum(isinstance(module, nn.Linear) for module in net.modules()) == (depth or 2) + 1


def test_points_have_no_bounds() -> None:
    g = ARCHS["mlp"].generator(config("mlp"), (2,))
    assert g(1000 * torch.randn(50, 5)).abs().max() > 1


@pytest.mark.parametrize("shape", [(2,), (1, 7, 7), (1, 8, 12), (1, 4, 4), (3, 128, 128), (1, 36, 36)])
def test_dcgan_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    for make in (ARCHS["dcgan"].generator, ARCHS["dcgan"].discriminator):
        with pytest.raises(
            ValueError, match=r"a dcgan makes square images of one of \[8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64\] pixels"
        ) as error:
            make(config("dcgan"), shape)
        assert str(shape) in str(error.value)


def test_dcgan_sizes_are_what_doubling_gives() -> None:
    assert all(size == start * 2**doublings for size, (start, doublings) in SIZES.items())


@pytest.mark.parametrize("size", [8, 32, 64])
def test_dcgan_widths_double_as_maps_halve(size: int) -> None:
    g, d = check_pair(config("dcgan"), (3, size, size))
    doublings = SIZES[size][1]
    widths = [4 << i for i in range(doublings)]
    assert [m.out_channels for m in d.modules() if isinstance(m, nn.Conv2d)] == [*widths, 1]
    assert [m.out_channels for m in g.modules() if isinstance(m, nn.ConvTranspose2d)] == [*reversed(widths), 3]


def test_dcgan_starts_as_radford_says() -> None:
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
                assert not module.bias.any()  # type: ignore[union-attr, operator]


@every_arch
def test_no_norm_on_what_comes_from_the_data(arch: str) -> None:
    """Radford et al. 2016: batch norm on D's input layer, as on G's output, makes samples oscillate."""
    settings = config(arch, g__norm="batch", d__norm="batch")
    g, d = check_pair(settings, (1, 8, 8))
    kinds = [type(module) for module in d.modules() if isinstance(module, (nn.Linear, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d))]
    assert kinds[0] is kinds[1]  # two layers before the first norm
    kinds = [type(m) for m in g.modules() if isinstance(m, (nn.Linear, nn.ConvTranspose2d, nn.BatchNorm1d, nn.BatchNorm2d))]
    assert kinds[-1] is kinds[0]  # a layer, and no norm, at the end


@every_arch
def test_norms_act_on_each_layer_alone(arch: str) -> None:
    """Layer norm, unlike batch norm, judges an image without looking at the others."""
    for norm, alone in (("none", True), ("layer", True), ("batch", False)):
        _, d = check_pair(config(arch, d__norm=norm), (1, 8, 8))
        images = torch.randn(6, 1, 8, 8)
        assert torch.allclose(d(images)[:2], d(images[:2]), atol=1e-5) == alone


@every_arch
def test_says_where_it_comes_from(arch: str) -> None:
    assert "et al. 20" in ARCHS[arch].source


def test_tables_cover_every_name() -> None:
    assert ACTIVATIONS.keys() == set(get_args(Activation))
    assert NORMS_1D.keys() | NORMS_2D.keys() == set(get_args(Norm))
