"""The cache of a large study says what its records say, or is written anew."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from full import at_most
from recorded import PROTOCOL, SPEC, STUDY, Driver

from analysis import rank
from ganstudy import UserError
from study.api import open_study
from study.store import cached
from study.store.layout import Layout
from study.store.records import Closed, Ended
from study.store.store import Store
from study.store.tables import trial_table
from study.views import StudyView

ROOT = Path(__file__).parents[2]


@contextmanager
def driver(folder: Path) -> Iterator[Driver]:
    with Store.writing(folder) as store:
        if store.study is None:
            store.write_study(replace(STUDY, spec={**SPEC, "plugins": []}, protocol=PROTOCOL.as_dict(), created="2026-01-01"))
        yield Driver(store)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Trials of all ends, whose lines take turns: values that some lack, a choice that is null, an error that is retried, one without a tick."""
    with driver(tmp_path) as drive:
        drive.open("a-s0", r1=False)
        drive.open("a-s1", r1=False, seed=5)
        for tick in range(4):
            signals = {"d/r1": 0.25 * tick} if tick else {}
            drive.tick("a-s0", tick, Ended.BUDGET if tick == 3 else None, "", **signals)
            drive.tick("a-s1", tick, Ended.DEAD if tick == 3 else None, "fd not finite")
        drive.open("b-s0", **{"data.size": None, "g.lr": 2e-3})
        drive.tick("b-s0", 1)
        drive.store.write("b-s0", closed=Closed(ended=Ended.ERROR, reason="Traceback"))
        drive.tick("b-s0", 2, modes_lost=2.0)
        drive.open("c-s0")
    return tmp_path


def same(one: StudyView, other: StudyView) -> None:
    """Both views have the same frames, table and trials."""
    for frame, expected in ((one.trials(), other.trials()), (one.history(), other.history())):
        pd.testing.assert_frame_equal(frame, expected)
        assert frame.attrs == expected.attrs
    a, b = one.table(), other.table()
    for name in ("trial_id", "config_id", "seed", "phase", "ended", "outcome", "diagnosis", "onset_kimg", "images"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    pd.testing.assert_frame_equal(a.settings, b.settings)
    pd.testing.assert_frame_equal(a.final, b.final)
    assert list(a.curves) == list(b.curves)
    for name in a.curves:
        np.testing.assert_array_equal(a.curves[name], b.curves[name])
    assert (a.missing, a.notes, a.scales, a.directions) == (b.missing, b.notes, b.scales, b.directions)
    assert list(one.recorded.trial_ids) == list(other.recorded.trial_ids)
    for trial_id in one.recorded.trial_ids:
        assert one.trial(trial_id).record == other.trial(trial_id).record
        assert one.trial(trial_id).diagnosis == other.trial(trial_id).diagnosis


@pytest.fixture
def read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], StudyView]:
    """Opens the folder as a large study. Two trials are in memory at a time while its cache is written."""
    monkeypatch.setattr(cached, "_BATCH", 2)
    monkeypatch.setattr(cached, "_GROUP", 3)

    def opened() -> StudyView:
        with monkeypatch.context() as patch:
            patch.setattr(cached, "LARGE", 1)
            view = open_study(folder)
        assert isinstance(view.recorded, cached.Cached)
        return view

    return opened


def test_a_cached_study_reads_like_its_records(folder: Path, read: Callable[[], StudyView]) -> None:
    small = open_study(folder)
    same(read(), small)  # written
    same(read(), small)  # read
    assert Layout(folder).trials_cache.exists()
    assert small.trials()["d/r1"].notna().sum() == 1
    assert small.table().curves["d/r1"].shape == (4, 4)


def test_a_table_without_settings_ranks_the_same(folder: Path) -> None:
    columns = open_study(folder).recorded.columns
    ranked, without = rank(trial_table(columns), "fd"), rank(trial_table(columns, curves=False, settings=False), "fd")
    assert set(ranked) - set(without) == {"r1", "g.lr"}
    pd.testing.assert_frame_equal(without, ranked[list(without)], check_names=False)
    assert without.attrs["note"] == ranked.attrs["note"]


def test_a_small_study_has_no_cache(folder: Path) -> None:
    open_study(folder).trials()
    assert not Layout(folder).trials_cache.exists()


def change_records(folder: Path) -> None:
    with driver(folder) as drive:
        drive.tick("b-s0", 3, Ended.BUDGET)
        drive.open("d-s0")


