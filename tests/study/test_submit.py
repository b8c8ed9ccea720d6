"""`ganstudy submit`: a study as a job of a real Ray cluster, with a plugin of its own; what is sent, and what is refused before."""

import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from s3 import BUCKET, S3
from scripts import head, run_script

from ganstudy import UserError
from study.api import open_study
from study.engine import submit
from study.engine.prepare import prepare
from study.spec.study_spec import StudySpec
from study.store import bundle
from study.store.layout import Layout

Toy = Callable[..., StudySpec]

PLUGIN = """
from trainables.tricks.base import TRICKS, Trick

@TRICKS.register("quiet_trick")
class Quiet(Trick):
    '''Does nothing.'''
"""

SUBMITTED = """
import json, os, socket, subprocess
from ray.cluster_utils import Cluster
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
os.environ["PYTHONPATH"] = sys.path[0]
nodes = Cluster(initialize_head=True, head_node_args={{"num_cpus": 2, "include_dashboard": True, "dashboard_port": port}})
with open("toy.yaml", "w") as file:
    json.dump({{**TOY, "plugins": ["quiet"], "base": {{**TOY["base"], "quiet_trick": True}}}}, file)
place = os.path.abspath("on the cluster")
command = [sys.executable, "-m", "study.cli", "submit", "toy.yaml", "--address", f"http://127.0.0.1:{{port}}", "--folder", place]
done = subprocess.run([*command, "--copy", "copied"], capture_output=True, text=True)
print("exit", done.returncode, done.stdout, done.stderr)
stored = subprocess.run([*command[:-1], {url!r}], capture_output=True, text=True)
print("stored", stored.returncode, stored.stdout, stored.stderr)
failed = subprocess.run([*command[:-1], "/proc/nowhere", "--copy", "other"], capture_output=True, text=True)
print("failed", failed.returncode, failed.stdout, failed.stderr, os.path.exists("other"))
nodes.shutdown()
"""


@pytest.mark.slow
def test_a_study_runs_as_a_job_and_its_records_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "quiet.py").write_text(PLUGIN)
    s3, url = S3(), f"s3://{BUCKET}/runs/toy"
    s3.use(monkeypatch, tmp_path / "of the cluster")
    said = run_script(head() + SUBMITTED.format(url=url), tmp_path)
    assert "exit 0" in said
    assert said.count("4/4") == 2
    assert f"Copied the records and the report to copied; checkpoints are in {tmp_path / 'on the cluster'} on the cluster" in said
    records = Layout(tmp_path / "copied").records.read_text()
    assert records == Layout(tmp_path / "on the cluster").records.read_text()
    assert records.count('"budget"') == 4
    assert Layout(tmp_path / "copied").report.exists()
    assert not (tmp_path / "copied" / "tune").exists()
    assert "stored 0" in said
    assert f"The study is in {url}" in said
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of this machine"))
    there, copied = open_study(url), open_study(tmp_path / "copied")
    s3.stop()
    assert there.trials()["fd"].to_dict() == copied.trials()["fd"].to_dict()
    assert "failed 2" in said
    assert "/proc/nowhere must be a folder that can be written" in said
    assert said.strip().endswith("False")


@pytest.mark.usefixtures("own_plugins")
def test_the_job_gets_the_study_and_the_plugins_that_are_not_installed(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "my_package").mkdir(parents=True)
    (tmp_path / "here" / "my_package" / "__init__.py").write_text("import my_package.inner")
    (tmp_path / "here" / "my_folder").mkdir()
    (tmp_path / "site-packages").mkdir()
    for path in ("here/my_package/inner.py", "here/my_module.py", "here/my_folder/module.py", "site-packages/my_installed.py"):
        (tmp_path / path).write_text(f"from trainables.signal_names import SIGNALS\nSIGNALS[{path!r}] = 'a signal'")
    monkeypatch.syspath_prepend(str(tmp_path / "here"))
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    spec = toy(plugins=["my_package.inner", "my_module", "my_folder.module", "my_installed"])
    sent = tmp_path / "sent"
    sent.mkdir()
    submit.write_job(spec, sent)
    assert sorted(str(path.relative_to(sent)) for path in sent.rglob("*") if path.is_file()) == [
        "my_folder/module.py",
        "my_module.py",
        "my_package/__init__.py",
        "my_package/inner.py",
        "study.yaml",
    ]
    assert StudySpec.load(sent / "study.yaml") == spec
    assert json.loads((sent / "study.yaml").read_text()) == json.loads(json.dumps(spec.as_dict()))


