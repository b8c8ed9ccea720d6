"""Evaluator: a generator's sampler -> numbers that say how good its samples are."""

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

from analysis.metrics import Baseline, Comparison, Mixture, Reference, Samples, baselines, measure, measure_by_class
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

BLOCK = 500  # samples asked for at a time
SEED = 20_000  # of the samples, at every tick of every trial; of which real data are taken, and in which order
N_IMAGES, N_POINTS = 2_000, 2_500  # samples judged; 2,500 points as in VEEGAN and PacGAN
N_REAL, N_TRAIN = 10_000, 5_000  # of the held-out data and of the training data, at most
BASELINE_DRAWS = 5


class Generator(Protocol):
    """What can be judged: images [n, C, H, W] as floats in [-1, 1], or points [n, D]; the same for the same seed.

    One that is told classes has `labelled` too: (the same samples, the class int64 [n] of each).
    """

    def sample(self, n: int, *, seed: int) -> Tensor: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """What looks at samples: the features that distances are measured in, and who tells the classes (it may be the same)."""

    extractor: Extractor
    classifier: Classifier | None

    def see(self, x: Array) -> Samples:
        """Of uint8 images [N, C, H, W] or points [N, D]."""
        features = self.extractor.features(x)
        probabilities = None
        if self.classifier:
            probabilities = self.classifier.probabilities(features if self.classifier is self.extractor else self.classifier.features(x))
        return Samples(features=features, probabilities=probabilities, data=x)

    def see_once(self, x: Array) -> Samples:
        """`see`, kept in the user's cache where a pretrained network would take minutes, since every launch and resume needs it."""
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
        """A copy of them on a device."""
        there = copy.deepcopy({"extractor": self.extractor, "classifier": self.classifier})  # one copy where they are the same
        return Networks(**{name: net and net.to(device) for name, net in there.items()})  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluator:
    """Measures samples against held-out data, which it has prepared once. Make one with `build`; it can be pickled.

    judge(sampler) -> {"fd": ..., "precision": ..., ...}, all finite; by the same latents at every call.
    """

    protocol: EvaluationProtocol
    shape: tuple[int, ...]  # of one sample
    networks: Networks
    reference: Reference
    accuracy: float | None  # of the classifier on the held-out data; None where there is no classifier
    baselines: Mapping[str, Baseline]  # metric -> what real data score

    @classmethod
    def build(
        cls,
        source: Source,
        *,
        features: str = "auto",
        weights: str | None = None,
        n_fake: int | None = None,
        n_real: int = N_REAL,
        k: int = 5,
        kept: Path | None = None,
        conditional: bool = False,
    ) -> "Evaluator":
        """Choose the `features` (`study.evaluation.features.choose`) and prepare the real side from at most `n_real` held-out data.

        `n_fake` samples are judged: by default 2,500 points, or twice as many images as are held out, 2,000 at most. `kept`: where a study
        keeps its classifier. `conditional`: samples of generators that are told classes are judged by those too. Raises UserError where there
        are too few data for `k` neighbours, or the features are not to be had, or the data have no labels and are to be judged by them.
        """
        images = len(source.shape) == 3
        n_fake = n_fake or (min(N_IMAGES, 2 * len(source.heldout)) if images else N_POINTS)
        n_real = min(n_real, len(source.heldout))
        if min(n_real, n_fake) <= k:
            raise UserError(f"judging needs more than k = {k} held-out data and samples; {source.name} has {n_real} and {n_fake}")
        if conditional and (source.train_labels is None or source.heldout_labels is None):
            raise UserError(f"g.condition needs labelled data; {source.name} has no labels")
        classifier = classifier_of(source, kept=kept)
        extractor = choose(source, features=features, weights=weights, classifier=classifier)
        networks = Networks(extractor=extractor, classifier=classifier)

        rows = np.sort(np.random.default_rng(SEED).permutation(len(source.heldout))[:n_real])
        real = networks.see_once(source.heldout[rows])
        # those that a run with a small data.size trains on are among them
        some = first_rows(len(source.train)).numpy()[: max(N_TRAIN, n_fake)]
        train = networks.see_once(source.train[some])
        if conditional:
            assert source.heldout_labels is not None
            assert source.train_labels is not None
            real, train = replace(real, labels=source.heldout_labels[rows]), replace(train, labels=source.train_labels[some])
        centres = source.centres
        reference = Reference.of(
            real,
            n=n_fake,
            train=train.features[:N_TRAIN],
            mixture=None if centres is None or source.std is None else Mixture(centres=centres.astype(np.float64), std=source.std),
            k=k,
            seed=SEED,
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
            baselines=baselines(reference, train, n_fake, draws=BASELINE_DRAWS, seed=SEED),
        )

    @property
    def n_modes(self) -> int | None:
        """Number of known modes; None where the data have none."""
        return None if self.reference.shares is None else len(self.reference.shares)

    def on(self, device: torch.device) -> "Evaluator":
        """The same judge, its networks on a device."""
        return replace(self, networks=self.networks.on(device))

    def __call__(self, generator: Generator) -> dict[str, float]:
        """Metric -> value. Raises Diverged where samples are not finite, UserError where they have another shape than the data."""
        return measure(self._compare(generator))

    def by_class(self, generator: Generator) -> dict[int, dict[str, float]]:
        """Class -> the metrics of conditional runs, of the samples alone that were asked to be of it. Raises as a call does."""
        return measure_by_class(self._compare(generator))

    def _compare(self, generator: Generator) -> Comparison:
        blocks = list(self._samples(generator))
        fake = self.networks.see(np.concatenate([samples for samples, _ in blocks]))
        labels = [of for _, of in blocks if of is not None]
        return Comparison(real=self.reference, fake=replace(fake, labels=np.concatenate(labels)) if labels else fake)

    def _samples(self, generator: Generator) -> Iterator[tuple[Array, Array | None]]:
        """n_fake samples as the data are stored, in blocks: uint8 images or float32 points; and the classes that were asked for."""
        labelled = getattr(generator, "labelled", None)
        for i, start in enumerate(range(0, self.protocol.n_fake, BLOCK)):
            n = min(BLOCK, self.protocol.n_fake - start)
            drawn, labels = labelled(n, seed=SEED + i) if labelled else (generator.sample(n, seed=SEED + i), None)
            samples = drawn.detach().float().cpu().numpy()
            if samples.shape != (n, *self.shape):
                raise UserError(f"samples must have the shape {[n, *self.shape]} of {self.protocol.data}; given is {list(samples.shape)}")
            if bad := int((~np.isfinite(samples)).reshape(n, -1).any(axis=1).sum()):
                raise Diverged(f"{bad} of {n} samples of the generator are not finite")
            yield as_bytes(samples) if len(self.shape) == 3 else samples, None if labels is None else labels.cpu().numpy()


def as_bytes(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """[-1, 1] (clipped to it) -> 0..255, rounded, as they would be saved."""
    return ((images.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)
