"""Conditional GANs: each mechanism against a manual computation, and what is refused."""

import copy
from itertools import product
from math import prod
from typing import Any

import pytest
import torch
from steps import rng
from tiny import another, needs, source_of, tiny, tiny_config
from torch import Tensor, nn

from trainables.config import TrialConfig
from trainables.effective import effective
from trainables.models import ARCHS
from trainables.models.base import Discriminator
from trainables.models.conditional import (
    D_CONDITIONS,
    G_CONDITIONS,
    AuxiliaryDiscriminator,
    ConcatDiscriminator,
    ConcatGenerator,
    ConditionalNorm,
    NormGenerator,
    ProjectionDiscriminator,
    build_discriminator,
    takes_points,
)
from trainables.models.initialisation import LAYERS
from trainables.run import LOOPS, Run
from trainables.sections import DataConfig
from trainables.tricks.constraints import off_diagonal

PAIRS = list(product(G_CONDITIONS, D_CONDITIONS))
LABELS = torch.tensor([2, 0, 9, 2, 5])
every_arch = pytest.mark.parametrize("arch", ARCHS)
every_d = pytest.mark.parametrize("of_d", D_CONDITIONS)


def conditions(of_g: str = "concat", of_d: str = "projection", **more: Any) -> dict[str, Any]:
    return {"g.condition": of_g, "d.condition": of_d, "data": "digits", **more}


def built(of_d: str, arch: str) -> Any:
    """Return a conditional D for digits, in evaluation mode."""
    torch.manual_seed(0)
    return build_discriminator(tiny_config({"arch": arch, **conditions(of_d=of_d)}), (1, 8, 8), classes=10).eval()


# The mechanisms --------------------------------------------------------------------------------------


