"""Addresses of object stores: what cannot be a study's folder is refused with the reason, and credentials stay where they are."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from object_store import URL, Machine, study
from s3 import BUCKET, S3
from toy import TOY
from typer.testing import CliRunner

from ganstudy import UserError
from study.api import open_study
from study.cli import app
from study.engine import submit
from study.spec.study_spec import StudySpec
from study.store.local_copy import created
from study.store.lock import refuse_second_driver
from study.store.objects import Objects, StoreError
from study.store.store import Store

NONE = f"s3://{BUCKET}/runs/none"
RECIPE = next((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "s3://another/runs/toy",
            r"s3://another/runs/toy must be an address .*; it says: NoSuchBucket: .*Check the address, the network, and AWS_ACCESS",
        ),
        (NONE, "must be the address of a study, with objects below records/; there are none"),
        (f"s3://{BUCKET}", "must be a path, or an address such as s3://bucket/runs/my"),
        (f"s3://key:secret@{BUCKET}/toy", "Credentials do not belong into the address"),
        ("https://host/toy", "must be a path, or an address such as"),
        (
            Path(URL),
            "the folder of a study must be a path on this machine, or an address given as text where one is allowed; given 's3:/studies",
        ),
    ],
)
def test_a_wrong_address_is_refused(machine: Machine, tmp_path: Path, url: str | Path, message: str) -> None:
    machine("one")
    with pytest.raises(UserError, match=message):
        open_study(url)
    if url != NONE:
        with pytest.raises(UserError, match=message):
            created(url)
    assert not [*tmp_path.rglob("origin.json")], "nothing is left behind"


def test_a_store_that_does_not_answer_is_told(machine: Machine, s3: S3) -> None:
    machine("one")
    s3.stop()
    with pytest.raises(StoreError, match=rf"{URL} must be an address .*that answers"):
        open_study(URL)
    s3.start()


def test_credentials_that_are_refused_are_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine("one")
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)
    with pytest.raises(StoreError, match="it says: InvalidAccessKeyId") as told:
        open_study(URL)
    assert "the-secret" not in str(told.value)


def test_a_store_without_conditional_writes_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import obstore

    folder = machine("one")
    created(URL)
    put = obstore.put

    def unconditional(*args: Any, mode: object = None, **kwargs: Any) -> Any:
        return put(*args, **kwargs)

    monkeypatch.setattr(obstore, "put", unconditional)
    with pytest.raises(UserError, match=r"must be in a store with conditional writes .* this one ignores the conditions"):
        refuse_second_driver(folder)
    assert not Objects(URL).list("probe")


def test_without_obstore_the_extra_is_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine("one")
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UserError, match=r"needs obstore .*; install it: pip install 'ganstudy\[cloud\]'"):
        open_study(URL)


def test_credentials_are_in_no_file_and_no_object(machine: Machine, s3: S3) -> None:
    folder = machine("one")
    created(URL)
    with Store.writing(folder) as store:
        study(store).whole("a-s4")
        objects = Objects(URL)
        written = [objects.get(meta.key) for meta in objects.list("")] + [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    for secret in (s3.env["AWS_SECRET_ACCESS_KEY"], s3.env["AWS_ACCESS_KEY_ID"]):
        assert not any(secret.encode() in data for data in written)


def test_a_study_in_a_store_is_submitted_by_its_address(toy: Callable[..., StudySpec], tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    class Client:
        def submit_job(self, **given: Any) -> str:
            asked.append(given)
            return "job"

        def get_address(self) -> str:
            return "http://head:8265"

    client: Any = Client()
    assert submit.submit(client, toy(), submit.place(f"{URL}/")) == "job"
    assert asked[0]["entrypoint"] == f"ganstudy launch study.yaml --address auto --folder {URL}"
    assert "AWS" not in str(asked[0]["runtime_env"]), "credentials are the cluster's own"
    (tmp_path / "study.yaml").write_text(json.dumps(TOY))
    words = ["submit", str(tmp_path / "study.yaml"), "--address", "http://head:8265", "--folder", URL, "--copy", "here"]
    assert "can be read from here. Leave it out" in refused(*words)


def test_an_address_is_no_folder_for_what_is_written_here() -> None:
    assert "--folder must be a path on this machine" in refused("train", str(RECIPE), "--folder", URL)
    assert not Path("s3:").exists()


def refused(*words: str) -> str:
    """Run a command that must be refused. Returns the message."""
    problem = CliRunner().invoke(app, words).exception
    assert isinstance(problem, UserError)
    return str(problem)
