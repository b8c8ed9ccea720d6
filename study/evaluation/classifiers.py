"""Classifiers of a data set's classes: shipped, stored with a study, cached, or trained."""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from platformdirs import user_cache_dir
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from analysis.metrics.features import FEATURES as PER_PICTURE
from analysis.metrics.features import Classifier, train_classifier, weights_hash
from ganstudy import UserError
from ganstudy.files import write_whole
from trainables.data import Source, load

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).parent / "weights"
_RECIPE = 1  # part of a cached file's name; increase it when `train_classifier` would give other weights
SEED = 0


class Composed(Classifier):
    """A classifier for a subset of another classifier's classes, or for combinations of them in images stacked in the channels.

    of_whole [K, P]: for each of the K classes, the other classifier's class of each of the P stacked images. Each image is classified
    separately. Features are concatenated, [N, P * 64]. The probability of a class is the product over its images, normalised over the K.
    """

    def __init__(self, of: Classifier, of_whole: NDArray[np.int64]):
        nn.Module.__init__(self)  # no network of its own
        self.of = of.eval()
        self.register_buffer("table", torch.from_numpy(of_whole.copy()))

    @property
    def parts(self) -> int:
        """Number P of stacked images."""
        return len(self.get_buffer("table").T)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.of(x.unflatten(1, (self.parts, -1)).flatten(0, 1)).unflatten(0, (-1, self.parts)).flatten(1)
        return features

    @torch.inference_mode()
    def probabilities(self, features: NDArray[np.float32] | Tensor) -> NDArray[np.float64]:
        """Features [N, P * 64] -> class probabilities [N, K]."""
        table = self.get_buffer("table")
        parts = torch.as_tensor(features).to(table.device).unflatten(1, (self.parts, PER_PICTURE))
        logs = self.of.head(parts).double().log_softmax(dim=2)
        joint = logs[:, 0, table[:, 0]]
        for part in range(1, self.parts):  # one by one: P arrays [N, K] would need much memory
            joint += logs[:, part, table[:, part]]
        found: NDArray[np.float64] = joint.softmax(dim=1).cpu().numpy()
        return found


def classifier_of(source: Source, *, kept: Path | None = None) -> Classifier | None:
    """The classifier of the source's classes; None for points and for images without labels.

    Takes the first one that was trained on the same split: the shipped one, the one at `kept` in the study's folder, or the one in the
    user's cache. Else trains one (about a minute) and caches it. Other machines train slightly different weights, which are another
    evaluation protocol. For a subset or a stack of another data set, returns `Composed` of that data set's classifier, which was trained on
    all samples of every class.
    """
    if source.train_labels is None or len(source.shape) == 1:
        return None
    if source.whole is not None and source.of_whole is not None:
        whole = classifier_of(load(source.whole), kept=kept)
        return whole and Composed(whole, source.of_whole)
    if found := stored(source, kept=kept):
        return found[1]
    log.warning("training a classifier for the evaluation of %s; this takes about a minute and is cached", source.name)
    classifier = train_classifier(source.train, source.train_labels, classes=len(source.classes), seed=SEED)
    save_classifier(classifier, source, _cache_path(source))
    return classifier


def stored(source: Source, *, kept: Path | None) -> tuple[Path, Classifier] | None:
    """The first stored classifier that was trained on the same split, and its file; None if one must be trained."""
    for file in (SHIPPED / f"{source.name}.safetensors", kept, _cache_path(source)):
        if file and file.is_file() and (classifier := load_classifier(file, source)) is not None:
            return file, classifier
    return None


def keep_classifier(classifier: Classifier | None, source: Source, path: Path) -> None:
    """Save the classifier to `path` in a study's folder, unless the file exists or the classifier is shipped."""
    if classifier is None or path.exists():
        return
    if isinstance(classifier, Composed) and source.whole is not None:
        classifier, source = classifier.of, load(source.whole)
    shipped = SHIPPED / f"{source.name}.safetensors"
    if not (shipped.is_file() and load_classifier(shipped, source)):
        save_classifier(classifier, source, path)


def accuracy(classifier: Classifier, source: Source) -> float:
    """Accuracy on the held-out images."""
    assert source.heldout_labels is not None
    decisions = classifier.probabilities(classifier.features(source.heldout)).argmax(axis=1)
    return float(np.mean(decisions == source.heldout_labels))


def save_classifier(classifier: Classifier, source: Source, path: Path) -> None:
    """Write the weights as safetensors. The header describes the data, the training and the accuracy."""
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
    """Load a classifier; None if it was trained on another split than the source's. Raises UserError for a damaged file."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("split") != source.fingerprint:
                return None
            with torch.device("meta"):  # draws no weights, so torch's random state does not change
                classifier = Classifier(channels=source.shape[0], side=min(source.shape[1:]), classes=len(source.classes))
            classifier.load_state_dict({name: file.get_tensor(name) for name in file.keys()}, assign=True)  # noqa: SIM118  (not a mapping)
        damage = "" if weights_hash(classifier) == header.get("weights") else "its weights differ from their hash"
    except (SafetensorError, OSError, RuntimeError) as error:  # RuntimeError: other weights than those of a Classifier
        damage = " ".join(str(error).split())[:200]
    if damage:
        raise UserError(
            f"{path} must be the classifier of {source.name} as it was saved; it is damaged: {damage}. Restore it from a backup, or delete it: "
            "then another one is trained, which may be another evaluation protocol"
        )
    return classifier.eval().requires_grad_(False)


def _cache_path(source: Source) -> Path:
    facts = json.dumps([_RECIPE, source.fingerprint, SEED])
    return Path(user_cache_dir("ganstudy"), "evaluation protocols", hashlib.sha256(facts.encode()).hexdigest()[:16] + ".safetensors")
