"""A disk that fails, for tests: a small ext4 file system in a file, which the kernel makes read-only after an error, as it does with a real disk."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from recorded import wait_until


class BrokenDisk:
    """A mounted file system. `fail` makes it read-only at once, also for files that are open; `mend` mounts it again."""

    def __init__(self, image: Path, at: Path):
        self.image, self.at = image, at

    def mount(self) -> None:
        _run("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.at))

    def unmount(self) -> None:
        wait_until(self._is_unmounted)

    def _is_unmounted(self) -> bool:
        """Whether it could be unmounted; a process that is about to end may have a file open."""
        return not subprocess.run(["umount", str(self.at)], check=False, capture_output=True).returncode

    def fail(self) -> None:
        device = _run("findmnt", "-no", "SOURCE", str(self.at)).strip()
        Path("/sys/fs/ext4", Path(device).name, "trigger_fs_error").write_text("1")

    def mend(self) -> None:
        self.unmount()
        self.mount()


@contextmanager
def broken_disk(folder: Path) -> Iterator[BrokenDisk]:
    """Mount a file system of 64 MB below a folder. Skips the test where this process may not."""
    if os.geteuid() or not shutil.which("mkfs.ext4"):
        pytest.skip("only root may mount a file system, and mkfs.ext4 must be installed")
    image, at = folder / "image", folder / "disk"
    at.mkdir()
    with image.open("wb") as file:
        file.truncate(64 * 2**20)
    _run("mkfs.ext4", "-q", "-F", str(image))
    disk = BrokenDisk(image, at)
    try:
        disk.mount()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no file system can be mounted here: {error.stderr.strip()}")
    try:
        yield disk
    finally:
        disk.unmount()


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
