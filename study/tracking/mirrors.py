"""Checks the local file of an Optuna mirror. The lists of other trackers need no check: a run whose line cannot be read is written again."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from study.store.records import StudyRecord


def damaged_mirror(study: StudyRecord) -> tuple[Path, str] | None:
    """Return the file of the study's Optuna mirror and why it cannot be read. A file that does not exist yet is no damage; servers are not asked."""
    address = (study.spec.get("tracking") or {}).get("optuna") or ""
    file = Path(_file_of(address))
    if address and file.is_file():
        problem = _sqlite_damage(file) if "://" in address else _lines_damage(file)
        if problem:
            return file, problem
    return None


def _file_of(address: str) -> str:
    """Return the file of an Optuna storage; "" for a server."""
    from sqlalchemy import make_url  # here, since a study without this mirror need not import it

    if "://" not in address:
        return address
    url = make_url(address)
    return (url.database or "") if url.get_backend_name() == "sqlite" else ""


def _sqlite_damage(file: Path) -> str:
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            (told,) = opened.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if told == "ok" else str(told)


def _lines_damage(file: Path) -> str:
    """Check that every line is JSON."""
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        try:
            json.loads(line)
        except ValueError as error:
            return f"line {number} is no JSON: {error}"
    return ""
