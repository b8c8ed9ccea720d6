"""FEATURES: what `evaluation.features` of a study file may name. `study.evaluation.features` chooses among them for a data set."""

from collections.abc import Callable

from torch import nn

from analysis.metrics.features import Extractor, Pixels, Points, RandomConv
from analysis.metrics.pretrained import pretrained_names
from ganstudy import UserError
from ganstudy.registry import Registry, first_line, nearest
from trainables.data import Source

FEATURES: Registry[Callable[[Source], nn.Module]] = Registry("features")
"""name -> the network that a source is judged by. To add one of your own: a function of the source that makes an nn.Module."""


@FEATURES.register("points")
def _points(source: Source) -> Extractor:
    """The points of a mixture themselves"""
    return Points()


@FEATURES.register("pixels")
def _pixels(source: Source) -> Extractor:
    """All pixels, from 0 to 1: for small, aligned images only"""
    return Pixels()


@FEATURES.register("random_conv")
def _random_conv(source: Source) -> Extractor:
    """A convolutional network with fixed random weights, Naeem et al. 2020: the default for images without labels"""
    return RandomConv(channels=source.shape[0])


def known_features() -> dict[str, str]:
    """Name -> one line, of all that `evaluation.features` may say."""
    own = {name: first_line(make) for name, make in FEATURES.items()}
    theirs = dict.fromkeys(pretrained_names(), "torch-fidelity's, weights and resizing included")
    return {
        "auto": "points, classifier or random_conv, by what the data are",
        "classifier": "a small classifier of the data's own classes, its last layer but one: the default for labelled images",
        **own,
        **theirs,
        "inception": "Inception-v3 as torch-fidelity defines it: Fréchet distances in it are FIDs",
    }


def own_features() -> list[str]:
    """Those of plugins, which may suit points and images."""
    return [name for name in FEATURES if name not in ("points", "pixels", "random_conv")]


def refuse_unknown_features(name: str) -> None:
    known = known_features()
    if name not in known:
        raise UserError(f"no features named {name!r}; {nearest(name, known)}there are {sorted(known)}")
