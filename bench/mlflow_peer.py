"""The same trials in MLflow, for `bench.scale`: `PYTHON bench/mlflow_peer.py fill|search STORE`, in an environment of its own.

MLflow pins packages that ganstudy needs in other versions, so this file imports nothing of ours. `fill` reads the trials from stdin, a line of
JSON for each: its parameters, and a metric at each tick. `search` prints the CPU seconds of `search_runs` and the peak memory in MB as JSON.
"""

import json
import sys
import time
from pathlib import Path

import mlflow  # type: ignore[import-not-found, unused-ignore]  # only the extra `mlflow` installs it beside ganstudy
from mlflow.entities import Metric, Param  # type: ignore[import-not-found, unused-ignore]

_EXPERIMENT, _METRIC = "scale", "fd"


def fill() -> None:
    client = mlflow.MlflowClient()
    experiment = client.create_experiment(_EXPERIMENT)
    for line in sys.stdin:
        params, curve = json.loads(line)
        run = client.create_run(experiment)
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(_METRIC, value, 0, tick) for tick, value in enumerate(curve)],
            params=[Param(name, str(value)) for name, value in params.items()],
        )
        client.set_terminated(run.info.run_id)


def search() -> None:
    start = time.process_time()
    mlflow.search_runs(experiment_names=[_EXPERIMENT], max_results=1_000_000)
    seconds = time.process_time() - start
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())  # as in bench.fresh
    print(json.dumps([seconds, int(status["VmHWM"].split()[0]) / 1024]))


if __name__ == "__main__":
    mlflow.set_tracking_uri(f"sqlite:///{sys.argv[2]}")
    {"fill": fill, "search": search}[sys.argv[1]]()
