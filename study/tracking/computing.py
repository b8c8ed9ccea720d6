"""The process that computes the results of a study, as the tracking process sees it."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from study.store.layout import Layout

EVERY_S = 300.0  # between two computations, at least
TRUST = "--trust-plugins"  # the argument with which results may use the plugins of the study
_SHARE = 0.05  # of one processor that they may take, at most


class Computing:
    """Has `study.tracking.results` compute, in a process that starts when it is first asked and is kept, since it imports for seconds.

    Trackers in several threads may share one.
    """

    def __init__(self, folder: Path, *, trust_plugins: bool = False):
        self.layout, self._folder, self._trust = Layout(folder), folder, trust_plugins
        self._process: subprocess.Popen[bytes] | None = None
        self._asked_at = float("-inf")
        self._asked_of = -1  # the size of the records then
        self._lock = threading.RLock()
        self._read: dict[str, Any] | None = None
        self._read_at = 0  # when the file that was read was written, in ns

    @property
    def results(self) -> dict[str, Any] | None:
        """The newest results; None if there are none."""
        if not self.layout.results.exists():
            return None
        with self._lock:
            if (written := self.layout.results.stat().st_mtime_ns) != self._read_at:
                found = json.loads(self.layout.results.read_text())
                self._read, self._read_at = with_paths(found, lambda path: str(self._folder.absolute() / path)), written
            return self._read

    @property
    def current(self) -> bool:
        """Whether the newest results are of all records."""
        found = self.results
        return found is not None and found["records"] == self.layout.records.stat().st_size

    def ask_again(self) -> None:
        """Ask for new results, unless that would be too often."""
        found = self.results
        pause = max(EVERY_S, found["took_s"] / _SHARE if found else 0.0)
        with self._lock:
            if time.monotonic() - self._asked_at > pause:
                self.ask()

    def ask(self) -> None:
        """Ask for new results now, unless those of all records have been asked for. A process that has died is not started again."""
        with self._lock:
            if self._process is None:
                command = [sys.executable, "-m", "study.tracking.results", str(self._folder), *([TRUST] if self._trust else [])]
                self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
            size = self.layout.records.stat().st_size
            if size == self._asked_of:
                return
            self._asked_at, self._asked_of = time.monotonic(), size
            assert self._process.stdin
            with suppress(BrokenPipeError):  # it has died
                self._process.stdin.write(b"\n")
                self._process.stdin.flush()

    def wait(self, limit_s: float) -> bool:
        """Wait until the results are of all records. Returns False if they are not within the limit."""
        until = time.monotonic() + limit_s
        while not self.current:
            if time.monotonic() > until or self._process is None or self._process.poll() is not None:
                return False
            time.sleep(0.1)
        return True

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            with suppress(BrokenPipeError):
                self._process.communicate()


def with_paths(found: Mapping[str, Any], changed: Callable[[str], str]) -> dict[str, Any]:
    """Return the results of a study with other paths of its files. In the file they are relative to the folder, which may be moved."""

    def each(files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{**file, "path": changed(file["path"])} for file in files]

    return {**found, "winners": each(found["winners"]), "pictures": {name: each(files) for name, files in found["pictures"].items()}}


_SHARED: dict[Path, Computing] = {}
_MAKING = threading.Lock()


def computing_of(folder: Path, *, trust_plugins: bool) -> Computing:
    """Return the one that all trackers of this process share. `end_computing` ends it."""
    with _MAKING:
        return _SHARED.setdefault(folder, Computing(folder, trust_plugins=trust_plugins))


def end_computing() -> None:
    """End what the trackers of this process share."""
    for each in _SHARED.values():
        each.close()
