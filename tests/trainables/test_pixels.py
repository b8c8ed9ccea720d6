"""g.output: what range of pixels the two networks work in, and that nobody else notices."""

from typing import Any, get_args

import pytest
import torch
from tiny import tiny
from torch import Tensor, nn

from trainables.generators import load_generator, save_generator
from trainables.models import ARCHS
from trainables.models.layers import ToUnit, Unit
from trainables.sections import Output

every_arch = pytest.mark.parametrize("arch", ARCHS)


@every_arch
def test_with_sigmoid_both_networks_work_in_0_to_1(arch: str) -> None:
    """What reaches D's first layer, real and fake; while views, tricks and samplers are given [-1, 1] as always."""
    run = tiny({"arch": arch, "data": "digits", "g.output": "sigmoid", "spectral_norm": True})
    inputs: list[Tensor] = []
    first = next(module for module in run.nets.d.modules() if isinstance(module, (nn.Linear, nn.Conv2d)))
    first.register_forward_pre_hook(lambda module, given: inputs.append(given[0].detach()))
    real = run.batches.next_batch()
    fake = run.nets.g(run.noise())
    assert real.min() == -1
    assert fake.min() < 0
    run.forward(real, fake)
    torch.testing.assert_close(inputs[0].flatten(), ((real + 1) / 2).flatten())
    torch.testing.assert_close(inputs[1].flatten(), ((fake + 1) / 2).detach().flatten())
    assert all(0 <= shown.min() <= shown.max() <= 1 for shown in inputs)
    list(run.ticks())
    samples = run.generator().sample(20)
    assert -1 <= samples.min() < 0 < samples.max() <= 1


@every_arch
def test_a_network_with_sigmoid_is_the_plain_one_on_other_pixels(arch: str) -> None:
    plain, unit = ({"arch": arch, "data": "digits", "g.output": output} for output in ("linear", "sigmoid"))
    z = torch.randn(4, 6)
    linear, bounded = tiny(plain).nets, tiny(unit).nets
    torch.testing.assert_close((bounded.g.train()(z) + 1) / 2, linear.g.train()(z).sigmoid())
    pixels = torch.rand(4, 1, 8, 8)
    torch.testing.assert_close(bounded.d(2 * pixels - 1), linear.d(pixels))
    assert [type(module) for module in bounded.g.modules()][-1] is Unit
    assert sum(isinstance(module, ToUnit) for module in bounded.d.modules()) == 1


@pytest.mark.parametrize("output", get_args(Output))
def test_a_file_alone_knows_the_pixels(output: str, tmp_path: Any) -> None:
    run, path = tiny({"arch": "r3", "g.norm": "none", "g.output": output}), tmp_path / "g.safetensors"
    for p in run.nets.g.parameters():
        p.data.mul_(5)  # far beyond all bounds
    raw = run.nets.g(run.noise())
    assert (raw.abs().max() > 1) == (output == "linear")
    save_generator(run.generator(), run.config, run.source.shape, path)
    samples = run.generator().sample(50)
    assert samples.abs().max() <= 1
    assert torch.equal(load_generator(path).sample(50), samples)


def test_points_have_no_pixels() -> None:
    with pytest.raises(
        ValueError, match=r"g.output: sigmoid makes pixels in \[0, 1\], and points have no bounds; the data are \(2,\), so leave it out"
    ):
        tiny({"g.output": "sigmoid"})
