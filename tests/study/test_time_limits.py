"""Trials that hang, and studies that may take only so long, on a real Ray."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from toy import TOY, doubled, run

from ganstudy.files import write_whole
from study.engine.stopping import Stopping
from study.spec.study_spec import StudySpec
from study.store.store import Store
from trainables.time_limit import time_limit

Toy = Callable[..., StudySpec]
HANGING = '''
"""A training loop in which one seed hangs at 400 images, the first time."""
import time
from pathlib import Path
from trainables.run import LOOPS, Run


@LOOPS.register("hanging")
class Hanging(Run):
    def d_step(self):
        once = Path({once!r})
        if self.images == 400 and self.config.seed == {seed} and once.exists():
            once.unlink()
            {how}
        return super().d_step()
'''


@pytest.mark.slow
def test_a_block_that_exceeds_its_limit_ends_the_process() -> None:
    script = "import time\nfrom trainables.time_limit import time_limit\nwith time_limit({}):\n    {}\nprint('went on')"
    for limit, block, code in (("0.2", "time.sleep(60)", 1), ("60", "pass", 0), ("None", "pass", 0)):
        done = subprocess.run([sys.executable, "-c", script.format(limit, block)], capture_output=True, text=True, timeout=50, check=False)
        assert done.returncode == code
        assert ("went on" in done.stdout) == (code == 0)
        assert ("Timeout" in done.stderr) == (code == 1), "it says where the threads are"


def test_a_limit_ends_with_its_block() -> None:
    with time_limit(2):
        pass
    time.sleep(3)


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: Toy) -> Iterator[Callable[..., StudySpec]]:
    """hanging("time.sleep(1000)", resources={}): a toy study whose first trial hangs once."""
    from trainables.run import LOOPS

    def make(how: str, **changes: Any) -> StudySpec:
        (tmp_path / "once").touch()
        seed = toy().designed()[0].flat["seed"]
        write_whole(tmp_path / "hanging_plugin.py", HANGING.format(seed=seed, how=how, once=str(tmp_path / "once")).encode())
        monkeypatch.syspath_prepend(str(tmp_path))
        return toy(plugins=["hanging_plugin"], base={"loop": "hanging"}, **changes)

    yield make
    LOOPS.pop("hanging", None)
    sys.modules.pop("hanging_plugin", None)


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
@pytest.mark.parametrize("lanes", [False, True])
def test_a_hanging_trial_is_ended_and_tried_again(hanging: Callable[..., StudySpec], tmp_path: Path, lanes: bool) -> None:
    spec = hanging("time.sleep(1000)", resources={"timeout_min": 0.5, "lanes": lanes})
    view = run(spec, tmp_path / "toy")
    assert view.trials()["ended"].tolist() == ["budget"] * 4
    assert [record.failures for record in view.store.trials.values()] == [1, 0, 0, 0]
    assert doubled(view.folder) == 0
    (line,) = [line for line in view.store.path.read_text().splitlines() if '"error"' in line]
    assert "no tick within 0.5 min (resources.timeout_min)" in line


@pytest.mark.slow
def test_stop_ends_a_study_whose_trials_hang(tmp_path: Path, hanging: Callable[..., StudySpec]) -> None:
    """Also with a loop that never lets another thread run."""
    spec = hanging("__import__('re').match('(a?){40}a{40}', 'a' * 40)")
    script = (
        f"from study.api import launch\nfrom study.spec.study_spec import StudySpec\nlaunch(StudySpec.from_dict({spec.as_dict()!r}), 'toy')"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (tmp_path / "toy" / "records.jsonl").exists() or (tmp_path / "once").exists():
            assert process.poll() is None
            time.sleep(0.1)
        subprocess.run([sys.executable, "-m", "study.cli", "stop", "toy"], cwd=tmp_path, check=True, timeout=120, capture_output=True)
        process.wait(60)
    finally:
        process.kill()
    assert Store(tmp_path / "toy").trials


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_after_its_hours_a_study_starts_no_trial_and_can_be_resumed(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, now = Store.write, [0.0]
    monkeypatch.setattr("study.engine.stopping.time", SimpleNamespace(monotonic=lambda: now[0]))

    def let_time_pass(self: Store, trial_id: str, **facts: Any) -> bool:
        if facts.get("measured") and facts["measured"].images == 200 and any(record.closed for record in self.trials.values()):
            now[0] = 3600.0
        return write(self, trial_id, **facts)

    monkeypatch.setattr(Store, "write", let_time_pass)
    view = run(toy(n_configs=8, resources={"study_hours": 1.0}), tmp_path / "toy")
    records = list(view.store.trials.values())
    assert 2 <= len(records) < 8
    unfinished = [record for record in records if not record.closed]
    assert unfinished
    assert all(record.saved for record in unfinished), "they ended at a tick"
    assert "have not finished" in view.table().missing, "which the report says"
    again = run(toy(n_configs=8), tmp_path / "toy")
    assert again.trials()["ended"].tolist() == ["budget"] * 8
    assert doubled(again.folder) == 0


def test_the_hours_of_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("study.engine.stopping.time", SimpleNamespace(monotonic=lambda: now[0]))
    with Store.writing(tmp_path) as store:
        limited, unlimited = (Stopping(store, StudySpec.from_dict({**TOY, "resources": {"study_hours": hours}})) for hours in (2.0, None))
        for now[0], over in ((100.0, False), (7299.0, False), (7300.0, True), (1e9, True)):
            assert (limited.time_is_up(), unlimited.time_is_up()) == (over, False)
    assert StudySpec.from_dict({**TOY, "resources": {"study_hours": 1.5, "timeout_min": 3.0}}).resources.study_hours == 1.5
