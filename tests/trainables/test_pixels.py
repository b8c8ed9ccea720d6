"""g.output sets the pixel range inside both networks; all other code keeps using [-1, 1]."""

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
def test_with_sigmoid_both_networks_use_0_to_1(arch: str) -> None:
    """D's first layer gets real and fake images in [0, 1]; batches and samples stay in [-1, 1]."""
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
def test_a_sigmoid_network_equals_the_linear_one_on_rescaled_pixels(arch: str) -> None:
    plain, unit = ({"arch": arch, "data": "digits", "g.output": output} for output in ("linear", "sigmoid"))
    z = torch.randn(4, 6)
    linear, bounded = tiny(plain).nets, tiny(unit).nets
    torch.testing.assert_close((bounded.g.train()(z) + 1) / 2, linear.g.train()(z).sigmoid())
    pixels = torch.rand(4, 1, 8, 8)
    torch.testing.assert_close(bounded.d(2 * pixels - 1), linear.d(pixels))
    assert [type(module) for module in bounded.g.modules()][-1] is Unit
    assert sum(isinstance(module, ToUnit) for module in bounded.d.modules()) == 1


@pytest.mark.parametrize("output", get_args(Output))
def test_a_generator_file_restores_the_pixel_range(output: str, tmp_path: Any) -> None:
    run, path = tiny({"arch": "r3", "g.norm": "none", "g.output": output}), tmp_path / "g.safetensors"
    for p in run.nets.g.parameters():
        p.data.mul_(5)  # far outside [-1, 1]
    raw = run.nets.g(run.noise())
    assert (raw.abs().max() > 1) == (output == "linear")
    save_generator(run.generator(), run.config, run.source.shape, path)
    samples = run.generator().sample(50)
    assert samples.abs().max() <= 1
    assert torch.equal(load_generator(path).sample(50), samples)


def test_sigmoid_is_refused_for_points() -> None:
    with pytest.raises(
        ValueError,
        match=r"g.output: sigmoid needs images, as points have no bounds; the data are points of shape \(2,\); leave g.output out",
    ):
        tiny({"g.output": "sigmoid"})
