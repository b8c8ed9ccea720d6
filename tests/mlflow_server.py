"""MLflow's own server on localhost, in a process of its own, with failure modes. `mlflow-skinny` and Flask are all it needs."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
from recorded import wait_until

Json = dict[str, Any]
_BATCH = "/api/2.0/mlflow/runs/log-batch"


class MlflowServer:
    """A context manager: the server keeps all its files in a folder.

    `fault` is what it does to each request: "" (answers), a status such as "500", "hangs" (for a minute), or "loses": it does what a batch of
    metrics asks for and then answers 500, as if the connection had broken.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.folder.mkdir()
        self.fault = ""
        self.port = 0

    def __enter__(self) -> "MlflowServer":
        self.start()
        return self

    def start(self) -> None:
        (self.folder / "port").unlink(missing_ok=True)
        environment = {
            **os.environ,
            "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{self.folder}/mlflow.db",
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"{self.folder}/artifacts",
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-W", "ignore", __file__, str(self.folder), str(self.port)]
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        wait_until((self.folder / "port").exists)
        self.port = int((self.folder / "port").read_text())

    def stop(self) -> None:
        if self.process.poll() is not None:
            return
        for each in [*psutil.Process(self.process.pid).children(recursive=True), psutil.Process(self.process.pid)]:
            each.kill()
        self.process.wait()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def fault(self) -> str:
        return (self.folder / "fault").read_text()

    @fault.setter
    def fault(self, fault: str) -> None:
        (self.folder / "fault").write_text(fault)

    @property
    def batches(self) -> list[Json]:
        """The bodies of all batches that arrived and were not refused."""
        path = self.folder / "batches"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The answer of the server's database."""
        with closing(sqlite3.connect(f"file:{self.folder}/mlflow.db?mode=ro", uri=True)) as opened:
            return opened.execute(query).fetchall()

    def status(self) -> dict[str, str]:
        """Trial id -> status of its run. Fails if a trial has two runs."""
        rows = self.rows("SELECT value, status FROM runs JOIN tags USING (run_uuid) WHERE key = 'trial_id'")
        assert len(rows) == len(dict(rows))
        return dict(rows)

    def tags(self, trial_id: str) -> dict[str, str]:
        return dict(self.rows(f"SELECT key, value FROM tags WHERE run_uuid = ({_RUN.format(trial_id)})"))

    def params(self, trial_id: str) -> dict[str, str]:
        return dict(self.rows(f"SELECT key, value FROM params WHERE run_uuid = ({_RUN.format(trial_id)})"))

    def curves(self, trial_id: str) -> dict[str, list[tuple[int, float]]]:
        """Metric -> (step, value) of every row that the server has."""
        found: dict[str, list[tuple[int, float]]] = {}
        for key, step, value in self.rows(f"SELECT key, step, value FROM metrics WHERE run_uuid = ({_RUN.format(trial_id)}) ORDER BY step"):
            found.setdefault(key, []).append((step, value))
        return found

    def pictures(self, trial_id: str) -> list[str]:
        ((run,),) = self.rows(_RUN.format(trial_id))
        return sorted(path.name for path in self.folder.glob(f"artifacts/*/{run}/artifacts/samples/*"))


_RUN = "SELECT run_uuid FROM tags WHERE key = 'trial_id' AND value = '{}'"


def main() -> None:
    """Serve until killed. Arguments: the folder, and the port, or 0 for a free one."""
    from mlflow.server import app
    from werkzeug.serving import make_server

    folder = Path(sys.argv[1])
    app.test_client().get("/api/2.0/mlflow/experiments/get-by-name?experiment_name=none")  # makes the tables

    def faulty(environment: Json, answer: Any) -> Any:
        fault, path = (folder / "fault").read_text(), environment["PATH_INFO"]
        if fault == "hangs":
            time.sleep(60)
        if fault and fault != "loses":
            answer(f"{fault if fault.isdigit() else 500} fault", [])
            return [b"{}"]
        if path == _BATCH:
            body = environment["wsgi.input"].read(int(environment["CONTENT_LENGTH"]))
            environment["wsgi.input"] = BytesIO(body)
            with (folder / "batches").open("ab") as file:
                file.write(body.replace(b"\n", b"") + b"\n")
            if fault == "loses" and b'"metrics"' in body:
                list(app(environment, lambda *_: len))  # len stands for a write that nothing calls
                answer("500 lost", [])
                return [b"{}"]
        return app(environment, answer)

    server = make_server("127.0.0.1", int(sys.argv[2]), faulty, threaded=True)
    part = folder / ".port"
    part.write_text(str(server.server_port))
    part.replace(folder / "port")
    server.serve_forever()


if __name__ == "__main__":
    main()
