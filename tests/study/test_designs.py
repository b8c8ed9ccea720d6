"""The designs of goal: explain, over a table of spaces and seeds: nested, balanced, stratified, and without settings that vary together."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from analysis.power import Plan, planned_statement
from bench.designs import space_of, worst_interaction, worst_pair
from study.engine.planning import plans
from study.engine.separation import inseparable, unseparated
from study.spec import balanced
from study.spec.design import DESIGNS, factorial, factorial_sobol_design
from study.spec.space import Space
from study.spec.study_spec import StudySpec
from study.store.format import upgraded

SEEDS = range(3)
SPACES: dict[str, tuple[int, ...]] = {  # levels of each setting; 0: a range
    "4 switches": (2,) * 4,
    "6 switches": (2,) * 6,
    "8 switches": (2,) * 8,
    "11 switches": (2,) * 11,
    "16 switches": (2,) * 16,
    "24 switches": (2,) * 24,
    "5 ranges": (0,) * 5,
    "12 ranges": (0,) * 12,
    "20 ranges": (0,) * 20,
    "4 switches and 4 ranges": (2, 2, 2, 2, 0, 0, 0, 0),
    "10 switches and 10 ranges": (2, 0) * 10,
    "mixed": (2, 2, 2, 3, 0, 0, 0),
    "mixed, with 4 levels": (3, 4, 2, 2, 0),
    "larger mixed": (3, 3, 2, 2, 2, 0, 0, 0, 0),
    "one of 6 levels": (6, 2, 2, 0, 0),
}
# What the search reaches where no design of 12 or 24 rows does better, or it finds none: levels -> limits from 12 and from 24 configs on.
HARDER: dict[str, tuple[tuple[int, ...], float, float]] = {
    "5 of 3 levels": ((3,) * 5, 0.5, 0.33),
    "4 of 4 levels": ((4,) * 4, 0.59, 0.34),
    "3 of 6 levels": ((6,) * 3, 0.62, 0.42),
    "40 switches": ((2,) * 40, 0.51, 0.39),
    "40 ranges": ((0,) * 40, 0.54, 0.34),
}
OLD_FACTORIAL = [(False, False, 0.00199919), (True, False, 0.000199113), (False, True, 0.000785672), (True, True, 0.00782516)]


@cache
def rows_of(levels: tuple[int, ...], seed: int) -> list[dict[str, Any]]:
    return DESIGNS["balanced"](space_of(levels), n_configs=96, design_seed=seed)


def seeds_of(levels: tuple[int, ...]) -> range:
    return range(3 if len(levels) <= 12 else 1)  # large designs take a second each


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_no_two_settings_vary_together(name: str) -> None:
    space = space_of(SPACES[name])
    for seed in seeds_of(SPACES[name]):
        rows = rows_of(SPACES[name], seed)
        for n in range(12, 65):
            assert worst_pair(space, rows[:n]) < (0.5 if n < 24 else 0.3), (seed, n)


@pytest.mark.slow
@pytest.mark.parametrize("name", HARDER)
def test_harder_spaces_reach_their_limits(name: str) -> None:
    levels, small, large = HARDER[name]
    space, rows = space_of(levels), rows_of(levels, 0)
    for n in range(12, 49):
        assert worst_pair(space, rows[:n]) < (small if n < 24 else large if n < 32 else 0.32), n


@pytest.mark.parametrize("levels", [(2,) * 4, (2,) * 8, (0,) * 5, (2, 2, 2, 2, 0, 0, 0, 0)])
def test_up_to_eight_switches_and_ranges_are_clear_of_all_interactions(levels: tuple[int, ...]) -> None:
    """At even sizes main effects are not correlated with two-factor interactions at all, because rows come in mirrored pairs."""
    space = space_of(levels, scientific=len(levels))
    for seed in SEEDS:
        rows = rows_of(levels, seed)
        assert max(worst_interaction(space, rows[:n]) for n in range(12, 65, 2)) < 1e-9
        assert max(worst_interaction(space, rows[:n]) for n in range(13, 65, 2)) < 0.4


@pytest.mark.parametrize("name", SPACES)
def test_interactions_are_not_identical_with_main_effects(name: str) -> None:
    space = space_of(SPACES[name])
    rows = rows_of(SPACES[name], 0)
    assert max(worst_interaction(space, rows[:n]) for n in (12, 16, 20)) < 0.75
    assert max(worst_interaction(space, rows[:n]) for n in (24, 32, 48, 64)) < 0.5


@pytest.mark.parametrize("name", SPACES)
def test_choices_are_balanced_and_ranges_stratified(name: str) -> None:
    for seed in seeds_of(SPACES[name]):
        rows = rows_of(SPACES[name], seed)
        for i, k in enumerate(SPACES[name]):
            values = np.array([row[f"x{i}"] for row in rows])
            if k:
                counts = np.array([np.bincount(values[:n], minlength=k) for n in range(12, 97)])
                spread = counts.max(axis=1) - counts.min(axis=1)
                assert spread[::12].max() <= 1, "at the end of each block of 12"
                mirrored = k == 2 and sum(each in (0, 2) for each in SPACES[name]) <= 8
                assert spread.max() <= (1 if mirrored else 6)
                assert (spread <= 2).mean() > 0.7
            else:
                for n in (12, 24, 48, 96):  # a Latin hypercube at 12 · 2^k
                    assert np.histogram(values[:n], bins=n, range=(0, 1))[0].tolist() == [1] * n
                for n in range(12, 97):  # any other size is at most a few configs from one
                    ends = np.sort(values[:n])
                    discrepancy = np.abs(ends - (np.arange(n) + 0.5) / n).max()
                    assert discrepancy < 0.27, (n, discrepancy)


@pytest.mark.parametrize("sampler", list(DESIGNS))
def test_every_design_begins_with_the_shorter_one(sampler: str) -> None:
    """For every n. The space has choices, a log range, whole numbers, and settings that live in some configs only."""
    space = conditional_space()
    design = DESIGNS[sampler]
    longest = design(space, n_configs=61, design_seed=3)
    for n in (*range(1, 27), 36, 37, 48, 60):  # blocks have 12 configs, and the cells of this factorial are 12, too
        assert design(space, n_configs=n, design_seed=3) == longest[:n]
    assert design(space, n_configs=61, design_seed=4) != longest


def test_seeds_give_different_designs() -> None:
    columns = [tuple(row["x0"] for row in rows_of((2,) * 6, seed)) for seed in range(8)]
    assert len(set(columns)) > 4


@pytest.mark.parametrize(("settings", "n"), [((0, 5), 16), ((2, 3), 8), ((8, 10), 32)])
def test_switches_that_sobol_makes_identical(settings: tuple[int, int], n: int) -> None:
    """Settings 1 and 6 in 16 configs, 3 and 4 in 8, 9 and 11 in 32, whatever the seed."""
    space = space_of((2,) * 11)
    a, b = (f"x{i}" for i in settings)
    for seed in range(6):
        for sampler, worst in (("sobol", 1.0), ("balanced", 0.8 if n == 8 else 0.4)):
            rows = DESIGNS[sampler](space, n_configs=n, design_seed=seed)
            r = np.corrcoef([row[a] for row in rows], [row[b] for row in rows])[0, 1]
            assert abs(r) == pytest.approx(1) if sampler == "sobol" else abs(r) < worst, (sampler, seed, r)


def conditional_space() -> Space:
    """r1.gamma needs r1; lookahead.k and unrolled.steps need their update rules; g.slope needs an activation that a variant sets."""
    return Space(
        scientific={
            "r1": CategoricalDistribution([False, True]),
            "update": CategoricalDistribution(["alternating", "lookahead", "unrolled"]),
            "method": CategoricalDistribution(["plain", "leaky"]),
        },
        nuisance={
            "r1.gamma": FloatDistribution(0.01, 100.0, log=True),
            "lookahead.k": IntDistribution(2, 20),
            "unrolled.steps": IntDistribution(1, 10),
            "g.slope": FloatDistribution(0.0, 0.5),
            "g.lr": FloatDistribution(1e-4, 1e-2, log=True),
        },
        variants={"method": {"plain": {}, "leaky": {"g.activation": "leaky_relu"}}},
    )


LIVES = {
    "r1.gamma": ("r1", True),
    "lookahead.k": ("update", "lookahead"),
    "unrolled.steps": ("update", "unrolled"),
    "g.slope": ("method", "leaky"),
}


@pytest.mark.parametrize("sampler", ["balanced", "factorial"])
def test_conditional_settings_are_spread_where_they_live(sampler: str) -> None:
    """Each sixth of the range of a conditional setting is met equally often in its own configs, and it is not correlated with the others there."""
    space = conditional_space()
    for seed in SEEDS:
        rows = DESIGNS[sampler](space, n_configs=72, design_seed=seed)
        for name, (switch, value) in LIVES.items():
            own = [row for row in rows if row[switch] == value]
            assert len(own) in (24, 36)
            domain = space.domains[name]
            assert isinstance(domain, FloatDistribution | IntDistribution)
            place = np.array([row[name] for row in own], dtype=float)
            low, high = (domain.low, domain.high) if isinstance(domain, FloatDistribution) else (domain.low - 0.5, domain.high + 0.5)
            place = np.log(place / low) / np.log(high / low) if domain.log else (place - low) / (high - low)
            if isinstance(domain, FloatDistribution):
                assert np.histogram(place, bins=12, range=(0, 1))[0].tolist() == [len(own) / 12] * 12
            others = np.array([[np.log(row["g.lr"]), row["r1"], row["method"] == "leaky"] for row in own], dtype=float)
            r = [np.corrcoef(place, other)[0, 1] for other in others.T if other.std() > 0]
            assert np.abs(r).max() < 0.2, (name, r)


def test_a_factorial_balances_nuisance_settings_against_its_cells() -> None:
    space = Space(
        scientific={"r1": CategoricalDistribution([False, True]), "loss": CategoricalDistribution(["hinge", "minimax", "wasserstein"])},
        nuisance={"d.lr": FloatDistribution(1e-4, 1e-2, log=True), "ema": CategoricalDistribution([False, True])},
    )
    cells = factorial(space)
    for seed in SEEDS:
        rows = DESIGNS["factorial"](space, n_configs=24, design_seed=seed)
        for start in range(0, 24, 6):
            assert sorted(map(repr, cells)) == sorted(repr({name: row[name] for name in ("r1", "loss")}) for row in rows[start : start + 6])
        assert len({tuple(map(repr, rows[start : start + 6])) for start in range(0, 24, 6)}) == 4, "each round has its own order"
        assert worst_pair(numbered(space), [as_numbers(space, row) for row in rows]) < 0.3
    old = factorial_sobol_design(space, n_configs=24, design_seed=0)
    assert [{name: row[name] for name in ("r1", "loss")} for row in old[:6]] != old[:6]


def numbered(space: Space) -> Space:
    """Return the space with the numbers of choices in place of the choices, for the functions of bench.designs."""
    domains = {
        name: CategoricalDistribution(list(range(len(d.choices)))) if isinstance(d, CategoricalDistribution) else d
        for name, d in space.domains.items()
    }
    return Space(scientific={name: domains[name] for name in space.scientific}, nuisance={name: domains[name] for name in space.nuisance})


def as_numbers(space: Space, row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: d.choices.index(row[name]) if isinstance(d, CategoricalDistribution) else np.log(row[name])
        for name, d in space.domains.items()
    }


def test_old_records_keep_the_rows_of_their_factorial() -> None:
    """The rows that `factorial` drew up to format 2, as it printed them then."""
    space = Space(
        scientific={"r1": CategoricalDistribution([False, True]), "ema": CategoricalDistribution([False, True])},
        nuisance={"d.lr": FloatDistribution(1e-4, 1e-2, log=True)},
    )
    rows = factorial_sobol_design(space, n_configs=4, design_seed=7)
    assert [(row["r1"], row["ema"], float(f"{row['d.lr']:.6g}")) for row in rows] == OLD_FACTORIAL
    line = {"format": 2, "study": {"spec": {"sampler": "factorial"}}}
    assert upgraded(line)["study"]["spec"]["sampler"] == "factorial_sobol"
    assert upgraded({**line, "format": 3})["study"]["spec"]["sampler"] == "factorial"
    assert upgraded({"format": 2, "study": {"spec": {"sampler": "sobol"}}})["study"]["spec"]["sampler"] == "sobol"


# What the dry run says ---------------------------------------------------------------------------------


def study(n_configs: int, *, sampler: str, switches: int = 6) -> StudySpec:
    names = ("instance_noise", "packing", "label_smoothing", "weight_clipping", "spectral_norm", "r1", "r2", "ema")
    return StudySpec.from_dict(
        {
            "name": "toy",
            "question": "Which of them?",
            "base": {"data": "ring8", "arch": "mlp"},
            "space": {"scientific": {name: [False, True] for name in names[:switches]}},
            "n_configs": n_configs,
            "sampler": sampler,
        }
    )


def test_the_dry_run_names_settings_that_the_configs_cannot_separate() -> None:
    (sentence,) = unseparated(study(16, sampler="sobol"))
    assert "instance_noise and r1 cannot be told apart in the 16 configs" in sentence
    assert "(correlation -1.00)" in sentence or "(correlation 1.00)" in sentence
    assert sentence.endswith("32 configs separate them.")
    assert unseparated(study(16, sampler="balanced")) == []


def spec_of(scientific: dict[str, Any], *, n_configs: int, seeds: int, sampler: str = "factorial") -> StudySpec:
    given = {"name": "toy", "question": "Which?", "base": {"data": "ring8", "arch": "mlp"}, "space": {"scientific": scientific}}
    return StudySpec.from_dict({**given, "n_configs": n_configs, "seeds": seeds, "sampler": sampler})


def test_the_dry_run_counts_the_units_that_the_claims_will_have() -> None:
    switches: dict[str, Any] = {"r1": [False, True], "ema": [False, True]}
    # all four combinations, twice, with five seeds: 40 independent trials
    assert plans(spec_of(switches, n_configs=8, seeds=5)) == dict.fromkeys(switches, Plan(2, 40, 1))
    # one of the combinations is missing, so configs are a sample
    assert "too few to tell any difference" in planned_statement(
        35, plans(spec_of({**switches, "r2": [False, True]}, n_configs=7, seeds=5, sampler="random"))
    )
    # the weight of R1 applies in half of the configs
    gamma = {"r1": [False, True], "r1.gamma": {"low": 0.1, "high": 10, "log": True}, "d.lr": {"low": 1e-4, "high": 1e-2, "log": True}}
    expected = {"r1": Plan(2, 64, 2), "r1.gamma": Plan(None, 32, 2), "d.lr": Plan(None, 64, 2)}
    assert plans(spec_of(gamma, n_configs=64, seeds=2, sampler="balanced")) == expected


def test_the_dry_run_names_balanced_where_growing_does_not_help(monkeypatch: pytest.MonkeyPatch) -> None:
    def twins(space: Space, *, n_configs: int, design_seed: int) -> list[dict[str, Any]]:
        return [dict.fromkeys(space.domains, i % 2 == 0) for i in range(n_configs)]

    monkeypatch.setitem(DESIGNS, "twins", twins)
    first, *others = unseparated(study(12, sampler="twins", switches=2))
    assert others == []
    assert first == (
        "The effects of instance_noise and packing cannot be told apart in the 12 configs (correlation 1.00). "
        "sampler: factorial separates them."
    )
    (many,) = (each for each in unseparated(study(12, sampler="twins", switches=4)) if "instance_noise and packing" in each)
    assert many.endswith("Up to 96 configs of this design do not separate them; sampler: balanced is made to.")
    given = study(6_000, sampler="twins", switches=1).as_dict()
    beside = {**given["space"], "nuisance": {"r2": [False, True]}}
    (largest,) = unseparated(StudySpec.from_dict({**given, "space": beside}))
    assert largest.endswith("This design cannot grow; sampler: balanced is made to.")


def test_the_dry_run_counts_what_it_does_not_list() -> None:
    sentences = unseparated(study(3, sampler="random", switches=8))
    assert len(sentences) > 10
    assert any(sentence.startswith("The same holds for ") for sentence in sentences)


def test_a_design_of_no_conditional_setting_asks_for_none() -> None:
    """A setting whose need the base decides lives everywhere, since a design does not know the base."""
    space = Space(scientific={"r1.gamma": FloatDistribution(0.01, 100.0, log=True)}, nuisance={"g.slope": FloatDistribution(0.0, 0.5)})
    assert balanced._depth(space, "r1.gamma") == 0
    rows = balanced.balanced_rows(space, n_configs=12, design_seed=0)
    assert np.histogram([np.log10(row["r1.gamma"]) for row in rows], bins=12, range=(-2, 2))[0].tolist() == [1] * 12


def test_what_a_small_design_cannot_answer_is_named_before_it_is_trained() -> None:
    """Four configs of two switches: a factorial tells them apart, and the beginning of a larger design may not."""
    switches: dict[str, Any] = {"r1": [False, True], "loss": ["nonsaturating", "hinge"]}
    given = spec_of(switches, n_configs=4, seeds=1, sampler="balanced").as_dict()
    specs = [StudySpec.from_dict({**given, "design_seed": seed}) for seed in range(10)]
    told = [inseparable(spec) for spec in specs]
    assert [bool(each) for each in told] == [len({(row.flat["r1"], row.flat["loss"]) for row in spec.designed()}) == 2 for spec in specs]
    (sentence,) = next(filter(None, told))
    assert sentence.endswith("sampler: factorial separates them.")
    assert not inseparable(spec_of(switches, n_configs=4, seeds=1))
    assert not inseparable(spec_of(switches, n_configs=12, seeds=1, sampler="balanced"))
