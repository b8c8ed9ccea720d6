"""Trains the shipped classifiers: `python -m study.evaluation.weights.make [DATA ...]`.

The files are written next to this one and must be committed. New weights are a new evaluation protocol.
"""

import sys

from analysis.metrics.features import train_classifier
from study.evaluation.classifiers import SEED, SHIPPED, accuracy, save_classifier
from trainables.data import load
from trainables.sections import DataConfig

_STEPS = {"digits": 300, "fashion_mnist": 2_000}
_LEAST = {"digits": 0.97, "fashion_mnist": 0.90}  # held-out accuracy required for shipping


def main(names: list[str]) -> None:
    for name in names or _STEPS:
        source = load(DataConfig(name=name))
        assert source.train_labels is not None
        classifier = train_classifier(source.train, source.train_labels, classes=len(source.classes), seed=SEED, steps=_STEPS[name])
        found = accuracy(classifier, source)
        print(f"{name}: accuracy {found:.4f} on {len(source.heldout):,} held-out images")
        if found < _LEAST[name]:
            raise SystemExit(f"{name}: the held-out accuracy must be at least {_LEAST[name]}; it is {found:.4f}")
        save_classifier(classifier, source, SHIPPED / f"{name}.safetensors")


if __name__ == "__main__":
    main(sys.argv[1:])
