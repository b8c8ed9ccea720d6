"""Connecting to Ray clusters that are not there, or that ask for a token; and local studies, whatever RAY_ADDRESS says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from rich.console import Console
from toy import TOY

from ganstudy import UserError
from study.engine import cluster, reach
from study.engine.dry_run import preview
from study.spec.study_spec import StudySpec

NOWHERE = "127.0.0.1:1"
CLUSTER = """
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
print(cluster.address, flush=True)
input()
cluster.shutdown()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "variable", "named"),
    [(NOWHERE, None, f"{NOWHERE} (from --address)"), ("auto", NOWHERE, f"{NOWHERE} (from RAY_ADDRESS)")],
)
def test_a_cluster_that_does_not_answer_is_refused_in_time(
    monkeypatch: pytest.MonkeyPatch, address: str, variable: str | None, named: str
) -> None:
    monkeypatch.setattr(reach, "LIMIT_S", 3)
    if variable:
        monkeypatch.setenv("RAY_ADDRESS", variable)
    with pytest.raises(UserError) as refused, cluster.connected(address):
        pass
    assert f"cannot connect to {named}: no answer within 3 s" in str(refused.value)
    assert "leave out --address to start Ray on this machine" in str(refused.value)
    assert not ray.is_initialized()


def test_the_resources_of_this_machine_are_known_whatever_ray_address_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", NOWHERE)
    assert cluster.nodes(None)
    assert not cluster.nodes("auto"), "they are not known before the connection"


@pytest.mark.slow
def test_a_local_study_does_not_use_ray_address(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("RAY_ADDRESS", NOWHERE)
    with cluster.connected(None):
        assert len(ray.nodes()) == 1
    assert f"RAY_ADDRESS ({NOWHERE}) is used only with --address auto" in caplog.text


@pytest.mark.slow
def test_a_dry_run_connects_to_the_cluster_and_leaves_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as head:
        assert head.stdout
        address = head.stdout.readline().strip()
        with pytest.raises(UserError, match="it requests 2 CPU, 0 GPU, and the nodes have 1 CPU"):
            preview(StudySpec.from_dict({**TOY, "resources": {"cpu": 2}}), tmp_path / "toy", Console(), address=address)
        assert not ray.is_initialized()
        head.communicate("\n", timeout=300)


@pytest.fixture
def with_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A cluster that asks for the token of a user's home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("RAY_AUTH_")]:
        monkeypatch.delenv(name)
    environment = os.environ | {"RAY_AUTH_MODE": "token"}
    ray_command = str(Path(sys.executable).with_name("ray"))
    subprocess.run([ray_command, "get-auth-token", "--generate"], env=environment, check=True, capture_output=True)
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as head:
        assert head.stdout
        yield head.stdout.readline().strip()
        head.communicate("\n", timeout=300)


@pytest.mark.slow
def test_a_cluster_that_asks_for_a_token_says_so(with_token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "LIMIT_S", 120.0)
    with pytest.raises(UserError, match=r"InvalidAuthToken.* Set RAY_AUTH_MODE=token \(now: not set\)"):
        reach.refuse_unreachable(with_token)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    reach.refuse_unreachable(with_token)


def test_a_long_folder_for_temporary_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    with (
        pytest.raises(UserError, match=r"temporary files must have a short path.* Set RAY_TMPDIR to a shorter folder"),
        cluster.connected(None),
    ):
        pass
    assert not ray.is_initialized()