@every_arch
def test_projection_matches_a_manual_computation(arch: str) -> None:
    """psi(phi(x)) + v_y . (sum of phi(x) over positions), element by element."""
    d, images = built("projection", arch), torch.randn(5, 1, 8, 8, generator=rng())
    assert type(d) is ProjectionDiscriminator
    features = d.body(images)
    expected = []
    for i, label in enumerate(LABELS.tolist()):
        row, places = d.embedding.weight[label], features[i].reshape(features.shape[1], -1)
        expected.append(d.head(features[i : i + 1]).squeeze() + sum(row[c] * places[c].sum() for c in range(len(row))))
    torch.testing.assert_close(d(images, LABELS), torch.stack(expected), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        d.embedding.weight.zero_()
    torch.testing.assert_close(d(images, LABELS), d.head(features).flatten())


@pytest.mark.parametrize("shape", [(7, 3), (7, 3, 2, 4)])
def test_the_conditional_norm_matches_a_manual_computation(shape: tuple[int, ...]) -> None:
    """gain_y (x - mean) / sqrt(variance + eps) + bias_y, with batch statistics in training and running ones in evaluation.

    All classes start with the gain and bias of the original norm.
    """
    norm = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
        norm.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
    ours, plain = ConditionalNorm(norm, 4), copy.deepcopy(norm)
    x, labels = 2 + 3 * torch.randn(shape, generator=rng()), torch.tensor([0, 3, 3, 1, 2, 0, 1])
    ours.labels = labels
    torch.testing.assert_close(ours(x), plain(x))
    with torch.no_grad():
        ours.gain.copy_(torch.arange(12.0).view(4, 3))
        ours.bias.copy_(torch.arange(12.0).view(4, 3) / 10)
    dims = [0, *range(2, len(shape))]
    for training in (True, False):
        ours.train(training)
        mean = x.mean(dims) if training else 0.1 * x.mean(dims)  # running mean after one batch
        n = x.numel() / 3
        variance = x.var(dims, unbiased=False) if training else 0.9 + 0.1 * x.var(dims, unbiased=False) * n / (n - 1)
        ours.norm.reset_running_stats()
        ours.norm.train()
        ours(x)
        ours.train(training)
        found = ours(x)
        for i, label in enumerate(labels.tolist()):
            for c in range(3):
                expected = ours.gain[label, c] * (x[i, c] - mean[c]) / (variance[c] + 1e-5).sqrt() + ours.bias[label, c]
                torch.testing.assert_close(found[i, c], expected, rtol=1e-4, atol=1e-5)


@every_arch
def test_conditional_norms_replace_all_batch_norms(arch: str) -> None:
    """Before training, samples equal those of the unconditional generator; after training, they depend on the class."""
    labelled, plain = tiny({"arch": arch, **conditions("batchnorm")}), tiny({"arch": arch, "data": "digits"})
    assert type(labelled.nets.g) is NormGenerator
    norms = [m for m in plain.nets.g.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert [m.num_features for m in norms] == [m.gain.shape[1] for m in labelled.nets.g.norms]
    assert {m.affine for m in labelled.nets.g.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)} == {False}
    z = labelled.noise()[:5]
    torch.testing.assert_close(labelled.nets.g(z, LABELS), plain.nets.g(z))
    list(labelled.ticks())
    same = z[:1].expand(5, -1)
    images = labelled.nets.g.eval()(same, LABELS)
    torch.testing.assert_close(images[0], images[3])
    assert not torch.allclose(images[0], images[1])
    assert all(norm.labels is None for norm in labelled.nets.g.norms)


@pytest.mark.parametrize("embedding", [None, 3])
@every_arch
def test_concat_appends_the_class_to_z(arch: str, embedding: int | None) -> None:
    run, seen = tiny({"arch": arch, **conditions(), "g.embedding": embedding}), []
    g = run.nets.g
    assert isinstance(g, ConcatGenerator)
    g.net.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    z = run.noise()[:5]
    assert g(z, LABELS).shape == (5, 1, 8, 8)
    appended = torch.eye(10)[LABELS] if embedding is None else g.embedding.weight[LABELS]  # type: ignore[union-attr]
    assert torch.equal(seen[0], torch.cat([z, appended], 1))


@pytest.mark.parametrize(
    ("arch", "shape", "seen_as"),
    [("mlp", (2,), (12,)), ("mlp", (1, 8, 8), (74,)), ("dcgan", (3, 8, 8), (13, 8, 8)), ("resnet", (1, 8, 8), (11, 8, 8))],
)
@pytest.mark.parametrize("output", ["tanh", "sigmoid"])
def test_concat_appends_the_class_to_the_image(arch: str, shape: tuple[int, ...], seen_as: tuple[int, ...], output: str) -> None:
    """One-hot, always as 0 and 1: extra channels of an image, extra coordinates of a point or of flattened pixels."""
    config = tiny_config({"arch": arch, "g.output": output, **conditions(of_d="concat")})
    assert takes_points(config) == (arch == "mlp")
    d, seen = build_discriminator(config, shape, classes=10), []
    assert isinstance(d, ConcatDiscriminator)
    next(layer for layer in d.modules() if isinstance(layer, LAYERS)).register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    images = torch.randn(5, *shape, generator=rng())
    assert d(images, LABELS).shape == (5,)
    assert seen[0].shape == (5, *seen_as)
    rows = images.flatten(1) if arch == "mlp" else images
    assert torch.equal(seen[0][:, : rows.shape[1]], (rows + 1) / 2 if output == "sigmoid" else rows)
    for i, maps in enumerate(seen[0][:, rows.shape[1] :]):
        assert torch.equal(maps, torch.eye(10)[LABELS[i]].view(10, *[1] * (maps.ndim - 1)).expand_as(maps))


@every_arch
@pytest.mark.parametrize("weight", [None, 0.3])
def test_the_class_loss_matches_a_manual_computation(arch: str, weight: float | None) -> None:
    """-weight log P(class): D on real and fake images, G on fake images. The logits do not depend on the class."""
    run = tiny({"arch": arch, **conditions(of_d="auxiliary"), "d.class_weight": weight})
    d, w = run.nets.d, 1.0 if weight is None else weight
    assert isinstance(d, AuxiliaryDiscriminator)
    real, fake = run.batches.next_labelled(), (run.nets.g(run.noise(), run.draw_labels(None)), run.draw_labels(None))
    step = run.forward(real[0], fake[0], labels=(real[1], fake[1]))

    def by_hand(images: Tensor, labels: Tensor) -> Tensor:
        scores = d.body(images).flatten(1) @ d.classifier[1].weight.T + d.classifier[1].bias
        return -torch.stack([(row.exp() / row.exp().sum()).log()[label] for row, label in zip(scores, labels, strict=True)]).mean()

    of_real, of_fake = by_hand(*real), by_hand(*fake)  # type: ignore[arg-type]
    torch.testing.assert_close(run.d_terms(step)["d/class"], w * (of_real + of_fake))
    torch.testing.assert_close(run.g_terms(step)["g/class"], w * of_fake)
    assert torch.equal(d(real[0], real[1]), d(real[0], (real[1] + 1) % 10))  # type: ignore[operator]
    signals = run.d_step() | run.g_step()
    assert {"d/class", "g/class"} <= signals.keys()


@every_arch
@every_d
def test_a_conditional_d_keeps_the_features_and_head_of_its_architecture(arch: str, of_d: str) -> None:
    """Tricks that rebuild the head or read the features rely on this."""
    d, images = built(of_d, arch), torch.randn(5, 1, 8, 8, generator=rng())
    assert isinstance(d, Discriminator)
    torch.testing.assert_close(d(images, LABELS), d.logits(d.features(images, LABELS), LABELS))  # type: ignore[operator]
    if of_d != "auxiliary":
        assert not torch.allclose(d(images, LABELS), d(images, (LABELS + 1) % 10))


@every_arch
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_conditions_change_no_other_setting(arch: str, pair: tuple[str, str]) -> None:
    shown, plain = effective(tiny({"arch": arch, **conditions(*pair)})), effective(tiny({"arch": arch, "data": "digits"}))
    moved = {name for name in shown if shown[name] != plain[name]}
    assert moved == {"g.condition", "d.condition"} | ({"d.class_weight"} if pair[1] == "auxiliary" else set())


@pytest.mark.parametrize("name", ["g.condition", "g.embedding", "d.condition", "d.class_weight"])
def test_each_setting_changes_training(name: str) -> None:
    found = []
    for settings in (needs(name), needs(name) | {name: another(name)}):
        run = tiny({"g.lr": 0.05, "d.lr": 0.05, **settings})
        list(run.ticks())
        found.append(run.generator().sample(5))
    assert not torch.equal(*found)


def test_spectral_norm_covers_class_embeddings_and_orthogonality_ignores_gains() -> None:
    run = tiny({**conditions("batchnorm"), "spectral_norm": True})
    for _ in range(60):
        row = run.nets.d.embedding.weight  # type: ignore[union-attr]
    assert torch.linalg.matrix_norm(row, 2).item() == pytest.approx(1, abs=0.05)
    assert off_diagonal(run.nets.g) == off_diagonal(nn.ModuleList(m for m in run.nets.g.modules() if isinstance(m, nn.Linear)))


# Refused combinations ----------------------------------------------------------------------------------


def test_conditions_need_labelled_data() -> None:
    with pytest.raises(ValueError, match=r"g.condition: concat needs labelled data; spiral has no labels"):
        Run(tiny_config({**conditions(), "data": "spiral"}), source_of(DataConfig(name="spiral")))


def test_conditions_need_a_loop_that_draws_classes() -> None:
    LOOPS["other"] = type("Other", (), {})
    try:
        with pytest.raises(ValueError, match=r"g.condition needs a loop that draws classes .* one of \['gan'\]; given 'other'"):
            TrialConfig.from_flat({"loop": "other", "g.condition": "concat", "d.condition": "concat"})
        LOOPS["other"].conditional = True  # type: ignore[attr-defined]
        TrialConfig.from_flat({"loop": "other", "g.condition": "concat", "d.condition": "concat"})
    finally:
        del LOOPS["other"]


def test_a_condition_refuses_an_unsuitable_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    bare = replace(
        ARCHS["mlp"],
        generator=lambda config, shape: nn.Sequential(nn.Linear(config.latent.dim, prod(shape)), nn.Unflatten(1, shape)),
        discriminator=lambda config, shape: nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), 1), nn.Flatten(0)),  # type: ignore[arg-type, return-value]
    )
    monkeypatch.setitem(ARCHS, "mlp", bare)
    with pytest.raises(ValueError, match=r"g.condition: batchnorm needs a G with batch norms; the G of arch: mlp has none"):
        tiny(conditions("batchnorm"))
    with pytest.raises(
        ValueError, match=r"d.condition needs an architecture whose D is a Discriminator .*; that of arch: mlp is a Sequential"
    ):
        tiny(conditions())
