"""Connects to Ray and checks that the cluster has the resources and versions that a study needs."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import joblib
import psutil
import ray
import torch

from ganstudy import UserError
from ganstudy.versions import refused, versions
from study.engine.reach import refuse_unreachable
from study.spec.study_spec import StudySpec

log = logging.getLogger(__name__)

ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON and TensorBoard files per trial
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # we never restore from Tune's state
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune prints its tables even with verbose=0
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # study.engine.launch has its own
    "RAY_memory_monitor_refresh_ms": "0",  # a kill by Ray raises out of fit(); a kill by the kernel only loses a worker
}
_ANSWER_S = 120  # how long a node may take to report its versions


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to Ray while the block runs.

    Uses the Ray that is initialised in this process, else the cluster at `address`, else a local Ray that is shut down afterwards. As for
    Ray, `auto` is the cluster of RAY_ADDRESS, or else one that runs on this machine. Raises UserError if the cluster cannot be reached.
    """
    for name, setting in ENVIRONMENT.items():  # before Ray starts, since its processes inherit them
        os.environ.setdefault(name, setting)
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address:
        refuse_unreachable(address)
        ray.init(address=address, **quiet)
    else:
        if ignored := os.environ.get("RAY_ADDRESS"):
            log.warning("Ray is started on this machine; RAY_ADDRESS (%s) is used only with --address auto", ignored)
        try:
            ray.init(address="local", num_cpus=int(_this_machine()["CPU"]), include_dashboard=False, **quiet)
        except OSError as error:
            if "AF_UNIX" not in str(error):
                raise
            raise UserError(
                f"the folder for temporary files must have a short path, since Ray puts sockets below it ({error}). Set RAY_TMPDIR to a shorter folder, such as /tmp"
            ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _this_machine() -> dict[str, float]:
    """Resources of a Ray started on this machine."""
    return {
        "CPU": joblib.cpu_count(),
        "GPU": torch.cuda.device_count(),
        "memory": 0.7 * psutil.virtual_memory().total,  # Ray reserves 0.3 for its object store
    }


def nodes(address: str | None) -> list[Mapping[str, float]]:
    """Resources of each node that will run trials. Does not start Ray; empty for a cluster that is not connected yet."""
    if ray.is_initialized():
        return [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [] if address else [_this_machine()]


def addresses(spec: StudySpec) -> dict[str, list[str]]:
    """Return the address of each node on which a trial fits -> Ray's ids of the nodes there: more than one only if a machine runs Ray several times."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    request = per_trial(spec, total([node["Resources"] for node in alive]))
    found: dict[str, list[str]] = {}
    for node in alive:
        if _fitting(request, node["Resources"]):
            found.setdefault(node["NodeManagerAddress"], []).append(node["NodeID"])
    return found


def per_trial(spec: StudySpec, cluster: Mapping[str, float]) -> dict[str, float]:
    """Resources that a trial requests from Ray. With `gpu: auto` one GPU if the cluster has any, until it is known how many trials share one."""
    wanted = spec.resources
    gpu = float(cluster.get("GPU", 0) >= 1) if wanted.gpu == "auto" else wanted.gpu
    request = {"cpu": wanted.cpu, "gpu": gpu}
    return request | ({"memory": wanted.memory_gb * 2**30} if wanted.memory_gb else {})


def lanes(spec: StudySpec, nodes: list[Mapping[str, float]]) -> bool:
    """Whether trials on the same device are trained by one process. By default if several share a GPU, where processes would take turns."""
    if spec.resources.lanes is not None:
        return spec.resources.lanes
    return 0 < per_trial(spec, total(nodes))["gpu"] < 1


def slots(spec: StudySpec, nodes: list[Mapping[str, float]]) -> int:
    """Number of concurrent trials: as many as fit on the nodes. A trial cannot span nodes.

    Raises UserError if no trial fits on any node, since Ray would wait for ever.
    """
    request = per_trial(spec, total(nodes))
    fits = [_fitting(request, node) for node in nodes]
    if not sum(fits):
        have = "; ".join(
            ", ".join(f"{node.get(name, 0):g} {name}" for name in ("CPU", "GPU")) + f", {node.get('memory', 0) / 2**30:.1f} GB"
            for node in nodes
        )
        wants = f"{request['cpu']:g} CPU, {request['gpu']:g} GPU" + (
            f", {spec.resources.memory_gb:g} GB" if spec.resources.memory_gb else ""
        )
        raise UserError(f"a trial must fit on one node of the cluster; it requests {wants}, and the nodes have {have}. Lower `resources`")
    return min(sum(fits), spec.resources.concurrent or sum(fits), spec.n_trials)


def _fitting(request: Mapping[str, float], node: Mapping[str, float]) -> int:
    """Return how many trials with this request fit on an empty node."""
    names = {"cpu": "CPU", "gpu": "GPU", "memory": "memory"}
    return min(_whole(node.get(names[kind], 0), amount, kind) for kind, amount in request.items() if amount)


def _whole(available: float, amount: float, kind: str) -> int:
    """How many times the amount fits. A fraction of a GPU must fit on a single GPU."""
    if kind == "gpu" and amount < 1:
        return int(available) * int(1 / amount + 1e-9)
    return int(available / amount + 1e-9)


def total(nodes: list[Mapping[str, float]]) -> dict[str, float]:
    """Resources of all nodes together."""
    return {kind: sum(node.get(kind, 0) for node in nodes) for kind in ("CPU", "GPU", "memory")}


def check_versions(*, allow_changed_code: bool = False) -> None:
    """Raise UserError if a node has other versions than the driver, since the study would mix results of two programs."""
    expected = versions()
    for node in ray.nodes():
        if not node["Alive"] or node["NodeID"] == ray.get_runtime_context().get_node_id():
            continue
        strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        try:
            found = ray.get(ray.remote(versions).options(num_cpus=0, scheduling_strategy=strategy).remote(), timeout=_ANSWER_S)
        except ray.exceptions.GetTimeoutError:
            raise UserError(
                f"node {node['NodeManagerAddress']} must report its versions within {_ANSWER_S} s; it did not. Check that it is alive and not overloaded"
            ) from None
        except ray.exceptions.RayTaskError as error:
            raise UserError(
                f"node {node['NodeManagerAddress']} must have ganstudy {expected['ganstudy']} installed; its error is: {error.cause}"
            ) from None
        here = f"on node {node['NodeManagerAddress']}"
        if reason := refused(expected, found, allow_changed_code=allow_changed_code, there="on the driver", here=here):
            raise UserError(reason)
