"""Which versions may train trials of the same study."""

from collections.abc import Mapping
from typing import Any

import pytest
import ray

from ganstudy.versions import code_files, refused, versions
from trainables.tune import Shared, WrongVersions

SAME = {"python": "3.11.7", "torch": "2.14.1", "ganstudy": "0.2.0", "code": "aaaa"}


@pytest.mark.parametrize(
    ("changed", "allow", "said"),
    [
        ({}, False, ""),
        ({"torch": "2.15"}, False, "torch 2.14.1 before, 2.15 now. Install the same versions"),
        ({"torch": "2.15"}, True, "torch 2.14.1 before, 2.15 now. Install the same versions"),
        ({"code": "bbbb"}, False, "code aaaa before, bbbb now. If the change of the code does not change results, allow it with --allow"),
        ({"code": "bbbb"}, True, ""),
        ({"code": "bbbb", "ganstudy": "0.3.0"}, True, ""),
        ({"code": "bbbb", "python": "3.12.1"}, True, "python 3.11.7 before, 3.12.1 now; code aaaa before, bbbb now. Install"),
    ],
)
def test_only_our_own_code_may_differ(changed: Mapping[str, str], allow: bool, said: str) -> None:
    reason = refused(SAME, {**SAME, **changed}, allow_changed_code=allow, there="before", here="now")
    assert said in reason
    assert bool(reason) == bool(said)


def test_records_without_some_versions_can_be_resumed() -> None:
    assert refused({"torch": "2.14.1"}, SAME, allow_changed_code=False, there="before", here="now") == ""


def test_a_worker_with_other_versions_trains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "10.0.0.9")
    shared: dict[str, Any] = {"source": None, "evaluator": None}
    now = versions()
    assert Shared(**shared, versions=now).code() == now["code"]
    with pytest.raises(WrongVersions, match=r"numpy 1\.0 on the driver, .* on node 10\.0\.0\.9"):
        Shared(**shared, versions=now | {"numpy": "1.0"}, allow_changed_code=True).code()
    with pytest.raises(WrongVersions, match="code 0000 on the driver"):
        Shared(**shared, versions=now | {"code": "0000"}).code()
    assert Shared(**shared, versions=now | {"code": "0000"}, allow_changed_code=True).code() == now["code"]


def test_the_files_that_were_changed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "10.0.0.9")
    now, files = versions(), code_files()
    shared: dict[str, Any] = {"source": None, "evaluator": None, "versions": now | {"code": "0000"}}
    edited = {**files, "study/cli.py": "other", "study/gone.py": "x"}
    with pytest.raises(
        WrongVersions, match=r"on the driver when it started: study/cli\.py, study/gone\.py\. If they were edited .* restore them$"
    ):
        Shared(**shared, files=edited).code()
    with pytest.raises(WrongVersions, match=rf"analysis/__init__\.py, .* and {len(files) - 5} more\."):
        Shared(**shared, files={}).code()
