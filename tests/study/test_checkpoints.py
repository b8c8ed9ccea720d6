"""Checkpoints on disk are safe against a power cut before they are recorded."""

import errno
import os
from pathlib import Path

import pytest

from ganstudy import UserError
from study.store.checkpoints import OnDisk
from study.store.layout import Layout


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "tune" / "run000" / "a-s1" / "checkpoint_000000"
    folder.mkdir(parents=True)
    for name in ("run.pt", "generator.safetensors", "SHA256SUMS"):
        (folder / name).write_text(name)
    return folder


def test_all_files_and_the_folder_are_on_disk_when_a_checkpoint_is_made(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda opened: synced.append(os.fstat(opened).st_ino))
    assert OnDisk(Layout(tmp_path)).made(str(checkpoint)) == checkpoint.relative_to(tmp_path).as_posix()
    assert sorted(synced) == sorted(path.stat().st_ino for path in (*checkpoint.iterdir(), checkpoint))


def test_a_disk_that_fails_is_told_with_the_file(tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(opened: int) -> None:
        if os.fstat(opened).st_ino == (checkpoint / "run.pt").stat().st_ino:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(UserError, match=r"run\.pt must be on a disk that can be written"):
        OnDisk(Layout(tmp_path)).made(str(checkpoint))