@pytest.mark.parametrize("address", ["head:8265", "ray://head:10001", "auto", "http://head:8265/jobs"])
def test_an_address_that_is_no_dashboard_is_refused(address: str) -> None:
    with pytest.raises(UserError, match=f"--address must be that of a Ray dashboard, such as http://head:8265; given '{address}'"):
        submit.connected(address)


def test_a_dashboard_that_does_not_answer_is_told() -> None:
    with pytest.raises(UserError, match=r"a Ray dashboard must answer at http://127.0.0.1:9; it did not: [^.]+127\.0\.0\.1:9\. Is"):
        submit.connected("http://127.0.0.1:9")


def test_a_relative_folder_is_refused(toy: Toy) -> None:
    with pytest.raises(
        UserError, match=r"--folder must be an absolute path on a file system of all nodes of the cluster, or an address .*; given runs/toy"
    ):
        submit.place("runs/toy")


class Gone:
    """A client whose server is gone after so many requests."""

    def __init__(self, answers: int) -> None:
        self.left, self.asked = answers, list[dict[str, Any]]()

    def get_address(self) -> str:
        return "http://head:8265"

    def submit_job(self, **given: Any) -> str:
        self.asked.append(given)
        if self.left == 0:
            raise RuntimeError("Request failed with status code 500: the file is too large\n  Traceback")
        self.left -= 1
        return "job"

    async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
        yield f"{job} runs"
        raise aiohttp.ServerDisconnectedError


def test_a_dashboard_that_is_gone_is_told(toy: Toy) -> None:
    client: Any = Gone(answers=1)
    submit.submit(client, toy(), "/shared/toy", allow_changed_code=True)
    assert client.asked[0]["entrypoint"] == "ganstudy launch study.yaml --address auto --folder /shared/toy --allow-changed-code"
    said: list[str] = []
    with pytest.raises(UserError, match=r"dashboard at http://head:8265 must carry out each request; it did not: Server disconnected"):
        submit.follow(client, "job", said.append)
    assert said == ["job runs"]
    for request in (
        lambda: submit.submit(client, toy(), "/shared/toy"),
        lambda: submit.fetch(client, "job", "/shared/toy"),
    ):
        with pytest.raises(UserError, match=r"it did not: .*the file is too large\. A job that was started runs on"):
            request()
    assert "allow" not in client.asked[1]["entrypoint"]


@pytest.mark.parametrize(
    ("key", "change"), [("data.root", {"base": {"data.root": "pictures"}}), ("evaluation.weights", {"evaluation": {"weights": "w.pth"}})]
)
def test_a_relative_path_is_refused(toy: Toy, key: str, change: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"{key} must be an absolute path on the cluster; given"):
        submit.submit(None, toy(**change), "/runs/toy")  # type: ignore[arg-type]


def test_a_copy_replaces_only_a_copy(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    Layout(tmp_path / "study").records.write_text("{}\n")
    packed = bundle.pack(tmp_path / "study")
    with pytest.raises(UserError, match="must be a new folder, or a copy of a study on a cluster; it holds other files"):
        bundle.unpack(packed, tmp_path / "study", origin="here")
    for _ in range(2):
        bundle.unpack(packed, tmp_path / "copy", origin="here")
        Layout(tmp_path / "copy").report.write_text("of another time")
    bundle.unpack(packed, tmp_path / "copy", origin="here")
    assert not Layout(tmp_path / "copy").report.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "study"]
    assert Layout(tmp_path / "copy").records.read_text() == "{}\n"
    with pytest.raises(UserError, match="must be the folder of a study"):
        bundle.pack(tmp_path)


def test_a_copy_is_not_trained_in(toy: Toy, tmp_path: Path) -> None:
    """The trials would start again without their checkpoints, and the next copy would replace them."""
    (tmp_path / "study").mkdir()
    Layout(tmp_path / "study").records.touch()
    bundle.unpack(bundle.pack(tmp_path / "study"), tmp_path / "copy", origin="http://head:8265 /shared/toy")
    with pytest.raises(UserError, match=r"must not be a copy of a study on a cluster to train in; .*, of http://head:8265 /shared/toy"):
        prepare(toy(), tmp_path / "copy", address=None)
    assert not Layout(tmp_path / "copy").records.read_bytes()
