"""Replayed trials as the records of a study, so that the study's own code can decide about them."""

from pathlib import Path
from typing import Any

from ganstudy.ended import Ended
from study.simulate.replay import Trial
from study.simulate.table import Table
from study.store.records import Closed, Measurement, Saved, StudyRecord, TrialRecord
from study.store.store import Store

_FAILED = "replayed_failure"  # a value of the last tick, 1 if a ranking counts the recorded run as failed: records do not hold all that a diagnosis needs


def store_of(table: Table) -> Store:
    """Return the records of a study without trials, in memory only. A trial of it has failed if a ranking counts the recorded run as failed."""
    store = Store(Path(), read=False)
    spec = {**table.spec.as_dict(), "failure": f"{_FAILED} > 0.5"}
    store.studies.append(StudyRecord(spec=spec, protocol={}, baselines={}, n_modes=None))
    return store


def id_of(trial: Trial) -> str:
    """Return the id of a replayed trial: the number of its config, and its seed."""
    return f"c{trial.config}-s{trial.seed}"


def config_of(config_id: str) -> int:
    """Return the number of the config of an id."""
    return int(config_id.removeprefix("c"))


def record_of(trial: Trial, table: Table, *, phase: str = "optimise") -> TrialRecord:
    """Return the record of a trial: without measurements while it runs, since a policy reports each, and with all of them at its end."""
    proposal = table.proposals[trial.config]
    ticks = range(len(trial.values)) if trial.ended else ()
    return TrialRecord(
        trial_id=id_of(trial),
        number=trial.number,
        flat={**proposal.flat, "seed": trial.seed},
        variants=proposal.variants,
        phase=phase,
        measurements=tuple(measurement(trial, table, tick) for tick in ticks),
        saved=(Saved(images=trial.images, path="none"),) if trial.ended else (),  # without a checkpoint it would have to run again
        closed=Closed(ended=trial.ended) if trial.ended else None,
        failures=table.spec.max_failures + 1 if trial.ended is Ended.ERROR else 0,
    )


def measurement(trial: Trial, table: Table, tick: int) -> Measurement:
    """Return a tick of a trial; the last one says whether its run counts as failed, unless a scheduler stopped it."""
    values: dict[str, Any] = {table.spec.objective.metric: trial.values[tick]}
    if trial.ended and trial.ended is not Ended.SCHEDULER and tick == len(trial.values) - 1:
        values[_FAILED] = float(table.lost(trial.run))
    return Measurement(images=trial.run.images[tick], seconds=0.0, evaluation_seconds=0.0, values=values)
