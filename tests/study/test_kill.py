"""Killing the driver repeatedly loses nothing, duplicates nothing, and gives the same metrics as an uninterrupted study."""

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from recorded import wait_until

from study.store.lock import driver
from study.store.store import Store

pytestmark = pytest.mark.slow

STUDY = """
name: toy
question: Does R1 keep a small GAN on a ring from failing?
base: {data: ring8, arch: mlp, g.width: 8, d.width: 8, g.norm: none, batch_size: 50, budget_kimg: 12, tick_kimg: 3}
space: {scientific: {r1: [false, true]}, nuisance: {g.lr: {low: 1e-4, high: 1e-2, log: true}}}
n_configs: 8
evaluation: {samples: 200}
"""


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "study.cli", *words]


def measured(folder: Path) -> Mapping[str, Any]:
    """trial -> [(images, values without timings)]."""
    clock = {"images_per_second"}
    return {
        trial: [(m.images, {k: v for k, v in m.values.items() if k not in clock}) for m in record.measurements]
        for trial, record in Store(folder).trials.items()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What is measured without a kill. Its driver imports nothing that takes seconds and is not used."""
    place = tmp_path_factory.mktemp("undisturbed")
    (place / "toy.yaml").write_text(STUDY)
    words = [sys.executable, "-X", "importtime", *command("launch", "toy.yaml", "--folder", "whole")[1:]]
    ran = subprocess.run(words, cwd=place, check=True, timeout=300, capture_output=True, text=True)
    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")}
    assert "torch" in imported
    assert not imported & {"mlflow", "wandb", "torch_fidelity", "torchvision", "torch._dynamo"}
    assert re.findall(r"^ *(\d)/8 ", ran.stdout, re.MULTILINE) == list("12345678"), "each trial is told once it is done"
    return measured(place / "whole")


@pytest.mark.parametrize(
    "signals",
    [[[signal.SIGKILL], [signal.SIGKILL], [signal.SIGKILL]], [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM]]],
    ids=["kill -9", "Ctrl-C twice, then SIGTERM"],
)
def test_a_killed_driver_can_be_resumed(tmp_path: Path, undisturbed: Mapping[str, Any], signals: list[list[signal.Signals]]) -> None:
    study, folder = tmp_path / "toy.yaml", tmp_path / "cut"
    study.write_text(STUDY)
    records = folder / "records.jsonl"
    for n, cut in enumerate(signals):
        words = ("launch", str(study), "--folder", str(folder)) if n == 0 else ("resume", str(folder))
        already = records.read_bytes().count(b"\n") if n else 0
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(command(*words), stdout=log, stderr=log)
        wanted = max((3, 14, 30)[n], already + 1)  # lines at which to kill: before the first measurement, in the middle, near the end
        while not records.exists() or records.read_bytes().count(b"\n") < wanted:
            assert process.poll() is None, "the driver must still run when it is to be killed"
            time.sleep(0.05)
        for i, each in enumerate(cut):
            if i:
                wait_until(lambda: "ticks in progress are lost" in (tmp_path / "log").read_text())
            process.send_signal(each)
        process.wait(timeout=120)
        said = (tmp_path / "log").read_text()
        assert "Traceback" not in said, said
        before = records.read_bytes()
        keep = before[: before.rfind(b"\n") + 1]
        if cut != [signal.SIGKILL]:
            assert process.returncode == 130
        assert driver(folder) is None
    subprocess.run(command("resume", str(folder)), check=True, timeout=300, capture_output=True)
    assert records.read_bytes().startswith(keep), "the records must only be appended to"
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    seen = Counter((line["trial"], line["measured"]["images"]) for line in lines if "measured" in line)
    assert max(seen.values()) == 1
    opened = Counter(line["trial"] for line in lines if "opened" in line)
    assert max(opened.values()) == 1
    assert len(opened) == 8
    assert measured(folder) == undisturbed


def test_stop_from_another_process(tmp_path: Path) -> None:
    study, folder = tmp_path / "toy.yaml", tmp_path / "toy"
    study.write_text(STUDY.replace("budget_kimg: 12", "budget_kimg: 12000"))  # hours: it cannot end before it is stopped
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command("launch", str(study), "--folder", str(folder)), stdout=log, stderr=log)
    try:
        while not folder.exists() or not Store(folder).trials:
            assert process.poll() is None
            time.sleep(0.05)
        second = subprocess.run(
            command("launch", str(study), "--folder", str(folder)), capture_output=True, text=True, timeout=120, check=False
        )
        assert second.returncode == 2
        assert "is in use by process" in second.stderr
        stopped = subprocess.run(command("stop", str(folder)), capture_output=True, text=True, timeout=120, check=True)
        assert "Resume with `ganstudy resume" in stopped.stdout
        assert process.wait(timeout=120) == 0
    finally:
        process.kill()
        process.wait()
    assert "`ganstudy resume" in (tmp_path / "log").read_text()
    assert (folder / "records.jsonl").exists()
