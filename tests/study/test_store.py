"""The store, and the state that searcher and scheduler rebuild from it. No Ray is started."""

import errno
import json
import math
import os
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from full import at_most
from ray.tune.schedulers import ASHAScheduler
from recorded import Driver

from ganstudy import UserError
from ganstudy.checksums import write_sums
from study.api import open_study
from study.engine.adaptive import Adaptive
from study.engine.schedulers import EarlyStopping
from study.engine.searcher import Search, newest
from study.spec.halving import Halving
from study.spec.study_spec import StudySpec
from study.store.layout import Layout
from study.store.lock import driver, driving
from study.store.records import Closed, Ended, Measurement, Saved, TrialRecord
from study.store.store import Store
from trainables.trial import STATE

OPTIMISE = StudySpec.from_dict(
    {
        "name": "s",
        "question": "?",
        "goal": "optimise",
        "base": {"data": "ring8", "arch": "mlp", "budget_kimg": 40.0},
        "space": {"scientific": {"r1": [False, True]}, "nuisance": {"r1.gamma": "range", "d.lr": "range"}},
        "n_configs": 8,
        "max_failures": 1,
        "scheduler": {"grace_kimg": 4.0},
    }
)


def rule() -> Halving:
    assert OPTIMISE.scheduler
    started = OPTIMISE.scheduler.start(budget_kimg=OPTIMISE.budget_kimg, direction=OPTIMISE.objective.direction)
    assert isinstance(started, Halving)
    return started


EXPLAIN = StudySpec.from_dict({**{k: v for k, v in OPTIMISE.as_dict().items() if k != "scheduler"}, "goal": "explain", "sampler": "sobol"})


def at(images: int, fd: float = 1.0) -> Measurement:
    return Measurement(images=images, seconds=1.0, evaluation_seconds=0.1, values={"fd": fd})


def open_trial(store: Store, trial_id: str, **flat: Any) -> None:
    store.write(trial_id, opened={"phase": "explore", "flat": flat})


def play(store: Store, search: Search, n: int, ended: Ended) -> list[dict[str, Any]]:
    """Propose n trials; each is measured once and ends."""
    out = []
    for i in range(n):
        proposed = search.suggest(f"tune{i}")
        assert proposed
        out.append(proposed)
        trial_id = proposed["trial_id"]
        store.write(trial_id, measured=at(2000), closed=Closed(ended=ended))
        search.measured(trial_id, at(2000))
        store.write(trial_id, saved=Saved(images=2000, path="x"))
        search.closed(store.trials[trial_id])
        search.on_trial_complete(f"tune{i}")
    return out


def test_a_stop_that_is_asked_for_before_the_records_are_open_is_kept(tmp_path: Path) -> None:
    """The launch holds the lock while it measures a GPU. A stop that an earlier driver left is forgotten."""
    stop = Layout(tmp_path).stop
    stop.touch()
    with driving(tmp_path):
        assert not stop.exists()
        stop.touch()
        with Store.appending(tmp_path, None):
            assert stop.exists()


def test_a_second_driver_is_refused(tmp_path: Path) -> None:
    assert driver(tmp_path) is None
    with Store.writing(tmp_path):
        assert "process" in str(driver(tmp_path))
        with pytest.raises(UserError, match="is in use by process"), Store.writing(tmp_path):
            pass
    assert driver(tmp_path) is None


