"""Submits a study to a cluster's Ray Jobs server and follows it. Needs the extra `ganstudy[cluster]`."""

import asyncio
import base64
import json
import logging
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ganstudy import UserError
from ganstudy.command import shell_command
from study.spec.plugins import own_folders
from study.spec.study_spec import StudySpec
from study.store.bundle import BEGIN, END
from study.store.objects import checked_url, is_url

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

_STUDY = "study.yaml"  # in the working directory of the job; JSON is YAML
_POLL_S = 1.0


def connected(address: str) -> "JobSubmissionClient":
    """Return a client of the Jobs server. Raises UserError if none answers or the extra is missing."""
    if not re.fullmatch(r"https?://[^\s/]+", address.rstrip("/")):
        raise UserError(f"--address must be that of a Ray dashboard, such as http://head:8265; given {address!r}")
    try:
        import aiohttp  # noqa: F401  (follows the log)
        from ray.job_submission import JobSubmissionClient
    except ImportError as error:
        raise UserError(f"submit needs Ray's job client ({error}); install it with: pip install 'ganstudy[cluster]'") from None
    logging.getLogger("ray").setLevel(logging.WARNING)  # it tells what it uploads
    try:
        return JobSubmissionClient(address)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"a Ray dashboard must answer at {address}; it did not: {str(error).strip().splitlines()[0].rstrip('.')}. Is it reachable from here "
            "(kubectl port-forward, ssh -L), and does the cluster's image include ray[default]? A cluster with tokens needs RAY_AUTH_MODE=token "
            "and RAY_AUTH_TOKEN here"
        ) from None


@contextmanager
def _answering(client: "JobSubmissionClient") -> Iterator[None]:
    """Convert what the client raises when the Jobs server refuses a request, or is gone, into a UserError."""
    import aiohttp  # here, since it is there only with the extra; `connected` has checked that

    try:
        yield
    except (RuntimeError, OSError, aiohttp.ClientError) as error:
        told = (str(error).strip().splitlines() or [type(error).__name__])[0]
        address = client.get_address()
        raise UserError(
            f"the Ray dashboard at {address} must carry out each request; it did not: {told}. A job that was started runs on "
            f"({shell_command('ray', 'job', 'list', '--address', address)}). Once the dashboard answers, the same command resumes the study and copies it"
        ) from None


def place(folder: str) -> str:
    """Return where a study is on a cluster. Raises UserError if it is neither an absolute path nor an address in an object store."""
    if is_url(folder):
        return checked_url(folder)
    if not PurePosixPath(folder).is_absolute():
        raise UserError(
            f"--folder must be an absolute path on a file system of all nodes of the cluster, or an address such as s3://bucket/runs/my; given {folder}"
        )
    return folder


def submit(client: "JobSubmissionClient", spec: StudySpec, folder: str, *, allow_changed_code: bool = False) -> str:
    """Start `ganstudy launch` on the cluster. Returns the job's id. folder: of the study, as `place` returns it.

    The job gets the study and the plugins that are not installed; the cluster's image must have ganstudy itself.
    """
    for key, path in (("data.root", spec.base.get("data.root")), ("evaluation.weights", spec.evaluation.weights)):
        if path and not PurePosixPath(path).is_absolute():
            raise UserError(f"{key} must be an absolute path on the cluster; given {path}")
    with tempfile.TemporaryDirectory() as made:
        working_dir = Path(made)
        write_job(spec, working_dir)
        words = ["ganstudy", "launch", _STUDY, "--address", "auto", "--folder", folder, *["--allow-changed-code"] * allow_changed_code]
        with _answering(client):
            return client.submit_job(
                entrypoint=shlex.join(words),
                submission_id=f"{spec.name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}",
                runtime_env={"working_dir": str(working_dir), "env_vars": {"PYTHONUNBUFFERED": "1"}},
                metadata={"study": spec.name, "folder": folder},
            )


def write_job(spec: StudySpec, working_dir: Path) -> None:
    """Write the study and its own plugins into the folder that is sent to the cluster."""
    (working_dir / _STUDY).write_text(json.dumps(spec.as_dict(), indent=2))
    for module, parent in [(name, parent) for name in spec.plugins for parent in own_folders([name])]:
        top = module.partition(".")[0]
        if (Path(parent) / top).is_dir():
            shutil.copytree(Path(parent) / top, working_dir / top, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            shutil.copy(Path(parent) / f"{top}.py", working_dir)


def follow(client: "JobSubmissionClient", job: str, show: Callable[[str], None]) -> bool:
    """Pass the job's output to `show` until it ends. Returns whether it succeeded."""

    async def tail() -> None:
        async for text in client.tail_job_logs(job):
            show(text)

    with _answering(client):
        asyncio.run(tail())
        return _succeeded(client, job)


def fetch(client: "JobSubmissionClient", job: str, folder: str) -> bytes:
    """Return the bundle (study.store.bundle) of a study folder on the cluster, by a second job that prints it.

    Raises UserError if that job fails, with the end of its log.
    """
    with _answering(client):
        reader = client.submit_job(entrypoint=f"python -m study.store.bundle {shlex.quote(folder)}", submission_id=f"{job}-result")
        worked = _succeeded(client, reader)
        log = client.get_job_logs(reader)
    if not worked or END not in log:
        raise UserError(f"the records of {folder} must be readable on the cluster; the job {reader} says: {log.strip()[-500:]}")
    return base64.b64decode(log[log.index(BEGIN) + len(BEGIN) : log.index(END)])


def _succeeded(client: "JobSubmissionClient", job: str) -> bool:
    """Wait for the end of a job."""
    while not (status := client.get_job_status(job)).is_terminal():
        time.sleep(_POLL_S)
    return status.value == "SUCCEEDED"
