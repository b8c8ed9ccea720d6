"""Reads the runs of a W&B project through W&B's own client: `python -m study.tracking.wandb_project PROJECT`, a line of JSON for each run.

A process of its own does it, since the client repeats requests to a server that fails for many minutes, and leaves a process running.
"""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any

import psutil

from ganstudy import UserError
from study.tracking.killing import kill
from study.tracking.wandb_files import LocalRun

_PAGE = 200  # runs of one request
_TIMEOUT_S = 30  # of one request
_STALL_S = 60.0  # without anything from the server


def project_runs(project: str, say: Callable[[str], None] = lambda line: None) -> list[LocalRun]:
    """Return the runs of a project, "entity/project", oldest first.

    The server and the API key are those that W&B is configured for. Raises UserError if there is no key, or if the server does not answer within a
    minute, or has no such project.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "study.tracking.wandb_project", project],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stderr
    try:
        runs: list[LocalRun] = []
        for line in _lines(process.stdout, project):
            told = json.loads(line)
            if "error" in told:
                raise _unread(project, told["error"])
            if "runs" in told:
                say(f"reading {told['runs']} runs of {project}")
            else:
                runs.append(LocalRun(**told))
        if process.wait():
            raise _unread(project, (process.stderr.read().strip() or "W&B's client ended without a reason").splitlines()[-1])
        return runs
    finally:
        if process.poll() is None:
            kill(psutil.Process(process.pid))
            process.wait()
        process.stdout.close()
        process.stderr.close()


def _unread(project: str, reason: object) -> UserError:
    return UserError(
        f"{project} must be a W&B project that you can read, as entity/project; {str(reason).rstrip('.')}. `wandb login` stores a key"
    )


def _lines(output: IO[str], project: str) -> Iterator[str]:
    """Yield lines as they come. Raises UserError if none comes for a while."""
    found: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in output:
            found.put(line)
        found.put("")

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = found.get(timeout=_STALL_S)
        except queue.Empty:
            raise UserError(
                f"the W&B server must answer within {_STALL_S:g} s to read {project}; it does not, or fails each time. Try again later, or check WANDB_BASE_URL"
            ) from None
        if not line:
            return
        yield line


def _tell(**told: Any) -> None:
    print(json.dumps(told, default=str), flush=True)


def main() -> None:
    """Print the runs of the project in argv, as LocalRun has them; before them their number, or why there are none."""
    import requests  # here and below, since the caller imports neither
    import wandb

    project = sys.argv[1]
    try:
        runs = wandb.Api(timeout=_TIMEOUT_S).runs(project, per_page=_PAGE, lazy=False)  # lazy runs have no configs
        _tell(runs=len(runs))
        for run in runs:
            _tell(
                id=run.id,
                name=run.name,
                state=run.state,
                created_at=run.created_at,
                config=dict(run.config),
                summary_metrics=dict(run.summary_metrics),
            )
    except (wandb.errors.Error, ValueError, requests.RequestException) as error:
        _tell(error=str(error))


if __name__ == "__main__":
    main()
