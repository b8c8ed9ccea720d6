"""Why a GPU did not replay a trial's rounds: told once at launch, kept in the records, shown with the trial."""

import io
import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from recorded import STUDY, Driver
from rich.console import Console
from toy import TOY

from ganstudy import UserError
from study.api import open_study
from study.engine.recorder import Recorder
from study.show.trials import print_trial
from study.spec.study_spec import StudySpec
from study.store.store import Store

REASON = "a step waits for a value of the GPU (_local_scalar_dense)"


def result(images: int, eager: str) -> dict[str, Any]:
    """Return a result as GanTrainable reports it."""
    clocks = {"images": images, "seconds": 1.0, "evaluation_seconds": 0.1, "values": {"fd": 3.0}}
    return {**clocks, "done": False, "finished": False, "diverged": "", "effective": {}, "eager": eager, "code": "aaaa"}


def test_the_reason_is_logged_once_recorded_and_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=StudySpec.from_dict(TOY).as_dict()))
        driver = Driver(store)
        driver.open("slow")
        driver.open("fast")
        stopping: Any = SimpleNamespace(reasons={}, time_is_up=lambda: False, faults=Mock())
        recorder = Recorder(store, Mock(**{"spec.n_configs": 8}), stopping, Mock(), Mock())
        with caplog.at_level(logging.WARNING):
            for images in (0, 1000, 2000):
                for name, eager in (("slow", REASON if images else ""), ("fast", "")):
                    recorder.on_trial_result(0, [], SimpleNamespace(config={"trial_id": name}), result(images, eager))
    assert [record.getMessage() for record in caplog.records] == [
        f"slow launches each operation by itself, which takes several times as long: {REASON}"
    ]
    assert {name: record.eager for name, record in Store(tmp_path).trials.items()} == {"slow": REASON, "fast": ""}
    study = open_study(tmp_path)
    shown = {}
    for name in ("slow", "fast"):
        out = io.StringIO()
        print_trial(study.trial(name), Console(file=out, width=200))
        shown[name] = out.getvalue()
    assert f"Not replayed on the GPU: {REASON}" in shown["slow"]
    assert "replayed" not in shown["fast"]


def test_capture_is_auto_or_off() -> None:
    assert StudySpec.from_dict(TOY).resources.capture == "auto"
    assert StudySpec.from_dict({**TOY, "resources": {"capture": "off"}}).resources.capture == "off"
    with pytest.raises(UserError, match=r"resources.capture must be 'auto' or 'off'; given 'on'"):
        StudySpec.from_dict({**TOY, "resources": {"capture": "on"}})
