"""Generators and their files: a seed determines the samples, and sampling does not affect training."""

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny import tiny
from torch import nn

from ganstudy import UserError
from trainables import generators as sampling
from trainables.generators import Generator, load_generator, save_generator
from trainables.latents import draw_latent
from trainables.models import ARCHS
from trainables.sections import LatentConfig

every_arch = pytest.mark.parametrize("arch", ARCHS)
every_distribution = pytest.mark.parametrize("distribution", ["normal", "uniform", "sphere", "truncated"])


def trained(arch: str, settings: dict[str, Any]) -> Generator:
    """Return a trained generator with batch norm, whose running statistics sampling must not change."""
    run = tiny({"arch": arch, "g.norm": "batch", **settings})
    list(run.ticks())
    return run.generator()


@every_arch
def test_the_same_seed_gives_the_same_samples(arch: str) -> None:
    generator = trained(arch, {})
    torch.manual_seed(1)
    first, state = generator.sample(20, seed=5), torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(generator.sample(20, seed=5), first)
    assert not torch.equal(generator.sample(20, seed=6), first)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)  # the global random state is not used
    assert not first.requires_grad


@every_arch
def test_the_block_size_does_not_change_samples(arch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = trained(arch, {})
    expected = generator.sample(501, seed=1)  # one more than a block
    assert expected.shape[0] == 501
    for block in (1000, 7):
        monkeypatch.setattr(sampling, "BLOCK", block)
        torch.testing.assert_close(generator.sample(501, seed=1), expected)
    generator.eval()
    z = draw_latent(501, generator.latent, torch.Generator().manual_seed(1))
    torch.testing.assert_close(generator(z), expected)


@every_arch
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("tricks", [{}, {"ema": True}])
def test_sampling_does_not_affect_training(arch: str, training: bool, tricks: dict[str, Any]) -> None:
    """Running statistics and the training mode do not change, even if sampling fails."""
    generator = trained(arch, tricks)
    generator.net.train(training)
    before = copy.deepcopy(generator.state_dict())
    generator.sample(30)
    torch.testing.assert_close(generator.state_dict(), before, rtol=0, atol=0)
    assert {module.training for module in generator.net.modules()} == {training}
    broken = Generator(generator.net, LatentConfig(dim=99))
    with pytest.raises(RuntimeError):
        broken.sample(3)
    assert generator.net.training == training


@every_distribution
@pytest.mark.parametrize("dim", [1, 2, 64])
def test_latents_have_the_moments_of_their_distribution(distribution: Any, dim: int) -> None:
    n, latent = 20_000, LatentConfig(dim=dim, distribution=distribution)
    z = draw_latent(n, latent, torch.Generator().manual_seed(0))
    assert z.shape == (n, dim)
    assert z.mean(0).abs().max() < 5 / n**0.5
    square = {"normal": 1, "uniform": 1 / 3, "sphere": 1, "truncated": truncated_variance(2.0)}[distribution]
    torch.testing.assert_close(z.T @ z / n, square * torch.eye(dim), atol=0.06, rtol=0)  # uncorrelated, with this variance
    if distribution == "sphere":
        torch.testing.assert_close(z.norm(dim=1), torch.full((n,), dim**0.5))
    if distribution in ("uniform", "truncated"):
        assert z.abs().max() <= (1 if distribution == "uniform" else 2)
    assert torch.equal(z, draw_latent(n, latent, torch.Generator().manual_seed(0)))


def truncated_variance(limit: float) -> float:
    """Return the variance of N(0, 1) truncated to ±c: 1 - 2 c phi(c) / (2 Phi(c) - 1)."""
    return 1 - 2 * limit * math.exp(-(limit**2) / 2) / math.sqrt(2 * math.pi) / math.erf(limit / math.sqrt(2))


@pytest.mark.parametrize("limit", [0.04, 0.5, 1.0, 2.0, 30.0])
def test_the_truncated_normal_has_its_distribution(limit: float) -> None:
    """Mean, variance, and the distribution function of |z| at three points."""
    n, latent = 100_000, LatentConfig(dim=2, distribution="truncated", truncation=limit)
    z = draw_latent(n, latent, torch.Generator().manual_seed(0))
    assert z.abs().max() <= limit
    assert z.isfinite().all()
    assert z.mean().item() == pytest.approx(0, abs=4 * limit / n**0.5)
    assert z.var().item() == pytest.approx(truncated_variance(limit), rel=0.02)
    for at in (limit / 10, limit / 3, limit / 2):
        expected = math.erf(at / math.sqrt(2)) / math.erf(limit / math.sqrt(2))
        assert (z.abs() <= at).float().mean().item() == pytest.approx(expected, abs=4 / n**0.5)


@pytest.mark.parametrize("dim", [1, 10_000])
@pytest.mark.parametrize("arch", ["mlp", "dcgan"])
def test_the_smallest_and_the_largest_latent_dim(arch: str, dim: int) -> None:
    run = tiny({"arch": arch, "latent.dim": dim, "budget_kimg": 0.024})
    assert len(list(run.ticks())) == 2
    assert run.generator().sample(3).isfinite().all()


# Files -----------------------------------------------------------------------------------------------


@every_arch
@every_distribution
@pytest.mark.parametrize("tricks", [{}, {"ema": True, "packing": True, "spectral_norm": True, "minibatch_std": True}])
def test_a_file_restores_the_generator(arch: str, distribution: str, tricks: dict[str, Any], tmp_path: Path) -> None:
    settings = {"arch": arch, "latent.distribution": distribution, "g.activation": "silu", **tricks}
    run = tiny(settings)
    list(run.ticks())
    generator, path = run.generator(), tmp_path / "g.safetensors"
    save_generator(generator, run.config, run.source.shape, path)
    loaded = load_generator(path)
    assert torch.equal(loaded.sample(30, seed=4), generator.sample(30, seed=4))
    assert loaded.latent == run.config.latent
    assert not loaded.net.training
    assert torch.equal(loaded(torch.ones(2, 6)), generator.eval()(torch.ones(2, 6)))


def test_invalid_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, path, {"format": "pt"})
    with pytest.raises(ValueError, match=r"other.safetensors must be a generator saved by ganstudy .*its header holds \['format'\]"):
        load_generator(path)
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"its header holds \[\]"):
        load_generator(path)
    path.write_bytes(b"no safetensors at all")
    with pytest.raises(ValueError, match=r"other.safetensors must be a complete generator file saved by ganstudy; it cannot be read"):
        load_generator(path)
    with pytest.raises(FileNotFoundError):
        load_generator(tmp_path / "nowhere.safetensors")
    with pytest.raises(UserError, match="must be a generator file saved by ganstudy; it is a folder"):
        load_generator(tmp_path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    run, path = tiny(), tmp_path / "g.safetensors"
    save_generator(run.generator(), run.config, run.source.shape, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="it cannot be read"):
        load_generator(path)


@pytest.mark.usefixtures("plugins")
def test_a_file_that_needs_a_plugin_names_the_missing_setting(tmp_path: Path) -> None:
    from trainables.tricks import TRICKS
    from trainables.tricks.base import Trick, trick

    trick("mine")(type("Mine", (Trick,), {"__doc__": "Of a plugin. Nobody 2026."}))
    run, path = tiny({"mine": True}), tmp_path / "g.safetensors"
    save_generator(run.generator(), run.config, run.source.shape, path)
    assert load_generator(path).sample(2).shape == (2, 2)
    del TRICKS["mine"]
    with pytest.raises(ValueError, match="no setting named 'mine'"):
        load_generator(path)


def test_a_seed_that_does_not_fit_is_refused() -> None:
    generator = tiny().generator()
    for seed in (2**64, -(2**63) - 1):
        with pytest.raises(UserError, match="a seed must fit into 64 bits; given"):
            generator.sample(2, seed=seed)
    assert generator.sample(2, seed=2**64 - 1).shape == (2, 2)
    with pytest.raises(UserError, match=r"a seed must be a whole number; given 0\.5"):
        generator.sample(2, seed=0.5)  # type: ignore[arg-type]
    for n in (0, -1, 2.5):
        with pytest.raises(UserError, match=f"n must be a whole number, at least 1; given {n}"):
            generator.sample(n)  # type: ignore[arg-type]


def test_a_generator_accepts_any_module() -> None:
    generator = Generator(nn.Linear(3, 2), LatentConfig(dim=3))
    assert generator.sample(4).shape == (4, 2)
