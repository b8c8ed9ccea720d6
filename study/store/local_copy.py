"""The local copy of a study in an object store: a folder in the user's cache, which commands read and a driver writes like that of any study.

The copy has the records, and of the other files what was needed so far; the file `origin.json` tells where the study is. Functions that take a
folder do nothing if it is no such copy.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from platformdirs import user_cache_dir

from ganstudy import UserError
from ganstudy.checksums import SUMS
from ganstudy.files import write_whole
from study.store.layout import Layout, shown
from study.store.objects import Objects, checked_url, is_url, not_url
from study.store.records import Saved
from study.store.segments import in_store, update


def folder_of(where: Path | str) -> Path:
    """Return the folder of a study on this machine: a path as it is; for an address, that of its local copy. Raises UserError for a wrong address."""
    if not is_url(where):
        return not_url(Path(where), "the folder of a study")
    url = checked_url(str(where))
    return Path(user_cache_dir("ganstudy"), "studies", f"{url.rpartition('/')[2]}-{hashlib.sha256(url.encode()).hexdigest()[:16]}")


def opened(where: Path | str) -> Path:
    """Return the folder of a study on this machine; a local copy is brought up to date. Raises UserError if there is no study at an address."""
    folder = folder_of(where)
    if is_url(where) and not Layout(folder).origin.exists() and not in_store(Objects(str(where))):
        raise UserError(f"{where} must be the address of a study, with objects below records/; there are none")
    return created(where)


def created(where: Path | str) -> Path:
    """Return the folder for a study on this machine, which may be a new one; a local copy is made if need be, and brought up to date."""
    folder = folder_of(where)
    origin = Layout(folder).origin
    if is_url(where) and not origin.exists():
        objects = Objects(str(where))
        in_store(objects)  # raises where the address cannot be used, so that no copy is left behind
        write_whole(origin, json.dumps({"url": objects.url, "id": uuid.uuid4().hex}) + "\n")
    if objects_there := objects_of(folder):
        update(folder, objects_there)
    return folder


def objects_of(folder: Path) -> Objects | None:
    """Return the objects of the study that a folder is the local copy of; None for any other folder."""
    return _client(shown(folder), os.environ.get("AWS_ENDPOINT_URL")) if Layout(folder).origin.exists() else None


@lru_cache(maxsize=8)
def _client(url: str, endpoint: str | None) -> Objects:
    """Return the objects at an address, by one client: to make it takes 20 ms, and `evaluate` asks for each trial. endpoint: tells clients apart."""
    return Objects(url)


def copy_id(folder: Path) -> str:
    """Return what tells a local copy from those on other machines."""
    return str(json.loads(Layout(folder).origin.read_text())["id"])


def bring(folder: Path, *files: Path) -> None:
    """Fetch files that a local copy lacks, if the store has them."""
    if objects := objects_of(folder):
        for file in files:
            if not file.exists():
                with suppress(FileNotFoundError):
                    write_whole(file, objects.get(file.relative_to(folder).as_posix()))


def read(folder: Path, file: Path) -> bytes:
    """Return the content of a file, which a local copy fetches if it lacks it."""
    bring(folder, file)
    return file.read_bytes()


def bring_below(folder: Path, parent: Path) -> None:
    """Fetch all files below a folder of a local copy, also those that it has, since they may have changed."""
    if objects := objects_of(folder):
        keys = [meta.key for meta in objects.list(parent.relative_to(folder).as_posix())]
        for key, data in zip(keys, objects.get_all(keys), strict=True):
            write_whole(folder / key, data)


def protocols(folder: Path) -> list[str]:
    """Return the hashes of all evaluation protocols with results, which a local copy fetches."""
    layout = Layout(folder)
    bring_below(folder, layout.evaluations)
    return layout.protocols()


def publish(folder: Path, *paths: Path) -> None:
    """Send files of a local copy to the store."""
    if objects := objects_of(folder):
        for path in paths:
            objects.put(path.relative_to(folder).as_posix(), path.read_bytes())


def stored(folder: Path, saved: Sequence[Saved]) -> list[Saved]:
    """Return those of a trial's checkpoints that still have a generator file, in the folder or in the store."""
    layout, objects = Layout(folder), objects_of(folder)
    if objects is None:
        return layout.stored(saved)
    there = {meta.key for run in {str(Path(each.path).parent) for each in saved} for meta in objects.list(run)}
    return [each for each in saved if layout.generator(each).relative_to(folder).as_posix() in there]


def generator(folder: Path, saved: Saved) -> Path:
    """Return the generator file of a checkpoint, which a local copy fetches with its checksum."""
    path = Layout(folder).generator(saved)
    bring(folder, path, path.with_name(SUMS))
    return path


def newest_grids(folder: Path, trial_ids: Iterable[str]) -> dict[str, Path]:
    """Return the newest sample grid of each trial that has one; `read` returns its content."""
    layout, objects = Layout(folder), objects_of(folder)
    if objects is None:
        return {trial_id: grids[-1] for trial_id in trial_ids if (grids := layout.grids(trial_id))}
    asked = list(trial_ids)
    below = layout.samples(asked[0]) if len(asked) == 1 else layout.trials
    newest = {Path(meta.key).parts[1]: folder / meta.key for meta in objects.list(below.relative_to(folder).as_posix())}  # sorted by images
    return {trial_id: newest[trial_id] for trial_id in asked if trial_id in newest}
