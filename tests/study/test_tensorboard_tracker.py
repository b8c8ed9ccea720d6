"""The TensorBoard tracker: event files match the records, value by value, also if processes are killed."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from recorded import SPEC, STUDY, Driver, wait_until
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata
from workers import new_children

from ganstudy import UserError
from study.spec.tracking import TensorboardConfig, Tracking
from study.store.records import Ended, TrialRecord
from study.store.store import Store
from study.tracking.checks import check_trackers
from study.tracking.computing import Computing
from study.tracking.handed import handing_over, receive
from study.tracking.process import watching
from study.tracking.tensorboard_tracker import TensorboardTracker

pytestmark = pytest.mark.usefixtures("forked_tracking")

ON = Tracking(tensorboard=TensorboardConfig())
UNFINISHED = replace(STUDY, spec={**SPEC, "n_configs": 2})  # so that the best trials are not computed


def read(folder: Path) -> EventAccumulator:
    """All events below a folder."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    return events.Reload()


def scalars(events: EventAccumulator) -> dict[str, list[tuple[int, float]]]:
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def expected(trial: TrialRecord) -> dict[str, list[tuple[int, float]]]:
    """The curves of a record, rounded to the 32 bits of event files."""
    found: dict[str, list[tuple[int, float]]] = {}
    for m in trial.measurements:
        for name, value in {**m.values, "seconds": m.seconds, "evaluation_seconds": m.evaluation_seconds}.items():
            found.setdefault(name, []).append((m.images, float(np.float32(value))))
    return found


def curves(events: EventAccumulator) -> dict[str, list[tuple[int, float]]]:
    """The scalars without those of the end."""
    return {tag: points for tag, points in scalars(events).items() if tag != "failed" and not tag.startswith("final/")}


def hparams(events: EventAccumulator, tag: str) -> Any:
    content = events.SummaryMetadata(tag).plugin_data.content
    read = {
        metadata.EXPERIMENT_TAG: metadata.parse_experiment_plugin_data,
        metadata.SESSION_START_INFO_TAG: metadata.parse_session_start_info_plugin_data,
        metadata.SESSION_END_INFO_TAG: metadata.parse_session_end_info_plugin_data,
    }
    return read[tag](content)


def test_an_event_file_matches_the_record(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store, watching(tmp_path, ON):
        driver = Driver(store)
        driver.whole("aa-s4")
        driver.whole("cc-s4", Ended.DEAD)
        driver.whole("dd-s4", Ended.ERROR)
        driver.open("ee-s4")
        driver.tick("ee-s4", 0)
    trials = Store(tmp_path).trials
    found = {path.name: read(path) for path in (tmp_path / "tensorboard").iterdir()}
    assert {name: curves(events) for name, events in found.items()} == {name: expected(trial) for name, trial in trials.items()}
    whole = found["aa-s4"]
    assert scalars(whole)["final/fd"] == [(2000, 98.0)]
    assert {name: [value for _, value in scalars(events).get("failed", [])] for name, events in found.items()} == {
        "aa-s4": [0.0],
        "cc-s4": [1.0],
        "dd-s4": [],
        "ee-s4": [],
    }
    assert "final/fd" not in scalars(found["cc-s4"])
    pictures = [(shown.step, Image.open(BytesIO(shown.encoded_image_string)).getpixel((0, 0))) for shown in whole.Images("samples")]
    assert pictures == [(0, (0, 0, 0)), (2000, (2, 0, 0))]  # two thousand images are far below a twentieth of the budget
    columns = hparams(whole, metadata.EXPERIMENT_TAG)
    assert [info.name.tag for info in columns.metric_infos] == ["final/fd", "failed", "fd"]
    assert [info.name for info in columns.hparam_infos] == ["g.lr", "r1", "d_steps", "seed", "phase"]
    start = hparams(whole, metadata.SESSION_START_INFO_TAG)
    assert {name: value.WhichOneof("kind") for name, value in start.hparams.items()} == {
        "g.lr": "number_value",
        "r1": "bool_value",
        "d_steps": "number_value",
        "seed": "number_value",
        "phase": "string_value",
    }
    assert start.hparams["g.lr"].number_value == 1e-3
    assert {name: hparams(found[name], metadata.SESSION_END_INFO_TAG).status for name in ("aa-s4", "cc-s4", "dd-s4")} == {
        "aa-s4": api_pb2.STATUS_SUCCESS,
        "cc-s4": api_pb2.STATUS_SUCCESS,
        "dd-s4": api_pb2.STATUS_FAILURE,
    }
    (text,) = whole.Tensors("outcome")
    assert text.tensor_proto.string_val[0].decode().startswith("**healthy** (ended: budget)\n\n")


def test_a_resumed_trial_is_written_again_without_doubles_and_a_finished_one_is_left_alone(tmp_path: Path) -> None:
    """A TensorBoard that has read the former file forgets it."""
    for session in range(2):
        with Store.writing(tmp_path) as store, watching(tmp_path, ON):
            driver = Driver(store)
            if session == 0:
                driver.interrupted()
            else:
                running = read(tmp_path / "tensorboard" / "open-s0")
                assert len(running.Scalars("fd")) == 2
                before = {path: path.stat().st_mtime_ns for path in (tmp_path / "tensorboard" / "done-s0").iterdir()}
                driver.tick("failed-s0", 3, Ended.BUDGET)
                driver.tick("open-s0", 2, Ended.BUDGET)
    for trial in Store(tmp_path).trials.values():
        assert curves(read(tmp_path / "tensorboard" / trial.trial_id)) == expected(trial)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "tensorboard" / "done-s0").iterdir()} == before
    assert curves(running.Reload()) == expected(Store(tmp_path).trials["open-s0"])


