"""A study on a real Ray while the clock is set back by a day: durations, order and limits do not depend on it."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from toy import doubled, run, values

from study.spec.study_spec import StudySpec
from study.store.store import Store

pytestmark = [pytest.mark.usefixtures("one_ray"), pytest.mark.slow]
DAY_S = 86_400
PLUGIN = f'''
"""A training loop whose process has its clock set back at 300 images."""
import time
from trainables.run import LOOPS, Run

true_time = time.time


@LOOPS.register("set_back")
class SetBack(Run):
    def d_step(self):
        if self.images >= 300:
            time.time = lambda: true_time() - {DAY_S}
            time.time_ns = lambda: int(1e9 * time.time())
        return super().d_step()
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from trainables.run import LOOPS

    (tmp_path / "set_back_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "set_back_plugin"
    LOOPS.pop("set_back", None)
    sys.modules.pop("set_back_plugin", None)


def test_a_clock_that_is_set_back_changes_nothing(
    toy: Callable[..., StudySpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: str
) -> None:
    limits = {"timeout_min": 5.0, "study_hours": 1.0}
    spec = toy(n_configs=4, plugins=[plugin], base={"loop": "set_back"}, resources=limits)
    write, true_time = Store.write, time.time

    def set_back(self: Store, trial_id: str, **facts: Any) -> bool:
        """Set the driver's clock back, in the middle of the study."""
        if facts.get("measured") and facts["measured"].images == 400:
            monkeypatch.setattr(time, "time", lambda: true_time() - DAY_S)
        return write(self, trial_id, **facts)

    monkeypatch.setattr(Store, "write", set_back)
    view = run(spec, tmp_path / "toy")
    assert time.time is not true_time
    monkeypatch.undo()
    assert view.trials()["ended"].tolist() == ["budget"] * 4
    assert doubled(view.folder) == 0
    for record in view.store.trials.values():
        assert record.failures == 0
        seconds = [m.seconds for m in record.measurements]
        assert seconds == sorted(seconds)
        assert 0 < seconds[-1] < 3600
        assert all(0 < m.evaluation_seconds < 3600 for m in record.measurements)
    whole = run(toy(n_configs=4), tmp_path / "whole")
    assert list(values(view).values()) == list(values(whole).values()), (
        "the loop is another setting, and so are the ids, but it trains the same"
    )
