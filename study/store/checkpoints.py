"""The checkpoints that Ray Tune has made: on the disk of a study folder, or in an object store."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ganstudy.files import sync
from study.store.layout import Layout
from study.store.records import Saved
from study.store.sending import Sending

WHOLE = 2  # the newest checkpoints of a trial that keep all their files; of older ones a driver deletes most


class Checkpoints(Protocol):
    """Where the checkpoints of a study are."""

    @property
    def storage(self) -> dict[str, Any]:
        """The arguments of Tune's RunConfig that say where checkpoints go."""

    def next_run(self) -> str:
        """Return a new name below that place, for a run of Tune."""

    def made(self, path: str) -> str:
        """Return the path in the study of a checkpoint that is complete, and safe against a power cut. path: as Tune knows it."""

    def where(self, folder: Path) -> tuple[str, Any]:
        """Return where workers find a checkpoint that has this folder in the study: a path, and its file system; None for that of the machine."""

    def read(self, saved: Saved, name: str) -> bytes:
        """Return a file of a checkpoint."""

    def remove(self, saved: Saved, names: Sequence[str]) -> None:
        """Delete files of a checkpoint that the records so far do not need any more."""


class OnDisk:
    """In the study folder."""

    def __init__(self, layout: Layout):
        self._layout = layout

    @property
    def storage(self) -> dict[str, Any]:
        return {"storage_path": str(self._layout.runs.absolute())}

    def next_run(self) -> str:
        return self._layout.next_run()

    def made(self, path: str) -> str:
        sync(*Path(path).iterdir(), Path(path))
        return str(Path(path).relative_to(self._layout.folder.absolute()))

    def where(self, folder: Path) -> tuple[str, Any]:
        return str(folder.absolute()), None

    def read(self, saved: Saved, name: str) -> bytes:
        return (self._layout.checkpoint(saved) / name).read_bytes()

    def remove(self, saved: Saved, names: Sequence[str]) -> None:
        for name in names:
            (self._layout.checkpoint(saved) / name).unlink(missing_ok=True)


class InStore:
    """In the object store, where workers write them. Of those that were fetched, the local copy has the files too."""

    def __init__(self, layout: Layout, sending: Sending):
        self._layout, self._sending, self._objects = layout, sending, sending.objects

    @property
    def storage(self) -> dict[str, Any]:
        return {"storage_path": self._objects.path(self._layout.runs.name), "storage_filesystem": self._objects.filesystem}

    def next_run(self) -> str:
        return f"run{len(self._objects.parts(self._layout.runs.name)):03}"

    def made(self, path: str) -> str:
        return self._objects.key(path)

    def where(self, folder: Path) -> tuple[str, Any]:
        return self._objects.path(folder.relative_to(self._layout.folder.absolute()).as_posix()), self._objects.filesystem

    def read(self, saved: Saved, name: str) -> bytes:
        return self._sending.patiently(lambda: self._objects.get(f"{saved.path}/{name}"))

    def remove(self, saved: Saved, names: Sequence[str]) -> None:
        self._sending.delete([f"{saved.path}/{name}" for name in names])
        for name in names:
            (self._layout.checkpoint(saved) / name).unlink(missing_ok=True)
