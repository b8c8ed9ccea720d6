"""R3GAN's networks, compared with the paper and its code."""

import pytest
import torch
from torch import nn

from trainables.config import TrialConfig
from trainables.models import ARCHS, r3
from trainables.readback import layers
from trainables.sections import DiscriminatorConfig


def published(width: int) -> TrialConfig:
    """Return a config with the settings of the paper."""
    widths = {"g.width": width, "d.width": width}
    return TrialConfig.from_flat({"arch": "r3", "g.norm": "none", "g.activation": "leaky_relu", "g.output": "linear", **widths})


def test_r3_matches_huang() -> None:
    """Their networks for stacked MNIST: width 768 at 4 resolutions, 2 blocks each, groups of 16. Parameters counted by hand: 20.73 and 20.68 million."""
    settings = published(768)
    with torch.device("meta"):
        g, d = ARCHS["r3"].generator(settings, (3, 32, 32)), ARCHS["r3"].discriminator(settings, (3, 32, 32))
    block = 768 * 1536 + 1536 + 1536 * 16 * 9 + 1536 + 1536 * 768
    assert sum(p.numel() for p in g.parameters()) == 64 * 768 + 768 * 16 + 8 * block + 768 * 3 == 20_732_160
    assert sum(p.numel() for p in d.parameters()) == 3 * 768 + 8 * block + 768 * 16 + 768 == 20_683_776
    for net in (g, d):
        kinds = [type(m).__name__ for m in net.modules() if isinstance(m, (r3.Block, r3.Resample))]
        assert kinds == (["Block"] * 2 + ["Resample"]) * 3 + ["Block"] * 2
        assert {m.groups for m in layers(net) if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)} == {96}
        assert not any("Norm" in type(m).__name__ for m in net.modules())


def test_r3_initialisation_matches_huangs_code() -> None:
    """Blocks are the identity, so that G is linear in z; weights within the L blocks are scaled by L^(-1/4)."""
    torch.manual_seed(0)
    settings = published(32)
    g, d = ARCHS["r3"].generator(settings, (3, 32, 32)), ARCHS["r3"].discriminator(settings, (3, 32, 32))
    z = torch.randn(4, 64)
    torch.testing.assert_close(g(3 * z), 3 * g(z))
    for net in (g, d):
        blocks = [m for m in net.modules() if isinstance(m, r3.Block)]
        gain = (2 / 1.04) ** 0.5 * len(blocks) ** -0.25
        for block in blocks:
            wide, grouped, narrow = layers(block)
            assert not narrow.weight.any()
            assert wide.weight.std().item() == pytest.approx(gain / 32**0.5, rel=0.1)
            assert grouped.weight.std().item() == pytest.approx(gain / (16 * 9) ** 0.5, rel=0.1)
        x = torch.randn(2, 32, 8, 8)
        assert torch.equal(blocks[0](x), x)
    (first, *_, last), basis = layers(d), g[0].basis  # type: ignore[index]
    assert basis.std().item() == pytest.approx(1, rel=0.15)
    for layer, inputs in ((g[0].linear, 64), (layers(g)[-1], 32), (first, 3), (last, 32)):  # type: ignore[index]  # the gain outside the blocks is 1
        assert layer.weight.std().item() == pytest.approx(inputs**-0.5, rel=0.3)


def test_a_block_of_r3_by_hand() -> None:
    """1x1, grouped 3x3 and 1x1 convolutions; a bias and a leaky_relu follow the first two."""
    torch.manual_seed(0)
    block, x = r3.Block(24, DiscriminatorConfig()), torch.randn(2, 24, 5, 5)
    for p in block.parameters():
        nn.init.normal_(p)
    wide, grouped, narrow = layers(block)
    assert grouped.groups == 3  # 3 groups of 16 channels
    y = nn.functional.leaky_relu(nn.functional.conv2d(x, wide.weight) + wide.bias.view(-1, 1, 1), 0.2)  # type: ignore[union-attr]
    parts = [nn.functional.conv2d(y[:, i : i + 16], grouped.weight[i : i + 16], padding=1) for i in (0, 16, 32)]
    y = nn.functional.leaky_relu(torch.cat(parts, 1) + grouped.bias.view(-1, 1, 1), 0.2)  # type: ignore[union-attr]
    torch.testing.assert_close(block(x), x + nn.functional.conv2d(y, narrow.weight), rtol=1e-4, atol=1e-3)


def test_resampling_is_bilinear() -> None:
    """Equal to PyTorch's bilinear resampling except at the border: antialiased when downsampling, with zero padding."""
    x = torch.randn(2, 3, 8, 8)
    up, down = r3.Resample(up=True), r3.Resample(up=False)
    expected = nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(up(x)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])
    expected = nn.functional.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)
    torch.testing.assert_close(down(x)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])
    assert down(torch.ones(1, 1, 4, 4))[0, 0, 0, 0].item() == pytest.approx((7 / 8) ** 2)
    torch.testing.assert_close(
        (up(x) * torch.ones(2, 3, 16, 16)).sum(), 4 * (x * down(torch.ones(2, 3, 16, 16))).sum()
    )  # up is 4 times the transpose of down


@pytest.mark.parametrize(("size", "start"), [(8, 4), (12, 6), (16, 4), (28, 7), (40, 5), (64, 4)])
def test_the_first_map_of_r3_has_4_to_7_pixels_per_side(size: int, start: int) -> None:
    g = ARCHS["r3"].generator(published(4), (1, size, size))
    z = torch.randn(3, 64)
    assert g[0](z).shape == (3, 4, start, start)  # type: ignore[index]
    torch.testing.assert_close(g[0](z), g[0].basis[None] * (z @ g[0].linear.weight.T)[:, :, None, None])  # type: ignore[index]
