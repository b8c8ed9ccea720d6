"""Tells faults of the machine from faults of configs, so that a full disk or a bad driver does not use up the tries of all trials."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from study.engine import cluster
from study.engine.nodes import Nodes
from study.spec.design import n_distinct
from study.spec.plugins import plugin_folders
from study.spec.study_spec import StudySpec
from study.store.raised import at_fault, kind_of, raised
from study.store.records import Closed, Ended, TrialRecord
from trainables.tune import WrongVersions

_CONFIGS = 3  # at least so many configs, or all of a smaller study, with the same error: no fault of a config


class Faults:
    """The errors since a trial last worked.

    The same error is a fault of the machine, or of code or a setting that all trials share, if it ends trials of several configs that have nothing in common, while
    no trial gets as far as a checkpoint after training. Configs have nothing in common if they have at least two values of each setting that the study
    varies: of a range, one in its lower and one in its upper half. A worker with other versions is a fault by itself. A trial that ends again as it
    did before others worked is its own fault: at the end of a study, when nothing else is left to train, such trials follow each other.

    Errors of such configs on one node only, whatever they say, are a fault of that node, if the cluster has others: see `Nodes`.
    """

    def __init__(self, spec: StudySpec, ids: Callable[[], Mapping[str, list[str]]] | None = None):
        """ids: returns address -> Ray's ids of the nodes there on which a trial fits; default: those of the cluster."""
        self.reason = ""  # why the study must stop; "" if there is no fault
        self.nodes = Nodes(self._enough_of, ids or partial(cluster.addresses, spec))
        self._enough = max(2, min(_CONFIGS, _n_different(spec)))
        self._domains, self._plugins = spec.space.domains, spec.plugins
        self._seen: dict[str, Counter[str]] = defaultdict(Counter)  # kind of error -> the tries that it has cost each trial
        self._records: dict[str, TrialRecord] = {}  # of these trials

    def worked(self, node: str = "") -> None:
        """Note that a trial was trained and saved, or ended with a result: the machine is sound, and so is the node with this address."""
        self._seen.clear()
        self.nodes.worked(node)

    def failed(self, record: TrialRecord, *, before: Closed | None = None, tries: int = 1) -> dict[str, int]:
        """Note that a trial ended in an error. Returns the trials that get back the tries which a fault has cost -> how many.

        before: how the trial ended at its last try, if it has not reached a tick since. tries: how many this error has cost the trial.
        """
        assert record.closed
        last = _last_line(record.closed)
        seen = self._seen[kind_of(last)]
        other_versions = f"{WrongVersions.__name__}: " in last
        again = before is not None and before.ended is Ended.ERROR and kind_of(_last_line(before)) == kind_of(last)
        if again and before and before.node not in ("", record.closed.node):
            self.nodes.failed_elsewhere(record.trial_id)
        elif not other_versions and (given_back := self.nodes.failed(record, last, tries)):
            for trials in self._seen.values():
                for trial in given_back:
                    trials.pop(trial, None)
            return given_back
        if again and record.failures > 1 and record.trial_id not in seen and not other_versions and not self.reason:
            return {}
        seen[record.trial_id] += tries
        self._records[record.trial_id] = record
        failed = [self._records[trial] for trial in seen]
        if not self._enough_of(failed) and not other_versions and not self.reason:
            return {}
        if other_versions:
            self.reason = self.reason or last.partition(f"{WrongVersions.__name__}: ")[2]
        elif not self.reason:
            error = raised(record.closed.reason, self._plugins, plugin_folders(self._plugins))
            happened = "were refused for the same reason" if error.refused else "ended in the same error"
            self.reason = (
                f"trials of {len({each.config_id for each in failed})} configs with nothing in common, one after the other, {happened}, "
                f"so {at_fault(error)}: {error.told.rstrip('.')}"
            )
        given_back = dict(seen)
        seen.clear()
        return given_back

    def _enough_of(self, failed: Iterable[TrialRecord]) -> bool:
        """Whether trials that failed are of enough configs with nothing in common."""
        configs = {record.config_id: record.settings for record in failed}
        return len(configs) >= self._enough and nothing_in_common(configs.values(), self._domains)


def _n_different(spec: StudySpec) -> int:
    """Return how many configs differ in more than the seed: fewer than n_configs if a design repeats them, as in a small space."""
    if spec.goal != "explain" or spec.phases is not None:
        return spec.n_configs
    return n_distinct(each.flat for each in spec.designed())


def nothing_in_common(configs: Iterable[Mapping[str, Any]], domains: Mapping[str, BaseDistribution]) -> bool:
    """Whether the settings of configs have two values of each domain, of a range one in each half, so that an error cannot depend on one of them."""
    configs = list(configs)
    return all(
        len({_part(domain, settings.get(name)) for settings in configs}) > 1 for name, domain in domains.items() if not domain.single()
    )


def _part(domain: BaseDistribution, value: Any) -> Any:
    """Return the value of a choice, or the half of a range in which a value is; None if the setting does not apply."""
    if value is None or isinstance(domain, CategoricalDistribution):
        return value
    assert isinstance(domain, FloatDistribution | IntDistribution)
    return value > (math.sqrt(domain.low * domain.high) if domain.log else (domain.low + domain.high) / 2)


def _last_line(closed: Closed) -> str:
    return raised(closed.reason).line
