"""How many trials share a GPU where the study does not say (`resources.gpu: auto`): measured on the cluster before the first trial."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from analysis.words import plural
from ganstudy import UserError
from study.engine import cluster
from study.engine.adaptive import Adaptive
from study.engine.samplers import Designed
from study.spec.study_spec import StudySpec
from trainables.probe import Load, best, probe
from trainables.tune import NoGpu, Shared

log = logging.getLogger(__name__)

MOST = 16  # trials on one GPU: more wait for Python
_PROBE_S = 300  # after which the probe is given up


def most(spec: StudySpec, nodes: list[Mapping[str, float]]) -> int:
    """Return how many trials could share a GPU, by the CPUs that they request and the number of trials; 0 if the number is not to be measured."""
    if spec.resources.gpu != "auto" or spec.resources.lanes is False or not cluster.total(nodes)["GPU"]:
        return 0
    gpus = cluster.total(nodes)["GPU"]
    of_cpus = max(int(node.get("CPU", 0) / (spec.resources.cpu * node["GPU"]) + 1e-9) for node in nodes if node.get("GPU"))
    of_study = -(-min(spec.n_trials, spec.resources.concurrent or spec.n_trials) // int(gpus))
    return max(1, min(MOST, of_cpus, of_study))


def measured(spec: StudySpec, shared: Shared, nodes: list[Mapping[str, float]]) -> tuple[int, list[Load]]:
    """Return how many trials should share each GPU, and what was measured on one of them: nothing if only one fits, or if the probe failed.

    Raises UserError if torch sees no GPU where Ray has one.
    """
    limit = most(spec, nodes)
    if limit == 1:
        return 1, []
    remote = ray.remote(num_cpus=spec.resources.cpu, num_gpus=1, max_calls=1, max_retries=0)(_probe)
    task = remote.remote([ray.put(shared)], _first(spec, limit), spec.resources.cpu)
    try:
        loads: list[Load] = ray.get(task, timeout=_PROBE_S)
    except GetTimeoutError:
        ray.cancel(task, force=True)
        log.warning("each trial gets a GPU of its own: how many could share one was not found out within %s s", _PROBE_S)
        return 1, []
    except RayError as error:
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, NoGpu):
            raise UserError(str(cause)) from None
        log.warning("each trial gets a GPU of its own: how many could share one was not found out, since a trial failed: %s", cause)
        return 1, []
    return best(loads), loads


def _probe(shared: list[Any], flats: list[dict[str, Any]], cpus: float) -> list[Load]:
    """Run on a worker that has a GPU."""
    return probe(ray.get(shared[0]), flats, cpus=cpus, gpu=1)


def _first(spec: StudySpec, n: int) -> list[dict[str, Any]]:
    """Return the flat configs of the first n trials, as they are proposed without results."""
    proposals = Designed(spec) if spec.goal == "explain" else Adaptive(spec)
    return [proposal.flat for number in range(n) if (proposal := proposals.next(number))]


def share(lanes: int) -> float:
    """Return the share of a GPU that each of so many trials requests. Ray counts in units of 0.0001."""
    return math.floor(10_000 / lanes) / 10_000


def sentence(lanes: int, loads: Sequence[Load]) -> str:
    """Return what was chosen and why."""
    tried = "; ".join(f"{load.lanes} trained {load.speed:.1f} × as much as one alone" for load in loads[1:])
    memory = next((f", with {load.memory:.0%} of its memory in use" for load in loads if load.lanes == lanes and load.memory), "")
    return f"{plural(lanes, 'trial')} at a time on each GPU{memory}" + (f" ({tried})" if tried else "")


def as_record(lanes: int, loads: Sequence[Load]) -> dict[str, Any]:
    """Return the facts for the record of the study: how many trials share a GPU, and what was measured."""
    return {"lanes": lanes, "measured": [asdict(load) for load in loads]}


def halved(record: Mapping[str, Any], lanes: int) -> dict[str, Any]:
    """Return the facts after trials ran out of memory: the number from now on, and at first."""
    return {**record, "lanes": lanes, "lanes_at_first": record.get("lanes_at_first", record["lanes"])}
