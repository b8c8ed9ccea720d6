"""Ablations: pairs by seed, closed forms, and no claim by chance."""

from typing import Any

import numpy as np
import pytest
from phased import made
from scipy import stats

from analysis.ablation import ablations
from analysis.report.ablated import section as ablated_section
from analysis.report.findings import findings
from ganstudy import UserError


def runs(config: str, phase: str, values: list[float], **settings: Any) -> list[dict[str, Any]]:
    return [{"config": config, "seed": seed, "phase": phase, "value": value, **settings} for seed, value in enumerate(values)]


BEST = runs("a", "confirm", [1.0, 1.2, 0.9, 1.1], r1=True, gamma=3.0, lr=1e-3)


def test_a_pair_is_a_seed_and_the_ratio_is_geometric() -> None:
    off = [2.2, 2.2, 1.9, 2.1]
    (found,) = ablations(made([*BEST, *runs("b", "ablate", off, r1=False, gamma=np.nan, lr=1e-3)]))
    logs = np.log(off) - np.log([1.0, 1.2, 0.9, 1.1])
    half = stats.t.ppf(0.975, 3) * stats.sem(logs)
    assert (found.setting, found.value, found.default, found.pairs) == ("r1", True, False, 4)
    assert (found.effect, found.low, found.high) == pytest.approx(tuple(np.exp([logs.mean(), logs.mean() - half, logs.mean() + half])))
    assert found.p == pytest.approx(stats.ttest_1samp(logs, 0).pvalue)
    assert found.differs
    assert "r1 from on back to its default off: worse" in found.sentence


def test_the_order_of_rows_and_other_trials_change_nothing() -> None:
    rows = [*BEST, *runs("b", "ablate", [2.2, 2.2, 1.9, 2.1], r1=False, gamma=np.nan, lr=1e-3)]
    others = [
        *rows[::-1],
        {**BEST[0], "seed": 77, "phase": "explore", "value": 9.0},
        *runs("c", "optimise", [8.0], r1=False, gamma=np.nan, lr=2e-3),
    ]
    (one,), (other,) = ablations(made(rows)), ablations(made(others))
    numbers = ("effect", "low", "high", "p")
    assert [getattr(one, name) for name in numbers] == pytest.approx([getattr(other, name) for name in numbers])
    apart = [name for name, value in vars(one).items() if name not in numbers and value != getattr(other, name)]
    assert apart == []


def test_a_config_that_differs_in_two_settings_is_no_ablation() -> None:
    assert ablations(made([*BEST, *runs("b", "ablate", [1.0, 1.0], r1=False, gamma=np.nan, lr=2e-3)])) == []


def test_another_value_than_the_default_is_no_ablation() -> None:
    table = made([*BEST, *runs("b", "ablate", [1.0, 1.0], r1=True, gamma=3.0, lr=5e-3)])
    assert [each.setting for each in ablations(table, defaults={"r1": False, "lr": 5e-3})] == ["lr"]
    assert ablations(table, defaults={"r1": False, "lr": 2e-4}) == []


def test_settings_that_depend_on_one_that_went_back_do_not_count() -> None:
    (found,) = ablations(made([*BEST, *runs("b", "ablate", [1.0, 1.0], r1=True, gamma=10.0, lr=1e-3)]))
    assert found.setting == "gamma"


def test_failed_runs_are_counted_and_not_averaged() -> None:
    rows = [*BEST, *runs("b", "ablate", [50.0, 2.0, 2.0, 2.0], r1=False, gamma=np.nan, lr=1e-3)]
    rows[4]["failed"] = True
    (found,) = ablations(made(rows))
    assert (found.pairs, found.default_failed, found.default_runs, found.failed, found.runs) == (3, 1, 4, 0, 4)
    assert "1 of 4 runs failed" in found.sentence


