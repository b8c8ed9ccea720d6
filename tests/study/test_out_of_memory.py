"""Trials on a real Ray that the kernel ends for want of memory."""

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from limited import memory_group
from ray.exceptions import OutOfMemoryError
from toy import doubled, run

from ganstudy import UserError
from study.engine import launch
from study.engine.reasons import explained
from study.spec.study_spec import StudySpec
from study.store.records import Measurement
from study.store.store import Store

DIED = "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR"
PLUGIN = '''
"""A training loop in which one seed uses more memory than it may, the first `times` times."""
from pathlib import Path
from trainables.run import LOOPS, Run


@LOOPS.register("greedy")
class Greedy(Run):
    def d_step(self):
        left = Path({left!r})
        if self.images == 400 and self.config.seed == {seed} and (times := int(left.read_text())):
            left.write_text(str(times - 1))
            Path({group!r}).write_text("0")  # join the group with the limit
            self.hoard = b"x" * 2**28
        return super().d_step()
'''


@pytest.fixture
def greedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: Callable[..., StudySpec]) -> Iterator[Callable[..., StudySpec]]:
    """greedy(times=1, lanes=True): a toy study whose first trial is ended so many times for want of memory."""
    from trainables.run import LOOPS

    with memory_group(64) as group:

        def make(times: int, *, lanes: bool) -> StudySpec:
            (tmp_path / "left").write_text(str(times))
            seed = toy().designed()[0].flat["seed"]
            text = PLUGIN.format(left=str(tmp_path / "left"), seed=seed, group=str(group))
            (tmp_path / "greedy_plugin.py").write_text(text)
            monkeypatch.syspath_prepend(str(tmp_path))
            return toy(plugins=["greedy_plugin"], base={"loop": "greedy"}, resources={"lanes": lanes}, max_failures=1)

        yield make
    LOOPS.pop("greedy", None)
    sys.modules.pop("greedy_plugin", None)


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
@pytest.mark.parametrize("lanes", [False, True])
def test_a_trial_that_the_kernel_ends_is_tried_again_and_its_neighbours_go_on(
    greedy: Callable[..., StudySpec], tmp_path: Path, lanes: bool
) -> None:
    view = run(greedy(1, lanes=lanes), tmp_path / "toy")
    assert view.trials()["ended"].tolist() == ["budget"] * 4
    assert [record.failures for record in view.store.trials.values()] == [0 if lanes else 1, 0, 0, 0]
    assert doubled(view.folder) == 0


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
@pytest.mark.parametrize("lanes", [False, True])
def test_a_trial_that_is_ended_each_time_fails_and_says_what_to_do(greedy: Callable[..., StudySpec], tmp_path: Path, lanes: bool) -> None:
    view = run(greedy(99, lanes=lanes), tmp_path / "toy")
    first, *others = view.store.trials.values()
    assert first.closed
    assert first.closed.ended == "error"
    assert first.failures == 2
    assert "want of memory" in first.closed.reason
    assert "set resources.memory_gb, so that fewer trials run at a time, or lower batch_size" in first.closed.reason.splitlines()[-1]
    assert [(record.closed and record.closed.ended, record.failures) for record in others] == [("budget", 0)] * 3
    assert doubled(view.folder) == 0


def test_a_tune_run_that_ray_ends_for_want_of_memory_again_and_again_says_what_to_do(
    toy: Callable[..., StudySpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On clusters whose memory monitor is on; where ganstudy starts Ray, it is off. A Tune run is a stand-in here, with what Ray Tune raises."""
    runs: list[int] = []

    def fit() -> None:
        runs.append(len(runs))
        if len(runs) == 3:  # a tick, after which crashes are counted anew
            store.write("a-s1", measured=Measurement(images=200, seconds=1.0, evaluation_seconds=1.0, values={"fd": 1.0}))
        raise RuntimeError("Caught unexpected exception: 3.1GB of 4GB used") from OutOfMemoryError("3.1GB of 4GB used")

    monkeypatch.setattr(launch, "_tuner", lambda *given, only: SimpleNamespace(fit=fit))
    monkeypatch.setattr(launch, "_trainable", lambda *given: nullcontext())
    with Store.writing(tmp_path) as store:
        store.write("a-s1", opened={"flat": {}})
        with pytest.raises(UserError, match=r"ended one 3 times .*3\.1GB of 4GB used\. To go on, set resources\.memory_gb, .* then resume"):
            launch._run_trials(toy(), None, store, None, lanes=0)  # type: ignore[arg-type]
    assert len(runs) == 5


def test_what_an_ended_process_means() -> None:
    assert "want of memory" in explained(DIED, overdue="").splitlines()[-1]
    assert explained(DIED, overdue="no tick within 1 min") == f"{DIED}\nno tick within 1 min"
    lane = f"Traceback (most recent call last)\nTrainingError: the process that trained this trial died. {DIED}"
    assert explained(lane, overdue="no tick within 1 min") == explained(lane, overdue=""), "a lane says itself that it was overdue"
    for reason in ("Traceback (most recent call last)\nValueError: x", "The actor is dead because its node has died."):
        assert explained(reason, overdue="no tick within 1 min") == reason, "an exception is no timeout, and a lost node no want of memory"
