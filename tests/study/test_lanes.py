"""Studies whose trials share a worker process, on a real Ray: same records as separate processes, whatever dies."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from recorded import wait_until
from toy import doubled, run
from workers import DISPATCHER, LANE, WORKER, running

from ganstudy.versions import versions
from study.spec.study_spec import StudySpec
from study.store.records import Ended
from study.store.store import Store
from study.views import StudyView

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_ray")]
Toy = Callable[..., StudySpec]
LANES = {"lanes": True}


def values(view: StudyView) -> Mapping[str, Any]:
    """trial -> [(images, values without the speed)]."""
    return {
        trial: [(m.images, {k: v for k, v in m.values.items() if k != "images_per_second"}) for m in record.measurements]
        for trial, record in view.store.trials.items()
    }


@pytest.fixture(autouse=True)
def nothing_remains() -> Iterator[None]:
    yield
    wait_until(lambda: not running(WORKER, DISPATCHER, LANE))


@pytest.fixture(scope="module")
def separate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[StudySpec], Mapping[str, Any]]:
    """The values of a study whose trials have processes of their own. Trained once for each study."""
    known: dict[str, Mapping[str, Any]] = {}

    def of(spec: StudySpec) -> Mapping[str, Any]:
        key = str(spec.model_copy(update={"resources": None}))
        if key not in known:
            alone = spec.model_copy(update={"resources": spec.resources.model_copy(update={"lanes": False})})
            known[key] = values(run(alone, tmp_path_factory.mktemp("separate") / "toy"))
        return known[key]

    return of


def test_lanes_write_the_records_of_separate_processes(toy: Toy, tmp_path: Path, separate: Any) -> None:
    spec = toy(resources=LANES)
    view = run(spec, tmp_path / "toy")
    assert set(view.trials()["ended"]) == {"budget"}
    assert values(view) == separate(spec)
    assert not set(view.folder.rglob("tmp*")), "the lanes' own checkpoints are elsewhere"
    for record in view.store.trials.values():
        assert [saved.images for saved in record.saved] == [0, 200, 400, 600]
        assert record.effective
        assert record.codes == (versions()["code"],)
        assert view.trial(record.trial_id).sample(10).isfinite().all()


def when(monkeypatch: pytest.MonkeyPatch, measured: tuple[int, ...], do: Callable[[], None]) -> None:
    """Call `do` each time that the records have this number of measurements."""
    write = Store.write

    def write_and_do(self: Store, trial_id: str, **facts: Any) -> bool:
        new = write(self, trial_id, **facts)
        if facts.get("measured") and sum(len(record.measurements) for record in self.trials.values()) in measured:
            do()
        return new

    monkeypatch.setattr(Store, "write", write_and_do)


def kill(name: str) -> None:
    for process in running(name):
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(("name", "measured"), [(WORKER, (3, 6)), (DISPATCHER, (5,))])
def test_a_killed_worker_costs_no_trial(
    toy: Toy, tmp_path: Path, separate: Any, monkeypatch: pytest.MonkeyPatch, name: str, measured: tuple[int, ...]
) -> None:
    """Twice, so that trials that both workers trained are trained alone. The workers die with the dispatcher."""
    spec = toy(resources=LANES, max_failures=0)
    when(monkeypatch, measured, lambda: kill(name))
    view = run(spec, tmp_path / "toy")
    assert set(view.trials()["ended"]) == {"budget"}
    assert values(view) == separate(spec)
    assert doubled(view.folder) == 0
    assert all(record.failures == 0 for record in view.store.trials.values())


FAULTY = '''
"""A training loop in which one seed fails at 400 images."""
import os
from trainables.run import LOOPS, Run


@LOOPS.register("faulty")
class Faulty(Run):
    def d_step(self):
        if self.images == 400 and self.config.seed == {seed}:
            {how}
        return super().d_step()
'''


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: Toy) -> Iterator[Callable[..., StudySpec]]:
    """faulty("raise OSError", n_configs=2): a toy study whose first seed does this after 400 images."""
    from trainables.run import LOOPS

    def make(how: str, **changes: Any) -> StudySpec:
        seed = toy().designed()[0].flat["seed"]
        (tmp_path / "faulty_plugin.py").write_text(FAULTY.format(seed=seed, how=how))
        monkeypatch.syspath_prepend(str(tmp_path))
        return toy(plugins=["faulty_plugin"], base={"loop": "faulty"}, **{"resources": LANES, **changes})

    yield make
    LOOPS.pop("faulty", None)
    sys.modules.pop("faulty_plugin", None)


@pytest.mark.parametrize(
    ("how", "reason", "failures"),
    [
        ("os._exit(1)", "the process that trained this trial died, also when it trained nothing else", 2),
        ("raise OSError('the disk is gone')", "OSError: the disk is gone", 1),
    ],
)
def test_a_faulty_trial_fails_alone(faulty: Callable[..., StudySpec], tmp_path: Path, how: str, reason: str, failures: int) -> None:
    view = run(faulty(how, max_failures=failures - 1), tmp_path / "toy")
    bad, *others = view.store.trials.values()
    assert bad.closed
    assert (bad.closed.ended, bad.failures) == (Ended.ERROR, failures)
    assert reason in bad.closed.reason
    assert [m.images for m in bad.measurements] == [0, 200, 400]
    for record in others:
        assert record.closed
        assert (record.closed.ended, record.failures) == (Ended.BUDGET, 0)
    assert doubled(view.folder) == 0


def test_the_scheduler_stops_lanes(toy: Toy, tmp_path: Path) -> None:
    """And a lane goes on with another trial."""
    spec = toy(goal="optimise", n_configs=9, scheduler={"grace_kimg": 0.2, "reduction_factor": 3}, sampler="tpe", resources=LANES)
    view = run(spec, tmp_path / "toy")
    ended = view.trials()["ended"]
    assert len(ended) == 9
    assert set(ended) == {"budget", "scheduler"}
