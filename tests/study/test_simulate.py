"""Replays of policies on small tables whose answers are known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState
from scipy.stats import hypergeom
from toy_table import ASHA, SPEC, points, rng, run, table, trained

from analysis import Direction
from ganstudy import UserError
from ganstudy.ended import Ended
from study.simulate.compare import Setup, compare
from study.simulate.policies import POLICIES, Entry, Phased, Search
from study.simulate.proposers import Ours, Peer, Proposer, RayPeer, Uniform
from study.simulate.read import as_search, of_file
from study.simulate.replay import Answer, Policy, Step, Trial, replay
from study.simulate.run import read_runs, write_runs
from study.simulate.shipped import shipped
from study.simulate.table import Split, Table
from study.spec.design import fresh_seed
from study.spec.phases import Confirm
from study.spec.schedulers import read_scheduler

KIMG = 1000
BUDGET = 16 * KIMG


class Ordered(Proposer):
    """Configs in their order."""

    def pick(self, number: int) -> int:
        return int(np.flatnonzero(self.free)[0])


class Oracle(Policy):
    """Trains the best config, and knows that it is."""

    def __init__(self, split: Split):
        self.split = split

    def next(self, number: int, spent: int) -> Trial | None:
        return None if number else Trial(number, self.split.best, self.split.seen[self.split.best][0])

    def measured(self, trial: Trial) -> bool:
        return True

    def closed(self, trial: Trial) -> None: ...

    def answer(self) -> Answer | None:
        return Answer(self.split.best, self.split.truth(self.split.best, 1))

    def seen(self, config: int) -> int:
        return int(config == self.split.best)


def split_of(given: Table, seed: int = 0) -> Split:
    return Split.of(given, np.random.default_rng(seed))


def search(given: Table, proposer: type[Proposer] = Ordered, scheduler: dict[str, Any] | None = None, **more: Any) -> Search:
    return Search(given, split_of(given), proposer(given, rng()), read_scheduler(scheduler) if scheduler else None, **more)


def test_asha_stops_all_but_the_first_of_ever_worse_configs() -> None:
    given = table([1.0, 2.0, 3.0, 4.0, 5.0])
    trials, steps = trained(given, search(given, scheduler=ASHA))
    assert [(trial.config, trial.ended, trial.images) for trial in trials] == [
        (0, Ended.BUDGET, BUDGET),
        *((config, Ended.SCHEDULER, KIMG) for config in range(1, 5)),
    ]
    assert steps == [Step(BUDGET, Answer(0, 1.0))]


def test_asha_stops_none_of_ever_better_configs() -> None:
    given = table([5.0, 4.0, 3.0, 2.0, 1.0])
    trials, steps = trained(given, search(given, scheduler=ASHA))
    assert [trial.ended for trial in trials] == [Ended.BUDGET] * 5
    assert steps == [Step((i + 1) * BUDGET, Answer(i, 5.0 - i)) for i in range(5)]


def test_trials_side_by_side_share_the_simulated_time() -> None:
    given = table([1.0, 2.0, 3.0])
    trials, _ = trained(given, search(given), slots=3)
    assert [trial.config for trial in trials] == [0, 1, 2]
    assert sum(trial.images for trial in trials) == 3 * BUDGET
    trials, steps = trained(given, search(given), slots=3, budget=BUDGET)  # nobody has come far by then
    assert (trials, steps) == ([], [])


@pytest.mark.parametrize("proposer", [Uniform, Peer, RayPeer, Ours])
def test_each_config_is_proposed_once(proposer: type[Proposer]) -> None:
    given = table(list(np.linspace(1, 2, 30)))
    trials, _ = trained(given, search(given, proposer), slots=4)
    assert sorted(trial.config for trial in trials) == list(range(30))


def dying(n: int) -> Table:
    """Configs of which every third one dies after 3 ticks."""
    settings = points(n)
    dead = {config: 3 if config % 3 == 0 else None for config in range(n)}
    runs = [
        run(config, seed, lambda t, end=1.0 + config: end, settings[config], dead_at=dead[config])  # type: ignore[misc]
        for config in range(n)
        for seed in range(2)
    ]
    return Table.of(runs, as_search(SPEC))


@pytest.mark.parametrize(
    ("proposer", "stopped"), [(Peer, TrialState.PRUNED), (RayPeer, TrialState.COMPLETE)], ids=["Optuna", "Ray's OptunaSearch"]
)
def test_what_peers_are_told(proposer: type[Peer], stopped: TrialState) -> None:
    given = dying(12)
    policy = search(given, proposer, ASHA)
    trials, _ = trained(given, policy)
    assert isinstance(policy.proposer, Peer)
    states = [told.state for told in policy.proposer.study.trials if told.state is not TrialState.FAIL]  # FAIL: asked for, not trained
    ended = [trial.ended for trial in trials]
    assert ended.count(Ended.DEAD) > 0
    assert ended.count(Ended.SCHEDULER) > 0
    assert states == [
        TrialState.COMPLETE if how is Ended.BUDGET else stopped for how in ended if how is not Ended.DEAD
    ]  # a dead trial, whose value would be NaN, is never told
    values = [told.value for told in policy.proposer.study.trials if told.state is TrialState.COMPLETE]
    assert np.isfinite(np.array(values, dtype=float)).all()


def test_a_dead_run_costs_its_images_up_to_the_tick_that_it_did_not_reach() -> None:
    given = dying(1 + 3)
    trials, steps = trained(given, search(given), budget=3 * KIMG + BUDGET)
    assert [(trial.config, trial.ended) for trial in trials] == [(0, Ended.DEAD), (1, Ended.BUDGET)]
    assert steps == [Step(3 * KIMG + BUDGET, Answer(1, 2.0))]


def test_a_run_that_was_stopped_is_an_answer_for_ray_only() -> None:
    settings = points(3)
    falling = [run(1, seed, lambda t: 3.0 - 2.9 * t, settings[1]) for seed in range(2)]  # best at its end, but not at the first rung
    rest = [run(config, seed, lambda t, end=end: end, settings[config]) for config, end in ((0, 2.0), (2, 1.0)) for seed in range(2)]  # type: ignore[misc]
    given = Table.of([*falling, *rest], as_search(SPEC))
    _, steps = trained(given, search(given, Ordered, ASHA, ended_only=False))
    assert [step.answer for step in steps] == [Answer(0, 2.0), Answer(2, 1.0)]


def test_an_oracle_has_no_regret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POLICIES, "oracle", Entry(description="knows", make=lambda table, split, rng, budget: Oracle(split)))
    given = table([3.0, 1.0, 2.0], seeds=6, noise=0.3)
    found = compare(Setup(table=given, budgets=[BUDGET], slots=1), ["oracle"], repetitions=20, processes=1)["oracle"]
    assert (found.regret == 0).all()
    np.testing.assert_allclose(found.flattery, 1)
    assert np.isnan(found.covered).all()


N, GOOD = 20, 3


def test_random_search_finds_a_good_config_as_often_as_the_hypergeometric_distribution_says() -> None:
    given = table([1.0] * GOOD + [2.0] * (N - GOOD))
    runs = [1, 4, 10, N - GOOD + 1]
    found = compare(Setup(table=given, budgets=[n * BUDGET for n in runs], slots=1), ["random"], repetitions=400, processes=1)["random"]
    expected = [1 - hypergeom.pmf(0, N, GOOD, n) for n in runs]
    for figure, share in zip(found.within(0.05), expected, strict=True):
        assert abs(figure.value - share) < 4 * np.sqrt(share * (1 - share) / 400) + 1e-9


def test_random_search_needs_as_many_runs_as_the_closed_form_says() -> None:
    given = table([1.0] * GOOD + [2.0] * (N - GOOD))
    until = []
    for seed in range(400):
        policy = Search(given, split_of(given), Uniform(given, np.random.default_rng(seed)))
        until.append(next(step.spent for step in replay(policy, given, slots=1, budget=10**9) if step.answer.config < GOOD) / BUDGET)
    expected = (N + 1) / (GOOD + 1)  # negative hypergeometric distribution
    assert abs(np.mean(until) - expected) < 4 * np.std(until) / np.sqrt(len(until))


@pytest.mark.slow
def test_one_seed_flatters_and_a_race_with_fresh_seeds_does_not() -> None:
    given = table(list(np.exp(0.1 * rng().standard_normal(40))), seeds=12, noise=0.3)
    budget = 50 * BUDGET
    flattery: dict[str, list[float]] = {"one": [], "race": []}
    for seed in range(30):
        split = split_of(given, seed)
        one = Search(given, split, Uniform(given, np.random.default_rng(seed)))
        proposer = Uniform(given, np.random.default_rng(seed))
        race = Phased(given, split, proposer, None, race=lambda _: Confirm(top=4, seeds=5), until=30 * BUDGET, budget=budget)
        for name, policy in (("one", one), ("race", race)):
            answer = replay(policy, given, slots=4, budget=budget)[-1].answer
            flattery[name].append(float(np.log(split.truth(answer.config, policy.seen(answer.config)) / answer.reported)))
    assert np.mean(flattery["one"]) > 0.3  # the best of 30 values with a spread of 0.3
    assert abs(np.mean(flattery["race"])) < 0.15


def test_a_race_uses_seeds_that_the_search_did_not_see() -> None:
    given = table(list(np.linspace(1, 2, 12)), seeds=12, noise=0.2)
    race = Confirm(top=3, seeds=4)
    policy = Phased(given, split_of(given), Ours(given, rng()), None, race=lambda _: race, until=8 * BUDGET, budget=20 * BUDGET)
    trials, steps = trained(given, policy, slots=1)
    runs = [(trial.config, trial.run.seed) for trial in trials]
    assert len(set(runs)) == len(runs)
    fresh = {fresh_seed(0, n) for n in range(4)}
    searched, confirmed = ([trial.config for trial in trials if (trial.seed in fresh) is racing] for racing in (False, True))
    assert len(set(searched)) == len(searched) == 8
    assert len(set(confirmed)) == 3
    assert max(confirmed.count(config) for config in confirmed) == 4
    answer = steps[-1].answer
    assert answer.low is not None
    assert answer.high is not None
    assert answer.low < answer.reported < answer.high


def test_hopeless_runs_are_ended() -> None:
    settings = points(2)
    given = Table.of(
        [
            run(config, seed, lambda t: 1.0, settings[config], hopeless=5 * KIMG if config else None)
            for config in range(2)
            for seed in range(2)
        ],
        as_search(SPEC),
    )
    race = Confirm(top=1, seeds=2)
    policy = Phased(given, split_of(given), Ordered(given, rng()), None, race=lambda _: race, until=10**6, budget=10**6)
    trials, _ = trained(given, policy)
    assert [(trial.config, trial.ended, trial.images) for trial in trials[:2]] == [(0, Ended.BUDGET, BUDGET), (1, Ended.DEAD, 5 * KIMG)]


def test_distances_compare_conditional_settings_only_where_both_have_them() -> None:
    settings = [
        {"g.lr": 1e-3, "d.lr": 1e-3, "r1": False},
        {"g.lr": 1e-3, "d.lr": 1e-3, "r1": True, "r1.gamma": 0.1},
        {"g.lr": 1e-3, "d.lr": 1e-2, "r1": True, "r1.gamma": 10.0},
    ]
    given = Table.of([run(i, seed, lambda t: 1.0, each) for i, each in enumerate(settings) for seed in range(2)], as_search(SPEC))
    everything = np.ones(3, dtype=np.bool_)
    assert given.nearest({"g.lr": 2e-3, "d.lr": 1e-3, "r1": False}, everything) == 0
    assert given.nearest({"g.lr": 1e-3, "d.lr": 1e-3, "r1": True, "r1.gamma": 10.0}, everything) == 2  # 1/4 away; gamma would be 1 away
    assert given.nearest({"g.lr": 1e-3, "d.lr": 1e-3, "r1": True, "r1.gamma": 1.0}, np.array([True, True, False])) == 1


def test_a_policy_never_sees_the_seeds_that_tell_the_truth() -> None:
    given = table([1.0, 2.0, 3.0], seeds=5, noise=0.5)
    for seed in range(20):
        split = split_of(given, seed)
        for config, seen in enumerate(split.seen):
            assert len(seen) == 3
            for n in range(4):
                held_out = [each for each in given.runs[config] if each not in seen[:n]]
                assert split.truth(config, n) == pytest.approx(np.mean([each.values["fd"][-1] for each in held_out]))


@pytest.mark.parametrize("name", ["random", "asha", "ours"])
def test_policies_know_what_they_have_seen(name: str) -> None:
    given = table(list(np.linspace(1, 2, 12)), seeds=12, noise=0.2)
    policy = POLICIES[name].make(given, split_of(given), rng(), 100 * BUDGET)
    trials, _ = trained(given, policy, budget=100 * BUDGET)
    runs = [[trial.run for trial in trials if trial.config == config] for config in range(12)]
    for config, mine in enumerate(runs):
        assert mine == split_of(given).seen[config][: policy.seen(config)]


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    settings = points(3)
    runs = [run(i, seed, lambda t: 1 + t, settings[i], dead_at=4 if i else None) for i in range(3) for seed in range(2)]
    write_runs(tmp_path / "a.parquet", runs, as_search(SPEC).as_dict())
    again, spec = read_runs(tmp_path / "a.parquet")
    assert again == runs
    assert as_search(spec) == as_search(SPEC)
    assert len(of_file(str(tmp_path / "a.parquet"))) == 3


def few(seeds: Sequence[int]) -> Table:
    settings = points(len(seeds))
    return Table.of([run(i, seed, lambda t: 1.0, settings[i]) for i, n in enumerate(seeds) for seed in range(n)], as_search(SPEC))


def test_refusals_say_what_is_needed(tmp_path: Path) -> None:
    assert len(few([1, 2, 2])) == 2
    with pytest.raises(UserError, match=r"at least 2 configs with 2 finished trials each.*given 1 such config of 3.*seeds: 2 or more"):
        few([1, 1, 2])
    settings = points(2)
    with pytest.raises(UserError, match="must not be below 0; fd is -1"):
        Table.of([run(i, seed, lambda t: -1.0, settings[i]) for i in range(2) for seed in range(2)], as_search(SPEC))
    with pytest.raises(UserError, match=r"the name of a table, one of \["):
        of_file("no_such_table")
    (tmp_path / "other").write_text("x")
    with pytest.raises(UserError, match="must be a table of recorded runs"):
        of_file(str(tmp_path / "other"))


def test_more_is_better_for_coverage() -> None:
    settings = points(3)
    spec = as_search({**SPEC, "objective": "coverage"})
    runs = [run(i, seed, lambda t: 1.0, settings[i]) for i in range(3) for seed in range(2)]
    values = [0.0, 0.5, 0.8]
    given = Table.of([type(each)(**{**each.as_dict(), "values": {"coverage": [values[each.config]] * 17}}) for each in runs], spec)
    assert given.spec.objective.direction is Direction.MAXIMIZE
    assert split_of(given).best == 2
    _, steps = trained(given, search(given))
    assert [step.answer.config for step in steps] == [0, 1, 2]
    worth, policy = Setup(table=given, budgets=[BUDGET], slots=1).worth, search(given)
    assert worth(Answer(1, 0.6), split_of(given), policy)[:2] == pytest.approx((0.6, 1.2))
    assert worth(Answer(0, 0.5), split_of(given), policy)[0] == np.inf


@pytest.mark.parametrize(("name", "configs", "longer"), [("ring", 200, 32), ("digits", 200, 32), ("fashion_mnist", 64, 11)])
def test_a_shipped_table_is_whole(name: str, configs: int, longer: int) -> None:
    given = of_file(name)
    seeds = np.array([len(mine) for mine in given.runs])
    assert len(given) == configs
    assert (seeds >= 3).all()
    assert (seeds == 12).sum() == longer


def test_each_shipped_table_is_tested() -> None:
    assert shipped() == ["digits", "fashion_mnist", "ring"]
