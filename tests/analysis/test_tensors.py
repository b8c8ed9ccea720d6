"""The costly metrics of tensors, which stay on their device, have the values of the same metrics of arrays."""

from typing import Any

import numpy as np
import pytest
import torch

from analysis.metrics import Comparison, Reference, Samples, kid, measure, prdc, vendi_score
from ganstudy import UserError

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(600, 24)).astype(np.float32)
SAMPLES: dict[str, Any] = {
    "good": RNG.normal(size=(500, 24)),
    "shifted": RNG.normal(size=(500, 24)) + 3,
    "far from 0": RNG.normal(size=(500, 24)) + 1e4,
    "copies of training data": np.tile(REAL[:50], (10, 1)),
    "one point": np.ones((500, 24)),
    "few": RNG.normal(size=(8, 24)),
}


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.of(Samples(features=REAL[200:]), n=400, train=REAL[:200])


@pytest.mark.parametrize("name", SAMPLES)
def test_all_metrics_of_tensors_equal_those_of_arrays(name: str, reference: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Samples(features=SAMPLES[name].astype(np.float32))
    operands = Comparison(real=reference, fake=fake).operands.map(torch.tensor)
    of_arrays = measure(Comparison(real=reference, fake=fake))

    def refuse(tensor: torch.Tensor, *args: Any) -> Any:
        raise TypeError("a metric makes an array of a tensor, as it cannot on a GPU")

    monkeypatch.setattr(torch.Tensor, "__array__", refuse)
    of_tensors = measure(Comparison(real=reference, fake=fake, on_device=operands))
    assert {"fd", "kid", "swd", "precision", "recall", "density", "coverage", "vendi", "memorisation"} <= set(of_arrays)
    assert of_tensors == pytest.approx(of_arrays, rel=1e-6, abs=1e-6)


def test_tensors_are_used_where_they_are_given(reference: Reference) -> None:
    """The operands win over the samples: with those of other samples, exactly the costly metrics change."""
    fake, other = (Samples(features=SAMPLES[name].astype(np.float32)) for name in ("good", "shifted"))
    operands = Comparison(real=reference, fake=other).operands.map(torch.tensor)
    plain, mixed = measure(Comparison(real=reference, fake=fake)), measure(Comparison(real=reference, fake=fake, on_device=operands))
    changed = {name for name in plain if plain[name] != pytest.approx(mixed[name])}
    assert changed == set(plain) - {"ndb"}


def test_invalid_tensors_are_refused() -> None:
    points = torch.randn(20, 3)
    broken = points.clone()
    broken[4, 1] = torch.nan
    with pytest.raises(UserError, match="fake must hold finite values only; 1 of 20 points"):
        prdc(points, broken)
    with pytest.raises(UserError, match=r"same dimension D; given are 3 and 2"):
        kid(points, points[:, :2])
    with pytest.raises(UserError, match=r"centre must be one finite point \[3\]"):
        vendi_score(points, centre=points[0, :2])
