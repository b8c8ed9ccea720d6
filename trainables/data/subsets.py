"""Parts of a labelled data set: a held-out part, some of its classes, a long tail. Always the same rows; no seed of a trial is in it."""

from dataclasses import replace

import numpy as np

from ganstudy.errors import UserError
from ganstudy.registry import nearest
from trainables.data.source import Labels, Source
from trainables.sections import DataConfig


def split(labels: Labels, *, n_heldout: int) -> tuple[Labels, Labels]:
    """Rows to train on and rows to hold out, shuffled: always the same ones, and each class in proportion (to one row).

    A systematic sample: evenly spaced rows of a random order that is sorted by label. With one label it is a simple random sample.
    """
    rng = np.random.default_rng(0)
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    held = np.zeros(len(labels), bool)
    held[((np.arange(n_heldout) + 0.5) * len(labels) / n_heldout).astype(int)] = True
    return rng.permutation(order[~held]), rng.permutation(order[held])


def of_classes(source: Source, config: DataConfig) -> Source:
    """The rows of the classes in `config.classes` alone, on both sides; they keep the order of the data set's own classes.

    An item is a class's name, or else its number from 0.
    """
    train_labels, heldout_labels = labels_of(source, "classes")
    assert config.classes is not None
    chosen = np.array(sorted(_index(item, source) for item in config.classes.split(",")), np.int64)
    if len(set(chosen)) < len(chosen):
        raise UserError(
            f"data.classes must name each class once; given {config.classes!r}, in which a name and a number are the same class"
        )
    kept = replace(
        source,
        classes=tuple(source.classes[k] for k in chosen),
        centres=None if source.centres is None else source.centres[chosen],
        whole=_whole(source, config),
        of_whole=chosen[:, None],
        train_labels=None,  # for a moment, since they do not count these classes
        heldout_labels=None,
    )
    train, heldout = (np.flatnonzero(np.isin(labels, chosen)) for labels in (train_labels, heldout_labels))
    return _rows(kept, train, heldout, np.searchsorted(chosen, train_labels), np.searchsorted(chosen, heldout_labels))


def with_tail(source: Source, config: DataConfig) -> Source:
    """Class k of K keeps n r^(-k/(K-1)) rows, r = `config.imbalance`: an exponential profile. Cui et al. 2019, section 5.1.

    n is as large as all classes allow, so that the ratio is right in unbalanced data too; the first class is the most frequent. Both
    sides have the tail: G is to match what it is trained on, so that is what it is judged against. The classifier that counts classes
    is of the whole data set.
    """
    train_labels, heldout_labels = labels_of(source, "imbalance")
    assert config.imbalance is not None
    train, heldout = (
        _tail(labels, classes=source.classes, ratio=config.imbalance, what=f"{source.name}.{part}")
        for part, labels in (("train", train_labels), ("heldout", heldout_labels))
    )
    of_whole = np.arange(len(source.classes))[:, None] if source.of_whole is None else source.of_whole
    return _rows(replace(source, whole=_whole(source, config), of_whole=of_whole), train, heldout, train_labels, heldout_labels)


def labels_of(source: Source, setting: str) -> tuple[Labels, Labels]:
    if source.train_labels is None or source.heldout_labels is None:
        raise UserError(f"data.{setting} needs labelled data; {source.name} has no labels")
    return source.train_labels, source.heldout_labels


def _index(item: str, source: Source) -> int:
    if item in source.classes:
        return source.classes.index(item)
    if item.isdecimal() and int(item) < len(source.classes):
        return int(item)
    raise UserError(
        f"data.classes must name classes of {source.name}, or give their numbers from 0 to {len(source.classes) - 1}; "
        f"there is no {item!r}; {nearest(item, source.classes)}there are {', '.join(source.classes[:100])}"
    )


def _tail(labels: Labels, *, classes: tuple[str, ...], ratio: float, what: str) -> Labels:
    """Rows, in their order: of each class the first of one random order, so that a longer tail is part of a shorter one."""
    counts = np.bincount(labels, minlength=len(classes))
    profile = ratio ** (-np.arange(len(classes)) / max(1, len(classes) - 1))
    kept = (float((counts / profile).min()) * profile + 1e-9).astype(int)  # a machine's last bit takes no row away
    if not kept.all():
        raise UserError(
            f"data.imbalance must leave a row of every class; {ratio:g} leaves none of {classes[int(kept.argmin())]!r} in {what}, whose "
            f"classes have {counts.min()} to {counts.max()} rows"
        )
    order = np.random.default_rng(0).permutation(len(labels))
    return np.sort(np.concatenate([order[labels[order] == k][:n] for k, n in enumerate(kept)]))


def _whole(source: Source, config: DataConfig) -> DataConfig | None:
    """Points are told by their place, by no classifier."""
    return config.model_copy(update={"classes": None, "imbalance": None}) if len(source.shape) == 3 else None


def _rows(source: Source, train: Labels, heldout: Labels, train_labels: Labels, heldout_labels: Labels) -> Source:
    """The source of these rows only; the labels are still of all."""
    return replace(
        source,
        train=source.train[train],
        heldout=source.heldout[heldout],
        train_labels=train_labels[train],
        heldout_labels=heldout_labels[heldout],
    )
