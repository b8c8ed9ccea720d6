"""Bundle: what can be read of a study without its checkpoints, as one compressed archive, to copy it from a cluster.

`python -m study.store.bundle FOLDER` prints it in base64.
"""

import base64
import io
import os
import shutil
import sys
import tarfile
from pathlib import Path

from ganstudy import UserError
from ganstudy.files import write_whole
from study.store.layout import Layout

BEGIN, END = "---- begin bundle ----", "---- end bundle ----"


def pack(folder: Path) -> bytes:
    """Return the records, the report, the grids and the metrics of other evaluations. Raises UserError if there is no study."""
    layout = Layout(folder)
    if not layout.records.exists():
        raise UserError(f"{folder} must be the folder of a study; it has no {layout.records.name}")
    names = (layout.records, layout.report, layout.real, layout.classifier, layout.trials, layout.evaluations)
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for path in names:
            if path.exists():
                archive.add(path, path.relative_to(folder))
    return made.getvalue()


def unpack(bundle: bytes, folder: Path, *, origin: str) -> None:
    """Write a bundle to a folder, in place of an earlier copy. Raises UserError if the folder holds something else. origin: where it comes from."""
    refuse_own(folder)
    part = folder.with_name(f".{folder.name}.{os.getpid()}")  # an earlier copy may have files that this one has not
    try:
        write_whole(Layout(part).copied, origin)
        with tarfile.open(fileobj=io.BytesIO(bundle)) as archive:
            archive.extractall(part, filter="data")
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def refuse_own(folder: Path) -> None:
    """Raise UserError if a folder has files but is no copy, and for a file, or a folder in which this process is: it would be replaced."""
    if (folder.exists() and not folder.is_dir()) or Path.cwd().is_relative_to(folder.resolve()):
        raise UserError(
            f"{folder} must be a folder of its own, which can be replaced; it is {'a file' if folder.is_file() else 'the current one, or above it'}. Give another with --copy"
        )
    if folder.exists() and not Layout(folder).copied.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} must be a new folder, or a copy of a study on a cluster; it holds other files. Give another with --copy")


if __name__ == "__main__":
    print(BEGIN, base64.encodebytes(pack(Path(sys.argv[1]))).decode(), END, sep="\n")
