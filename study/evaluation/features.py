"""Which features a data set is judged in: by rule or by the study file, so that nobody chooses them after seeing the results."""

import torch

from analysis.metrics.features import Classifier, Extractor, Module
from analysis.metrics.pretrained import FROM_FILE, Pretrained, pretrained_names
from ganstudy import UserError
from study.spec.features import FEATURES, own_features, refuse_unknown_features
from trainables.data import Source

SEED = 0  # of random weights


def choose(source: Source, *, features: str = "auto", weights: str | None = None, classifier: Classifier | None = None) -> Extractor:
    """The extractor that `features` names. Raises UserError for an unknown name, features that do not fit the data, or weights that are missing.

    auto: points: themselves; images with labels: the `classifier` of them; images without: a random network.
    """
    points = len(source.shape) == 1
    if features == "auto":
        features = "points" if points else "classifier" if classifier else "random_conv"
    refuse_unknown_features(features)
    if weights is not None and features not in pretrained_names():
        raise UserError(f"evaluation.weights are read for {' and '.join(FROM_FILE)}; evaluation.features is {features!r}")
    if points != (features == "points") and features not in own_features():
        raise UserError(
            f"evaluation.features must be {'points' if points else 'features of images'} for {source.name}; given is {features!r}"
        )
    if features == "classifier":
        if classifier is None:
            raise UserError(f"evaluation.features: classifier needs labelled images; {source.name} has no labels")
        return classifier
    if features in pretrained_names():
        return Pretrained(features, weights=weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)  # the same weights whenever the study is gone on with
        made = FEATURES.pick(features)(source)
    return made.eval() if isinstance(made, Extractor) else Module(features, made)
