"""A PostgreSQL server for tests, on a Unix socket in a folder of its own."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _programs() -> Path | None:
    """Return the folder of initdb and postgres, which Debian keeps out of PATH; None if there is none."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), *filter(None, [Path(p) if (p := shutil.which("initdb")) else None])]
    return found[0].parent if found else None


@contextmanager
def postgresql() -> Iterator[str]:
    """Yield the URL of an empty database. Skips the test where PostgreSQL is not installed.

    PostgreSQL refuses to run as root, so root starts it as the user postgres; the folder is outside of tmp_path, which only root can enter.
    """
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    as_user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    try:
        if as_user:
            shutil.chown(folder, **as_user)
        data = folder / "data"
        options = ["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C"]
        subprocess.run([programs / "initdb", "--pgdata", data, *options], check=True, stdout=subprocess.DEVNULL, cwd=folder, **as_user)  # type: ignore[call-overload]
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen([programs / "postgres", "-D", data, *settings], stdout=log, stderr=log, cwd=folder, **as_user)  # type: ignore[call-overload]
        try:
            ready = [str(programs / "pg_isready"), "--host", str(folder), "--timeout", "1"]
            while subprocess.run(ready, stdout=subprocess.DEVNULL, check=False).returncode:
                assert server.poll() is None, f"the server must start; its log is {(folder / 'log').read_text()}"
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)  # does not wait for clients
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
