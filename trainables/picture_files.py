"""Finds the picture files below a folder, and counts what is left out by reason."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image
from PIL.ImageFile import StubImageFile

from ganstudy.errors import UserError

_OF_SYSTEMS = frozenset(
    {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
)  # they hold no pictures of the user


@cache
def extensions() -> frozenset[str]:
    """Return the extensions of all picture formats that Pillow decodes, in lower case with the dot."""
    Image.init()
    kinds = {kind for kind, (factory, _) in Image.OPEN.items() if not (isinstance(factory, type) and issubclass(factory, StubImageFile))}
    kinds = (kinds | {"MPO"}) - {"MPEG"}  # MPO is opened as a JPEG; of MPEG, Pillow reads the header only
    return frozenset(extension for extension, kind in Image.registered_extensions().items() if kind in kinds)


@dataclass(kw_only=True)
class Files:
    """The pictures below a folder."""

    root: Path
    names: list[str] = field(default_factory=list)  # sorted, relative to the root, with "/"
    left_out: Counter[str] = field(default_factory=Counter)  # reason, in the plural -> number
    others: Counter[str] = field(default_factory=Counter)  # extension of a file that is no picture -> number
    empty: list[str] = field(default_factory=list)  # folders directly below the root that hold no picture


def shown(name: str) -> str:
    """Return a file name as text that can be printed. Bytes that are not UTF-8 become escapes."""
    return name.encode(errors="backslashreplace").decode()


def left_out(reasons: Mapping[str, int], others: Mapping[str, int]) -> str:
    """Return "left out: hidden 3, links to nothing 1, other files 2 (.txt 2)", or "left out: nothing"."""
    parts = [f"{reason} {n:,}" for reason, n in sorted(reasons.items())]
    if others:
        most = sorted(others.items(), key=lambda item: (-item[1], item[0]))
        kinds = ", ".join(f"{shown(extension) or 'without an extension'} {n:,}" for extension, n in most[:5])
        parts.append(f"other files {sum(others.values()):,} ({kinds}{', …' if len(most) > 5 else ''})")
    return "left out: " + (", ".join(parts) or "nothing")


def find(root: Path) -> Files:
    """Return the pictures below `root`. Links are followed; each file and each folder is taken once, without a link if it can be.

    Left out are hidden files, what operating systems add, files with an extension that Pillow does not read, and what no link leads to.
    Raises UserError if `root` is not a folder.
    """
    if not root.is_dir():
        raise UserError(
            f"data.root must be a folder of pictures; {root} {'is not a folder' if root.exists() else 'does not exist'}. "
            "If the pictures have moved, name their place with --set data.root=PATH"
        )
    files, folders, links = Files(root=root), [""], list[str]()
    real: set[str] = set()  # folders that were searched
    taken: dict[str, str] = {}  # real path -> name
    linked: list[str] = []
    tops: list[str] = []
    while folders or links:
        name = folders.pop() if folders else links.pop(0)
        path = os.path.realpath(root / name)
        if path in real or (name and _holds(path, os.path.realpath((root / name).parent))):
            files.left_out["links to a folder that is searched anyway or holds the link"] += 1
            continue
        real.add(path)
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError:
            files.left_out["folders that cannot be read"] += 1
            continue
        for entry in entries:
            below = f"{name}/{entry.name}" if name else entry.name
            if entry.name.startswith("."):
                files.left_out["hidden"] += 1
            elif entry.name in _OF_SYSTEMS:
                files.left_out["folders of an operating system"] += 1
            elif os.path.isdir(entry.path):  # unlike entry.is_dir, False for a link to itself
                (links if entry.is_symlink() else folders).append(below)
                tops += [below] if not name else []
            elif not os.path.isfile(entry.path):
                files.left_out["links to nothing" if entry.is_symlink() else "pipes, sockets and devices"] += 1
            elif (extension := os.path.splitext(entry.name)[1].lower()) not in extensions():
                files.others[extension] += 1
            elif entry.is_symlink():
                linked.append(below)
            else:
                taken[entry.path] = below
        links.sort()
    for name in sorted(linked):
        if taken.setdefault(os.path.realpath(root / name), name) != name:
            files.left_out["links to a picture that is taken anyway"] += 1
    files.names = sorted(taken.values())
    holding = {name.partition("/")[0] for name in files.names if "/" in name}
    files.empty = sorted(set(tops) - holding)
    return files


def _holds(folder: str, path: str) -> bool:
    """Whether a real path is a folder or lies below it."""
    return Path(folder) in (Path(path), *Path(path).parents)
