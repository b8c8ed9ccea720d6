"""A study of 500 trials with 20 ticks each stays far below the limits that W&B documents.

Limits: https://docs.wandb.ai/models/track/limits (files and points of a run, metrics and runs of a project) and, for requests,
https://docs.wandb.ai/platform/hosting/hosting-options/dedicated-cloud/rate-limits.
"""

from pathlib import Path
from statistics import fmean

import pytest
from recorded import Driver
from wandb_server import WandbServer

from study.spec.tracking import WandbConfig
from study.store.records import Ended
from study.store.store import Store
from study.tracking.process import complete_wandb

pytestmark = [pytest.mark.usefixtures("own_wandb"), pytest.mark.slow]
TRIALS, TICKS = 500, 20
ONE_RUN = {"files": 1_000}
PROJECT = {"runs": 10_000, "metrics": 10_000, "requests_per_s": 500}
SAMPLED = 10  # trials that are sent here; all trials of a study cost the same


def test_requests_rows_and_files_of_a_study_stay_below_the_limits(tmp_path: Path, server: WandbServer) -> None:
    with Store.writing(tmp_path) as store:
        driver = Driver(store)
        for number in range(SAMPLED):
            driver.open(f"t{number}-s0", budget_kimg=TICKS - 1.0)
            for tick in range(TICKS):
                driver.tick(f"t{number}-s0", tick, Ended.BUDGET if tick == TICKS - 1 else None)
    assert complete_wandb(tmp_path, WandbConfig(mode="online")) == ""
    runs = [run_id for run_id in server.runs if run_id.startswith("digits")]
    assert len(runs) == SAMPLED
    rows = {run_id: len(server.rows[run_id]) for run_id in runs}
    files = {run_id: sum(f"/{run_id}/" in path for path in server.uploads) for run_id in runs}
    grids = {run_id: sum(f"/{run_id}/" in path and path.endswith(".png") for path in server.uploads) for run_id in runs}
    streamed = {run_id: server.calls[f"stream {run_id}"] for run_id in runs}
    metrics = {name for run_id in runs for row in server.rows[run_id] for name in row}
    print(f"per trial: {fmean(rows.values())} rows, {fmean(files.values())} files, {fmean(streamed.values())} stream requests, "
          f"{server.requests / SAMPLED} requests in all, {len(metrics)} metrics")  # fmt: skip
    assert set(rows.values()) == {TICKS}
    assert set(grids.values()) == {TICKS}
    assert max(files.values()) <= ONE_RUN["files"] / 10
    assert len(metrics) <= PROJECT["metrics"] / 100
    others = len(server.runs) - len(runs)
    assert others <= 1, "the run of the study"
    assert TRIALS * len(runs) / SAMPLED + others <= PROJECT["runs"] / 10
    assert max(streamed.values()) <= TICKS, "rows that come together share a request"
    per_trial = server.requests / SAMPLED
    assert per_trial <= 2 * TICKS
    assert TRIALS * per_trial / 3600 <= PROJECT["requests_per_s"] / 50, "all trials within an hour"
