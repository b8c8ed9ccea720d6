"""Whether the local files of mirrors are whole."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from study.store.layout import Layout
from study.store.records import StudyRecord


def damaged_mirrors(folder: Path, study: StudyRecord) -> dict[Path, str]:
    """Return the files of the study's mirrors that cannot be read, each with the reason. Files that do not exist yet are no damage.

    Checks an Optuna storage that is a file, and the list of complete W&B runs; servers are not asked.
    """
    found = {}
    if (mirrored := Layout(folder).mirrored).exists() and (problem := _lines_damage(mirrored)):
        found[mirrored] = problem
    address = (study.spec.get("tracking") or {}).get("optuna") or ""
    file = Path(_file_of(address))
    if address and file.is_file():
        problem = _sqlite_damage(file) if "://" in address else _lines_damage(file)
        if problem:
            found[file] = problem
    return found


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
