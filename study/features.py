"""Which features a data set is judged in: by rule, so that nobody chooses them after seeing the results."""

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from platformdirs import user_cache_dir
from safetensors import safe_open
from safetensors.torch import save

from analysis.metrics.features import Classifier, Extractor, Points, RandomConv, train_classifier, weights_hash
from trainables.data import Source

if TYPE_CHECKING:
    from study.judge import Judge

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).parent / "rulers"
RECIPE = 1  # part of a cached file's name; count up when `train_classifier` would give other weights
SEED = 0


def choose(source: Source, *, kept: Path | None = None) -> Extractor:
    """Points: themselves. Images with labels: a classifier of them. Images without: a random network.

    The classifier is the shipped one where it was made of the very same split, else the one kept with the study, else the one in the
    user's cache; else it is trained (a minute or so) and cached. Another machine would train slightly other weights, another ruler.
    """
    if len(source.shape) == 1:
        return Points()
    if source.train_labels is None:
        return RandomConv(channels=source.shape[0])
    for stored in (SHIPPED / f"{source.name}.safetensors", kept, _cached(source)):
        if stored and stored.is_file() and (classifier := load_classifier(stored, source)) is not None:
            return classifier
    log.warning("training the classifier that %s will be judged by, once: about a minute", source.name)
    classifier = train_classifier(source.train, source.train_labels, classes=len(source.classes), seed=SEED)
    save_classifier(classifier, source, _cached(source))
    return classifier


def keep_classifier(judge: "Judge", source: Source, path: Path) -> None:
    """Put the judge's classifier beside the study, unless it is a shipped one or there already."""
    shipped = SHIPPED / f"{source.name}.safetensors"
    if isinstance(judge.extractor, Classifier) and not path.exists() and not (shipped.is_file() and load_classifier(shipped, source)):
        save_classifier(judge.extractor, source, path)


def accuracy(classifier: Classifier, source: Source) -> float:
    """Share of the held-out images whose class it finds."""
    assert source.heldout_labels is not None
    return float(np.mean(classifier.decide(classifier.features(source.heldout)) == source.heldout_labels))


def save_classifier(classifier: Classifier, source: Source, path: Path) -> None:
    """Weights, with what they were made of in the header. The file appears only when it is whole."""
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
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("wb") as file:
        file.write(save(classifier.state_dict(), header))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


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
    return Path(user_cache_dir("ganstudy"), "rulers", hashlib.sha256(facts.encode()).hexdigest()[:16] + ".safetensors")
