"""Classifiers that know the classes of a data set: shipped, kept with a study, cached, or trained."""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from platformdirs import user_cache_dir
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from analysis.metrics.features import FEATURES as PER_PICTURE
from analysis.metrics.features import Classifier, train_classifier, weights_hash
from ganstudy.files import write_whole
from trainables.data import Source, load

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).parent / "weights"
RECIPE = 1  # part of a cached file's name; count up when `train_classifier` would give other weights
SEED = 0


class Composed(Classifier):
    """Knows classes that are made of another classifier's: some of them only, or one for each picture that lies in the channels.

    `of_whole` [K, P]: the classifier's classes in each of the K. The P pictures are told apart by themselves, so the features of all lie
    side by side, [N, P * 64], and the probability of a class is the product of its parts', out of the K.
    """

    def __init__(self, of: Classifier, of_whole: NDArray[np.int64]):
        nn.Module.__init__(self)  # no network of its own
        self.of = of.eval()
        self.register_buffer("table", torch.from_numpy(of_whole.copy()))

    @property
    def parts(self) -> int:
        return len(self.get_buffer("table").T)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.of(x.unflatten(1, (self.parts, -1)).flatten(0, 1)).unflatten(0, (-1, self.parts)).flatten(1)
        return features

    @torch.inference_mode()
    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        table = self.get_buffer("table")
        parts = torch.from_numpy(features).to(table.device).unflatten(1, (self.parts, PER_PICTURE))
        logs = self.of.head(parts).double().log_softmax(dim=2)
        joint = logs[:, 0, table[:, 0]]
        for part in range(1, self.parts):  # [N, K] is large: never P of them
            joint += logs[:, part, table[:, part]]
        found: NDArray[np.float64] = joint.softmax(dim=1).cpu().numpy()
        return found


def classifier_of(source: Source, *, kept: Path | None = None) -> Classifier | None:
    """The classifier that knows the source's classes; None where it has none.

    It is the shipped one where it was made of the very same split, else the one kept with the study, else the one in the user's cache;
    else it is trained (a minute or so) and cached. Another machine would train slightly other weights, another protocol. Of data that were
    cut or stacked from others it is the others' one, `Composed`: it has seen every class in its full number.
    """
    if source.train_labels is None or len(source.shape) == 1:
        return None
    if source.whole is not None and source.of_whole is not None:
        whole = classifier_of(load(source.whole), kept=kept)
        return whole and Composed(whole, source.of_whole)
    for stored in (SHIPPED / f"{source.name}.safetensors", kept, _cached(source)):
        if stored and stored.is_file() and (classifier := load_classifier(stored, source)) is not None:
            return classifier
    log.warning("training the classifier that %s will be judged by, once: about a minute", source.name)
    classifier = train_classifier(source.train, source.train_labels, classes=len(source.classes), seed=SEED)
    save_classifier(classifier, source, _cached(source))
    return classifier


def keep_classifier(classifier: Classifier | None, source: Source, path: Path) -> None:
    """Put the classifier that judges the source into a study's folder, unless it is a shipped one or there already."""
    if classifier is None or path.exists():
        return
    if isinstance(classifier, Composed) and source.whole is not None:
        classifier, source = classifier.of, load(source.whole)
    shipped = SHIPPED / f"{source.name}.safetensors"
    if not (shipped.is_file() and load_classifier(shipped, source)):
        save_classifier(classifier, source, path)


def accuracy(classifier: Classifier, source: Source) -> float:
    """Share of the held-out images whose class it finds."""
    assert source.heldout_labels is not None
    decisions = classifier.probabilities(classifier.features(source.heldout)).argmax(axis=1)
    return float(np.mean(decisions == source.heldout_labels))


def save_classifier(classifier: Classifier, source: Source, path: Path) -> None:
    """Weights, with what they were made of in the header."""
    header = {
        "format": "ganstudy classifier",
        "data": source.name,
        "split": source.fingerprint,
        "shape": json.dumps(source.shape),
        "classes": json.dumps(source.classes),
        "n_train": str(len(source.train)),
        "n_heldout": str(len(source.heldout)),
        "heldout_accuracy": f"{accuracy(classifier, source):.4f}",
        "seed": str(SEED),
        "weights": weights_hash(classifier),
    }
    write_whole(path, save(classifier.state_dict(), header))


def load_classifier(path: Path, source: Source) -> Classifier | None:
    """The classifier in the file, or None where it was made of another split than the source's."""
    with safe_open(path, framework="pt") as file:
        if file.metadata().get("split") != source.fingerprint:
            return None
        with torch.device("meta"):  # no weights are drawn, so torch's generators are left as they are
            classifier = Classifier(channels=source.shape[0], side=min(source.shape[1:]), classes=len(source.classes))
        classifier.load_state_dict({name: file.get_tensor(name) for name in file.keys()}, assign=True)  # noqa: SIM118  (no mapping)
    return classifier.eval().requires_grad_(False)


def _cached(source: Source) -> Path:
    facts = json.dumps([RECIPE, source.fingerprint, SEED])
    return Path(user_cache_dir("ganstudy"), "evaluation protocols", hashlib.sha256(facts.encode()).hexdigest()[:16] + ".safetensors")
