"""Finds nodes of a cluster on which trials fail while the other nodes are sound, so that they cost no tries and get no more trials."""

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ray import tune

from study.store.records import TrialRecord

log = logging.getLogger(__name__)

_ADDRESS = re.compile(r"\bip=([^\s,)]+)|^\s*ip: (\S+)", re.MULTILINE)  # in what Ray says about an exception, and about an actor that died
_ID = "ray.io/node-id"  # a label that Ray gives to each node


class Nodes:
    """The errors on each node since a trial last reached a checkpoint there, and the nodes to avoid.

    enough: whether trials that failed on a node show that it is at fault. ids: returns address -> Ray's ids of the nodes there on which a trial fits.
    """

    def __init__(self, enough: Callable[[Iterable[TrialRecord]], bool], ids: Callable[[], Mapping[str, list[str]]]):
        self._enough, self._ids = enough, ids
        self._tries: dict[str, Counter[str]] = defaultdict(Counter)  # address -> the tries that errors there have cost each trial
        self._records: dict[str, TrialRecord] = {}  # of these trials
        self._avoided: set[str] = set()  # addresses

    def worked(self, node: str) -> None:
        """Note that a trial reached a checkpoint, or ended with a result, on the node with this address."""
        self._tries.pop(node, None)
        self._avoided.discard(node)

    def failed(self, record: TrialRecord, last: str, tries: int) -> dict[str, int]:
        """Note that a trial ended in an error. Returns the trials that get back the tries which a bad node has cost -> how many.

        last: the last line of the error. tries: how many it has cost the trial.
        """
        assert record.closed
        node = record.closed.node
        if not node:
            return {}
        cost = self._tries[node]
        cost[record.trial_id] += tries
        self._records[record.trial_id] = record
        if not self._ids().keys() - self._avoided - {node}:  # no other node is left
            return {}
        if node not in self._avoided:
            if not self._enough(self._records[trial] for trial in cost):
                return {}
            self._avoided.add(node)
            log.warning(
                "the node %s must be at fault: %d trials with nothing in common, one after the other, ended in an error there. It gets no more of the study's "
                "trials, and these keep their tries. The last error: %s. Mend the node, or end Ray there (ray stop). Once mended, it is used "
                "again when the study is stopped and resumed",
                node,
                len(cost),
                last,
            )
        return dict(self._tries.pop(node))

    def failed_elsewhere(self, trial_id: str) -> None:
        """Note that a trial failed in the same way on several nodes, so that none of them is to blame."""
        for tries in self._tries.values():
            tries.pop(trial_id, None)

    def avoided(self) -> list[str]:
        """Return Ray's ids of the nodes to avoid; none if no other node is left, since Ray would wait for one for ever."""
        ids = self._ids() if self._avoided else {}
        if not ids.keys() - self._avoided:
            return []
        return sorted(each for node in self._avoided for each in ids.get(node, ()))


def address(reason: str) -> str:
    """Return the address of the node on which a trial failed, from what Ray says about it; "" if it does not tell."""
    found = _ADDRESS.search(reason)
    return (found[1] or found[2]) if found else ""


def request(amounts: Mapping[str, float], avoided: Iterable[str]) -> tune.PlacementGroupFactory:
    """Return the request for the resources of a trial, as `cluster.per_trial` has them, on none of the avoided nodes."""
    bundle = {{"cpu": "CPU", "gpu": "GPU"}.get(kind, kind): amount for kind, amount in amounts.items()}
    others: dict[str, Any] = {"bundle_label_selector": [{_ID: f"!in({','.join(ids)})"}]} if (ids := list(avoided)) else {}
    return tune.PlacementGroupFactory([bundle], **others)
