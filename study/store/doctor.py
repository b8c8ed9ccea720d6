"""Checks the records, checkpoints and generators of a study folder, and repairs what can be repaired."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from analysis.words import listed, plural
from ganstudy.files import users_path, write_whole
from ganstudy.units import to_kimg
from study.store.checkpoints import WHOLE
from study.store.generators import generator_damage
from study.store.lines import BadLine, read_line, unknown_facts
from study.store.records import Ended, Saved, TrialRecord
from study.store.store import Store, whole_lines
from trainables.trial import STATE, state_damage


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is wrong in a folder."""

    what: str  # where, and what
    do: str  # what a repair does about it, or what the user can do
    repairable: bool = False


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """The result of a check of a study folder."""

    store: Store  # what the records tell without their damaged lines
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]  # what is not wrong, but good to know
    repaired: bytes  # the records after a repair


def check_records(folder: Path) -> Checkup:
    """Check the records of a study, and the checkpoints and generators that they name. Changes nothing.

    Raises UserError if the records cannot be read or have a newer format.
    """
    store = Store(folder, read=False)
    with users_path(store.path, "be a file that can be read", do="Check its permissions"):
        data = store.path.read_bytes()
    findings: list[Finding] = []
    lines: list[bytes] = []  # that tell something
    repeats: list[str] = []
    newer: set[str] = set()
    pieces: list[tuple[int, bytes]] = []  # number of the line, and what was written as one
    for number, line in enumerate(whole_lines(data).split(b"\n")[:-1], start=1):
        parts = _unglued(line)
        pieces += [(number, part) for part in parts]
        if len(parts) > 1:
            what = f"line {number} of {store.path} holds {len(parts)} lines that lack a newline between them"
            findings.append(Finding(what=what, do="give each its line", repairable=True))
    for number, line in pieces:
        try:
            new = store.learn(read_line(line))
            newer |= (unknown := unknown_facts(line))
        except BadLine as error:
            findings.append(
                Finding(what=f"line {number} of {store.path}: {error}", do="cut the line, which loses its record", repairable=True)
            )
            continue
        if not new and not unknown and line in lines:  # a trial that is trained again may tell in another line what is known
            repeats.append(str(number))
        else:
            lines.append(line)
    if repeats:
        what = f"{plural(len(repeats), 'line')} of {store.path} repeat earlier ones: {listed(repeats)}"
        findings.append(Finding(what=what, do="drop them; no reader counts them", repairable=True))
    whole = whole_lines(data)
    if whole and (torn := len(data) - len(whole)):
        findings.append(Finding(what=f"the last line of {store.path} is incomplete ({plural(torn, 'byte')})", do="cut it", repairable=True))
    if not whole:
        findings.append(Finding(what=f"{store.path} holds no record: the study was never started", do="launch it, or delete the folder"))
    elif store.study is None:
        what, do = f"no line of {store.path} holds the study, without which it cannot be opened", "restore the file from a backup"
        findings = [*(replace(finding, do=do, repairable=False) for finding in findings), Finding(what=what, do=do)]
    dropped: set[tuple[str, Saved]] = set()
    copied, in_store = store.layout.copied.exists(), store.layout.origin.exists()
    for record in [] if copied or in_store or store.study is None else store.trials.values():
        damaged = dict(damaged_checkpoints(store, record))
        dropped |= {(record.trial_id, saved) for saved in damaged}
        findings += [Finding(what=problem, do=_instead(record, damaged), repairable=True) for problem in damaged.values() if problem]
    notes = [f"facts of a newer ganstudy are ignored and kept: {listed(sorted(newer))}"] if newer else []
    if copied:
        notes.append("the folder is a copy of a study on a cluster, without its checkpoints; check these there")
    if in_store:
        notes.append("its checkpoints are in an object store; each is compared with its checksum when it is used")
    return Checkup(store=store, findings=tuple(findings), notes=tuple(notes), repaired=b"".join(_without(lines, dropped, store)))


def _unglued(line: bytes) -> list[bytes]:
    """Return the lines that a line was before they lost the newlines between them; the line itself if it is no row of JSON objects."""
    if b"}{" not in line:
        return [line]
    parts, decoder = list[str](), json.JSONDecoder()
    try:
        rest = line.decode()
        while rest:
            end = decoder.raw_decode(rest)[1]
            parts, rest = [*parts, rest[:end]], rest[end:]
    except ValueError:
        return [line]
    return [part.encode() for part in parts]


def damaged_checkpoints(store: Store, record: TrialRecord) -> Iterator[tuple[Saved, str]]:
    """Yield the checkpoints that a repair must forget, newest first, each with what is wrong.

    The newest must be whole, and those before it up to the first that is. The state of a trial that has ended is not needed any more, unless it must
    train again because its last checkpoint is damaged. Of checkpoints before the newest two a driver deletes most files: if no later one is whole,
    they cannot be gone on from either, but nothing is wrong with them, which is "".
    """
    assert store.study is not None
    again, whole = record.needs_run(store.study.spec.get("max_failures", 0)), False
    for age, saved in enumerate(reversed(record.saved)):
        state, generator = store.layout.checkpoint(saved) / STATE, store.layout.generator(saved)
        if again and (not whole or state.exists()) and (problem := state_damage(state.parent)):
            yield saved, "" if age >= WHOLE and not state.exists() else f"the checkpoint {state} of {record.trial_id}: {problem}"
        elif (not whole or generator.exists()) and (problem := generator_damage(generator)):
            yield saved, "" if age >= WHOLE and not generator.exists() else f"the generator {generator} of {record.trial_id}: {problem}"
            again = again or (record.closed is not None and record.closed.ended is Ended.BUDGET and not whole)
        else:
            whole = True


def repair(checkup: Checkup) -> Path:
    """Replace the records by those of the check-up. Returns the copy of the file before. The caller holds the lock of the folder."""
    backup = checkup.store.layout.free_backup()
    write_whole(backup, checkup.store.path.read_bytes())
    write_whole(checkup.store.path, checkup.repaired)
    return backup


def _instead(record: TrialRecord, damaged: Collection[Saved]) -> str:
    """Return what a repair does about a damaged checkpoint."""
    older = next((saved for saved in reversed(record.saved) if saved not in damaged), None)
    return "forget it; " + (f"the newest other one is of {to_kimg(older.images):g} kimg" if older else "the trial has no whole one")


def _without(lines: list[bytes], dropped: set[tuple[str, Saved]], store: Store) -> Iterator[bytes]:
    """Yield the lines, without the facts about dropped checkpoints, and of their trials about those that they had replaced: their files are gone."""
    trials = {trial for trial, _ in dropped}
    for line in lines:
        facts = read_line(line)
        gone = (facts.trial, facts.saved) in dropped or (facts.trial in trials and facts.saved not in store.trials[facts.trial].saved)
        if facts.saved is None or not gone:
            yield line + b"\n"
        elif len(rest := {name: fact for name, fact in json.loads(line).items() if name != "saved"}) > 1:
            yield json.dumps(rest).encode() + b"\n"
