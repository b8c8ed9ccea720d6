"""What happened to a run: each rule on curves made by hand, and all of them on runs whose cause of failure was built in."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.curves import Curves
from analysis.diagnose import Diagnosis, diagnose, hopeless
from analysis.table import ENDED, FAILURES, OUTCOMES
from bench import confusion
from study.records import HOPELESS, Closed, Ended

STAGED = Path(__file__).parent.parent / "data" / "staged.jsonl.gz"
FLOORS = {"fd": 1.0, "coverage": 1.0, "precision": 1.0, "vendi": 11.0, "memorisation": 0.0}
IMAGES = [0, 10_000, 20_000, 30_000, 40_000]
UNTRAINED = {"fd": 100.0, "coverage": 0.0, "modes": 1.0, "vendi": 1.0, "precision": 0.0, "mode_spread": 0.0, "memorisation": -1.0}
GOOD = {"fd": 2.0, "coverage": 0.8, "modes": 10.0, "vendi": 10.0, "precision": 0.8, "mode_spread": 1.0, "memorisation": 0.0}
D_FAIR = {"d/real_accuracy": 0.6, "d/fake_accuracy": 0.6, "d/distance": 0.1, "d/real_logit": 0.1, "d/fake_logit": 0.0}
D_SURE = {"d/real_accuracy": 1.0, "d/fake_accuracy": 0.99, "d/distance": 9.0, "d/real_logit": 5.0, "d/fake_logit": -4.0}
D_BLIND = {"d/real_accuracy": 0.5, "d/fake_accuracy": 0.5, "d/distance": -0.1, "d/real_logit": 0.0, "d/fake_logit": 0.1}
ONE_PICTURE = {**UNTRAINED, "fd": 90.0}


def told(
    *ticks: dict[str, float], ended: str = "budget", floors: Mapping[str, float] = FLOORS, n_modes: int | None = 10, finite: bool = False
) -> Diagnosis:
    """Diagnosed from the untrained networks and four ticks."""
    rows = [UNTRAINED, *ticks]
    curves = {name: [row.get(name) for row in rows] for name in {name for row in rows for name in row}}
    return diagnose(IMAGES[: len(rows)], curves, ended=ended, floors=floors, n_modes=n_modes, finite=finite)


def tick(*parts: Mapping[str, float], **changes: float) -> dict[str, float]:
    return {**GOOD, **D_FAIR, **{name: value for part in parts for name, value in part.items()}, **changes}


CASES = {
    "a good run": ([tick()] * 4, "healthy", None),
    "blurred samples of every mode": ([tick(fd=30.0, coverage=0.2, precision=0.3)] * 4, "healthy", None),
    "three quarters of the modes": ([tick(modes=7.5)] * 4, "healthy", None),
    "modes that were never found": ([tick(modes=7.0, coverage=0.6)] * 4, "mode_collapse", 0.0),
    "modes that shrink": ([tick(), tick(), tick(mode_spread=0.2), tick(mode_spread=0.1)], "mode_collapse", 30.0),
    "coverage that never came": ([tick(coverage=0.1)] * 4, "mode_collapse", 0.0),
    "one picture": ([tick(ONE_PICTURE)] * 4, "mode_collapse", 0.0),
    "good, then one picture": ([tick(), tick(), tick(ONE_PICTURE), tick(ONE_PICTURE)], "late_collapse", 30.0),
    "good, then slowly worse": ([tick(), tick(fd=3.0), tick(fd=4.0), tick(fd=5.0, modes=5.0)], "late_collapse", 40.0),
    "to and fro": ([tick(), tick(ONE_PICTURE), tick(), tick(ONE_PICTURE)], "oscillating", 10.0),
    "D sure": ([tick(UNTRAINED, D_SURE, vendi=3.0, fd=50.0)] * 4, "discriminator_too_strong", 10.0),
    "D sure of one picture": ([tick(ONE_PICTURE, D_SURE)] * 4, "discriminator_too_strong", 10.0),
    "D sure, and G good all the same": ([tick(D_SURE)] * 4, "healthy", None),
    "D blind": ([tick(UNTRAINED, D_BLIND)] * 4, "discriminator_failed", 10.0),
    "D at a coin's chance, samples unlike": ([tick(UNTRAINED, D_BLIND, {"d/distance": 0.01})] * 4, "discriminator_failed", 10.0),
    "D at a coin's chance, samples alike": ([tick(D_BLIND, {"d/distance": 0.01})] * 4, "healthy", None),
    "logits overflow": ([tick(UNTRAINED, D_SURE, {"d/fake_logit": -90.0})] * 4, "diverged", 10.0),
    "logits overflow, and all is well": ([tick({"d/fake_logit": -90.0})] * 4, "healthy", None),
    "copies": ([tick(), tick(memorisation=0.3), tick(memorisation=0.6), tick(memorisation=0.7)], "memorising", 30.0),
    "off the data, where few real ones are nearest": ([tick(memorisation=0.6, precision=0.4)] * 4, "healthy", None),
    "copies, of one mode": ([tick(ONE_PICTURE, memorisation=1.0)] * 4, "mode_collapse", 0.0),
    "coverage rises": ([tick(coverage=c) for c in (0.1, 0.2, 0.3, 0.4)], "undertrained", None),
    "coverage rises, but is nearly there": ([tick(coverage=c) for c in (0.3, 0.4, 0.5, 0.6)], "healthy", None),
    "comes nearer fast": ([tick(coverage=0.1, fd=fd) for fd in (80.0, 60.0, 40.0, 25.0)], "undertrained", None),
    "comes nearer slowly": ([tick(coverage=0.1, fd=fd) for fd in (26.0, 25.6, 25.3, 25.0)], "mode_collapse", 0.0),
    "modes still come": ([tick(ONE_PICTURE, modes=m, vendi=m) for m in (2.0, 3.0, 4.0, 6.0)], "undertrained", None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_rule(case: str) -> None:
    ticks, outcome, onset = CASES[case]
    found = told(*ticks)
    assert (found.outcome, found.onset_kimg) == (outcome, onset)
    assert found.because
    if outcome != "healthy":
        assert found.signal
        assert found.source
        assert f"{found.limit:.3g}" in found.evidence
        assert f"{found.value:.3g}" in found.evidence


def test_cases_cover_every_outcome() -> None:
    assert {outcome for _, outcome, _ in CASES.values()} == set(OUTCOMES) - {""}


def test_a_run_that_was_cut_short_is_judged_where_it_stood() -> None:
    rising = [tick(fd=8.0, coverage=0.5), tick(fd=4.0, coverage=0.7)]
    assert told(*rising, ended="scheduler").outcome == "undertrained"
    assert told(*rising, ended="budget").outcome == "healthy"
    assert told(tick(), tick(), ended="scheduler").outcome == "healthy"
    assert told(tick(ONE_PICTURE), tick(ONE_PICTURE), ended="scheduler").outcome == "mode_collapse"


def test_a_run_that_left_the_finite_numbers_diverged_whatever_it_had_been() -> None:
    assert told(tick(), tick(), ended="dead") == Diagnosis("diverged", "left the finite numbers", onset_kimg=20.0)
    assert told(ended="dead").onset_kimg == 0
    assert diagnose([], {}, ended="dead", floors={}, n_modes=None).outcome == "diverged"


def test_a_run_that_was_ended_since_nothing_came_has_the_outcome_that_its_curves_say() -> None:
    stuck = [tick(ONE_PICTURE, D_SURE)] * 3
    assert told(*stuck, ended="dead", finite=True).outcome == "discriminator_too_strong"
    assert told(*stuck, ended="dead").outcome == "diverged"  # stuck, but it was the numbers that ended it


def test_the_records_tell_the_two_kinds_of_dead_apart() -> None:
    stuck = [tick(ONE_PICTURE, D_SURE)] * 3
    reasons = {"d/adv not finite after 12000 images": "diverged", f"{HOPELESS} 10 kimg: collapsed": "discriminator_too_strong"}
    for reason, outcome in reasons.items():
        assert told(*stuck, ended="dead", finite=Closed(ended=Ended.DEAD, reason=reason).finite).outcome == outcome


def test_what_says_nothing() -> None:
    for ended in ("", "scheduler", "budget"):
        assert told(ended=ended) == Diagnosis("", "not trained yet: no evidence")
    assert told(tick(), ended="error").outcome == ""
    assert told(tick(), ended="").outcome == "healthy"  # as far as it came
    with pytest.raises(ValueError, match="'pruned'"):
        told(ended="pruned")
    with pytest.raises(ValueError, match=r"each of the 2 ticks; given are \{'fd': 3\}"):
        diagnose([0, 1], {"fd": [1.0, 2.0, 3.0]}, ended="budget", floors={}, n_modes=None)


@pytest.mark.parametrize("ended", [ended for ended in ENDED if ended not in ("", "error")])
@pytest.mark.parametrize("left_out", [*GOOD, *D_FAIR])
@pytest.mark.parametrize("case", CASES)
def test_what_was_not_measured_breaks_nothing(case: str, left_out: str, ended: str) -> None:
    """A plugin's loop has signals of its own, and older records fewer metrics."""
    ticks = [{name: value for name, value in row.items() if name != left_out} for row in CASES[case][0]]
    curves = {name: [row.get(name) for row in [UNTRAINED, *ticks]] for name in ticks[0]}
    found = diagnose(IMAGES, curves, ended=ended, floors={k: v for k, v in FLOORS.items() if k != left_out}, n_modes=10)
    assert found.outcome in set(OUTCOMES) - {""}
    assert found.evidence


