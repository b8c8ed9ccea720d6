"""Studies whose nodes and processes are killed, stopped or replaced on the way: every trial is there once, with the values of an undisturbed study."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from scripts import head, run_script
from toy import TOY

from study.store.layout import Layout
from study.store.store import Store

pytestmark = pytest.mark.slow

# The first trials measure up to 9 times, so they are still running when 8 measurements are there.
STUDY: dict[str, Any] = {**TOY, "base": {**TOY["base"], "budget_kimg": 8, "tick_kimg": 1}, "n_configs": 8}

TWO_NODES = """
import contextlib, os, pathlib, signal, subprocess, threading, time
import psutil
sys.stderr = sys.stdout  # so that an error of the thread below is shown
from ray.cluster_utils import Cluster
nodes = Cluster(initialize_head=True, head_node_args={{"num_cpus": 1, "include_dashboard": False}})
other = nodes.add_node(num_cpus=1)
ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")

def trainers():
    me = psutil.Process()
    return [each for each in me.children(recursive=True) if each.name().startswith("ray::ResourceTrainable")]

def disturb():
    path = "cut/records.jsonl"
    while not os.path.exists(path) or open(path).read().count('"measured"') < 8:
        time.sleep(0.05)
    how = {how!r}
    if how in ("a node is killed", "a node is replaced"):
        while len(ray.nodes()) < (3 if how == "a node is replaced" else 2):
            time.sleep(0.05)
        raylet = other.all_processes["raylet"][0].process  # remove_node also clears its storage, which can fail meanwhile
        raylet.kill()
        raylet.wait()  # its workers stay while it is a zombie
    else:
        while True:  # trials may just be over
            with contextlib.suppress(IndexError, psutil.NoSuchProcess):
                trainer = trainers()[0]
                trainer.send_signal(signal.SIGKILL if how == "a trial is killed" else signal.SIGSTOP)
                break
            time.sleep(0.05)
        if how == "a trial is stopped for a while":
            time.sleep(5)
            trainer.send_signal(signal.SIGCONT)
    pathlib.Path("disturbed").write_text(how)

start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--address", nodes.address, "--num-cpus=1", "--block"]
late = subprocess.Popen(start) if {how!r} == "a node is replaced" else None  # joins while the study starts
disturbing = threading.Thread(target=disturb, daemon=True)
disturbing.start()
launch(StudySpec.from_dict({study!r}), "cut", progress=False)
disturbing.join()
pathlib.Path("nodes").write_text(str(len(ray.nodes())))
if late:
    late.terminate()
    late.wait()
ray.shutdown()
nodes.shutdown()
"""


def values(folder: Path) -> dict[str, Any]:
    """Trial -> how it ended and [(images, values without timings)]."""
    return {
        trial: (
            record.closed and record.closed.ended,
            [(m.images, {k: v for k, v in m.values.items() if k != "images_per_second"}) for m in record.measurements],
        )
        for trial, record in Store(folder).trials.items()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the undisturbed study."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "study.yaml").write_text(json.dumps(STUDY))
    run("launch", "study.yaml", "--folder", "whole", cwd=folder)
    return folder / "whole"


def run(*words: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-m", "study.cli", *words], cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(folder: Path, whole: Path) -> None:
    """Nothing is lost, doubled or different."""
    lines = [json.loads(line) for line in Layout(folder).records.read_text().splitlines()]
    assert max(Counter(line["trial"] for line in lines if "opened" in line).values()) == 1
    assert max(Counter((line["trial"], line["measured"]["images"]) for line in lines if "measured" in line).values()) == 1
    assert values(folder) == values(whole)


@pytest.mark.parametrize("how", ["a node is killed", "a node is replaced", "a trial is killed", "a trial is stopped for a while"])
def test_nodes_and_trials(tmp_path: Path, whole: Path, how: str) -> None:
    said = run_script(head() + TWO_NODES.format(how=how, study=STUDY), tmp_path)
    # in files: Ray prints into the output at any time
    assert (tmp_path / "disturbed").exists(), said
    assert (tmp_path / "nodes").read_text() == ("3" if how == "a node is replaced" else "2")
    check(tmp_path / "cut", whole)


def killed(folder: Path) -> None:
    """Launch a study and kill its driver once it has eight measurements."""
    (folder / "study.yaml").write_text(json.dumps(STUDY))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "study.cli", "launch", "study.yaml", "--folder", "cut"], cwd=folder, stdout=log, stderr=log
        )
        records = folder / "cut" / "records.jsonl"
        while not records.exists() or records.read_text().count('"measured"') < 8:
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        process.kill()
        process.wait(timeout=120)


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose driver was killed and whose folder was moved, so that nothing is left where it was."""
    folder = tmp_path_factory.mktemp("killed")
    killed(folder)
    return Path(shutil.move(folder / "cut", folder / "moved"))


@pytest.mark.parametrize("how", ["copied", "linked"])
def test_a_folder_that_is_elsewhere(tmp_path: Path, moved: Path, whole: Path, how: str) -> None:
    copy, cut = tmp_path / "copy", tmp_path / "elsewhere" / "cut"
    shutil.copytree(moved, copy)
    cut.parent.mkdir()
    if how == "linked":
        os.symlink(copy, cut)
    else:
        copy.rename(cut)
    run("resume", "cut", cwd=cut.parent)
    check(cut, whole)