@pytest.mark.parametrize("values", [[50.0, 50.0], [50.0]])
def test_without_two_pairs_nothing_is_told(values: list[float]) -> None:
    rows = [*BEST, *runs("b", "ablate", values, r1=False, gamma=np.nan, lr=1e-3)]
    for row in rows[4 : 4 + len(values) // 2 + 1]:
        row["failed"] = True
    (found,) = ablations(made(rows))
    assert np.isnan(found.low)
    assert not found.differs
    assert "failed" in found.sentence


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0, 1.2, 0.9, 1.1], "the same fd in all of 4 pairs of runs"),
        ([3.0, 3.6, 2.7, 3.3], "fd 3 times as large in each of 4 pairs of runs, without a spread that tells a difference from chance"),
    ],
)
def test_pairs_that_differ_alike_are_not_called_too_few(values: list[float], said: str) -> None:
    rows = [*BEST, *runs("b", "ablate", values, r1=False, gamma=np.nan, lr=1e-3)]
    (found,) = ablations(made(rows))
    assert np.isnan([found.low, found.high, found.p]).all()
    assert found.sentence == f"r1 from on back to its default off: {said}"
    assert not found.differs
    rows += [{**row, "seed": 9, "value": 50.0, "failed": row["config"] == "b"} for row in (rows[0], rows[-1])]
    (found,) = ablations(made(rows))
    assert found.sentence == f"r1 from on back to its default off: {said}; 1 of 5 runs failed, 0 of 5 before"


def test_one_pair_is_too_few() -> None:
    (found,) = ablations(made([*BEST, *runs("b", "ablate", [1.0], r1=False, gamma=np.nan, lr=1e-3)]))
    assert found.sentence.endswith("1 pair of runs, too few to tell a difference in fd")


def test_a_maximized_metric_is_a_difference() -> None:
    rows = runs("a", "confirm", [0.9, 0.8, 0.85], r1=True) + runs("b", "ablate", [0.5, 0.42, 0.46], r1=False)
    (found,) = ablations(made(rows, by="coverage", direction="maximize"), "coverage")
    assert found.scale == "linear"
    assert found.effect == pytest.approx(-0.39)
    assert "worse" in found.sentence


@pytest.mark.slow
def test_nothing_is_claimed_by_chance_in_more_than_one_of_twenty_studies() -> None:
    """120 studies without any effect, eight ablations each: a share of at most 5 % has a claim, give or take chance."""
    rng, claimed = np.random.default_rng(0), 0
    names = [f"s{i}" for i in range(8)]
    for _ in range(120):
        rows = runs("a", "confirm", list(np.exp(rng.normal(size=5))), **dict.fromkeys(names, 1))
        for name in names:
            rows += runs(f"b{name}", "ablate", list(np.exp(rng.normal(size=5))), **{**dict.fromkeys(names, 1), name: 0})
        claimed += any(each.differs for each in ablations(made(rows)))
    assert claimed <= stats.binom.ppf(0.999, 120, 0.05)


def test_a_table_without_ablations_says_so() -> None:
    with pytest.raises(UserError, match="phase ablate"):
        ablations(made(BEST))


@pytest.mark.parametrize(
    ("ablated", "said"),
    [
        (
            [[1.1, 1.2, 0.8, 1.1], [50.0]],
            "No ablation makes a difference in fd beyond chance; 1 of 2 could be tested. Differences in failures are",
        ),
        ([[50.0], [50.0]], "No ablation could be tested in fd, which needs two pairs of runs that did not fail"),
    ],
)
def test_the_report_does_not_deny_differences_that_were_not_tested(ablated: list[list[float]], said: str) -> None:
    settings = [{"r1": False, "gamma": np.nan, "lr": 1e-3}, {"r1": True, "gamma": 3.0, "lr": 5e-3}]
    rows = [row for name, values, other in zip("bc", ablated, settings, strict=True) for row in runs(name, "ablate", values, **other)]
    section = ablated_section(findings(made([*BEST, *rows]), objectives=["fd"]))
    assert section is not None
    assert said in str(section.blocks[0])
