"""Judge: a generator's sampler -> numbers that say how good its samples are. Ruler: what those numbers were measured with."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from analysis.metrics import METRICS, Comparison, Reference, balls, frechet_statistics, measure, nearest_centre, shares
from analysis.metrics.features import Classifier, Extractor, weights_hash
from study.features import choose
from trainables.data import Source
from trainables.run import Diverged

Array = NDArray[Any]

BLOCK = 500  # samples asked for at a time
SEED = 20_000  # of the samples, at every tick of every trial; of which real data are taken, and in which order
N_IMAGES, N_POINTS = 2_000, 2_500  # samples judged; 2,500 points as in VEEGAN and PacGAN


class Sampler(Protocol):
    """What can be judged: images [n, C, H, W] as floats in [-1, 1], or points [n, D]; the same for the same seed."""

    def sample(self, n: int, *, seed: int) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class Ruler:
    """What a number was measured with. Numbers of different rulers are never compared, ranked or resumed together."""

    data: str
    split: str  # fingerprint of the data's split
    features: str  # name of the extractor
    weights: str  # hash of its weights
    n_real: int  # held-out samples; precision, recall, density and coverage use n_fake of them at most
    n_fake: int
    k: int  # neighbours

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def hash(self) -> str:
        """10 hex digits."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()[:10]

    def axis(self, metric: str) -> str:
        """The metric's full name, which says what it is without its study: "fd" -> "fd_classifier_2k"."""
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {list(METRICS)}; given is {metric!r}")
        n = f"{self.n_fake // 1000}k" if self.n_fake % 1000 == 0 else str(self.n_fake)
        return f"{metric}_{self.features}_{n}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """Measures samples against held-out data, which it has prepared once. Make one with `build`; it can be pickled.

    judge(sampler) -> {"fd": ..., "precision": ..., ...}, all finite; by the same latents at every call.
    """

    ruler: Ruler
    shape: tuple[int, ...]  # of one sample
    extractor: Extractor
    reference: Reference
    n_modes: int | None  # number of known modes; None where the data have none
    accuracy: float | None  # of the classifier on the held-out data; None where there is no classifier
    # what as many real training data as there are samples score: about what a perfect generator would
    floors: dict[str, float] = field(default_factory=dict)

    @classmethod
    def build(cls, source: Source, *, n_fake: int | None = None, n_real: int = 10_000, k: int = 5, kept: Path | None = None) -> "Judge":
        """Choose the features (`study.features.choose`) and prepare the real side from at most `n_real` held-out data.

        `n_fake` samples are judged: by default 2,500 points, or twice as many images as are held out, 2,000 at most.
        Raises ValueError where there are too few data for `k` neighbours.
        """
        images = len(source.shape) == 3
        n_fake = n_fake or (min(N_IMAGES, 2 * len(source.heldout)) if images else N_POINTS)
        n_real = min(n_real, len(source.heldout))
        if min(n_real, n_fake) <= k:
            raise ValueError(f"judging needs more than k = {k} held-out data and samples; {source.name} has {n_real} and {n_fake}")

        extractor = choose(source, kept=kept)
        rng = np.random.default_rng(SEED)
        rows = np.sort(rng.permutation(len(source.heldout))[:n_real])
        features = extractor.features(source.heldout[rows])
        decisions = _decide(extractor, features, source.centres)
        n_modes = len(source.classes) if decisions is not None else None
        accuracy = None
        if isinstance(extractor, Classifier) and source.heldout_labels is not None:
            accuracy = float(np.mean(decisions == source.heldout_labels[rows]))
        statistics = frechet_statistics(features, name="the held-out data's features")
        statistics.root  # noqa: B018  (computed here, it travels along)
        judge = cls(
            ruler=Ruler(
                data=source.name,
                split=source.fingerprint,
                features=extractor.name,
                weights=weights_hash(extractor),
                n_real=n_real,
                n_fake=n_fake,
                k=k,
            ),
            shape=source.shape,
            extractor=extractor,
            reference=Reference(
                statistics=statistics,
                # as many on both sides: coverage by few samples of the small balls of many real data says little
                balls=balls(features[rng.permutation(n_real)[:n_fake]], k=k, name="the held-out data's features"),
                shares=_real_shares(decisions, modes=n_modes) if n_modes is not None and decisions is not None else None,
                centres=None if source.centres is None else source.centres.astype(np.float64),
                std=source.std,
            ),
            n_modes=n_modes,
            accuracy=accuracy,
        )
        # without replacement as far as there are enough
        taken = np.resize(rng.permutation(len(source.train)), n_fake)
        return replace(judge, floors=judge.measure(extractor.features(source.train[taken])))

    def __call__(self, sampler: Sampler) -> dict[str, float]:
        """Metric -> value. Raises Diverged where samples are not finite, ValueError where they have another shape than the data."""
        return self.measure(np.concatenate([self.extractor.features(block) for block in self._samples(sampler)]))

    def measure(self, features: NDArray[np.float32]) -> dict[str, float]:
        """Metric -> value of samples by their features [M, F]."""
        decisions = _decide(self.extractor, features, self.reference.centres)
        found = None if decisions is None or self.n_modes is None else shares(decisions, modes=self.n_modes)
        return measure(Comparison(real=self.reference, features=features.astype(np.float64), shares=found))

    def _samples(self, sampler: Sampler) -> Iterator[Array]:
        """n_fake samples as the data are stored, in blocks: uint8 images or float32 points."""
        for i, start in enumerate(range(0, self.ruler.n_fake, BLOCK)):
            n = min(BLOCK, self.ruler.n_fake - start)
            samples = sampler.sample(n, seed=SEED + i).detach().float().cpu().numpy()
            if samples.shape != (n, *self.shape):
                raise ValueError(f"samples must have the shape {[n, *self.shape]} of {self.ruler.data}; given is {list(samples.shape)}")
            if bad := int((~np.isfinite(samples)).reshape(n, -1).any(axis=1).sum()):
                raise Diverged(f"{bad} of {n} samples of the generator are not finite")
            yield as_bytes(samples) if len(self.shape) == 3 else samples


def as_bytes(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """[-1, 1] (clipped to it) -> 0..255, rounded, as they would be saved."""
    return ((images.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)


def _real_shares(decisions: NDArray[np.int64], *, modes: int) -> NDArray[np.float64]:
    """With half a sample more in each mode (Jeffreys' prior): so the divergence is finite where a mode has no held-out data."""
    counts = np.bincount(decisions, minlength=modes).astype(np.float64) + 0.5
    smoothed: NDArray[np.float64] = counts / counts.sum()
    return smoothed


def _decide(extractor: Extractor, features: NDArray[np.float32], centres: Array | None) -> NDArray[np.int64] | None:
    """The mode [N] of each sample: its nearest centre or its class; None where no modes are known."""
    if centres is not None:
        return nearest_centre(features, centres)
    return extractor.decide(features) if isinstance(extractor, Classifier) else None
