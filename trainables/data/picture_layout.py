"""How a folder of pictures is arranged: which sub-folders are classes, and which are parts such as train and test."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ganstudy.errors import UserError
from trainables.data.source import Labels
from trainables.data.subsets import split
from trainables.picture_files import Files, left_out, shown

_PARTS = {  # names of folders -> the part of a data set that they hold
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
}
_FEWEST = 20  # fewer would hold out less than three
_HELD_OUT = 0.15  # share of the pictures, if no part is held out
_LISTED = 12  # classes that a note lists, at most


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which pictures train and which are held out, with their classes."""

    train: Sequence[str]  # names, in a fixed random order
    heldout: Sequence[str]
    train_labels: Labels | None  # index into classes; None: unlabelled
    heldout_labels: Labels | None
    classes: tuple[str, ...]  # () if unlabelled
    why_unlabelled: str  # in a clause; "" if labelled
    notes: tuple[str, ...]  # what was taken and left out, where labels come from, and what is held out


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Pictures with one arrangement."""

    names: list[str]
    folders: list[str]  # the class folder of each; [] if unlabelled
    inside: set[str]  # all sub-folders that hold pictures
    why: str = ""  # why there are no labels
    beside: int = 0  # pictures left out, since they lie beside the class folders


def arrange(files: Files) -> Layout:
    """Return the layout of a folder's pictures.

    If every sub-folder with pictures is named like a part (train, test, val) and one of them is train, test is held out, or val if there is no
    test. Otherwise 15 % of the pictures are. The sub-folders of a part, or of a folder without parts, are classes if there are at least two
    and most pictures lie in them. Raises UserError for fewer than 20 pictures, if the held-out part has other classes than train, or if the name of a
    class is not UTF-8.
    """
    reasons = Counter(files.left_out)
    parts = _parts(files.names)
    train = _part(parts.pop("train"), depth=1) if parts else _part(files.names, depth=0)
    used = next((part for part in ("test", "validation") if part in parts), None)
    heldout = _part(parts.pop(used), depth=1) if used else None
    for part, names in parts.items():
        reasons[f"pictures of {part}, which is not used," if part else "pictures beside the parts"] += len(names)
    if beside := train.beside + (heldout.beside if heldout else 0):
        reasons["pictures beside the class folders"] += beside
    if (n := len(train.names) + (len(heldout.names) if heldout else 0)) < _FEWEST:
        raise UserError(
            f"image_folder needs at least {_FEWEST} pictures, for training and evaluation; {shown(str(files.root))} holds {n} "
            f"({left_out(reasons, files.others)}). It reads all formats of Pillow, such as png, jpg, webp and tif"
        )
    if heldout:
        _refuse_other_classes(train, heldout, files, used=str(used))
    classes = tuple(sorted(set(train.folders)))
    if unreadable := [folder for folder in classes if shown(folder) != folder]:
        raise UserError(f"the name of a class folder must be UTF-8; {shown(unreadable[0])} in {shown(str(files.root))} is not. Rename it")
    parted = [train, heldout] if heldout else [train]
    names = [name for part in parted for name in part.names]
    folders = [folder for part in parted for folder in part.folders]
    labels = np.array([classes.index(folder) for folder in folders] if classes else [0] * len(names), np.int64)
    if heldout:
        rng, n = np.random.default_rng(0), len(train.names)
        train_rows, heldout_rows = rng.permutation(n), n + rng.permutation(len(heldout.names))
        held = f"the {len(heldout_rows):,} pictures of {used}"
    else:
        train_rows, heldout_rows = split(labels, n_heldout=round(_HELD_OUT * len(names)))
        held = f"{len(heldout_rows):,} pictures drawn at random" + ", of each class in proportion" * bool(classes)
    never = [name for k, name in enumerate(classes) if k not in labels[heldout_rows]]
    return Layout(
        train=[names[row] for row in train_rows],
        heldout=[names[row] for row in heldout_rows],
        train_labels=labels[train_rows] if classes else None,
        heldout_labels=labels[heldout_rows] if classes else None,
        classes=classes,
        why_unlabelled=train.why,
        notes=(
            f"pictures: {len(names):,} taken from {shown(str(files.root))}",
            left_out(reasons, files.others),
            f"labels: {_listed(Counter(folders))}" if classes else f"labels: none, since {train.why}",
            *([f"sub-folders without pictures: {_some(files.empty)}"] if files.empty else []),
            f"held out: {held}",
            *([f"classes without a held-out picture: {_some(never)}"] if never else []),
        ),
    )


def _parts(names: Sequence[str]) -> dict[str, list[str]]:
    """Return part -> names, "" for the pictures beside the parts; {} if the folder has no parts."""
    tops = {name.partition("/")[0] for name in names if "/" in name}
    kinds = {_PARTS.get(top.lower()) for top in tops}
    if "train" not in kinds or None in kinds:
        return {}
    parts: dict[str, list[str]] = {}
    for name in names:
        top, slash, _ = name.partition("/")
        parts.setdefault(_PARTS[top.lower()] if slash else "", []).append(name)
    return parts


def _part(names: list[str], *, depth: int) -> _Part:
    """Return the pictures with their classes: the folders below the first `depth` folders of their paths."""
    folders = [name.split("/")[depth] if name.count("/") > depth else "" for name in names]
    inside, beside = {folder for folder in folders if folder}, folders.count("")
    if len(inside) >= 2 and beside < len(names) - beside:
        labelled = [(name, folder) for name, folder in zip(names, folders, strict=True) if folder]
        return _Part(names=[name for name, _ in labelled], folders=[folder for _, folder in labelled], inside=inside, beside=beside)
    if not inside:
        why = "the pictures are in no sub-folders"
    elif len(inside) == 1:
        why = f"there is only one sub-folder, {shown(min(inside))}; if the folders in it are classes, set data.root to it"
    else:
        why = f"{beside:,} pictures are beside the sub-folders and {len(names) - beside:,} in them"
    return _Part(names=names, folders=[], inside=inside, why=why)


def _refuse_other_classes(train: _Part, heldout: _Part, files: Files, *, used: str) -> None:
    """Raise UserError unless both parts have the same classes."""
    if set(train.folders) == set(heldout.folders):
        return
    if only := sorted(train.inside ^ heldout.inside):
        what = f"{shown(only[0])} is in {'train' if only[0] in train.inside else used} only"
    else:
        what = f"most pictures of {used if train.folders else 'train'} are beside its class folders"
    raise UserError(
        f"train and {used} in {shown(str(files.root))} must have the same class folders; {what}. "
        "Make them the same, or set data.root to the folder train, of which 15 % are then held out"
    )


def _listed(counts: Mapping[str, int]) -> str:
    """Return "the sub-folders cat 60, dog 40"; of many classes, the sizes of the smallest and the largest."""
    if len(counts) > _LISTED:
        return f"{len(counts):,} sub-folders of {min(counts.values()):,} to {max(counts.values()):,} pictures"
    return "the sub-folders " + ", ".join(f"{shown(folder)} {n:,}" for folder, n in sorted(counts.items()))


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names[:_LISTED])) + (", …" if len(names) > _LISTED else "")