def test_a_killed_process_doubles_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    with new_children() as started, Store.writing(tmp_path) as store, watching(tmp_path, ON, say=said.append):
        driver = Driver(store)
        driver.whole("aa-s0")
        driver.open("bb-s0")
        driver.tick("bb-s0", 0)
        driver.tick("bb-s0", 1)
        wait_until(lambda: (tmp_path / "tensorboard" / "bb-s0").is_dir() and "fd" in scalars(read(tmp_path / "tensorboard" / "bb-s0")))
        next(iter(started())).kill()
        driver.tick("bb-s0", 2, Ended.BUDGET)
    assert said == [
        f"TensorBoard: its process was ended by signal 9 (Killed). The results of the study are whole; `ganstudy resume {tmp_path}` sends the rest. "
        f"Details are in {tmp_path}/wandb/log.txt"
    ]
    with Store.writing(tmp_path), watching(tmp_path, ON, say=said.append):
        pass
    assert len(said) == 1
    trials = Store(tmp_path).trials
    assert {name: curves(read(tmp_path / "tensorboard" / name)) for name in trials} == {
        name: expected(each) for name, each in trials.items()
    }


def test_two_studies_may_share_a_folder(tmp_path: Path) -> None:
    """It may also be deleted, and what was there is written again."""
    shared = tmp_path / "all"
    config = TensorboardConfig(folder=str(shared))
    with Store.writing(tmp_path / "one") as store:
        Driver(store).whole("aa-s0")
        receive(handing_over())
        for created in ("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"):
            study = replace(UNFINISHED, created=created)
            tracker = TensorboardTracker(tmp_path / "one", config, study, Computing(tmp_path / "one"), limit_s=1)
            tracker.sent.parent.mkdir(exist_ok=True)
            assert tracker.update(store.trials["aa-s0"], study, last=True)
            tracker.close()
        written = sorted(shared.glob("digits-*/aa-s0/*"))
        assert len(written) == 2
        for path in written:
            path.unlink()
            path.parent.rmdir()
        tracker = TensorboardTracker(tmp_path / "one", config, study, Computing(tmp_path / "one"), limit_s=1)
        assert tracker.update(store.trials["aa-s0"], study, last=True)
        assert read(next(shared.glob("digits-*/aa-s0"))).Scalars("fd")[0].wall_time == 1767312000.0  # when the study began


def test_a_space_that_was_extended_has_its_columns_in_all_files(tmp_path: Path) -> None:
    space: Any = SPEC["space"]
    wider = {"scientific": {**space["scientific"], "r1.gamma": [0.1, 1, "auto"]}, "nuisance": {"d_steps": [1, None]}}
    receive(handing_over())
    (tmp_path / "wandb").mkdir()
    with Store.writing(tmp_path) as store:
        Driver(store).whole("aa-s0")
        for study in (UNFINISHED, replace(UNFINISHED, spec={**UNFINISHED.spec, "space": wider})):
            tracker = TensorboardTracker(tmp_path, TensorboardConfig(), study, Computing(tmp_path), limit_s=1)
            assert tracker.update(store.trials["aa-s0"], study, last=True)
            tracker.close()
    events = read(tmp_path / "tensorboard" / "aa-s0")
    kinds = {info.name: info.type for info in hparams(events, metadata.EXPERIMENT_TAG).hparam_infos}
    assert kinds == {
        "g.lr": api_pb2.DATA_TYPE_FLOAT64,
        "r1": api_pb2.DATA_TYPE_BOOL,
        "r1.gamma": api_pb2.DATA_TYPE_STRING,
        "d_steps": api_pb2.DATA_TYPE_STRING,
        "seed": api_pb2.DATA_TYPE_FLOAT64,
        "phase": api_pb2.DATA_TYPE_STRING,
    }
    assert hparams(events, metadata.SESSION_START_INFO_TAG).hparams["r1.gamma"].string_value == "2.0"
    assert len(events.Scalars("fd")) == 3


def test_what_cannot_work_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"tracking\.tensorboard\.folder must be a folder; given .*file/tb, and .*file is a file"):
        check_trackers(Tracking(tensorboard=TensorboardConfig(folder=f"{tmp_path}/file/tb")))
    check_trackers(Tracking(tensorboard=TensorboardConfig(folder=f"{tmp_path}/not/there")))
    monkeypatch.setattr("study.tracking.tensorboard_tracker.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"tracking\.tensorboard needs the package tensorboard.*pip install 'ganstudy\[tensorboard\]'"):
        check_trackers(ON)
