"""`ganstudy doctor`: staged damage is named, repaired where possible, and nothing else is touched."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from recorded import Driver
from toy import TOY, in_this_process
from typer.testing import CliRunner

from ganstudy import UserError
from ganstudy.checksums import SUMS
from study.api import open_study
from study.cli import app
from study.engine.searcher import newest
from study.spec.study_spec import StudySpec
from study.store.layout import Layout
from study.store.lock import driving
from study.store.records import Saved
from study.store.run_layout import RunLayout
from study.store.store import Store
from trainables.trial import STATE


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of two trials."""
    folder = tmp_path_factory.mktemp("runs") / "toy"
    in_this_process(StudySpec.from_dict({**TOY, "n_configs": 2}), folder)
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(finished, tmp_path / "toy"))


def doctor(folder: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor", str(folder), *words], catch_exceptions=False)
    return result.exit_code, result.output


def content(folder: Path) -> Mapping[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path != Layout(folder).lock}


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_whole_study_has_nothing_wrong_and_nothing_is_written(folder: Path) -> None:
    before = content(folder)
    for words in ((), ("--repair",)):
        code, said = doctor(folder, *words)
        assert code == 0
        assert said.splitlines()[-1] == f"{folder}: nothing wrong in 2 trials, 8 checkpoints"
        assert content(folder) == before


Lines = list[bytes]
# what is done to the lines of the records (0: study; 1: opens the first trial; 2: its first measurement; 3: its first checkpoint), and what is said
DAMAGE: dict[str, tuple[Callable[[Lines], Lines], list[str]]] = {
    "no JSON": (lambda lines: [*lines[:2], b"garbage\n", *lines[2:]], ["line 3 of {records}: it is no JSON. Repair: cut the line"]),
    "glued": (lambda lines: [*lines[:2], lines[2][:50] + lines[2], *lines[3:]], ["line 3 of {records}: it is no JSON. Repair"]),
    "torn": (lambda lines: [*lines, lines[-1][:30]], ["the last line of {records} is incomplete (30 bytes). Repair: cut it"]),
    "repeated": (
        lambda lines: [*lines, lines[1], lines[3]],
        ["2 lines of {records} repeat earlier ones: 20 and 21. Repair: drop them"],
    ),
    "another form": (
        lambda lines: [*lines[:2], lines[2].replace(b'"images": 0', b'"images": "none"'), *lines[3:]],
        ["line 3 of {records}: it has another form (measured.images: Input should be a valid integer"],
    ),
    "leads out": (
        lambda lines: [*lines[:3], lines[3].replace(b'"path": "tune/', b'"path": "../'), *lines[4:]],
        ["line 4 of {records}: it has another form (saved: Value error, '../"],
    ),
    "not opened": (
        lambda lines: [lines[0], b"{}\n", *lines[2:]],
        ["line 2 of {records}: it has another form", "line 3 of {records}: no line before it opens the trial"],
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_records_are_repaired_and_a_copy_is_kept(folder: Path, finished: Path, name: str) -> None:
    damage, told = DAMAGE[name]
    records = Layout(folder).records
    lines = records.read_bytes().splitlines(keepends=True)
    records.write_bytes(damaged := b"".join(damage(lines)))
    code, said = doctor(folder)
    assert code == 1
    for each in told:
        assert each.format(records=records) in said
    assert records.read_bytes() == damaged
    code, said = doctor(folder, "--repair")
    backup = folder / "records.1.jsonl"
    assert code == 0
    assert f"Repaired. {backup} is the file before" in said
    assert backup.read_bytes() == damaged
    assert doctor(folder)[0] == 0
    whole, left = Store(finished).trials, open_study(folder).store.trials
    assert left.keys() == (whole.keys() - {next(iter(whole))} if name == "not opened" else whole.keys())
    if name in ("torn", "repeated"):
        assert left == whole
    kept = records.read_bytes().splitlines(keepends=True)
    assert set(kept) <= set(lines)
    assert set(lines) - set(kept) == {line for line in lines if line not in damage(lines)} | (
        {line for line in lines if f'"{next(iter(whole))}"'.encode() in line} if name == "not opened" else set()
    )


def test_lines_that_lack_the_newline_between_them_are_split(folder: Path) -> None:
    records = Layout(folder).records
    lines = (before := records.read_bytes()).splitlines(keepends=True)
    lines[2:5] = [lines[2][:-1] + lines[3][:-1] + lines[4]]
    records.write_bytes(b"".join(lines))
    code, said = doctor(folder)
    assert code == 1
    assert f"line 3 of {records} holds 3 lines that lack a newline between them. Repair: give each its line" in said
    code, said = doctor(folder, "--repair")
    assert code == 0
    assert records.read_bytes() == before
    assert "ganstudy resume" not in said


def test_braces_in_a_text_are_no_glued_lines(folder: Path) -> None:
    records = Layout(folder).records
    trial = next(iter(Store(folder).trials))
    with records.open("a") as file:
        file.write(json.dumps({"trial": trial, "closed": {"ended": "budget", "reason": "}{"}}) + "\n")
    assert doctor(folder)[0] == 0


@pytest.mark.parametrize("cut", [b'"opened"', b'"closed"'])
def test_a_resume_is_advised_only_where_it_would_train_something(folder: Path, cut: bytes) -> None:
    """Repeated lines are dropped without loss; a trial without its last line, or without any, is unfinished."""
    records = Layout(folder).records
    lines = records.read_bytes().splitlines(keepends=True)
    records.write_bytes(b"".join([*lines, lines[1]]))
    assert "ganstudy resume" not in doctor(folder, "--repair")[1]
    records.write_bytes(b"".join(b"garbage\n" if cut in line else line for line in lines))
    assert f"`ganstudy resume {folder}` trains what is missing" in doctor(folder, "--repair")[1]


def test_without_the_record_of_the_study_nothing_is_written(folder: Path) -> None:
    records = Layout(folder).records
    records.write_bytes(b"garbage\n" + records.read_bytes().split(b"\n", 1)[1])
    before = content(folder)
    for words in ((), ("--repair",)):
        code, said = doctor(folder, *words)
        assert code == 1
        assert f"line 1 of {records}: it is no JSON. To do: restore the file from a backup" in said
        assert f"no line of {records} holds the study, without which it cannot be opened. To do: restore the file from a backup" in said
        assert "--repair" not in said
        assert content(folder) == before


@pytest.mark.parametrize("words", [(), ("--repair",)])
@pytest.mark.parametrize("records", [b"", b'{"format": 3, "stu'])
def test_a_study_that_was_never_started_needs_no_backup(tmp_path: Path, records: bytes, words: tuple[str, ...]) -> None:
    """A launch that is killed before its first record is whole leaves such a file."""
    path = tmp_path / "records.jsonl"
    path.write_bytes(records)
    code, said = doctor(tmp_path, *words)
    assert code == 1
    assert f"{path} holds no record: the study was never started. To do: launch it, or delete the folder" in said
    assert path.read_bytes() == records


def test_a_second_repair_keeps_both_copies(folder: Path) -> None:
    records = Layout(folder).records
    for n in (1, 2):
        with records.open("ab") as file:
            file.write(f"garbage {n}\n".encode())
        assert doctor(folder, "--repair")[0] == 0
    assert [(folder / f"records.{n}.jsonl").read_bytes().splitlines()[-1] for n in (1, 2)] == [b"garbage 1", b"garbage 2"]


def unfinish(folder: Path) -> str:
    """Take the end of the last trial from the records. Returns the id of the trial."""
    records = Layout(folder).records
    *lines, last = [json.loads(line) for line in records.read_text().splitlines()]
    for line in lines:
        if line.get("trial") == last["trial"]:
            line.pop("closed", None)
    records.write_text("".join(json.dumps(line) + "\n" for line in [*lines, last]))
    return str(last["trial"])


def test_a_trial_is_pointed_to_its_last_whole_checkpoint(folder: Path) -> None:
    trial = unfinish(folder)
    saved = Store(folder).trials[trial].saved
    states = [folder / each.path / STATE for each in saved]
    flip(states[-1])
    states[-2].unlink()
    (states[0]).unlink()  # as of every old checkpoint
    (folder / saved[0].path / SUMS).unlink()
    code, said = doctor(folder)
    assert code == 1
    differs = f"it differs from its checksum in {SUMS}. Repair: forget it; the newest other one is of 0.2 kimg"
    assert f"the checkpoint {states[-1]} of {trial}: {differs}" in said
    assert doctor(folder, "--repair")[0] == 0
    left = Store(folder).trials[trial]
    assert left.saved == saved[:2]
    assert newest(left, folder) == str(states[1].parent)
    assert "nothing wrong" in doctor(folder)[1], "one repair is enough"
    assert all(path.parent.exists() for path in states), "no checkpoint is deleted"


def test_a_damaged_generator_of_a_finished_trial_is_made_again(folder: Path) -> None:
    trial = next(iter(Store(folder).trials))
    before = Store(folder).trials[trial]
    generator = Layout(folder).generator(before.saved[-1])
    flip(generator)
    state = folder / before.saved[-1].path / STATE
    state.unlink()  # not needed: the trial has ended
    code, said = doctor(folder)
    assert code == 1
    assert f"the generator {generator} of {trial}: it differs from its checksum in {SUMS}. Repair: forget it" in said
    assert str(state) not in said
    assert doctor(folder, "--repair")[0] == 0
    after = Store(folder).trials[trial]
    assert after.saved == before.saved[:-1]
    assert not before.needs_run(0)
    assert after.needs_run(0)
    assert open_study(folder).trial(trial).generator_path() == Layout(folder).generator(after.saved[-1])


def test_one_repair_is_enough_where_only_the_last_checkpoint_was_kept(folder: Path) -> None:
    """As in folders of ganstudy 0.1; the trial must train again, and starts where it finds a state."""
    trial = next(iter(Store(folder).trials))
    saved = Store(folder).trials[trial].saved
    for old in saved[1:-1]:
        (folder / old.path / STATE).unlink()
    flip(Layout(folder).generator(saved[-1]))
    assert doctor(folder, "--repair")[0] == 0
    assert Store(folder).trials[trial].saved == saved[:1]
    assert "nothing wrong" in doctor(folder)[1]


@pytest.mark.parametrize("unfinished", [False, True])
def test_files_that_a_driver_deletes_are_not_counted_as_damage(folder: Path, unfinished: bool) -> None:
    """Of checkpoints before the newest two most files are gone. Where neither of the two is whole, the trial has none."""
    trial = unfinish(folder) if unfinished else next(iter(Store(folder).trials))
    saved = Store(folder).trials[trial].saved
    for old in saved[:-2]:
        (folder / old.path / STATE).unlink()
        Layout(folder).generator(old).unlink()
    assert doctor(folder)[0] == 0
    removed = [(folder / each.path / STATE) if unfinished else Layout(folder).generator(each) for each in saved[-2:]]
    for path in removed:
        path.unlink()
    code, said = doctor(folder)
    assert code == 1
    kind = "checkpoint" if unfinished else "generator"
    assert said.splitlines()[:-1] == [
        *(f"the {kind} {path} of {trial}: it is missing. Repair: forget it; the trial has no whole one" for path in reversed(removed)),
        f"{folder}: 2 things wrong in 2 trials, 8 checkpoints",
    ]
    assert f"`ganstudy resume {folder}` trains what is missing" in doctor(folder, "--repair")[1]
    assert Store(folder).trials[trial].saved == ()
    assert "nothing wrong" in doctor(folder)[1]


def test_a_checkpoint_that_was_replaced_does_not_come_back(folder: Path) -> None:
    """A trial went on from an older checkpoint, and the first one that it wrote then is damaged."""
    trial = next(iter(Store(folder).trials))
    saved = Store(folder).trials[trial].saved
    shutil.copytree(folder / saved[2].path, folder / "tune" / "again")
    with Store.writing(folder) as store:
        store.write(trial, saved=Saved(images=saved[2].images, path="tune/again"))
    for old in saved[2:]:
        shutil.rmtree(folder / old.path)
    flip(folder / "tune" / "again" / STATE)
    assert doctor(folder, "--repair")[0] == 0
    assert Store(folder).trials[trial].saved == saved[:2]
    assert "nothing wrong" in doctor(folder)[1]


def test_a_garbage_generator_without_checksums_is_found(folder: Path) -> None:
    saved = next(iter(Store(folder).trials.values())).saved[-1]
    generator = Layout(folder).generator(saved)
    (generator.parent / SUMS).unlink()
    assert doctor(folder)[0] == 0
    generator.write_bytes(b"garbage")
    code, said = doctor(folder)
    assert code == 1
    assert f"the generator {generator}" in said


def test_facts_of_a_newer_version_are_noted_and_kept(folder: Path) -> None:
    records = Layout(folder).records
    trial = next(iter(Store(folder).trials))
    with records.open("a") as file:
        file.write(json.dumps({"trial": trial, "starred": True}) + "\n")
        file.write("garbage\n")
    code, said = doctor(folder, "--repair")
    assert code == 0
    assert "Note: facts of a newer ganstudy are ignored and kept: starred" in said
    assert json.loads(records.read_bytes().splitlines()[-1]) == {"trial": trial, "starred": True}


def test_a_trial_that_was_trained_again_has_nothing_wrong(folder: Path) -> None:
    """Older versions then wrote once more, in another line, how it ended."""
    records = Layout(folder).records
    trial = next(iter(Store(folder).trials))
    with records.open("a") as file:
        file.write(json.dumps({"trial": trial, "closed": {"ended": "budget", "reason": ""}}) + "\n")
    before = content(folder)
    assert doctor(folder, "--repair")[0] == 0
    assert content(folder) == before


def test_a_copy_from_a_cluster_needs_no_checkpoints(folder: Path) -> None:
    shutil.rmtree(Layout(folder).runs)
    assert doctor(folder)[0] == 1
    Layout(folder).copied.write_text("ray://head")
    code, said = doctor(folder)
    assert code == 0
    assert "Note: the folder is a copy of a study on a cluster, without its checkpoints; check these there" in said


def test_other_versions_are_noted(folder: Path) -> None:
    records = Layout(folder).records
    first, rest = records.read_text().split("\n", 1)
    study: dict[str, Any] = json.loads(first)
    study["study"]["provenance"]["torch"] = "1.0"
    records.write_text(json.dumps(study) + "\n" + rest)
    code, said = doctor(folder)
    assert code == 0
    assert "Note: other versions wrote the newest records: torch 1.0, now " in said


@pytest.mark.parametrize("mirror", ["sqlite", "journal"])
def test_a_damaged_mirror_is_named(tmp_path: Path, mirror: str) -> None:
    folder, file = tmp_path / "toy", tmp_path / "optuna"
    address = {"sqlite": f"sqlite:///{file}", "journal": str(file)}[mirror]
    with Store.writing(folder) as store:
        Driver(store).open("a")
    records = Layout(folder).records
    first, rest = records.read_text().split("\n", 1)
    study: dict[str, Any] = json.loads(first)
    study["study"]["spec"]["tracking"] = {"optuna": address, "wandb": None}
    records.write_text(json.dumps(study) + "\n" + rest)
    assert doctor(folder)[0] == 0, "a mirror that is not there yet is not damaged"
    if mirror == "sqlite":
        with sqlite3.connect(file) as opened:
            opened.execute("CREATE TABLE trials (x TEXT)")
            opened.executemany("INSERT INTO trials VALUES (?)", [("x" * 1000,)] * 100)
        opened.close()
    else:
        file.write_text('{"a": 1}\n')
    assert doctor(folder)[0] == 0
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2] + b"\xff" * (len(data) // 4) + data[len(data) // 2 + len(data) // 4 :])
    code, said = doctor(folder, "--repair")
    assert code == 1
    assert f"the mirror {file}: " in said
    assert f"To do: delete it; `ganstudy resume {folder}` fills it again" in said


@pytest.mark.parametrize("words", [(), ("--repair",)])
def test_an_active_driver_is_left_alone(folder: Path, words: tuple[str, ...]) -> None:
    before = content(folder)
    with driving(folder), pytest.raises(UserError, match="is in use by process"):
        doctor(folder, *words)
    assert content(folder) == before


def test_other_folders_are_refused(tmp_path: Path) -> None:
    for words in ((), ("--repair",)):
        with pytest.raises(
            UserError, match=r"must be the folder of a study, which contains records\.jsonl, or of `ganstudy train`; it is neither"
        ):
            doctor(tmp_path, *words)
        with pytest.raises(UserError, match="must be the folder of a study or of `ganstudy train`; it is no folder"):
            doctor(tmp_path / "none", *words)
    assert not (tmp_path / "none").exists()


def test_a_run_of_train(tmp_path: Path) -> None:
    recipe, run = tmp_path / "ring.yaml", RunLayout(tmp_path / "run")
    recipe.write_text("data: ring8\narch: mlp\ng.norm: none\nbudget_kimg: 0.2\ntick_kimg: 0.1\n")
    trained = CliRunner().invoke(app, ["train", str(recipe), "--folder", str(run.folder), "--samples", "100"], catch_exceptions=False)
    assert trained.exit_code == 0
    assert doctor(run.folder) == (0, f"{run.folder}: nothing wrong in 2 checkpoints\n")
    before, last = run.checkpoints()
    generator = run.generator.read_bytes()
    run.generator.write_bytes(b"garbage")
    code, said = doctor(run.folder)
    assert code == 1
    assert f"the generator {run.generator}: " in said
    assert f"Repair: copy it from {last}" in said
    assert doctor(run.folder, "--repair")[0] == 0
    assert run.generator.read_bytes() == generator
    flip(last / STATE)
    code, said = doctor(run.folder, "--repair")
    assert code == 1
    assert f"the checkpoint {last}: {STATE}: it differs from its checksum in {SUMS}. To do: `ganstudy train` goes on" in said
    flip(before / STATE)
    assert f"{run.folder} has no checkpoint to resume from. To do: train into another folder with --folder" in doctor(run.folder)[1]