def test_without_known_modes_coverage_decides() -> None:
    assert told(*[tick(modes=1.0)] * 4, n_modes=None).outcome == "healthy"
    assert told(*[tick(modes=1.0, coverage=0.1)] * 4, n_modes=None).outcome == "mode_collapse"


def test_limits_go_with_the_floors() -> None:
    """In other units, and on data that are harder to cover, nothing changes: no limit is one data set's number."""
    for case, (ticks, outcome, onset) in CASES.items():
        scaled = [
            {n: v * {"fd": 1e-3, "coverage": 0.5, "precision": 0.7}.get(n, 1.0) for n, v in row.items()} for row in [UNTRAINED, *ticks]
        ]
        curves = {name: [row.get(name) for row in scaled] for name in scaled[-1]}
        floors = {**FLOORS, "fd": 1e-3, "coverage": 0.5, "precision": 0.7}
        found = diagnose(IMAGES, curves, ended="budget", floors=floors, n_modes=10)
        assert (found.outcome, found.onset_kimg) == (outcome, onset), case


# Ending what is dead -----------------------------------------------------------------------------


def ended_at(ticks: list[dict[str, float]], *, budget: int = 40_000, images: list[int] = IMAGES) -> int | None:
    """The tick at which a run would have been ended; None if at none."""
    rows = [UNTRAINED, *ticks]
    for i in range(1, len(rows) + 1):
        curves = {name: [row.get(name) for row in rows[:i]] for name in rows[-1]}
        if reason := hopeless(images[:i], curves, budget=budget, floors=FLOORS, n_modes=10):
            assert reason.startswith("10 kimg: ")
            return i - 1
    return None


