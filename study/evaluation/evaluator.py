"""Evaluator: generator -> metrics of its samples."""

import copy
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from platformdirs import user_cache_dir
from safetensors.numpy import load_file, save
from torch import Tensor

from analysis.metrics import Baseline, Comparison, Mixture, Operands, Reference, Samples, baselines, measure, measure_by_class
from analysis.metrics.features import Classifier, Extractor, weights_hash
from analysis.metrics.pretrained import Pretrained
from ganstudy import UserError
from ganstudy.files import write_whole
from study.evaluation.classifiers import classifier_of
from study.evaluation.features import choose
from study.evaluation.protocol import EvaluationProtocol
from trainables.batches import first_rows
from trainables.data import Source
from trainables.loop import Diverged

Array = NDArray[Any]

_BLOCK = 500  # samples per call of the generator
_SEED = 20_000  # of the generated samples, at every tick of every trial; also selects and orders the real samples
_N_IMAGES, _N_POINTS = 2_000, 2_500  # generated samples by default; 2,500 points as in VEEGAN and PacGAN
_N_REAL, _N_TRAIN = 10_000, 5_000  # held-out and training samples used, at most
_BASELINE_DRAWS = 5  # draws of real samples for a baseline without a formula


class Generator(Protocol):
    """The methods of a generator that an evaluator uses.

    A conditional generator also has `labelled(n, seed=...)`: the same samples, and the class of each, int64 [n].
    """

    def sample(self, n: int, *, seed: int) -> Tensor:
        """Images [n, C, H, W] as floats in [-1, 1], or points [n, D]; the same for the same seed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """The networks of an evaluator: a feature extractor for distances, and a classifier. They may be the same network."""

    extractor: Extractor
    classifier: Classifier | None

    def see(self, x: Array) -> Samples:
        """Features and class probabilities of uint8 images [N, C, H, W] or points [N, D]."""
        return self.see_tensor(torch.from_numpy(np.array(x)))[0]

    def see_tensor(self, x: Tensor) -> tuple[Samples, Tensor]:
        """The same of a tensor; also the features on the device of the networks."""
        features, probabilities = self.extractor.on_device(x), None
        if self.classifier:
            probabilities = self.classifier.probabilities(features if self.classifier is self.extractor else self.classifier.on_device(x))
        return Samples(features=features.cpu().numpy(), probabilities=probabilities, data=x.cpu().numpy()), features

    def see_once(self, x: Array) -> Samples:
        """`see`, cached on disk for pretrained networks, which take minutes. For real data, which every launch evaluates."""
        if not isinstance(self.extractor, Pretrained):
            return self.see(x)
        seen = hashlib.sha256(np.ascontiguousarray(x).tobytes())
        parts = [version("torch-fidelity"), *(weights_hash(net) for net in (self.extractor, self.classifier) if net)]
        seen.update("".join(parts).encode())
        path = Path(user_cache_dir("ganstudy"), "real", f"{self.extractor.name}-{seen.hexdigest()[:16]}.safetensors")
        if path.is_file():
            kept = load_file(path)
            return Samples(features=kept["features"], probabilities=kept.get("probabilities"), data=x)
        found = self.see(x)
        write_whole(path, save({name: part for name in ("features", "probabilities") if (part := getattr(found, name)) is not None}))
        return found

    def on(self, device: torch.device | str) -> "Networks":
        """A copy on a device."""
        copies = copy.deepcopy({"extractor": self.extractor, "classifier": self.classifier})  # one copy if they are the same network
        return Networks(**{name: net and net.to(device) for name, net in copies.items()})  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluator:
    """Computes metrics of generated samples relative to held-out data. Made by `build`; can be pickled.

    evaluator(generator) -> {"fd": ..., "precision": ..., ...}, all finite. Every call uses the same latents.
    """

    protocol: EvaluationProtocol
    shape: tuple[int, ...]  # of one sample
    networks: Networks
    reference: Reference
    accuracy: float | None  # of the classifier on the held-out data; None without a classifier
    baselines: Mapping[str, Baseline]  # metric -> real-data baseline
    on_device: Operands | None = None  # of the reference, on a GPU; None on a CPU

    @classmethod
    def build(
        cls,
        source: Source,
        *,
        features: str = "auto",
        weights: str | None = None,
        n_fake: int | None = None,
        n_real: int = _N_REAL,
        k: int = 5,
        kept: Path | None = None,
        conditional: bool = False,
    ) -> "Evaluator":
        """Choose the features and prepare the real data.

        features, weights: see `study.evaluation.features.choose`. n_fake: generated samples; default 2,500 points, or twice the number of
        held-out images but at most 2,000. n_real: held-out samples, at most. k: neighbours. kept: file of the study's own classifier.
        conditional: also compute class metrics for conditional generators. Raises UserError if there are too few samples for k neighbours,
        the features are unavailable, or `conditional` is set for data without labels.
        """
        images = len(source.shape) == 3
        n_fake = n_fake or (min(_N_IMAGES, 2 * len(source.heldout)) if images else _N_POINTS)
        n_real = min(n_real, len(source.heldout))
        if min(n_real, n_fake) <= k:
            raise UserError(
                f"evaluation needs more than k = {k} held-out samples and generated samples; {source.name} has {n_real} and {n_fake}"
            )
        if conditional and (source.train_labels is None or source.heldout_labels is None):
            raise UserError(f"g.condition needs labelled data; {source.no_labels}")
        classifier = classifier_of(source, kept=kept)
        extractor = choose(source, features=features, weights=weights, classifier=classifier)
        networks = Networks(extractor=extractor, classifier=classifier)

        rows = np.sort(np.random.default_rng(_SEED).permutation(len(source.heldout))[:n_real])
        real = networks.see_once(source.heldout[rows])
        # first_rows, so that the training samples of a small data.size are included
        train_rows = first_rows(len(source.train)).numpy()[: max(_N_TRAIN, n_fake)]
        train = networks.see_once(source.train[train_rows])
        if conditional:
            assert source.heldout_labels is not None
            assert source.train_labels is not None
            real, train = replace(real, labels=source.heldout_labels[rows]), replace(train, labels=source.train_labels[train_rows])
        centres = source.centres
        reference = Reference.of(
            real,
            n=n_fake,
            train=train.features[:_N_TRAIN],
            mixture=None if centres is None or source.std is None else Mixture(centres=centres.astype(np.float64), std=source.std),
            k=k,
            seed=_SEED,
        )
        accuracy = None
        if real.probabilities is not None and source.heldout_labels is not None:
            accuracy = float(np.mean(real.probabilities.argmax(axis=1) == source.heldout_labels[rows]))
        return cls(
            protocol=EvaluationProtocol(
                data=source.name,
                split=source.fingerprint,
                features=extractor.name,
                weights=weights_hash(extractor),
                classifier=weights_hash(classifier) if classifier else None,
                n_real=n_real,
                n_fake=n_fake,
                k=k,
            ),
            shape=source.shape,
            networks=networks,
            reference=reference,
            accuracy=accuracy,
            baselines=baselines(reference, train, n_fake, draws=_BASELINE_DRAWS, seed=_SEED),
        )

    @property
    def n_modes(self) -> int | None:
        """Number of known modes; None if the data have no known modes."""
        return None if self.reference.shares is None else len(self.reference.shares)

    def on(self, device: torch.device) -> "Evaluator":
        """The same evaluator with its networks on a device; if that is not a CPU, costly metrics are computed there too."""
        operands = None if device.type == "cpu" else self.reference.operands.map(lambda array: torch.tensor(array, device=device))
        return replace(self, networks=self.networks.on(device), on_device=operands)

    def __call__(self, generator: Generator) -> dict[str, float]:
        """Metric -> value, all finite. Raises Diverged for non-finite samples, and UserError for samples of another shape than the data and for a
        metric that is not a finite number: the fault of a metric is no result of a trial."""
        return measure(self._compare(generator))

    def by_class(self, generator: Generator) -> dict[int, dict[str, float]]:
        """Class -> class metrics over the samples conditioned on it. Raises the same errors as a call."""
        return measure_by_class(self._compare(generator))

    def _compare(self, generator: Generator) -> Comparison:
        blocks = list(self._samples(generator))
        fake, features = self.networks.see_tensor(torch.cat([samples for samples, _ in blocks]))
        if labels := [of for _, of in blocks if of is not None]:
            fake = replace(fake, labels=torch.cat(labels).cpu().numpy())
        return Comparison(real=self.reference, fake=fake, on_device=self.on_device and replace(self.on_device, features=features))

    def _samples(self, generator: Generator) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Blocks of n_fake samples in the data's format, uint8 images or float32 points, with the classes they were conditioned on."""
        labelled = getattr(generator, "labelled", None)
        for i, start in enumerate(range(0, self.protocol.n_fake, _BLOCK)):
            n = min(_BLOCK, self.protocol.n_fake - start)
            drawn, labels = labelled(n, seed=_SEED + i) if labelled else (generator.sample(n, seed=_SEED + i), None)
            samples = drawn.detach().float()
            if samples.shape != (n, *self.shape):
                raise UserError(f"samples must have the shape {[n, *self.shape]} of {self.protocol.data}; given {list(samples.shape)}")
            if bad := int((~samples.isfinite()).flatten(1).any(dim=1).sum()):
                raise Diverged(f"{bad} of {n} samples of the generator are not finite")
            yield as_bytes(samples) if len(self.shape) == 3 else samples, labels


def as_bytes(images: Tensor) -> Tensor:
    """Images clipped to [-1, 1] -> uint8 0..255, rounded as when saved to a file."""
    return ((images.clip(-1, 1) + 1) * 127.5).round().to(torch.uint8)
