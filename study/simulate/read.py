"""Reads what `ganstudy simulate` is given: the name of a table, the file of one, or a study."""

from collections.abc import Mapping
from math import isfinite, nan
from pathlib import Path
from typing import Any

from ganstudy import UserError
from ganstudy.ended import Ended
from study.simulate.run import Run, path_of, read_runs
from study.simulate.shipped import shipped
from study.simulate.table import Table
from study.spec.enqueue import within
from study.spec.study_spec import StudySpec
from study.store.diagnosis import diagnosis, has_failed
from study.store.records import TrialRecord
from study.store.settings import settings_of
from study.views import StudyView
from trainables.config import known_settings

_OF_DESIGN = ("phases", "goal", "sampler", "n_configs", "seeds", "scheduler", "failure")  # keys that a replay decides
_UNENDED = "that a scheduler stopped, that ended in an error or that go on"  # trials that are left out
_OUTSIDE = "with settings outside the space (no search can propose them)"


def as_search(spec: Mapping[str, Any]) -> StudySpec:
    """Return a search over the space of a study, as StudySpec.as_dict() gives it."""
    kept = {name: value for name, value in spec.items() if name not in _OF_DESIGN}
    return StudySpec.from_dict({**kept, "goal": "optimise", "n_configs": 1, "tracking": {}, "stop_hopeless": True})


def of_file(given: str) -> Table:
    """Return a table by its name or its file. Raises UserError for an unknown name or another file."""
    if given not in shipped() and not Path(given).exists():
        raise UserError(
            f"a replay needs runs: the name of a table, one of {shipped()}, the file of one, or the folder of a study; given {given}"
        )
    runs, spec = read_runs(path_of(given, ".parquet") if given in shipped() else Path(given))
    return Table.of(runs, as_search(spec))


def of_study(view: StudyView) -> Table:
    """Return the finished trials of a study as a table. Raises UserError if it is too small.

    A trial that a scheduler stopped, that ended in an error or that goes on is left out, since its end is unknown. One that was ended as hopeless
    counts as dead, and so does one without a value of the objective at its end. One whose settings lie outside the space, as an ablation's may, is
    left out, since no search can propose it. All that are left out are counted.
    """
    spec, runs = as_search(view.spec.as_dict()), list[Run]()
    numbers: dict[str, int] = {}
    seeds: dict[int, int] = {}
    left_out = dict.fromkeys((_UNENDED, _OUTSIDE), 0)
    for trial_id in view.recorded.trial_ids:
        record = view.recorded.record(trial_id)
        if not record.closed or record.closed.ended not in (Ended.BUDGET, Ended.DEAD) or not record.measurements:
            left_out[_UNENDED] += 1
        else:
            known = settings_of(record, view.study, known_settings())
            settings = {name: known[name] for name in spec.space.domains if name in known}
            if not all(within(spec.space.domains[name], value)[0] for name, value in settings.items()):
                left_out[_OUTSIDE] += 1
                continue
            config = numbers.setdefault(record.config_id, len(numbers))
            seeds[config] = seeds.get(config, -1) + 1
            runs.append(_run(record, view, settings, config=config, seed=seeds[config]))
    return Table.of(runs, spec, own_failures=view.spec.failure is not None, left_out=left_out)


def _run(record: TrialRecord, view: StudyView, settings: Mapping[str, Any], *, config: int, seed: int) -> Run:
    assert record.closed
    found, metric = diagnosis(record, view.study), view.objective
    values = [measured.values.get(metric, nan) for measured in record.measurements]
    return Run(
        config=config,
        seed=seed,
        settings=settings,
        dead=record.closed.ended is Ended.DEAD or not isfinite(values[-1]),
        failed=has_failed(record, view.study, found),
        outcome=found.outcome,
        hopeless=None,
        images=[measured.images for measured in record.measurements],
        values={metric: values},
    )