def test_a_run_is_ended_when_nothing_came_for_three_ticks_and_a_quarter_of_the_budget() -> None:
    stuck = tick(ONE_PICTURE, D_SURE)
    assert ended_at([stuck] * 4) == 3
    assert ended_at([stuck] * 4, budget=100_000) == 4  # 30 of 100 kimg later
    assert ended_at([stuck] * 4, budget=1_000_000) is None
    assert ended_at([stuck] * 4, budget=40_000, images=[0, 1, 2, 3, 4]) is None


@pytest.mark.parametrize(
    "ticks",
    [
        [tick()] * 4,
        [tick(D_SURE)] * 4,  # D is sure, and G is good all the same
        [tick(ONE_PICTURE)] * 2 + [tick(ONE_PICTURE, vendi=3.0)] * 2,  # its samples begin to differ
        [tick(UNTRAINED, D_SURE, fd=fd, vendi=3.0) for fd in (80.0, 40.0, 20.0, 10.0)],  # it comes nearer all the time
        [tick(ONE_PICTURE, D_SURE)] * 2 + [tick()] + [tick(ONE_PICTURE, D_SURE)],
        [tick(modes=4.0, coverage=0.4)] * 4,  # some modes are missing for good, but what training does is not in vain
    ],
)
def test_a_run_in_which_something_may_still_come_is_not_ended(ticks: list[dict[str, float]]) -> None:
    assert ended_at(ticks) is None


# Runs whose cause was built in -------------------------------------------------------------------


def staged() -> list[dict[str, Any]]:
    with gzip.open(STAGED, "rt") as lines:
        return [json.loads(line) for line in lines]


def test_staged_runs_are_diagnosed_rightly() -> None:
    found = confusion.Confusion.of(staged())
    assert sum(n for (truth, _), n in found.counts.items() if truth == "healthy") >= 60
    assert sum(n for (truth, _), n in found.counts.items() if truth in FAILURES) >= 150
    assert found.right.share >= 0.9
    assert found.right.low >= 0.85
    assert found.false_alarms.high <= 0.1
    assert found.wrongly_ended.n >= 60
    assert found.wrongly_ended.k == 0


def test_the_documentation_shows_what_the_staged_runs_say() -> None:
    page = (Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text()
    assert confusion.Confusion.of(staged()).markdown() in page


# Curves ------------------------------------------------------------------------------------------


def test_curves_are_read_as_a_person_reads_them() -> None:
    run = Curves.of([0, 1000, 2000, 4000], {"fd": [100.0, 10.0, 1.0, 0.5], "up": [0.0, 1.0, 2.0, None]}, floors={"fd": 1.0}, n_modes=None)
    assert run.left.tolist() == pytest.approx([1, 0.5, 0, 0])  # below the floor is at the floor
    assert run.gained(run.left) == 0
    assert run.late(run["up"]) == 2.0
    assert np.isnan(run.late(run["not there"]))
    assert run.since(np.array([True, False, True, True])) == 2
    assert run.since(np.array([True, True, True, False])) == 4
    assert run.since(np.array([True] * 4)) == 0
    assert run.swings(np.array([0.0, 0.1, 1.0, 0.9, 0.2, 0.4]), 0.5) == [0, 2, 4]
    with pytest.raises(ValueError, match="must hold a tick"):
        Curves.of([], {}, floors={}, n_modes=None)
