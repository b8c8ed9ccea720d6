"""Makes the classifiers beside this file: `python -m study.evaluation.weights.make [DATA ...]`. Then commit them; a new weight is a new protocol."""

import sys

from analysis.metrics.features import train_classifier
from study.evaluation.classifiers import SEED, SHIPPED, accuracy, save_classifier
from trainables.data import load
from trainables.sections import DataConfig

STEPS = {"digits": 300, "fashion_mnist": 2_000}
LEAST = {"digits": 0.97, "fashion_mnist": 0.90}  # held-out accuracy below which the features are not worth shipping


def main(names: list[str]) -> None:
    for name in names or STEPS:
        source = load(DataConfig(name=name))
        assert source.train_labels is not None
        classifier = train_classifier(source.train, source.train_labels, classes=len(source.classes), seed=SEED, steps=STEPS[name])
        found = accuracy(classifier, source)
        print(f"{name}: {found:.4f} of {len(source.heldout):,} held-out images")
        if found < LEAST[name]:
            raise SystemExit(f"{name}: the held-out accuracy must be at least {LEAST[name]}; it is {found:.4f}")
        save_classifier(classifier, source, SHIPPED / f"{name}.safetensors")


if __name__ == "__main__":
    main(sys.argv[1:])
