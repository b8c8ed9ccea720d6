"""Conditional GANs: resumed and stored ones, and the classes that a generator is asked for."""

from itertools import cycle, product
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny

from trainables.generators import Generator, load_generator, save_generator
from trainables.grid import ROWS, SIDE, grid_samples
from trainables.models import ARCHS
from trainables.models.conditional import (
    D_CONDITIONS,
    G_CONDITIONS,
)

PAIRS = list(product(G_CONDITIONS, D_CONDITIONS))
LABELS = torch.tensor([2, 0, 9, 2, 5])


def conditions(of_g: str = "concat", of_d: str = "projection", **more: Any) -> dict[str, Any]:
    return {"g.condition": of_g, "d.condition": of_d, "data": "digits", **more}


@pytest.mark.parametrize(("pair", "arch"), list(zip(PAIRS, cycle(ARCHS), strict=False)), ids=str)
def test_every_pair_resumes_bit_for_bit_and_is_restored_from_its_file(pair: tuple[str, str], arch: str, tmp_path: Path) -> None:
    """The state includes old fakes and their classes, an average of G, and running statistics of D."""
    settings = {
        "arch": arch,
        **conditions(*pair),
        "experience_replay": True,
        "experience_replay.images": 9,
        "ema": True,
        "d.norm": "batch",
    }
    settings |= {"g.embedding": 3} if pair[0] == "concat" else {}
    whole, resumed = tiny(settings), tiny({**settings})
    ticks = whole.ticks()
    next(ticks), next(ticks)
    torch.save(whole.state_dict(), tmp_path / "run.pt")
    expected = list(ticks)
    resumed.load_state_dict(torch.load(tmp_path / "run.pt", weights_only=True))
    assert list(resumed.ticks()) == expected
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)

    generator, path = resumed.generator(), tmp_path / "g.safetensors"
    save_generator(generator, resumed.config, resumed.source.shape, path)
    loaded = load_generator(path)
    for ours, theirs in zip(loaded.labelled(30, seed=4), generator.labelled(30, seed=4), strict=True):
        assert torch.equal(ours, theirs)  # type: ignore[arg-type]
    assert torch.equal(loaded.shares, resumed.shares)  # type: ignore[arg-type]
    assert loaded.classes == resumed.source.classes
    assert torch.equal(loaded.sample(2, labels=LABELS[:2]), generator.sample(2, labels=LABELS[:2]))


@pytest.fixture
def generator() -> Generator:
    run = tiny(
        conditions(),
    )
    list(run.ticks())
    return run.generator()


def test_a_generator_samples_the_requested_classes(generator: Generator) -> None:
    labels = torch.arange(10).repeat(60)
    same, other = generator.sample(600, seed=1, labels=labels), generator.sample(600, seed=1, labels=labels.flip(0))
    assert torch.equal(same, generator.sample(600, seed=1, labels=labels))
    assert not torch.equal(same, other)
    drawn, of_drawn = generator.labelled(600, seed=1)
    assert torch.equal(drawn, generator.sample(600, seed=1))
    assert of_drawn is not None
    torch.testing.assert_close(generator.sample(600, seed=1, labels=of_drawn), drawn)  # the same latents
    counts = torch.bincount(of_drawn, minlength=10)
    assert (counts - 600 * generator.shares).square().div(600 * generator.shares).sum() < 30  # type: ignore[operator]
    assert not torch.equal(of_drawn, generator.labelled(600, seed=2)[1])  # type: ignore[arg-type]


def test_classes_by_name_or_number(generator: Generator) -> None:
    named = Generator(generator.net, generator.latent, shares=torch.ones(3), classes=("Coat", "Bag", "1"))
    assert [named.label_of(name) for name in ("Bag", "0", "1")] == [1, 0, 2]
    for name in ("Bags", "3", "-1", "1.0"):
        with pytest.raises(ValueError, match=rf"a class must be one of Coat, Bag, 1, or its number from 0 to 2; .*given '{name}'"):
            named.label_of(name)
    plain = tiny().generator()
    with pytest.raises(ValueError, match=r"class 'Bag' needs a conditional generator"):
        plain.label_of("Bag")
    with pytest.raises(ValueError, match="labels need a conditional generator"):
        plain.sample(2, labels=LABELS[:2])
    for wrong in (LABELS, LABELS[:2] + 9, LABELS[:2] - 1, torch.zeros(2)):
        with pytest.raises(ValueError, match=r"labels must be 2 integers from 0 to 9, one per sample; given"):
            generator.sample(2, labels=wrong)


def test_a_grid_has_one_class_per_row(generator: Generator) -> None:
    shape = (1, 8, 8)
    rows = torch.arange(10).repeat_interleave(SIDE)
    assert torch.equal(grid_samples(generator, shape, seed=3), generator.sample(10 * SIDE, seed=3, labels=rows))
    assert torch.equal(grid_samples(generator, shape, label=7), generator.sample(64, labels=torch.full((64,), 7)))
    plain = tiny({"data": "digits"}).generator()
    assert torch.equal(grid_samples(plain, shape), plain.sample(64))
    many = Generator(generator.net, generator.latent, shares=torch.ones(1000))
    many.sample = lambda n, *, seed, labels: labels  # type: ignore[assignment, method-assign, misc]
    assert grid_samples(many, shape).tolist() == [k for k in range(ROWS) for _ in range(SIDE)]