def test_a_file_system_without_locks_is_refused_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(file: object, kind: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", none)
    with pytest.raises(UserError, match=r"lock must be on a file system with locks .*: No locks available\. Mount it with locks"):
        Store.writing(tmp_path).__enter__()
    with pytest.raises(UserError, match=r"lock must be on a file system with locks"):
        driver(tmp_path)
    assert not Store(tmp_path).path.exists()


def test_an_incomplete_last_line_is_dropped(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        open_trial(store, "a")
        store.write("a", measured=at(1000))
    whole = store.path.read_bytes()
    for cut in range(len(whole)):
        store.path.write_bytes(whole[:cut])
        with Store.writing(tmp_path) as torn:
            open_trial(torn, "b", seed=cut)
        lines = [json.loads(line) for line in store.path.read_text().splitlines()]
        assert lines[-1]["opened"]["flat"] == {"seed": cut}
        assert lines[:-1] == [json.loads(line) for line in whole.splitlines()[: len(lines) - 1]]


DAMAGED = {
    b"garbage{{": "it is no JSON",
    b"\xff\xfe": "it is no JSON",
    b"": "it is no JSON",
    b"3": "it has another form",
    b"null": "it has another form",
    b"{}": "it has another form (line: Value error, it must be about a study or a trial; '' is no id of a trial)",
    b'{"trial": "zz", "eager": "no GPU"}': "no line before it opens the trial zz",
    b'{"trial": "a", "closed": {}}': "it has another form (closed.ended: Field required)",
    b'{"trial": "a", "measured": {"images": 2, "seconds": 1, "evaluation_seconds": 0, "values": {"fd": NaN}}}': "it is no JSON",
    b'{"trial": "a", "measured": {"images": 2, "seconds": 1, "evaluation_seconds": 0, "values": {"fd": "low"}}}': (
        "it has another form (measured.values.fd: Input should be a valid number, unable to parse string as a number)"
    ),
    b'{"trial": "../a", "opened": {"flat": {}}}': (
        "it has another form (line: Value error, it must be about a study or a trial; '../a' is no id of a trial)"
    ),
    b'{"trial": "a", "saved": {"images": 1, "path": "/etc"}}': (
        "it has another form (saved: Value error, '/etc' leads out of the study folder)"
    ),
    b'{"trial": "a", "saved": {"images": 1, "path": "tune/../../x"}}': (
        "it has another form (saved: Value error, 'tune/../../x' leads out of the study folder)"
    ),
}


@pytest.mark.parametrize("line", DAMAGED)
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    with Store.writing(tmp_path) as store:
        open_trial(store, "a")
        store.write("a", measured=at(1000))
    first, second, *_ = store.path.read_bytes().splitlines()
    damaged = b"\n".join((first, line, second, b""))
    store.path.write_bytes(damaged)
    with pytest.raises(UserError) as error:
        Store(tmp_path)
    assert str(error.value) == (
        f"line 2 of {store.path} must be a record in JSON; it is damaged: {DAMAGED[line]}. Restore the file from a backup, "
        f"or let `ganstudy doctor {tmp_path} --repair` split or cut the line; what is cut is lost"
    )
    assert store.path.read_bytes() == damaged


def test_nobody_is_told_to_delete_the_record_of_the_study(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        Driver(store).whole("a")
    _, *rest = store.path.read_bytes().splitlines(keepends=True)
    store.path.write_bytes(b"".join((b"garbage\n", *rest)))
    with pytest.raises(
        UserError, match=r"line 1 .* it is no JSON\. Restore the file from a backup; the line holds the study, so do not delete"
    ):
        open_study(tmp_path)
    store.path.write_bytes(b"".join(rest))
    with pytest.raises(UserError, match=r"it has records of 1 trial but none of the study\. Restore the file from a backup"):
        open_study(tmp_path)


def test_a_repeated_measurement_is_stored_once(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        open_trial(store, "a")
        assert store.write("a", measured=at(1000))
        assert store.write("a", measured=at(2000))
        assert not store.write("a", measured=at(2000, 9.0), closed=Closed(ended=Ended.BUDGET))
    assert Store(tmp_path).trials["a"].measurements == (at(1000), at(2000))
    assert Store(tmp_path).trials["a"].closed == Closed(ended=Ended.BUDGET)


def test_a_trial_that_is_trained_again_writes_nothing_twice(tmp_path: Path) -> None:
    """Its last checkpoint was lost, or all of them."""
    with Store.writing(tmp_path) as store:
        open_trial(store, "a")
        for _ in range(3):
            store.write("a", measured=at(0), effective={"g.lr": 1e-3})
            store.write("a", measured=at(1000), closed=Closed(ended=Ended.BUDGET))
    assert store.path.read_bytes().count(b"\n") == 3


def test_repeated_lines_change_nothing(tmp_path: Path) -> None:
    """As an earlier version left them after a full disk: each line of a trial once more, in any place after the first."""
    with Store.writing(tmp_path) as store:
        open_trial(store, "a", seed=3)
        for images in (1000, 2000):
            store.write("a", measured=at(images), closed=Closed(ended=Ended.BUDGET) if images == 2000 else None)
            store.write("a", saved=Saved(images=images, path=f"c{images}"))
    lines = store.path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    for first in range(len(lines)):
        for place in range(first + 1, len(lines) + 1):
            store.path.write_bytes(b"".join((*lines[:place], lines[first], *lines[place:])))
            assert Store(tmp_path).trials == store.trials, (first, place)


def test_a_trial_that_crashes_twice_alike_has_crashed_twice(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        open_trial(store, "a")
        for _ in range(2):
            store.write("a", closed=Closed(ended=Ended.ERROR, reason="bang"))
    assert Store(tmp_path).trials["a"].failures == 2


def test_facts_of_a_newer_version_are_ignored_and_kept(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        Driver(store).whole("a")
    newer = []
    for line in map(json.loads, store.path.read_text().splitlines()):
        for part in line.values():
            if isinstance(part, dict):
                part["new"] = {"of": 1}
        newer += (
            [json.dumps({**line, "starred": True}), json.dumps({"trial": "a", "starred": True})] if "trial" in line else [json.dumps(line)]
        )
    text = "".join(line + "\n" for line in newer)
    store.path.write_text(text)
    with Store.writing(tmp_path) as again:
        assert again.trials == store.trials
        assert again.study == store.study
        open_trial(again, "b")
    assert store.path.read_text().startswith(text)


def test_a_trial_that_goes_on_from_an_older_checkpoint_replaces_the_later_ones(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        open_trial(store, "a")
        for images in (1, 2, 3):
            store.write("a", saved=Saved(images=images, path=f"old{images}"))
        store.write("a", saved=Saved(images=2, path="new2"))
    assert [saved.path for saved in Store(tmp_path).trials["a"].saved] == ["old1", "new2"]


@pytest.mark.parametrize("room", [0, 1, 40, 79])
def test_a_full_disk_leaves_whole_lines_and_the_next_write_is_whole(tmp_path: Path, room: int) -> None:
    """The system ends the file after `room` more bytes, then lets it grow again, while the writer lives."""
    with Store.writing(tmp_path) as store:
        open_trial(store, "a")
        store.write("a", measured=at(1000))
        before = store.path.read_bytes()
        with (
            at_most(len(before) + room),
            pytest.raises(UserError, match=r"records\.jsonl must have room on its disk: File too large\. Free"),
        ):
            store.write("a", measured=at(2000), closed=Closed(ended=Ended.BUDGET))
        assert store.path.read_bytes() == before
        assert store.trials["a"].last == at(1000)
        assert store.unwritten
        assert store.write("a", measured=at(2000), closed=Closed(ended=Ended.BUDGET))
        assert store.unwritten is None
    assert Store(tmp_path).trials == store.trials
    assert store.path.read_bytes().count(b'"images": 2000') == 1


def test_nan_is_never_stored(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        open_trial(store, "a")
        with pytest.raises(ValueError, match="not JSON compliant"):
            store.write("a", measured=at(1000, float("nan")))
    assert Store(tmp_path).trials["a"].measurements == ()


def test_a_trial_without_its_last_checkpoint_is_trained_again(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        open_trial(store, "a")
        store.write("a", measured=at(1000))
        store.write("a", saved=Saved(images=1000, path="x"))
        store.write("a", measured=at(2000), closed=Closed(ended=Ended.BUDGET))
        assert store.trials["a"].needs_run(0)
        store.write("a", saved=Saved(images=2000, path="y"))
        assert not store.trials["a"].needs_run(0)


@pytest.mark.parametrize(("ended", "state"), [("budget", "COMPLETE"), ("scheduler", "PRUNED"), ("dead", "COMPLETE")])
def test_a_resumed_search_rebuilds_the_same_optuna_trials(tmp_path: Path, ended: str, state: str) -> None:
    with Store.writing(tmp_path) as store:
        search, again = Search(OPTIMISE, store), None
        play(store, search, 3, Ended(ended))
        again = Search(OPTIMISE, store)
        again.proposals.next()  # begins the phase
    mine, theirs = search.proposals.proposals["optimise"], again.proposals.proposals["optimise"]
    assert isinstance(mine, Adaptive)
    assert isinstance(theirs, Adaptive)
    for a, b in zip(mine.study.get_trials(), theirs.study.get_trials()[:-1], strict=True):
        assert a.state.name == b.state.name == state
        assert (a.params, a.distributions, a.values, a.intermediate_values, a.constraints) == (
            b.params,
            b.distributions,
            b.values,
            b.intermediate_values,
            b.constraints,
        )
        assert a.constraints == {"dead": 1.0 if ended == "dead" else -1.0}
        assert (a.value == math.inf) == (ended == "dead")
        assert ("r1.gamma" in a.params) == a.params["r1"]


@pytest.mark.parametrize("spec", [OPTIMISE, EXPLAIN], ids=["optimise", "explain"])
def test_a_resumed_search_proposes_the_same_trials(tmp_path: Path, spec: StudySpec) -> None:
    with Store.writing(tmp_path / "whole") as store:
        whole = play(store, Search(spec, store), 8, Ended.BUDGET)
        assert Search(spec, store).suggest("more") == "FINISHED"  # type: ignore[comparison-overlap]
    with Store.writing(tmp_path / "cut") as store:
        cut = [proposed for n in (3, 5) for proposed in play(store, Search(spec, store), n, Ended.BUDGET)]
    assert cut == whole


@pytest.mark.parametrize("spec", [OPTIMISE, EXPLAIN], ids=["optimise", "explain"])
def test_a_trial_whose_record_was_cut_is_proposed_again(tmp_path: Path, spec: StudySpec) -> None:
    with Store.writing(tmp_path) as store:
        play(store, Search(spec, store), 8, Ended.BUDGET)
        before = {record.flat["seed"] for record in store.trials.values()}
        lost = list(store.trials)[2].encode()
    store.path.write_bytes(b"".join(line for line in store.path.read_bytes().splitlines(keepends=True) if lost not in line))
    with Store.writing(tmp_path) as store:
        assert len(store.trials) == 7
        play(store, Search(spec, store), 1, Ended.BUDGET)
        assert Search(spec, store).suggest("more") == "FINISHED"  # type: ignore[comparison-overlap]
    assert {record.flat["seed"] for record in Store(tmp_path).trials.values()} == before


@pytest.mark.parametrize("spec", [OPTIMISE, EXPLAIN], ids=["optimise", "explain"])
def test_unfinished_trials_come_first_and_errors_are_retried(tmp_path: Path, spec: StudySpec) -> None:
    spec = spec.model_copy(update={"n_configs": 1, "seeds": 1})
    with Store.writing(tmp_path) as store:
        first = Search(spec, store).suggest("old")
        assert first
        search = Search(spec, store)
        assert search.suggest("new") == first
        for failures in (1, 2):
            store.write(first["trial_id"], closed=Closed(ended=Ended.ERROR, reason="bang"))
            search.closed(store.trials[first["trial_id"]])
            search.on_trial_complete("new")
            assert (search.suggest("new") == first) == (failures <= spec.max_failures)


def test_the_search_is_not_finished_while_a_trial_may_be_retried(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        search = Search(EXPLAIN, store)
        for i in range(EXPLAIN.n_trials):
            assert search.suggest(str(i))
        assert search.suggest("one more") is None


def test_halving_remembers_what_it_is_replayed() -> None:
    halving = rule()
    assert list(halving.rungs) == [4000, 12000, 36000]
    assert [halving.should_continue(i, 4000, fd) for i, fd in (("a", 3.0), ("b", 5.0), ("c", 1.0))] == [True, False, True]
    assert halving.should_continue("b", 4000, 5.0)  # judged once at each rung


def test_halving_decides_like_ray_asha(tmp_path: Path) -> None:
    decisions = stops = 0
    for seed in range(10):
        rng = random.Random(seed)
        ours, theirs = rule(), ASHAScheduler("images", "d", "min", max_t=40000, grace_period=4000, reduction_factor=3)
        live: dict[str, int] = {}
        seen: dict[str, list[Measurement]] = {}
        for _ in range(300):
            if len(live) < 4:
                new = f"t{len(seen)}"
                seen[new], live[new] = [], 0
                theirs.on_trial_add(None, SimpleNamespace(trial_id=new))  # type: ignore[arg-type]
            trial = rng.choice(list(live))
            live[trial] += rng.choice((2000, 4000, 4032))
            value = rng.random()
            if live[trial] >= 40000:
                del live[trial]
                continue
            seen[trial].append(at(live[trial], value))
            goes_on = ours.should_continue(trial, live[trial], value)
            assert goes_on == (
                theirs.on_trial_result(None, SimpleNamespace(trial_id=trial), {"images": live[trial], "d": value}) == "CONTINUE"  # type: ignore[arg-type]
            )
            decisions, stops = decisions + 1, stops + (not goes_on)
            if not goes_on:
                del live[trial]
        again = EarlyStopping(OPTIMISE, Store(tmp_path / "empty"))
        for trial, measurements in seen.items():
            again.replay(TrialRecord(trial_id=trial, number=0, flat={}, measurements=tuple(measurements)))
        assert isinstance(again.rule, Halving)
        assert again.rule.rungs == ours.rungs
    assert decisions > 2000
    assert stops > 500


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_then_to_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Store.writing(tmp_path) as store:
        open_trial(store, "a")
        for i in (1, 2, 3, 4):
            (tmp_path / f"c{i}").mkdir()
            torch.save({"x": torch.zeros(1000)}, tmp_path / f"c{i}" / STATE)
            write_sums(tmp_path / f"c{i}")
            store.write("a", saved=Saved(images=1000 * i, path=f"c{i}"))
    states = [tmp_path / f"c{i}" / STATE for i in (1, 2, 3, 4)]
    states[0].unlink()  # as of every old checkpoint
    record = store.trials["a"]
    assert newest(record, tmp_path) == str(tmp_path / "c4")
    assert caplog.messages == []
    flip(states[3])
    assert newest(record, tmp_path) == str(tmp_path / "c3")
    differs = "cannot be resumed from: it differs from its checksum in SHA256SUMS"
    assert caplog.messages == [f"{states[3]} {differs}", "a goes on from 3 kimg instead"]
    caplog.clear()
    states[2].write_bytes(states[2].read_bytes()[:2000])
    assert newest(record, tmp_path) == str(tmp_path / "c2")
    assert caplog.messages == [f"{states[3]} {differs}", f"{states[2]} {differs}", "a goes on from 2 kimg instead"]
    caplog.clear()
    states[1].unlink()
    assert newest(record, tmp_path) is None
    assert caplog.messages == [f"{states[3]} {differs}", f"{states[2]} {differs}", "a starts again, because it has no other checkpoint"]
    assert newest(TrialRecord(trial_id="b", number=1, flat={}), tmp_path) is None
