"""FEATURES: feature networks that `evaluation.features` may name. `study.evaluation.features` chooses one for a data set."""

from collections.abc import Callable

from torch import nn

from analysis.metrics.features import Extractor, Pixels, Points, RandomConv
from analysis.metrics.pretrained import pretrained_names
from ganstudy import UserError
from ganstudy.registry import Registry, first_line, nearest
from trainables.data import Source

FEATURES: Registry[Callable[[Source], nn.Module]] = Registry("features")
"""Name -> function that makes the feature network for a source. To add an entry, register a function Source -> nn.Module."""


@FEATURES.register("points")
def _points(source: Source) -> Extractor:
    """The coordinates of the points, unchanged"""
    return Points()


@FEATURES.register("pixels")
def _pixels(source: Source) -> Extractor:
    """All pixels, scaled to [0, 1]: only for small, aligned images"""
    return Pixels()


@FEATURES.register("random_conv")
def _random_conv(source: Source) -> Extractor:
    """A convolutional network with fixed random weights, Naeem et al. 2020: the default for images without labels"""
    return RandomConv(channels=source.shape[0])


def _of_ours() -> dict[str, str]:
    return {
        "auto": "points, classifier or random_conv, depending on the data",
        "classifier": "the penultimate layer of a small classifier of the data's classes: the default for labelled images",
        **{name: first_line(make) for name, make in FEATURES.items()},
    }


def known_features() -> dict[str, str]:
    """Return name -> description of everything that `evaluation.features` accepts."""
    theirs = dict.fromkeys(pretrained_names(), "from torch-fidelity, with its weights and resizing")
    return {**_of_ours(), **theirs, "inception": "Inception-v3 from torch-fidelity: Fréchet distances of these features are FIDs"}


def is_pretrained(name: str) -> bool:
    """Whether the features are those of a pretrained network. torch-fidelity, which takes seconds to import, is asked for unknown names only."""
    return name not in _of_ours() and name in pretrained_names()


def own_features() -> list[str]:
    """Return the names of features from plugins, which may work on points and images."""
    return [name for name in FEATURES if name not in ("points", "pixels", "random_conv")]


def refuse_unknown_features(name: str) -> None:
    """Raises UserError for an unknown name."""
    if name not in _of_ours() and not is_pretrained(name):
        known = known_features()
        raise UserError(f"no features named {name!r}; {nearest(name, known)}there are {sorted(known)}")
