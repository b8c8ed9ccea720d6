"""`ganstudy explain` for runs of other programs: a CSV file, an Optuna storage, or the folder of a Ray Tune experiment."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

import analysis
from analysis import TrialTable
from analysis.foreign import files
from analysis.plain import plain
from analysis.words import plural
from ganstudy import UserError
from ganstudy.command import command
from study.show.claims import print_claims
from study.show.terminal import print_ranking
from study.store.layout import Layout
from study.store.objects import SCHEMES, is_url

_LISTS = ("config", "objective", "direction", "nuisance")  # options that hold several names, joined by commas
_SQLITE, _JOURNAL = b"SQLite format 3", b'{"op_code":'  # how the files of Optuna's storages begin
_WANDB = {"Name", "State", "Created", "Runtime"}  # columns that W&B adds to every exported CSV


def kind(source: str) -> str:
    """Return what a source is: "study" (a folder of ganstudy), "csv", "wandb", "optuna" or "ray". Raises UserError if there is none."""
    path = Path(source)
    if is_url(source):
        return "study" if source.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)) else "optuna"
    if path.is_file():
        if _starts_with(path, _SQLITE, _JOURNAL):
            return "optuna"
        return "wandb" if set(files.csv_frame(path).columns) >= _WANDB else "csv"
    if path.is_dir() and not Layout(path).records.exists():
        if any(path.glob("experiment_state-*.json")) or any(path.glob("*/params.json")):
            return "ray"
        if any(path.glob("*run-*/*.wandb")):
            raise UserError(
                f"{source} holds runs as W&B keeps them for itself. Make a table of them with {command('wandb-import', source, '--out', 'runs.csv')}"
            )
        if tables := sorted(path.glob("*.csv")):
            raise UserError(
                f"{source} must be the folder of a study or of a Ray Tune experiment; it is a folder with {plural(len(tables), 'CSV file')}. "
                f"Give one of them, such as {tables[0]}"
            )
    if path.suffix and not path.exists():
        raise UserError(f"{source} must be a folder or a file with runs; it does not exist")
    return "study"


def options_given(options: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the options that were given, as the arguments of `TrialTable.from_frame`: lists are split at commas.

    Several directions belong to the objectives in their order. Raises UserError if their numbers differ.
    """
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for name in _LISTS:
        if name in given:
            given[name] = [part.strip() for part in given[name].split(",") if part.strip()]
    if "direction" in given:
        ways, names = given["direction"], given.get("objective", [])
        if len(ways) != 1 and len(ways) != len(names):
            raise UserError(f"--direction must be one word, or one for each --objective; given {len(ways)} for {len(names)} objectives")
        given["direction"] = ways[0] if len(ways) == 1 else dict(zip(names, ways, strict=True))
    return given


def refuse_options(given: Mapping[str, Any], folder: str) -> None:
    """Raise UserError for options that a study folder answers itself."""
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UserError(f"{names}: only for runs of other programs; {folder} is a study folder and knows this itself. Leave it out")


def read(source: str, given: Mapping[str, Any]) -> TrialTable:
    """Return the runs of a source that is no study folder. `given` are the options, by the names of the arguments of `from_frame`."""
    columns = dict(given)
    study_name = columns.pop("study_name", None)
    what = kind(source)
    if what == "optuna":
        return TrialTable.from_optuna(_optuna_study(source, study_name), **columns)
    if study_name is not None:
        raise UserError(f"--study-name names a study in an Optuna storage; {source} is none. Leave it out")
    needed = [name for name in ("config", "objective", "direction") if name not in columns and not (what == "ray" and name == "config")]
    if needed:
        names = list(files.csv_frame(Path(source)).columns) if what != "ray" else []
        flags = ", ".join(f"--{name}" for name in needed)
        raise UserError(f"{flags} must be given for {source}." + (f" Its columns are {names}" if names else ""))
    if what == "ray":
        return TrialTable.from_ray(source, **columns)
    return TrialTable.from_wandb(source, **columns) if what == "wandb" else TrialTable.from_csv(source, **columns)


def print_explanation(table: TrialTable, console: Console, *, outcome: str | None, failed: bool, as_json: bool) -> None:
    """Print how the runs were read, the answer, the ranking and the claims about an outcome; by default about all that is known.

    failed: whether it was said what a failure is. as_json: print the claims only, as JSON.
    """
    outcomes = [*(["failed"] if failed else []), *table.directions] if outcome is None else [outcome]
    claims = analysis.explain(table, outcomes)
    if as_json:
        console.file.write(json.dumps(plain(list(claims)), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return
    if not table.evidence.any():
        console.print("\n".join(["No answer: no run has a value.", *table.notes]), soft_wrap=True)
        return
    console.print(analysis.answer(claims), soft_wrap=True)
    main = outcome if outcome in table.directions else next(iter(table.directions))
    print_ranking(table, str(main), console, n=8)
    print_claims(claims, console)


def _optuna_study(storage: str, name: str | None) -> Any:
    """Return a study of an Optuna storage: a URL, or the file of an SQLite or journal storage. Nothing is written to it."""
    import optuna  # here: it takes a second, and no other source needs it
    from optuna.storages import BaseStorage, JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = storage if "://" in storage else f"sqlite:///{storage}"
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///").partition("?")[0]).is_file():
        raise UserError(f"{storage} must be an Optuna storage; there is no such file")
    try:
        opened: BaseStorage
        if "://" not in storage and _starts_with(Path(storage), _JOURNAL):
            opened = JournalStorage(JournalFileBackend(storage))
        else:
            opened = RDBStorage(url, skip_table_creation=True)  # a wrong address must not get Optuna's tables
        names = optuna.get_all_study_names(opened)
    except (optuna.exceptions.OptunaError, SQLAlchemyError, RuntimeError, ImportError, ValueError) as error:
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise UserError(f"{storage} must be an Optuna storage that this version of Optuna can read; {reason}") from error
    chosen = name or (names[0] if len(names) == 1 else None)
    if chosen not in names:
        raise UserError(f"--study-name must be one of the studies in {storage}: {names}; given {name or 'none'}")
    return optuna.load_study(study_name=chosen, storage=opened)


def _starts_with(path: Path, *heads: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(max(map(len, heads))).startswith(heads)
