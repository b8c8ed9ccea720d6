"""Every command that takes the folder of a study, in every state of the folder: a result or one message, and nothing is left behind."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from recorded import PROTOCOL, STUDY, Driver
from toy import TOY
from typer.testing import CliRunner

from ganstudy import UserError
from study.cli import app
from study.spec.study_spec import StudySpec
from study.store.lock import driving
from study.store.records import Ended
from study.store.store import Store

SPEC = StudySpec.from_dict({**TOY, "seeds": 2})


def opened(driver: Driver) -> None:
    driver.open("aa-s0")


def unfinished(driver: Driver) -> None:
    driver.open("aa-s0")
    driver.tick("aa-s0", 1)
    driver.open("bb-s0")


def crashed(driver: Driver) -> None:
    driver.open("aa-s0")
    driver.tick("aa-s0", 1, Ended.ERROR, reason="Traceback\nValueError: broke")


def dead(driver: Driver) -> None:
    driver.open("aa-s0")
    driver.tick("aa-s0", 0)
    driver.tick("aa-s0", 1, Ended.DEAD, reason="fd is not finite")


def finished(driver: Driver) -> None:
    for trial, r1 in (("aa-s0", True), ("bb-s0", False)):
        driver.open(trial, r1=r1)
        driver.tick(trial, 0)
        driver.tick(trial, 1, Ended.BUDGET, fd=3.0 + r1)


STATES: dict[str, Callable[[Driver], None]] = {
    "no trial": lambda driver: None, "opened": opened, "unfinished": unfinished, "crashed": crashed, "dead": dead, "finished": finished, "running": unfinished,
}  # fmt: skip
NO_STUDY = "must be a study folder, which contains records.jsonl; it "
NO_FINISHED = "a best config needs finished trials; STUDY has none; `ganstudy status STUDY` shows its progress"
NO_END = "a best config needs trials that reached the end of their budget; STUDY has none"
NO_TRIAL = "a trial id or a unique prefix of one is needed; "
NO_ANSWER = "No answer yet: no trial has finished."
NO_REPORT = "a report needs a finished trial; STUDY has none; `ganstudy status STUDY` shows its progress"
NO_RANKING = "a ranking needs finished trials"
OTHER_DATA = "STUDY must be evaluated with the data split of its training (a)"
DONE = ""  # it gives a result
NONE_MEETS = "none meets 'g.lr > 1'"
NOT_MEASURED = "no trial has been measured yet"
UNRANKED = dict.fromkeys(("no trial", "unfinished", "crashed", "running"), NO_RANKING)
BEST = dict.fromkeys(("no trial", "opened", "unfinished", "crashed", "running"), NO_FINISHED) | {"dead": NO_END, "finished": DONE}
FROM_BEST = BEST | {"finished": "bb-s0 must have a stored generator; STUDY contains none of this trial"}
ANSWERS = dict.fromkeys(("no trial", "opened", "unfinished", "crashed", "running"), NO_ANSWER) | {"dead": DONE, "finished": DONE}
# The words after `ganstudy`, where STUDY is the folder -> what is said in each state; DONE where the command gives a result.
COMMANDS: dict[tuple[str, ...], dict[str, str]] = {
    ("status", "STUDY"): {"no trial": "STUDY: 0 of 8 trials started; no active process", "running": "2 of 8 trials started; active: process"},
    ("show", "STUDY"): {"no trial": "0 trials so far", "unfinished": "unfinished", "dead": "diverged", "finished": "2 trials:"},
    ("show", "STUDY", "aa"): {"no trial": NO_TRIAL, "opened": "not trained yet", "crashed": "ValueError: broke", "running": "diagnosis so far"},
    ("show", "STUDY", "zz"): dict.fromkeys(STATES, f"{NO_TRIAL}'zz' matches 0 trials of STUDY. `ganstudy show STUDY` lists all ids"),
    ("best", "STUDY"): BEST,
    ("best", "STUDY", "--json"): BEST,
    ("best", "STUDY", "--where", "g.lr < 1"): dict.fromkeys(BEST, "with g.lr < 1") | {"finished": DONE},
    ("best", "STUDY", "--where", "g.lrr < 1"): {**dict.fromkeys(STATES, "no trial has a value called 'g.lrr'. Did you mean g.lr"), "no trial": "a best config needs finished trials with g.lrr < 1"},
    ("best", "STUDY", "-n", "-1"): dict.fromkeys(STATES, "Invalid value for '-n'"),
    ("rank", "STUDY"): UNRANKED | {"opened": NOT_MEASURED},
    ("rank", "STUDY", "--where", "r1"): UNRANKED | {"opened": NOT_MEASURED, "finished": "1 of 2 ranked configs, with their places among all"},
    ("rank", "STUDY", "--where", "g.lr > 1"): dict.fromkeys(STATES, NONE_MEETS) | {"no trial": NO_RANKING},
    ("explain", "STUDY"): ANSWERS,
    ("explain", "STUDY", "--where", "r1"): ANSWERS | {"finished": "Only the trials with r1."},
    ("explain", "STUDY", "--where", "fd < 9"): {**dict.fromkeys(STATES, "trials must be chosen by settings or by the seed here"), "no trial": NO_ANSWER, "opened": "no trial has a value called 'fd'"},
    ("explain", "STUDY", "--outcome", "fd"): ANSWERS,
    ("explain", "STUDY", "--outcome", "fdd"): dict.fromkeys(STATES, "'fdd'"),
    ("report", "STUDY", "-o", "OUT.html"): dict.fromkeys(("no trial", "opened", "unfinished", "crashed", "running"), NO_REPORT),
    ("sample", "STUDY", "-o", "OUT.png"): FROM_BEST,
    ("export", "STUDY", "-o", "OUT.safetensors"): FROM_BEST,
    ("sample", "STUDY", "--trial", "zz", "-o", "OUT.png"): dict.fromkeys(STATES, NO_TRIAL),
    ("train", "--from", "STUDY", "--trial", "zz", "--folder", "OUT"): dict.fromkeys(STATES, NO_TRIAL),
    ("evaluate", "STUDY"): dict.fromkeys(STATES, OTHER_DATA),
    ("doctor", "STUDY"): {"no trial": "STUDY: nothing wrong in 0 trials, 0 checkpoints", "unfinished": "it is missing. Repair", "running": "STUDY is in use by process"},
    ("resume", "STUDY", "--set", "n_configz=9"): dict.fromkeys(STATES, "'n_configz'"),
}  # fmt: skip


def said_by(words: tuple[str, ...], folder: Path, out: Path) -> tuple[str, int]:
    """What a command prints, its message included, and its exit status; STUDY and OUT stand for paths in both."""
    given = [word.replace("STUDY", str(folder)).replace("OUT", str(out)) for word in words]
    result = CliRunner().invoke(app, given)
    problem = result.exception
    assert problem is None or isinstance(problem, UserError | SystemExit), problem
    message = str(problem) if isinstance(problem, UserError) else ""
    return (result.output + message).replace(str(folder), "STUDY").replace(str(out), "OUT"), result.exit_code


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_gives_a_result_or_one_message(words: tuple[str, ...], state: str, tmp_path: Path) -> None:
    folder, out = tmp_path / "study", tmp_path / "out"
    with Store.writing(folder) as store:
        store.write_study(replace(STUDY, spec=SPEC.as_dict(), protocol=PROTOCOL.as_dict(), baselines={"fd": 1.0}))
        STATES[state](Driver(store))
    before = (folder / "records.jsonl").read_bytes()
    with driving(folder) if state == "running" else nullcontext():
        said, status = said_by(words, folder, out)
    expected = COMMANDS[words].get(state, DONE)
    assert expected in said
    assert said
    assert len(said.splitlines()) == 1 or status == 0 or words[0] == "doctor" or "Usage:" in said
    assert (folder / "records.jsonl").read_bytes() == before
    if status:
        assert [path.name for path in tmp_path.iterdir()] == ["study"]


@pytest.mark.parametrize(
    "words", dict.fromkeys((words[0], *words[1:]) for words in COMMANDS if words != ("explain", "STUDY", "--outcome", "fdd")), ids=" ".join
)
@pytest.mark.parametrize("what", ["nowhere", "empty folder", "a file"])
def test_what_is_no_study_is_one_message(words: tuple[str, ...], what: str, tmp_path: Path) -> None:
    folder = tmp_path / what
    if what == "empty folder":
        folder.mkdir()
    elif what == "a file":
        folder.write_text("")
    said, status = said_by(words, folder, tmp_path / "out")
    assert status
    if "-1" in words:
        return
    if words[0] == "doctor":
        assert said.startswith("STUDY must be the folder of a study")
    elif (words[0], what) == ("explain", "a file"):  # runs of another program
        assert said.startswith("STUDY must be a CSV file")
    else:
        assert said.startswith(f"STUDY {NO_STUDY}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ([] if what == "nowhere" else [what])


MANY = "9" * 50
# Each numeric option of the commands -> values that it takes, of those below; "STUDY" is a finished study of one seed.
NUMERIC: dict[tuple[str, ...], set[str]] = {
    ("best", "STUDY", "-n"): {"3", MANY},
    ("best", "STUDY", "--min-seeds"): {"3", MANY},
    ("rank", "STUDY", "-n"): {"3", MANY},
    ("stop", "STUDY", "--wait-s"): {"0", "3", MANY, "1e999", "inf"},  # there is nothing to wait for
    ("confirm", "STUDY", "--top"): {"3", MANY},
    ("confirm", "STUDY", "--seeds"): {"3", MANY},
    ("confirm", "STUDY", "--error"): set(),
    ("ablate", "STUDY", "--of"): {"3", MANY},
    ("simulate", "STUDY", "-n"): {"3"},
    ("simulate", "STUDY", "--slots"): {"3"},
    ("simulate", "STUDY", "--within"): {"0", "3"},
    ("evaluate", "STUDY", "--samples"): set(),
    ("train", "--folder", "OUT", "RECIPE", "--samples"): set(),
    ("sample", "STUDY", "-o", "OUT.png", "--seed"): {"-1", "0", "3", MANY},  # its trials have no generator
}
RUN = {"best", "rank", "stop"}  # commands that give a result of this study


def test_all_numeric_options_are_tried() -> None:
    options = [
        (command.callback.__name__, own if own.startswith("-") else f"--{parameter.replace('_', '-')}")
        for command in app.registered_commands
        if command.callback
        for parameter, hint in get_type_hints(command.callback, include_extras=True).items()
        if {int, float} & {*get_args(hint), *get_args(next(iter(get_args(hint)), None))}
        for own in [str(hint.__metadata__[0].default)]
    ]
    assert sorted((words[0], words[-1]) for words in NUMERIC) == sorted(options)


@pytest.mark.parametrize("value", ["-1", "0", "3", "nan", "inf", "1e999", "-inf", "x", "", MANY])
@pytest.mark.parametrize("words", NUMERIC, ids=" ".join)
def test_a_number_is_taken_or_refused_by_its_name(words: tuple[str, ...], value: str, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    with Store.writing(folder) as store:
        store.write_study(replace(STUDY, spec=SPEC.as_dict(), protocol=PROTOCOL.as_dict(), baselines={"fd": 1.0}))
        finished(Driver(store))
    (tmp_path / "r.yaml").write_text("data: ring8\narch: mlp\n")
    given = (*(word.replace("RECIPE", str(tmp_path / "r.yaml")) for word in words), value)
    said, status = said_by(given, folder, tmp_path / "out")
    taken = value in NUMERIC[words]
    assert (status == 0) == (taken and words[0] in RUN), said
    if not taken and value:
        about = words[-1].strip("-")
        assert about in said or about.replace("-", "_") in said
    assert not (tmp_path / "out").exists()
