"""Phases on a real Ray: explore, optimise, confirm and ablate run unattended, through two kills, to the same trials and values."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from study.api import open_study
from study.store.store import Store

pytestmark = pytest.mark.slow

STUDY = """
name: phased
question: Which config is the best?
base: {data: ring8, arch: mlp, g.width: 8, d.width: 8, g.norm: none, batch_size: 50, budget_kimg: 2, tick_kimg: 1}
space: {scientific: {r1: [false, true], loss: [nonsaturating, hinge]}, nuisance: {g.lr: {low: 1e-4, high: 1e-2, log: true}}}
phases:
  explore: {n_configs: 4}
  optimise: {n_configs: 4}
  confirm: {top: 3, seeds: 3}
  ablate:
resources: {concurrent: 1}
evaluation: {samples: 200}
"""


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "study.cli", *words]


def measured(folder: Path) -> Mapping[str, Any]:
    """trial -> phase and [(images, values without timings)]."""
    return {
        trial: (record.phase, [(m.images, {k: v for k, v in m.values.items() if k != "images_per_second"}) for m in record.measurements])
        for trial, record in Store(folder).trials.items()
    }


def test_four_phases_through_two_kills(tmp_path: Path) -> None:
    study, whole, cut = tmp_path / "phased.yaml", tmp_path / "whole", tmp_path / "cut"
    study.write_text(STUDY)
    done = subprocess.run(command("launch", str(study), "--folder", str(whole)), check=True, timeout=400, capture_output=True, text=True)
    assert "One setting at a time back at its default" in done.stdout
    records = cut / "records.jsonl"
    for phase, n in (("optimise", 2), ("confirm", 4)):  # in the middle of a phase
        process = subprocess.Popen(
            command("launch", str(study), "--folder", str(cut)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not records.exists() or records.read_text().count(f'"phase": "{phase}"') < n:
            assert process.poll() is None, "the driver must still run when it is to be killed"
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    subprocess.run(command("resume", str(cut)), check=True, timeout=400, capture_output=True)
    assert measured(cut) == measured(whole), "nothing is lost or doubled, and phases propose what they would have"
    phases = Counter(phase for phase, _ in measured(cut).values())
    assert phases["explore"] == phases["optimise"] == 4
    assert 6 <= phases["confirm"] <= 9
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    seen = Counter((line["trial"], line["measured"]["images"]) for line in lines if "measured" in line)
    assert max(seen.values()) == 1
    (best,) = open_study(cut).best()
    assert best.record.phase == "confirm"
    status = subprocess.run(command("status", str(cut)), check=True, timeout=60, capture_output=True, text=True).stdout
    assert f"{sum(phases.values())} of {sum(phases.values())} trials started" in status
    assert "Resume" not in status
    more = subprocess.run(command("confirm", str(cut), "--top", "4"), check=True, timeout=400, capture_output=True, text=True).stdout
    assert "Only trials with fresh seeds count" in more
    assert Counter(phase for phase, _ in measured(cut).values())["confirm"] > phases["confirm"]
