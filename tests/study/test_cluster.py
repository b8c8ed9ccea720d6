"""Checks of a cluster's resources and versions before launch; trials on GPUs that exist only in Ray's resource list."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from scripts import head, run_script

from study.engine import cluster
from study.spec.study_spec import StudySpec

Toy = Callable[..., StudySpec]
GIB = 2**30


@pytest.mark.parametrize(
    ("nodes", "resources", "per_trial", "slots"),
    [
        ([{"CPU": 2}], {}, {"cpu": 1, "gpu": 0}, 2),
        ([{"CPU": 2}], {"cpu": 2}, {"cpu": 2, "gpu": 0}, 1),
        ([{"CPU": 8, "GPU": 4}], {}, {"cpu": 1, "gpu": 1}, 4),
        ([{"CPU": 8, "GPU": 4}], {"gpu": 0}, {"cpu": 1, "gpu": 0}, 8),
        ([{"CPU": 8, "GPU": 1}], {"gpu": 0.25}, {"cpu": 1, "gpu": 0.25}, 4),
        ([{"CPU": 8, "GPU": 1}], {"gpu": 0.3}, {"cpu": 1, "gpu": 0.3}, 3),
        ([{"CPU": 3}, {"CPU": 3}], {"cpu": 2}, {"cpu": 2, "gpu": 0}, 2),  # a trial cannot span nodes
        ([{"CPU": 8, "memory": 10 * GIB}], {"memory_gb": 4.0}, {"cpu": 1, "gpu": 0, "memory": 4 * GIB}, 2),
        ([{"CPU": 8}], {"concurrent": 3}, {"cpu": 1, "gpu": 0}, 3),
        ([{"CPU": 640}], {}, {"cpu": 1, "gpu": 0}, 100),  # never more than there are trials
    ],
)
def test_resources_and_number_of_concurrent_trials(
    toy: Toy, nodes: list[Mapping[str, float]], resources: dict[str, Any], per_trial: dict[str, float], slots: int
) -> None:
    spec = toy(n_configs=100, resources=resources)
    assert cluster.per_trial(spec, cluster.total(nodes)) == per_trial
    assert cluster.slots(spec, nodes) == slots


@pytest.mark.parametrize(
    ("nodes", "resources", "lanes"),
    [
        ([{"CPU": 8}], {}, False),
        ([{"CPU": 8, "GPU": 1}], {}, False),
        ([{"CPU": 8, "GPU": 1}], {"gpu": 0}, False),
        ([{"CPU": 8, "GPU": 1}], {"gpu": 0.5}, True),
        ([{"CPU": 8, "GPU": 1}], {"gpu": 0.5, "lanes": False}, False),
        ([{"CPU": 8}], {"lanes": True}, True),
    ],
)
def test_trials_that_share_a_gpu_are_lanes(toy: Toy, nodes: list[Mapping[str, float]], resources: dict[str, Any], lanes: bool) -> None:
    assert cluster.lanes(toy(resources=resources), nodes) is lanes


def test_only_nodes_on_which_a_trial_fits_are_told_apart(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    resources = {"head": {"CPU": 0}, "small": {"CPU": 1}, "good": {"CPU": 8}, "gone": {"CPU": 8}, "twice": {"CPU": 2}}
    nodes = [
        {"Alive": name != "gone", "NodeManagerAddress": name, "NodeID": f"id of {name}", "Resources": given}
        for name, given in resources.items()
    ]
    monkeypatch.setattr("ray.nodes", lambda: [*nodes, {**nodes[-1], "NodeID": "another"}])
    assert cluster.addresses(toy(resources={"cpu": 2})) == {"good": ["id of good"], "twice": ["id of twice", "another"]}


def test_a_trial_that_fits_on_no_node_is_refused(toy: Toy) -> None:
    with pytest.raises(ValueError, match=r"must fit on one node .* requests 4 CPU, 0 GPU, and the nodes have 3 CPU, 0 GPU, 0.0 GB; 3 CPU"):
        cluster.slots(toy(resources={"cpu": 4}), [{"CPU": 3}, {"CPU": 3}])


FAKE_GPUS = """
ray.init(address="local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
spec = StudySpec.from_dict({**TOY, "n_configs": 1, "max_failures": 0})
print("request", cluster.per_trial(spec, cluster.total(cluster.nodes(None))))
view = launch(spec, "toy", progress=False)
(record,) = view.store.trials.values()
print("ended", record.closed.ended, record.closed.reason.strip().splitlines()[-1])
shared = StudySpec.from_dict({**TOY, "n_configs": 2, "max_failures": 0, "resources": {"gpu": 0.5}})
try:
    launch(shared, "lanes", progress=False)
except ValueError as error:
    print("lanes:", error)
half = StudySpec.from_dict({**TOY, "n_configs": 4, "resources": {"gpu": 0}})
print("on the CPU", set(launch(half, "cpu", progress=False).trials()["ended"]))
ray.shutdown()
"""

TWO_NODES = """
import importlib.metadata
from pathlib import Path
from ganstudy import versions
from study.store.store import Store
from ray.cluster_utils import Cluster
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
nodes.add_node(num_cpus=1)
ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
cluster.check_versions()
print("same versions pass")
real = importlib.metadata.version
importlib.metadata.version = lambda name: "0.0" if name == "torch" else real(name)
try:
    cluster.check_versions()
except ValueError as error:
    print(error)
importlib.metadata.version = real
true_hash = versions.code_hash
versions.code_hash = lambda: "0" * 10
try:
    cluster.check_versions()
except ValueError as error:
    print(error)
cluster.check_versions(allow_changed_code=True)
print("changed code passes")
view = launch(StudySpec.from_dict(TOY), "toy", progress=False, allow_changed_code=True)
assert {record.codes for record in view.store.trials.values()} == {(true_hash(),)}, "each trial has the code of its worker"
print(len(view.trials()), "trials")
cluster.check_versions = lambda **how: None  # as if the node had joined later
try:
    launch(StudySpec.from_dict(TOY), "late", progress=False)
except ValueError as error:
    print("late:", error)
print("late:", {(len(record.measurements), record.failures) for record in Store(Path("late")).trials.values()})
ray.shutdown()
nodes.shutdown()
"""


@pytest.mark.slow
def test_a_trial_requests_a_gpu_and_fails_if_torch_sees_none(tmp_path: Path) -> None:
    said = run_script(head() + FAKE_GPUS, tmp_path)
    assert "request {'cpu': 1.0, 'gpu': 1.0}" in said
    assert "ended error trainables.tune.NoGpu: Ray assigned a GPU to this trial, but torch sees none on this node" in said
    assert re.search(r"lanes: the study has stopped: trials of 2 configs.* Ray assigned a GPU to this trial, but torch sees none", said)
    assert "on the CPU {'budget'}" in said


@pytest.mark.slow
def test_a_node_with_other_versions_is_refused(tmp_path: Path) -> None:
    said = run_script(head() + TWO_NODES, tmp_path)
    assert "same versions pass" in said
    assert "all trials of a study must be trained by the same versions; torch 0.0 on the driver, 2." in said
    assert re.search(r"code 0{10} on the driver, \w{10} on node .*allow it with --allow-changed-code", said)
    assert "changed code passes" in said
    assert "4 trials" in said
    assert re.search(r"late: the study has stopped: all trials .* code 0{10} on the driver, .* resume: `ganstudy resume late`", said)
    assert "late: {(0, 0)}" in said, "no measurement, and no try is used up"
