"""A node on which all trials fail, among others: it costs no tries and gets no more trials."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripts import head, run_script
from toy import TOY

from study.engine.faults import Faults
from study.engine.nodes import address, request
from study.spec.study_spec import StudySpec
from study.store.records import Closed, Ended, TrialRecord

Toy = Callable[..., StudySpec]
GOOD, BAD = "10.0.0.1", "10.0.0.2"


def broken(trial_id: str, node: str, reason: str = "OSError: no such device") -> TrialRecord:
    """A trial that failed on a node. Of two letters that follow each other, one config has R1 and a learning rate in the upper half."""
    upper = bool(ord(trial_id[0]) % 2)
    closed = Closed(ended=Ended.ERROR, reason=reason, node=node)
    return TrialRecord(trial_id=trial_id, number=0, flat={"r1": upper, "g.lr": 2e-3 if upper else 5e-4}, closed=closed, failures=1)


@pytest.fixture
def faults(toy: Toy) -> Faults:
    """Of a study of 24 configs on two nodes."""
    return Faults(toy(n_configs=24), lambda: {GOOD: ["1" * 56], BAD: ["2" * 56]})


def test_errors_of_one_node_cost_no_tries_and_the_node_is_avoided(faults: Faults, caplog: pytest.LogCaptureFixture) -> None:
    for trial in ("a-s1", "b-s1", "b-s2"):
        assert not faults.failed(broken(trial, BAD, f"ValueError: {'of ' * ord(trial[-1])}another kind"))
        faults.worked(GOOD)
    assert faults.nodes.avoided() == [], "two configs"
    with caplog.at_level(logging.WARNING):
        assert faults.failed(broken("c-s1", BAD)) == {"a-s1": 1, "b-s1": 1, "b-s2": 1, "c-s1": 1}
        assert faults.failed(broken("d-s1", BAD)) == {"d-s1": 1}, "it was under way"
    assert [BAD in line and "no such device" in line for line in caplog.messages] == [True], "it is told once"
    assert faults.nodes.avoided() == ["2" * 56]
    assert not faults.reason
    faults.worked(BAD)
    assert faults.nodes.avoided() == []


def test_a_node_that_fails_before_the_others_reach_a_checkpoint(faults: Faults) -> None:
    for config in "abc":
        told = faults.failed(broken(f"{config}-s1", BAD))
    assert told == {"a-s1": 1, "b-s1": 1, "c-s1": 1}
    assert not faults.reason
    for config in "def":
        told = faults.failed(broken(f"{config}-s1", GOOD))
    assert told == {"d-s1": 1, "e-s1": 1, "f-s1": 1}
    assert faults.reason, "no other node is left"
    assert faults.nodes.avoided() == ["2" * 56]


def test_the_same_error_on_several_nodes_is_no_fault_of_one(faults: Faults) -> None:
    for config, node in zip("abc", (GOOD, BAD, GOOD), strict=True):
        faults.failed(broken(f"{config}-s1", node))
    assert faults.reason
    assert faults.nodes.avoided() == []


def test_a_trial_that_works_on_a_node_clears_it(faults: Faults) -> None:
    for config in "abcdef":
        assert not faults.failed(broken(f"{config}-s1", BAD))
        if config in "bdf":
            faults.worked(BAD)
    assert faults.nodes.avoided() == []


def test_a_trial_that_fails_in_the_same_way_elsewhere_is_not_held_against_a_node(faults: Faults) -> None:
    first = broken("a-s1", BAD)
    for record in (first, broken("b-s1", BAD)):
        faults.failed(record)
        faults.worked(GOOD)
    assert not faults.failed(broken("a-s1", GOOD).changed(failures=2), before=first.closed)
    assert not faults.failed(broken("c-s1", BAD))
    assert faults.nodes.avoided() == []


def test_the_only_node_is_never_avoided(toy: Toy) -> None:
    faults = Faults(toy(n_configs=24), lambda: {BAD: ["2" * 56]})
    for config in "abc":
        faults.failed(broken(f"{config}-s1", BAD))
    assert faults.reason
    assert faults.nodes.avoided() == []


def test_a_bad_node_is_used_and_costs_tries_once_the_others_are_gone(toy: Toy) -> None:
    """Ray would wait for another node for ever."""
    there = {GOOD: ["1" * 56], BAD: ["2" * 56]}
    faults = Faults(toy(n_configs=24), lambda: there)
    for config in "abc":
        faults.failed(broken(f"{config}-s1", BAD))
    assert faults.nodes.avoided() == ["2" * 56]
    del there[GOOD]
    assert faults.nodes.avoided() == []
    assert not faults.failed(broken("d-s1", BAD))
    assert not faults.failed(broken("e-s1", BAD))
    assert faults.failed(broken("f-s1", BAD)) == {"d-s1": 1, "e-s1": 1, "f-s1": 1}
    assert faults.reason


@pytest.mark.parametrize(
    ("reason", "node"),
    [
        ("ray::GanTrainable.train() (pid=7, ip=10.0.0.2, actor_id=3f, repr=<x>)\n  (pid=9, ip=10.0.0.9, …)\nValueError: no", BAD),
        (
            "The actor died unexpectedly before finishing this task.\n\tclass_name: X\n\tpid: 7\n\tip: 10.0.0.2\nThe actor is dead because",
            BAD,
        ),
        ("the worker is gone", ""),
        ("ValueError: a trip: 10 days", ""),
    ],
)
def test_the_address_in_what_ray_says(reason: str, node: str) -> None:
    assert address(reason) == node


def test_a_request_without_nodes_to_avoid_has_no_selector() -> None:
    assert request({"cpu": 1, "gpu": 0, "memory": 5}, []).bundles == [{"CPU": 1.0, "memory": 5.0}]
    assert request({"cpu": 1}, []) == request({"cpu": 1}, []) != request({"cpu": 1}, ["1" * 56])


PLUGIN = '''
"""A training loop that one node lets fail. The other node waits until the study has found that out."""
import os, signal, time
from pathlib import Path
import ray
from trainables.run import LOOPS, Run


@LOOPS.register("bad_node")
class BadNode(Run):
    def d_step(self):
        if ray.util.get_node_ip_address() == "127.0.0.2":
            {fail}
        while not Path({found!r}).exists():
            time.sleep(0.1)
        return super().d_step()
'''

TWO_NODES = """
import logging
from collections import Counter
from pathlib import Path
from ray.cluster_utils import Cluster
from study.store.store import Store
nodes = Cluster(initialize_head=True, head_node_args={{"num_cpus": 1, "include_dashboard": False}})
nodes.add_node(num_cpus=1, node_ip_address="127.0.0.2")
ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
told = logging.Handler()
told.emit = lambda record: Path({found!r}).touch() if "127.0.0.2 must be at fault" in record.getMessage() else None
logging.getLogger("study.engine.nodes").addHandler(told)
launch(StudySpec.from_dict({study!r}), "toy", progress=False)
records = Store(Path("toy")).trials.values()
print("ended", Counter(record.closed.ended.value for record in records), "failures", Counter(record.failures for record in records))
print("on", {{record.closed.node for record in records}} == {{ray.util.get_node_ip_address()}})
ray.shutdown()
nodes.shutdown()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fail", "lanes"),
    [("raise OSError('no such device')", True), ("os.kill(os.getpid(), signal.SIGKILL)", False)],
    ids=["raises in a lane", "dies"],
)
def test_a_bad_node_among_good_ones(tmp_path: Path, fail: str, lanes: bool) -> None:
    (tmp_path / "bad_node_plugin.py").write_text(PLUGIN.format(fail=fail, found=str(tmp_path / "found")))
    base = {**TOY["base"], "loop": "bad_node"}
    study: dict[str, Any] = {
        **TOY,
        "base": base,
        "plugins": ["bad_node_plugin"],
        "n_configs": 10,
        "max_failures": 1,
        "resources": {"lanes": lanes},
    }
    said = run_script(head() + TWO_NODES.format(study=study, found=str(tmp_path / "found")), tmp_path)
    assert "ended Counter({'budget': 10}) failures Counter({0: 10})" in said
    assert "on True" in said, "the node that ended each trial is recorded"
    errors = [line["closed"] for line in map(json.loads, (tmp_path / "toy" / "records.jsonl").read_text().splitlines()) if "closed" in line]
    nodes = [closed["node"] for closed in errors if closed["ended"] == "error"]
    assert set(nodes) == {"127.0.0.2"}
    assert 3 <= len(nodes) < 10, "it gets no more trials"