def change_a_number(folder: Path) -> None:
    path = Layout(folder).records
    path.write_text(path.read_text().replace('"d/r1": 0.75', '"d/r1": 0.85'))
    os.utime(
        path, (path.stat().st_atime, path.stat().st_mtime + 1)
    )  # of the same size, and perhaps within the same tick of the clock of files


@pytest.mark.parametrize(
    "change",
    [
        change_records,
        change_a_number,
        lambda folder: Layout(folder).ticks_cache.unlink(),
        lambda folder: Layout(folder).trials_cache.write_bytes(b"PAR1"),
        lambda folder: Layout(folder).ticks_cache.write_bytes(Layout(folder).ticks_cache.read_bytes()[:200]),
    ],
    ids=["grown", "edited", "ticks missing", "trials damaged", "ticks torn"],
)
def test_a_cache_that_does_not_fit_is_written_anew(folder: Path, read: Callable[[], StudyView], change: Callable[[Path], object]) -> None:
    read().trials()
    change(folder)
    same(read(), open_study(folder))


def test_a_cache_of_other_code_or_another_plugin_is_written_anew(
    folder: Path, read: Callable[[], StudyView], monkeypatch: pytest.MonkeyPatch
) -> None:
    read().trials()
    before = Layout(folder).trials_cache.stat().st_ino
    read().trials()
    assert Layout(folder).trials_cache.stat().st_ino == before, "it fits"
    monkeypatch.setattr(cached, "code_hash", lambda: "other")
    read().trials()
    other = Layout(folder).trials_cache.stat().st_ino
    assert other != before
    monkeypatch.setattr(cached, "_plugins", lambda study: {"my_tricks": "changed"})
    read().trials()
    assert Layout(folder).trials_cache.stat().st_ino != other


def test_a_view_stays_as_it_was_opened(folder: Path, read: Callable[[], StudyView]) -> None:
    view, small = read(), open_study(folder)
    view.trials()
    change_records(folder)
    read().trials()  # replaces the files of the cache
    same(view, small)


def test_a_cache_that_cannot_be_written_is_only_warned_of(
    folder: Path, read: Callable[[], StudyView], caplog: pytest.LogCaptureFixture
) -> None:
    Layout(folder).trials_cache.parent.touch()  # root may write anywhere, but not below a file
    before = list(folder.iterdir())
    same(read(), open_study(folder))
    assert "cannot be written (Not a directory), so the records" in caplog.text
    assert list(folder.iterdir()) == before


def test_without_room_for_temporary_files_it_says_where(folder: Path, read: Callable[[], StudyView]) -> None:
    view = read()
    with at_most(100), pytest.raises(UserError, match=r"must have room on its disk: .*File too large") as raised:
        view.trials()
    assert str(folder) not in str(raised.value), "the records are not at fault"
    same(view, open_study(folder))


def test_files_that_do_not_belong_together_are_not_used(
    folder: Path, read: Callable[[], StudyView], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process replaces the cache of a study that runs after this one has opened the first file."""
    files = Layout(folder).trials_cache, Layout(folder).ticks_cache
    read().trials()
    view, small, before = read(), open_study(folder), [path.read_bytes() for path in files]
    change_records(folder)
    read().trials()
    newer = files[1].read_bytes()
    for path, data in zip(files, before, strict=True):
        path.write_bytes(data)
    opened = pq.ParquetFile

    def then_replaced(path: Path, **options: Any) -> pq.ParquetFile:
        found = opened(path, **options)
        if path == files[0]:
            files[1].write_bytes(newer)
        return found

    monkeypatch.setattr(pq, "ParquetFile", then_replaced)
    same(view, small)


def test_damage_is_named_and_leaves_no_cache(folder: Path, read: Callable[[], StudyView]) -> None:
    path = Layout(folder).records
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], lines[3].replace("images", "imagines"), *lines[4:]]))
    with pytest.raises(UserError, match=r"line 4 of .* is damaged"):
        read().trials()
    assert not list(folder.rglob("*.parquet*"))
    path.write_text("".join(lines[1:]))
    with pytest.raises(UserError, match="has records of 4 trials but none of the study"):
        read()


def test_reading_a_cached_study_imports_no_torch(folder: Path, read: Callable[[], StudyView]) -> None:
    read().trials()
    script = (
        "import sys\nfrom study import open_study\nfrom study.store import cached\ncached.LARGE = 1\n"
        f"view = open_study({str(folder)!r})\n"
        "assert len(view.trials()) == 4 and len(view.history()) == 10 and len(view.table()) == 4\n"
        "assert view.trial('b').values['modes_lost'] == 2 and view.best(min_seeds=1)[0].trial_id == 'a-s0'\n"
        "assert not {'torch', 'ray', 'wandb'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=120)
