"""Seeds in adaptive search: configs that may still win get more, and the sampler is told the mean of a config's seeds once."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from played import play

from ganstudy.direction import Direction
from study.engine.adaptive import Adaptive
from study.engine.more_seeds import MoreSeeds
from study.engine.sequence import Sequence
from study.spec.study_spec import StudySpec
from study.store.records import TrialRecord
from study.store.store import Store

GIVEN: dict[str, Any] = {
    "name": "seeds",
    "question": "?",
    "goal": "optimise",
    "base": {"data": "ring8", "arch": "mlp", "budget_kimg": 1.0},
    "space": {"scientific": {"r1": [False, True]}, "nuisance": {"g.lr": {"low": 1e-4, "high": 1e-2, "log": True}}},
    "n_configs": 24,
    "seeds": 3,
}
SPEC = StudySpec.from_dict(GIVEN)


def value(record: TrialRecord) -> float | None:
    if record.flat["g.lr"] > 7e-3:
        return None
    wave = math.sin(int(record.config_id, 16) % 1000 + record.flat["seed"] % 1000)
    return (1 if record.flat["r1"] else 2) * (1 + math.log10(record.flat["g.lr"] / 1e-3) ** 2) * (1 + 0.2 * wave)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return play(SPEC, tmp_path_factory.mktemp("seeds") / "study", value)


def of_configs(store: Store) -> dict[str, list[TrialRecord]]:
    found: dict[str, list[TrialRecord]] = {}
    for record in store.trials.values():
        found.setdefault(record.config_id, []).append(record)
    return found


def test_every_config_has_a_seed_and_good_ones_have_more(done: Store) -> None:
    configs = of_configs(done)
    assert len(configs) == 24
    runs = Counter(len(trials) for trials in configs.values())
    assert set(runs) <= {1, 2, 3}
    assert runs[1] > runs[3] >= 1
    first = {config: value(trials[0]) or math.inf for config, trials in configs.items()}
    more = [first[config] for config, trials in configs.items() if len(trials) > 1]
    once = [first[config] for config, trials in configs.items() if len(trials) == 1]
    assert np.median(more) < np.median(once)
    assert len(done.trials) < SPEC.n_trials == 72
    assert done.study
    assert done.study.planned == len(done.trials)


def test_seeds_of_a_config_follow_each_other(done: Store) -> None:
    for trials in of_configs(done).values():
        seeds = [record.flat["seed"] for record in trials]
        assert seeds == list(range(seeds[0], seeds[0] + len(seeds)))
        assert len({tuple(sorted((k, v) for k, v in record.flat.items() if k != "seed")) for record in trials}) == 1


def test_the_sampler_is_told_the_mean_of_each_config_once(done: Store) -> None:
    sequence = Sequence(SPEC, done)
    assert sequence.next() is None
    adaptive = sequence.proposals["optimise"]
    assert isinstance(adaptive, Adaptive)
    told = adaptive.study.get_trials()
    configs = of_configs(done)
    assert len(told) == len(configs)
    assert all(trial.state is optuna.trial.TrialState.COMPLETE for trial in told)
    for trial, trials in zip(told, configs.values(), strict=True):
        values = [found for record in trials if (found := value(record)) is not None]
        assert trial.value == (pytest.approx(np.mean(values)) if values else math.inf)


@pytest.mark.parametrize("stops", [[3, 4, 5, 6], list(range(2, 40, 5))])
def test_a_killed_search_goes_on_as_if_it_had_not_been(tmp_path: Path, done: Store, stops: list[int]) -> None:
    before = 0
    for stop in stops:
        play(SPEC, tmp_path / "study", value, at_most=stop - before)
        before = stop
    assert list(play(SPEC, tmp_path / "study", value).trials) == list(done.trials)


def test_a_third_of_random_configs_is_promoted() -> None:
    """Of 3,000 configs in random order, a third gets a second seed and a ninth a third one."""
    rng, rule = np.random.default_rng(0), MoreSeeds(3, Direction.MINIMIZE)
    counts = Counter[int]()
    for _ in range(3_000):
        values = [float(rng.normal())]
        while rule.another(values):
            values.append(values[0])  # no noise
        counts[len(values)] += 1
    assert (counts[2] + counts[3]) / 3_000 == pytest.approx(1 / 3, abs=0.03)
    assert counts[3] / 3_000 == pytest.approx(1 / 9, abs=0.03)


def test_more_is_better_for_a_maximized_objective() -> None:
    rule = MoreSeeds(2, Direction.MAXIMIZE)
    assert [rule.another([x]) for x in (0.5, 0.1, 0.9, 0.2)] == [True, False, True, False]


def test_a_dead_config_gets_no_more_seeds(done: Store) -> None:
    dead = [trials for trials in of_configs(done).values() if value(trials[0]) is None]
    assert dead
    assert all(len(trials) == 1 for trials in dead)
