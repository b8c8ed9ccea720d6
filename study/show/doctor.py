"""`ganstudy doctor`: what is wrong in the folder of a study or of `ganstudy train`, and its repair."""

from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from analysis.words import plural
from ganstudy import UserError
from ganstudy.command import command
from ganstudy.versions import versions
from study.api import open_study
from study.show.status import unfinished
from study.store.doctor import Checkup, Finding, check_records, repair
from study.store.generators import generator_damage
from study.store.layout import Layout, shown
from study.store.local_copy import folder_of, objects_of, opened
from study.store.lock import driving, refuse_second_driver
from study.store.objects import is_url
from study.store.records import StudyRecord
from study.store.run_folder import RunFolder, checkpoint_damage
from study.store.run_layout import RunLayout
from study.tracking.mirrors import damaged_mirror


def doctor(where: Path | str, console: Console, *, mend: bool) -> bool:
    """Check a folder, print what is wrong, and repair what can be if `mend`. Returns whether nothing is wrong any more.

    Of a study in an object store only the records are checked. Raises UserError if the folder holds neither a study nor a run, if a driver is active, and
    for a repair in an object store.
    """
    if mend and (is_url(where) or objects_of(folder_of(where))):
        raise UserError(
            f"a repair needs a study in a folder; {where} is in an object store, whose records are never changed. A damaged checkpoint there needs none: "
            f"{command('resume', where)} goes on from the one before"
        )
    folder = opened(where)
    if objects_of(folder):
        return _study(folder, console, mend=False)
    if not folder.is_dir():
        raise UserError(f"{folder} must be the folder of a study or of {command('train')}; it is no folder")
    refuse_second_driver(folder)
    with driving(folder) if mend else nullcontext():
        if Layout(folder).records.exists():
            return _study(folder, console, mend=mend)
        if RunLayout(folder).checkpoints() or RunLayout(folder).history.exists():
            return _run(RunFolder(folder), console, mend=mend)
    raise UserError(
        f"{folder} must be the folder of a study, which contains {Layout(folder).records.name}, or of {command('train')}; it is neither"
    )


def _study(folder: Path, console: Console, *, mend: bool) -> bool:
    checkup = check_records(folder)
    notes, findings = [*checkup.notes], [*checkup.findings]
    if study := checkup.store.study:
        notes += _newer_versions(study)
        if mirror := damaged_mirror(study):
            do = f"delete it; {command('resume', shown(folder))} fills it again from the records"
            findings.append(Finding(what="the mirror {}: {}".format(*mirror), do=do))
    n_saved = sum(len(record.saved) for record in checkup.store.trials.values())
    size = f"{plural(len(checkup.store.trials), 'trial')}, {plural(n_saved, 'checkpoint')}"
    able = any(finding.repairable for finding in findings)
    _print(folder, findings, notes, size, console)
    if able and mend:
        _repaired(checkup, console)
        return not any(not finding.repairable for finding in findings)
    if able:
        console.print(f"{command('doctor', folder, '--repair')} carries out the repairs", soft_wrap=True)
    return not findings


def _repaired(checkup: Checkup, console: Console) -> None:
    backup = repair(checkup)
    resume = f". {command('resume', checkup.store.folder)} trains what is missing" if unfinished(open_study(checkup.store.folder)) else ""
    console.print(f"Repaired. {backup} is the file before{resume}", soft_wrap=True)


def _run(run: RunFolder, console: Console, *, mend: bool) -> bool:
    """Check a run of `ganstudy train`: its checkpoints, and the copies of the newest one that is whole."""
    folder = run.layout.folder
    damage = {path: checkpoint_damage(path) for path in reversed(run.layout.checkpoints())}
    whole = next((path for path, problem in damage.items() if not problem), None)
    findings = [
        Finding(what=f"the checkpoint {path}: {problem}", do=f"{command('train')} goes on from the newest that is whole")
        for path, problem in damage.items()
        if problem
    ]
    if whole is None:
        findings.append(Finding(what=f"{folder} has no checkpoint to resume from", do="train into another folder with --folder"))
    elif problem := generator_damage(run.layout.generator):
        findings.append(Finding(what=f"the generator {run.layout.generator}: {problem}", do=f"copy it from {whole}", repairable=True))
    _print(folder, findings, [], plural(len(damage), "checkpoint"), console)
    if mend and any(finding.repairable for finding in findings):
        run.publish()
        console.print(f"Repaired. The files are copies of {whole}", soft_wrap=True)
        findings = [finding for finding in findings if not finding.repairable]
    return not findings


def _print(folder: Path, findings: list[Finding], notes: list[str], size: str, console: Console) -> None:
    for finding in findings:
        console.print(f"{finding.what}. {'Repair' if finding.repairable else 'To do'}: {finding.do}", soft_wrap=True)
    for note in notes:
        console.print(f"Note: {note}", soft_wrap=True)
    console.print(f"{shown(folder)}: {plural(len(findings), 'thing') if findings else 'nothing'} wrong in {size}", soft_wrap=True)


def _newer_versions(study: StudyRecord) -> list[str]:
    """Return a note if the last driver had other versions than this process."""
    changed = [f"{name} {study.provenance[name]}, now {now}" for name, now in versions().items() if study.provenance.get(name, now) != now]
    return [f"other versions wrote the newest records: {'; '.join(changed)}"] if changed else []
