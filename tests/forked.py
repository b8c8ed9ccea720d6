"""Starts the tracking process as a fork of the tests' process, which has imported the libraries already: a new process takes seconds for them."""

import atexit
import multiprocessing
import os
import subprocess
import sys
import warnings
from types import SimpleNamespace
from typing import Any, BinaryIO


class Forked:
    """A Popen of `python -m study.tracking.process FOLDER`."""

    def __init__(self, words: list[str], *, stdout: BinaryIO, env: dict[str, str], **_: Any):
        read, write = os.pipe()
        self._process = multiprocessing.get_context("fork").Process(target=_run, args=(words[-1], read, write, stdout.fileno(), env))
        self._process.start()
        os.close(read)
        self.stdin = os.fdopen(write, "wb")
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> None:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("tracking", timeout or 0.0)


# what study.tracking.process uses of the module
SUBPROCESS = SimpleNamespace(Popen=Forked, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired)


def _run(folder: str, stdin: int, stdin_of_driver: int, output: int, env: dict[str, str]) -> None:
    from study.tracking import process

    atexit._clear()  # what the tests would do at their end
    warnings.resetwarnings()  # to tests, warnings are errors
    os.setsid()
    os.close(stdin_of_driver)
    for given, number in ((stdin, 0), (output, 1), (output, 2)):
        os.dup2(given, number)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["study.tracking.process", folder]
    try:
        process.main()
    finally:
        atexit._run_exitfuncs()
