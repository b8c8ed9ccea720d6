"""Fixtures of the study tests: tiny studies on points, one Ray, and an isolated W&B."""

import inspect
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import ray
from forked import SUBPROCESS
from processes import STARTS_RAY
from recorded import wait_until
from toy import TOY
from wandb_server import WandbServer

from ganstudy.registry import REGISTRIES
from study.engine.cluster import ENVIRONMENT
from study.spec.study_spec import StudySpec
from study.store.local_copy import folder_of
from study.tracking.process import complete_wandb, watching

if TYPE_CHECKING:
    from s3 import S3


@pytest.fixture
def toy() -> Callable[..., StudySpec]:
    """toy(n_configs=8, base={"d.lr": 1.0}): a tiny StudySpec with changes; base and space are merged."""

    def make(**changes: Any) -> StudySpec:
        merged = {**TOY, **changes}
        for part in ("base", "space"):
            merged[part] = {**TOY[part], **changes.get(part, {})}
        return StudySpec.from_dict(merged)

    return make


@pytest.fixture
def own_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the plugins of the test afterwards: their entries, their modules and the folders that were searched."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    entries, modules = {id(table): dict(table) for table in REGISTRIES}, set(sys.modules)
    yield
    for table in REGISTRIES:
        table.clear()
        table.update(entries.get(id(table), {}))
    for name in set(sys.modules) - modules:
        if Path(getattr(sys.modules[name], "__file__", None) or "").is_relative_to(tempfile.gettempdir()):
            del sys.modules[name]


@pytest.fixture(scope="module")
def one_ray(request: pytest.FixtureRequest) -> Iterator[None]:
    """A Ray of two CPUs that the tests of a file share."""
    assert request.path.name in STARTS_RAY, "a file that starts Ray must be listed in tests/processes.py"
    with pytest.MonkeyPatch.context() as patch:
        for name, setting in ENVIRONMENT.items():
            patch.setenv(name, setting)
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        yield
        ray.shutdown(wait_for_processes=True)


@pytest.fixture
def own_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hide the user's W&B settings and keys, and wait until all processes of the test have ended."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    before = set(psutil.Process().children(recursive=True))  # W&B's client keeps a process for all tests that read a project
    yield
    wait_until(lambda: not set(psutil.Process().children(recursive=True)) - before)


@pytest.fixture
def forked_tracking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the tracking process, for fast tests of what it writes. Slow ones start it as a study does: then runs of W&B are seconds apart, as their names need."""
    if not request.node.get_closest_marker("slow"):
        monkeypatch.setattr("study.tracking.process.subprocess", SUBPROCESS)


@pytest.fixture(autouse=True)
def _patient_tracking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give trackers more time after a study than users wait: these tests share two cores with Ray, and parts of the time limit parts of the work."""
    for function in (watching, complete_wandb):
        monkeypatch.setitem(inspect.unwrap(function).__kwdefaults__, "limit_s", 300.0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    """A fake W&B server that clients use by default."""
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
        yield server


@pytest.fixture
def s3() -> Iterator["S3"]:
    """An object store."""
    from s3 import S3  # here, since moto takes seconds to import

    server = S3()
    yield server
    server.stop()


@pytest.fixture
def machine(s3: "S3", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that continues this test on the machine of a name, and returns the folder of the study at URL there."""
    from object_store import URL  # here for the same reason

    monkeypatch.setattr("study.store.sending._EVERY_S", 0.1)
    monkeypatch.setattr("study.store.sending._PAUSE_S", 0.1)

    def be(name: str) -> Path:
        s3.use(monkeypatch, tmp_path / name)
        monkeypatch.setattr("socket.gethostname", lambda: name)
        return folder_of(URL)

    return be
