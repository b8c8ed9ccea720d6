"""Drivers of studies with lanes that are stopped or killed: the study can be resumed, and no worker process outlives its driver."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded import wait_until
from workers import DISPATCHER, LANE, WORKER, running

from study.store.lock import driver
from study.store.store import Store

pytestmark = pytest.mark.slow

STUDY = """
name: toy
question: Does R1 keep a small GAN on a ring from failing?
base: {data: ring8, arch: mlp, g.width: 8, d.width: 8, g.norm: none, batch_size: 50, budget_kimg: 48, tick_kimg: 6}
space: {scientific: {r1: [false, true]}, nuisance: {g.lr: {low: 1e-4, high: 1e-2, log: true}}}
n_configs: 4
stop_hopeless: false
evaluation: {samples: 200}
resources: {lanes: true}
"""
CLUSTER = """
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
print(cluster.address, flush=True)
input()
cluster.shutdown()
"""


def start(*words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "study.cli", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def until_lines(folder: Path, process: subprocess.Popen[bytes], lines: int) -> None:
    """Wait until the records have so many lines."""
    records = folder / "records.jsonl"
    while not records.exists() or records.read_bytes().count(b"\n") < lines:
        assert process.poll() is None, "the driver must still run"
        time.sleep(0.05)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def address() -> Iterator[str]:
    """A Ray cluster that outlives the drivers."""
    with subprocess.Popen([sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as cluster:
        assert cluster.stdout
        yield cluster.stdout.readline().strip()
        cluster.communicate("\n", timeout=300)


def test_a_stopped_study_is_resumed(tmp_path: Path, study: Path) -> None:
    folder = tmp_path / "toy"
    process = start("launch", str(study), "--folder", str(folder))
    until_lines(folder, process, 10)
    assert running(WORKER)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 130
    wait_until(lambda: not running(WORKER, DISPATCHER, LANE))
    assert driver(folder) is None
    assert start("resume", str(folder)).wait(timeout=300) == 0
    store = Store(folder)
    assert len(store.trials) == 4
    for record in store.trials.values():
        assert [m.images for m in record.measurements] == [6000 * tick for tick in range(9)]


@pytest.mark.parametrize("how", ["kill -9", "ganstudy stop"])
def test_no_worker_outlives_a_driver_in_a_cluster_that_goes_on(tmp_path: Path, study: Path, address: str, how: str) -> None:
    folder = tmp_path / "toy"
    study.write_text(STUDY.replace("budget_kimg: 48", "budget_kimg: 48000"))  # hours: it cannot end by itself
    process = start("launch", str(study), "--folder", str(folder), "--address", address)
    until_lines(folder, process, 10)
    wait_until(lambda: bool(running(WORKER) and running(DISPATCHER) and running(LANE)))
    if how == "ganstudy stop":
        assert start("stop", str(folder)).wait(timeout=120) == 0
    else:
        process.kill()
    process.wait(timeout=120)
    wait_until(lambda: not running(WORKER, DISPATCHER, LANE))
    assert running("raylet")
