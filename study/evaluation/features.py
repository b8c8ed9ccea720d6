"""Chooses the features that distances are computed in, by rule or from the study file, before there are any results."""

import torch

from analysis.metrics.features import Classifier, Extractor, Module
from analysis.metrics.pretrained import FROM_FILE, Pretrained
from ganstudy import UserError
from study.spec.features import FEATURES, is_pretrained, own_features, refuse_unknown_features
from trainables.data import Source

_SEED = 0  # of random weights


def choose(source: Source, *, features: str = "auto", weights: str | None = None, classifier: Classifier | None = None) -> Extractor:
    """The feature extractor named `features`.

    "auto" is "points" for points, "classifier" for images with labels, and "random_conv" for images without. Raises UserError for an unknown
    name, features that do not fit the data, or missing weights.
    """
    points = len(source.shape) == 1
    if features == "auto":
        features = "points" if points else "classifier" if classifier else "random_conv"
    refuse_unknown_features(features)
    if weights is not None and not is_pretrained(features):
        raise UserError(f"evaluation.weights needs evaluation.features to be {' or '.join(FROM_FILE)}; given {features!r}")
    if points != (features == "points") and features not in own_features():
        raise UserError(f"evaluation.features must be {'points' if points else 'features of images'} for {source.name}; given {features!r}")
    if features == "classifier":
        if classifier is None:
            raise UserError(f"evaluation.features: classifier needs labelled images; {source.no_labels}")
        return classifier
    if is_pretrained(features):
        return Pretrained(features, weights=weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)  # a resumed study must get the same weights
        made = FEATURES.pick(features)(source)
    return made.eval() if isinstance(made, Extractor) else Module(features, made)
