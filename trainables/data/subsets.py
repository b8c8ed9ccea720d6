"""Subsets of a labelled data set: a held-out part, some classes, a long tail. The rows are fixed and do not depend on a trial's seed."""

from dataclasses import replace

import numpy as np

from ganstudy.errors import UserError
from ganstudy.registry import nearest
from trainables.data.source import Labels, Source
from trainables.sections import DataConfig


def split(labels: Labels, *, n_heldout: int) -> tuple[Labels, Labels]:
    """Return the training rows and the held-out rows, shuffled and fixed. Each class is split in proportion, within one row.

    This is a systematic sample: evenly spaced rows of a random order sorted by label. With one label it is a simple random sample.
    """
    rng = np.random.default_rng(0)
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    held = np.zeros(len(labels), bool)
    held[((np.arange(n_heldout) + 0.5) * len(labels) / n_heldout).astype(int)] = True
    return rng.permutation(order[~held]), rng.permutation(order[held])


def of_classes(source: Source, config: DataConfig) -> Source:
    """Keep only the rows of `config.classes`, in both parts. The classes keep their order in the data set.

    Each item is the name of a class or, failing that, its number from 0.
    """
    train_labels, heldout_labels = labels_of(source, "classes")
    assert config.classes is not None
    chosen = np.array(sorted(_index(item, source) for item in config.classes.split(",")), np.int64)
    if len(set(chosen)) < len(chosen):
        raise UserError(f"data.classes must name each class once; in {config.classes!r} a name and a number are the same class")
    kept = replace(
        source,
        classes=tuple(source.classes[k] for k in chosen),
        centres=None if source.centres is None else source.centres[chosen],
        whole=_whole(source, config),
        of_whole=chosen[:, None],
        train_labels=None,  # set by _rows below; the old labels would index the wrong classes
        heldout_labels=None,
    )
    train, heldout = (np.flatnonzero(np.isin(labels, chosen)) for labels in (train_labels, heldout_labels))
    return _rows(kept, train, heldout, np.searchsorted(chosen, train_labels), np.searchsorted(chosen, heldout_labels))


def with_tail(source: Source, config: DataConfig) -> Source:
    """Keep n r^(-k/(K-1)) rows of class k of K, r = `config.imbalance`: an exponential profile. Cui et al. 2019, section 5.1.

    n is the largest value that all classes allow, so the ratio holds for unbalanced data too; the first class is the most frequent. Both
    parts get the tail, because G should match its training distribution. The classifier that counts classes is trained on the whole data set.
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
    """Return the labels of both parts. Raises UserError for unlabelled data; `setting` is the one that needs them."""
    if source.train_labels is None or source.heldout_labels is None:
        raise UserError(f"data.{setting} needs labelled data; {source.no_labels}")
    return source.train_labels, source.heldout_labels


def _index(item: str, source: Source) -> int:
    """Return the class with this name or, failing that, this number."""
    if item in source.classes:
        return source.classes.index(item)
    if item.isdecimal() and int(item) < len(source.classes):
        return int(item)
    raise UserError(
        f"data.classes must name classes of {source.name}, or give their numbers from 0 to {len(source.classes) - 1}; "
        f"there is no {item!r}; {nearest(item, source.classes)}there are {', '.join(source.classes[:100])}"
    )


def _tail(labels: Labels, *, classes: tuple[str, ...], ratio: float, what: str) -> Labels:
    """Return the sorted rows to keep: the first of each class in one fixed random order, so a longer tail is a subset of a shorter one."""
    counts = np.bincount(labels, minlength=len(classes))
    profile = ratio ** (-np.arange(len(classes)) / max(1, len(classes) - 1))
    kept = (float((counts / profile).min()) * profile + 1e-9).astype(int)  # 1e-9: rounding must not lose a row
    if not kept.all():
        raise UserError(
            f"data.imbalance must keep at least one row of each class; {ratio:g} keeps none of {classes[int(kept.argmin())]!r} in {what}, whose "
            f"classes have {counts.min()} to {counts.max()} rows"
        )
    order = np.random.default_rng(0).permutation(len(labels))
    return np.sort(np.concatenate([order[labels[order] == k][:n] for k, n in enumerate(kept)]))


def _whole(source: Source, config: DataConfig) -> DataConfig | None:
    """Return the config of the whole data set, whose classifier recognises the classes; None for points, which need no classifier."""
    return config.model_copy(update={"classes": None, "imbalance": None}) if len(source.shape) == 3 else None


def _rows(source: Source, train: Labels, heldout: Labels, train_labels: Labels, heldout_labels: Labels) -> Source:
    """Return the source with these rows only. The labels given are those of all rows."""
    return replace(
        source,
        train=source.train[train],
        heldout=source.heldout[heldout],
        train_labels=train_labels[train],
        heldout_labels=heldout_labels[heldout],
    )
