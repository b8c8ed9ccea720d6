"""Whole studies in an object store, on a real Ray: killed, resumed elsewhere, with a store that is away for a while. Values equal those of a folder."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from s3 import BUCKET, S3
from toy import TOY
from typer.testing import CliRunner

from ganstudy import UserError
from ganstudy.checksums import SUMS
from study.api import open_study
from study.cli import app
from study.store.local_copy import folder_of
from study.store.lock import driver, refuse_second_driver
from study.store.object_lock import STALE_S
from study.store.objects import Objects
from study.store.store import Store
from trainables.generators import GENERATOR_FILE
from trainables.trial import STATE

pytestmark = pytest.mark.slow

STUDY: dict[str, Any] = {  # one trial at a time, so that it lasts longer than what happens to it
    **TOY, "base": {**TOY["base"], "budget_kimg": 12, "tick_kimg": 2}, "n_configs": 10, "resources": {"concurrent": 1},
}  # fmt: skip
URL = f"s3://{BUCKET}/runs/toy"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    server = S3()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The values of the undisturbed study in a folder."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "study.yaml").write_text(json.dumps(STUDY))
    subprocess.run([*COMMAND, "launch", "study.yaml", "--folder", "whole"], cwd=folder, check=True, timeout=300, capture_output=True)
    return values(folder / "whole")


COMMAND = (sys.executable, "-m", "study.cli")


def values(folder: Path) -> dict[str, Any]:
    """Trial -> how it ended and [(images, values without timings)]."""
    return {
        trial: (
            record.closed and record.closed.ended,
            [(m.images, {k: v for k, v in m.values.items() if k != "images_per_second"}) for m in record.measurements],
        )
        for trial, record in Store(folder).trials.items()
    }


class Machine:
    """Runs commands with local copies of its own."""

    def __init__(self, s3: S3, home: Path):
        home.mkdir()
        (home / "study.yaml").write_text(json.dumps(STUDY))
        self.home, self.env = home, {**os.environ, **s3.env, "XDG_CACHE_HOME": str(home / "cache")}

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *words], cwd=self.home, env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, *words: str, code: int = 0) -> str:
        process = self.start(*words)
        out, _ = process.communicate(timeout=300)
        assert process.returncode == code, out
        return out


def wait_for(process: subprocess.Popen[str], url: str, fact: str, n: int) -> None:
    """Wait until the records in the store tell so many facts of a kind."""
    end = time.monotonic() + 200
    while there(url).count(f'"{fact}"'.encode()) < n:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(1)  # the server shares this process


def there(url: str) -> bytes:
    objects = Objects(url)
    return b"".join(objects.get_all([meta.key for meta in objects.list("records")]))


def check(url: str, whole: dict[str, Any]) -> None:
    """Nothing is lost, doubled or different, and the checkpoints that are needed are in the store, the others not."""
    lines = [json.loads(line) for line in there(url).splitlines()]
    assert max(Counter(line["trial"] for line in lines if "opened" in line).values()) == 1
    assert max(Counter((line["trial"], line["measured"]["images"]) for line in lines if "measured" in line).values()) == 1
    view = open_study(url)
    assert values(view.folder) == whole
    objects = Objects(url)
    for record in view.store.trials.values():
        files = {saved: {Path(meta.key).name for meta in objects.list(saved.path)} for saved in record.saved}
        assert [saved for saved in record.saved if STATE in files[saved]] == list(record.saved[-2:])
        best = record.best_images(view.objective, view.direction)
        kept = {saved.images for saved in record.saved if {GENERATOR_FILE, SUMS} <= files[saved]}
        assert kept == {saved.images for saved in record.saved[-2:]} | {best}


def test_a_driver_is_killed_and_the_study_goes_on_elsewhere(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    one, two = Machine(s3, tmp_path / "one"), Machine(s3, tmp_path / "two")
    s3.use(monkeypatch, tmp_path / "three")
    process = one.start("launch", "study.yaml", "--folder", URL)
    wait_for(process, URL, "measured", 4)
    third = open_study(URL).folder  # in this process, since the study may end while another one imports torch
    assert str(driver(third)).startswith("process ")
    with pytest.raises(UserError, match="is in use by process"):
        refuse_second_driver(third)
    s3.stop()
    time.sleep(5)
    s3.start()
    wait_for(process, URL, "measured", there(URL).count(b'"measured"') + 1)
    assert process.poll() is None
    process.kill()
    process.communicate()
    stale_at, before = time.monotonic() + STALE_S, there(URL)
    whole = request.getfixturevalue("whole")  # now, since the lock needs a minute to become stale
    time.sleep(max(0.0, stale_at - time.monotonic()))
    out = two.run("resume", URL)
    assert "Report: " in out
    assert there(URL).startswith(before)
    check(URL, whole)
    report = two.run("report", URL, "-o", "report.html")
    assert "Report: " in report
    assert (tmp_path / "two" / "report.html").read_text().count("data:image/png") > 1
    one.run("export", URL, "--best", "-o", "g.safetensors")
    one.run("sample", URL, "-o", "grid.png")
    assert "nothing wrong" in one.run("doctor", URL)
    secrets = {value.encode() for name, value in s3.env.items() if "KEY" in name}
    objects = Objects(URL)
    data = objects.get_all([meta.key for meta in objects.list("")])
    assert not any(secret in each for each in data for secret in secrets)


@pytest.mark.parametrize("lanes", [False, True])
def test_a_driver_is_stopped_from_elsewhere_and_goes_on_at_once(
    s3: S3, whole: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lanes: bool
) -> None:
    url = f"{URL}-{'lanes' if lanes else 'processes'}"
    one = Machine(s3, tmp_path / "one")
    s3.use(monkeypatch, tmp_path / "two")
    process = one.start("launch", "study.yaml", "--folder", url, "--set", f"resources.lanes={str(lanes).lower()}")
    wait_for(process, url, "saved", 6)
    stopped = CliRunner().invoke(app, ["stop", url], catch_exceptions=False)  # in this process: the study may end while another one starts
    assert f"Resume with `ganstudy resume {url}`" in " ".join(stopped.output.split())
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    assert f"Resume with `ganstudy resume {url}`" in out
    process = one.start("resume", url)
    wait_for(process, url, "study", 2)
    process.kill()
    process.communicate()
    one.run("resume", url)  # its own driver is dead, so it need not wait for the lock
    check(url, whole)
    assert folder_of(url).exists()


def test_a_wrong_bucket_is_told_before_anything_starts(s3: S3, tmp_path: Path) -> None:
    told = Machine(s3, tmp_path / "one").run("launch", "study.yaml", "--folder", "s3://another/runs/toy", code=2)
    assert "it says: NoSuchBucket" in told
    assert "Traceback" not in told
