"""Checksums of the files of a folder, in a file beside them. The command `sha256sum --check SHA256SUMS` reads it too."""

import hashlib
from pathlib import Path

SUMS = "SHA256SUMS"


def write_sums(folder: Path) -> None:
    """Write the checksums of all files in a folder."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS)
    (folder / SUMS).write_text("".join(f"{_sum(path)}  {path.name}\n" for path in files))


def has_sums(folder: Path) -> bool:
    """Whether the folder has checksums. Folders of ganstudy 0.1 have none."""
    return (folder / SUMS).exists()


def damage(file: Path) -> str:
    """Return in a clause what is wrong with a file; "" if it equals its checksum, or if its folder has no checksums."""
    try:
        if not file.exists():
            return "it is missing"
        if not has_sums(file.parent):
            return ""
        sums = {name: digest for digest, _, name in (line.partition("  ") for line in (file.parent / SUMS).read_text().splitlines())}
        if file.name not in sums:
            return f"{SUMS} beside it does not name it"
        return "" if _sum(file) == sums[file.name] else f"it differs from its checksum in {SUMS}"
    except (OSError, UnicodeDecodeError) as error:
        return f"it or {SUMS} beside it cannot be read: {error}"


def _sum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
