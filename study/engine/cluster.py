"""What a study needs of a cluster, and whether the cluster has it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import joblib
import psutil
import ray
import torch

from ganstudy import UserError
from study.engine.provenance import versions
from study.spec.study_spec import StudySpec

ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no csv, json and tensorboard of every trial
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # Tune's state is disposable
    "RAY_AIR_NEW_OUTPUT": "0",  # its tables, which even verbose=0 prints
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # its kills escape fit(); the kernel's are only a dead worker
}
ANSWER_S = 120  # for a node to say its versions


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """The Ray that runs in this process already, the cluster at `address` (or in RAY_ADDRESS), or one started on this machine and stopped again.

    Raises UserError where no cluster answers at the address.
    """
    for name, setting in ENVIRONMENT.items():  # before Ray starts, as its processes take them from here
        os.environ.setdefault(name, setting)
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address:
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:  # what Ray raises, by address
            raise UserError(
                f"there must be a Ray cluster at {address} (--address or RAY_ADDRESS); it cannot be reached: {error}"
            ) from error
    else:
        ray.init(address="local", num_cpus=int(this_machine()["CPU"]), include_dashboard=False, **quiet)
    try:
        yield
    finally:
        ray.shutdown()


def this_machine() -> dict[str, float]:
    """What a Ray that is started here has to give."""
    return {
        "CPU": joblib.cpu_count(),
        "GPU": torch.cuda.device_count(),
        "memory": 0.7 * psutil.virtual_memory().total,
    }  # 0.3: Ray's object store


def nodes(address: str | None) -> list[Mapping[str, float]]:
    """The resources of each node that trials will run on; known without starting Ray where it is to be started here."""
    if ray.is_initialized():
        return [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [] if address or os.environ.get("RAY_ADDRESS") else [this_machine()]


def per_trial(spec: StudySpec, cluster: Mapping[str, float]) -> dict[str, float]:
    """What each trial asks Ray for: one GPU where the cluster has any and the study does not say otherwise."""
    wanted = spec.resources
    gpu = wanted.gpu if wanted.gpu is not None else float(cluster.get("GPU", 0) >= 1)
    asked = {"cpu": wanted.cpu, "gpu": gpu}
    return asked | ({"memory": wanted.memory_gb * 2**30} if wanted.memory_gb else {})


def slots(spec: StudySpec, nodes: list[Mapping[str, float]]) -> int:
    """How many trials run at a time: as many as fit on the nodes, which each hold whole trials. Raises UserError if none fits, as Ray would wait for ever."""
    asked = per_trial(spec, total(nodes))
    names = {"cpu": "CPU", "gpu": "GPU", "memory": "memory"}
    fits = [min(_whole(node.get(names[kind], 0), amount, kind) for kind, amount in asked.items() if amount) for node in nodes]
    if not sum(fits):
        have = "; ".join(
            ", ".join(f"{node.get(name, 0):g} {name}" for name in ("CPU", "GPU")) + f", {node.get('memory', 0) / 2**30:.1f} GB"
            for node in nodes
        )
        wants = f"{asked['cpu']:g} CPU, {asked['gpu']:g} GPU" + (f", {spec.resources.memory_gb:g} GB" if spec.resources.memory_gb else "")
        raise UserError(f"a trial must fit on one node of the cluster; resources ask for {wants}, and the nodes have {have}")
    return min(sum(fits), spec.resources.concurrent or sum(fits), spec.n_trials)


def _whole(there: float, amount: float, kind: str) -> int:
    """How often the amount fits. A share of a GPU lies on one GPU."""
    if kind == "gpu" and amount < 1:
        return int(there) * int(1 / amount + 1e-9)
    return int(there / amount + 1e-9)


def total(nodes: list[Mapping[str, float]]) -> dict[str, float]:
    return {kind: sum(node.get(kind, 0) for node in nodes) for kind in ("CPU", "GPU", "memory")}


def check_versions() -> None:
    """Raises UserError if a node of the cluster would train with other versions than the driver's: results would mix two programs."""
    here = versions()
    for node in ray.nodes():
        if not node["Alive"] or node["NodeID"] == ray.get_runtime_context().get_node_id():
            continue
        strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        try:
            there = ray.get(ray.remote(versions).options(num_cpus=0, scheduling_strategy=strategy).remote(), timeout=ANSWER_S)
        except ray.exceptions.GetTimeoutError:
            raise UserError(
                f"node {node['NodeManagerAddress']} must say its versions within {ANSWER_S} s; it has not. Is it overloaded, or gone?"
            ) from None
        except ray.exceptions.RayTaskError as error:
            raise UserError(
                f"node {node['NodeManagerAddress']} must have ganstudy {here['ganstudy']} installed; it answers: {error.cause}"
            ) from None
        if different := {name: (version, there[name]) for name, version in here.items() if there[name] != version}:
            words = "; ".join(f"{name} {driver} here, {worker} there" for name, (driver, worker) in different.items())
            raise UserError(
                f"driver and workers must run the same versions; on node {node['NodeManagerAddress']}: {words}. The Dockerfile builds an image for all of them"
            )
