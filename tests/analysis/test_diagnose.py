"""Diagnoses: each rule on constructed curves, and all rules on trials with a known cause of failure."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.curves import Curves
from analysis.diagnose import diagnose, hopeless
from analysis.outcomes import FAILURES, OUTCOMES
from analysis.rules import Diagnosis
from bench import confusion
from ganstudy import UserError
from ganstudy.ended import Ended
from study.store.records import HOPELESS, Closed

STAGED = Path(__file__).parent.parent / "data" / "staged.jsonl.gz"
FRESH = STAGED.with_name("staged_fresh.jsonl.gz")
BASELINES = {"fd": 1.0, "coverage": 1.0, "precision": 1.0, "vendi": 11.0, "memorisation": 0.0}
IMAGES = [0, 10_000, 20_000, 30_000, 40_000]
UNTRAINED = {"fd": 100.0, "coverage": 0.0, "modes": 1.0, "vendi": 1.0, "precision": 0.0, "mode_spread": 0.0, "memorisation": -1.0}
GOOD = {"fd": 2.0, "coverage": 0.8, "modes": 10.0, "vendi": 10.0, "precision": 0.8, "mode_spread": 1.0, "memorisation": 0.0}
D_FAIR = {"d/real_accuracy": 0.6, "d/fake_accuracy": 0.6, "d/distance": 0.1, "d/real_logit": 0.1, "d/fake_logit": 0.0}
D_ALWAYS_RIGHT = {"d/real_accuracy": 1.0, "d/fake_accuracy": 0.99, "d/distance": 9.0, "d/real_logit": 5.0, "d/fake_logit": -4.0}
D_AT_CHANCE = {"d/real_accuracy": 0.5, "d/fake_accuracy": 0.5, "d/distance": -0.1, "d/real_logit": 0.0, "d/fake_logit": 0.1}
ONE_PICTURE = {**UNTRAINED, "fd": 90.0}


def diagnosed(
    *ticks: Mapping[str, float],
    ended: str = "budget",
    baselines: Mapping[str, float] = BASELINES,
    n_modes: int | None = 10,
    finite: bool = False,
) -> Diagnosis:
    """The diagnosis of a trial that starts from untrained networks."""
    rows = [UNTRAINED, *ticks]
    curves = {name: [row.get(name) for row in rows] for name in {name for row in rows for name in row}}
    return diagnose(IMAGES[: len(rows)], curves, ended=ended, baselines=baselines, n_modes=n_modes, finite=finite)


def tick(*parts: Mapping[str, float], **changes: float) -> dict[str, float]:
    return {**GOOD, **D_FAIR, **{name: value for part in parts for name, value in part.items()}, **changes}


CASES = {
    "a good trial": ([tick()] * 4, "healthy", None),
    "half of the coverage": ([tick(coverage=0.5)] * 4, "healthy", None),
    "blurred samples of every mode": ([tick(fd=30.0, coverage=0.2, precision=0.3)] * 4, "poor_fit", 0.0),
    "a mode never found": ([tick(modes=9.0)] * 4, "mode_dropping", 0.0),
    "half of the modes never found": ([tick(modes=5.0, coverage=0.6)] * 4, "mode_dropping", 0.0),
    "most modes never found": ([tick(modes=4.0, coverage=0.6)] * 4, "mode_collapse", 0.0),
    "a mode lost late": ([tick(), tick(), tick(modes=9.0), tick(modes=9.0)], "mode_dropping", 30.0),
    "a mode lost by significance": ([tick(modes_lost=0.0), *[tick(modes_lost=1.0)] * 3], "mode_dropping", 20.0),
    "too few samples of a mode, but not significantly": ([tick(modes=9.0, modes_lost=0.0)] * 4, "healthy", None),
    "modes that shrink": ([tick(), tick(), tick(mode_spread=0.2), tick(mode_spread=0.1)], "mode_collapse", 30.0),
    "coverage never rises": ([tick(coverage=0.1)] * 4, "poor_fit", 0.0),
    "one picture": ([tick(ONE_PICTURE)] * 4, "mode_collapse", 0.0),
    "good, then one picture": ([tick(), tick(), tick(ONE_PICTURE), tick(ONE_PICTURE)], "late_collapse", 30.0),
    "good, then slowly worse": ([tick(), tick(fd=3.0), tick(fd=4.0), tick(fd=5.0, modes=5.0)], "late_collapse", 40.0),
    "a few modes, then fewer": ([tick(modes=8.0), tick(modes=7.0), tick(fd=2.2, modes=7.0), tick(fd=2.2, modes=6.0)], "mode_dropping", 0.0),
    "good and bad in turn": ([tick(), tick(ONE_PICTURE), tick(), tick(ONE_PICTURE)], "oscillating", 10.0),
    "D always right": ([tick(UNTRAINED, D_ALWAYS_RIGHT, vendi=3.0, fd=50.0)] * 4, "discriminator_too_strong", 10.0),
    "D always right, one picture": ([tick(ONE_PICTURE, D_ALWAYS_RIGHT)] * 4, "discriminator_too_strong", 10.0),
    "D always right, but G is good": ([tick(D_ALWAYS_RIGHT)] * 4, "healthy", None),
    "D rates fakes above real data": ([tick(UNTRAINED, D_AT_CHANCE)] * 4, "discriminator_failed", 10.0),
    "D at chance, samples differ from the data": ([tick(UNTRAINED, D_AT_CHANCE, {"d/distance": 0.01}, vendi=3.0)] * 4, "discriminator_failed", 10.0),
    "D at chance, one picture": ([tick(ONE_PICTURE, D_AT_CHANCE, {"d/distance": 0.01})] * 4, "mode_collapse", 0.0),
    "D at chance, samples like the data": ([tick(D_AT_CHANCE, {"d/distance": 0.01})] * 4, "healthy", None),
    "logits overflow": ([tick(UNTRAINED, D_ALWAYS_RIGHT, {"d/fake_logit": -90.0})] * 4, "diverged", 10.0),
    "logits overflow, but G is good": ([tick({"d/fake_logit": -90.0})] * 4, "healthy", None),
    "copies": ([tick(), tick(memorisation=0.3), tick(memorisation=0.6), tick(memorisation=0.7)], "memorising", 30.0),
    "high memorisation score far from the data": ([tick(memorisation=0.6, precision=0.4)] * 4, "healthy", None),
    "copies of one mode": ([tick(ONE_PICTURE, memorisation=1.0)] * 4, "mode_collapse", 0.0),
    "coverage rises": ([tick(coverage=c) for c in (0.1, 0.2, 0.3, 0.4)], "undertrained", None),
    "coverage rises, but is high already": ([tick(coverage=c) for c in (0.3, 0.4, 0.5, 0.6)], "healthy", None),
    "approaches fast": ([tick(coverage=0.1, fd=fd) for fd in (80.0, 60.0, 40.0, 25.0)], "undertrained", None),
    "approaches slowly": ([tick(coverage=0.1, fd=fd) for fd in (26.0, 25.6, 25.3, 25.0)], "poor_fit", 0.0),
    "D always right, and G swings": ([tick(coverage=0.1, fd=fd, **D_ALWAYS_RIGHT) for fd in (50.0, 90.0, 45.0, 88.0)], "discriminator_too_strong", 10.0),
    "finds more modes": ([tick(ONE_PICTURE, modes=m, vendi=m) for m in (2.0, 3.0, 4.0, 6.0)], "undertrained", None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_rule(case: str) -> None:
    ticks, outcome, onset = CASES[case]
    found = diagnosed(*ticks)
    assert (found.outcome, found.onset_kimg) == (outcome, onset)
    assert found.because
    if outcome != "healthy":
        assert found.signal
        assert found.source
        assert f"{found.limit:.3g}" in found.evidence
        assert f"{found.value:.3g}" in found.evidence


def test_cases_cover_every_outcome() -> None:
    of_foreign_runs = {"completed", "failed"}
    assert {outcome for _, outcome, _ in CASES.values()} == set(OUTCOMES) - {"", *of_foreign_runs}


def test_a_trial_stopped_early_is_diagnosed_from_its_last_tick() -> None:
    rising = [tick(fd=8.0, coverage=0.5), tick(fd=4.0, coverage=0.7)]
    assert diagnosed(*rising, ended="scheduler").outcome == "undertrained"
    assert diagnosed(*rising, ended="budget").outcome == "healthy"
    assert diagnosed(tick(), tick(), ended="scheduler").outcome == "healthy"
    assert diagnosed(tick(ONE_PICTURE), tick(ONE_PICTURE), ended="scheduler").outcome == "mode_collapse"


def test_a_trial_with_non_finite_values_has_diverged() -> None:
    assert diagnosed(tick(), tick(), ended="dead") == Diagnosis("diverged", "values have not been finite", onset_kimg=20.0)
    assert diagnosed(ended="dead").onset_kimg == 0
    assert diagnose([], {}, ended="dead", baselines={}, n_modes=None).outcome == "diverged"


def test_the_outcome_of_a_hopeless_trial_comes_from_its_curves() -> None:
    stuck = [tick(ONE_PICTURE, D_ALWAYS_RIGHT)] * 3
    assert diagnosed(*stuck, ended="dead", finite=True).outcome == "discriminator_too_strong"
    assert diagnosed(*stuck, ended="dead").outcome == "diverged"  # non-finite values take precedence


def test_records_separate_hopeless_trials_from_non_finite_ones() -> None:
    stuck = [tick(ONE_PICTURE, D_ALWAYS_RIGHT)] * 3
    reasons = {"d/adv not finite after 12000 images": "diverged", f"{HOPELESS} 10 kimg: collapsed": "discriminator_too_strong"}
    for reason, outcome in reasons.items():
        assert diagnosed(*stuck, ended="dead", finite=Closed(ended=Ended.DEAD, reason=reason).finite).outcome == outcome


def test_no_evidence() -> None:
    for ended in ("", "scheduler", "budget"):
        assert diagnosed(ended=ended) == Diagnosis("", "not trained yet: no evidence")
    assert diagnosed(tick(), ended="error").outcome == ""
    assert diagnosed(tick(), ended="").outcome == "healthy"  # from the ticks so far
    with pytest.raises(UserError, match="'pruned'"):
        diagnosed(ended="pruned")
    with pytest.raises(UserError, match=r"each of the 2 ticks; given are \{'fd': 3\}"):
        diagnose([0, 1], {"fd": [1.0, 2.0, 3.0]}, ended="budget", baselines={}, n_modes=None)


@pytest.mark.parametrize("ended", [Ended.BUDGET, Ended.SCHEDULER, Ended.DEAD])
@pytest.mark.parametrize("left_out", [*GOOD, *D_FAIR])
@pytest.mark.parametrize("case", CASES)
def test_every_signal_may_be_missing(case: str, left_out: str, ended: str) -> None:
    """A plugin's loop may report other signals, and old records hold fewer metrics."""
    ticks = [{name: value for name, value in row.items() if name != left_out} for row in CASES[case][0]]
    curves = {name: [row.get(name) for row in [UNTRAINED, *ticks]] for name in ticks[0]}
    found = diagnose(IMAGES, curves, ended=ended, baselines={k: v for k, v in BASELINES.items() if k != left_out}, n_modes=10)
    assert found.outcome in set(OUTCOMES) - {""}
    assert found.evidence


def test_without_known_modes_coverage_decides() -> None:
    assert diagnosed(*[tick(modes=1.0)] * 4, n_modes=None).outcome == "healthy"
    assert diagnosed(*[tick(modes=1.0, coverage=0.4)] * 4, n_modes=None).outcome == "poor_fit"
    assert diagnosed(*[tick(modes=1.0, coverage=0.1, vendi=1.0)] * 4, n_modes=None).outcome == "mode_collapse"


@pytest.mark.parametrize("images", [1_024, 4_999])
@pytest.mark.parametrize("ended", ["", "budget", "scheduler"])
def test_a_trial_of_a_few_steps_is_undertrained(ended: str, images: int) -> None:
    """16 steps of 64 images say nothing about a collapse. A good trial is healthy at any time, and non-finite values are final."""

    def after(row: Mapping[str, float], images: int, ended: str = ended) -> str:
        curves = {name: [UNTRAINED.get(name), row[name]] for name in row}
        return diagnose([0, images], curves, ended=ended, baselines=BASELINES, n_modes=10).outcome

    bad = tick(ONE_PICTURE, D_ALWAYS_RIGHT)
    assert after(bad, images) == "undertrained"
    assert after(bad, 5_000) == "discriminator_too_strong"
    assert after(bad, images, "dead") == "diverged"
    assert after(tick(), images, "budget") == "healthy"


@pytest.mark.parametrize("baseline", [0.0, -1.0, float("nan"), None])
@pytest.mark.parametrize("name", ["fd", "coverage", "precision", "vendi", "memorisation", "modes"])
@pytest.mark.parametrize("case", ["a good trial", "one picture", "good, then one picture", "most modes never found"])
@pytest.mark.filterwarnings("error")
def test_a_baseline_without_a_value_to_divide_by(case: str, name: str, baseline: float | None) -> None:
    """The outcome does not change, since other signals show it too."""
    ticks, outcome, _ = CASES[case]
    changed = {**BASELINES, "modes": 10.0, name: baseline}
    found = diagnosed(*ticks, baselines={k: v for k, v in changed.items() if v is not None})
    assert found.outcome == outcome


@pytest.mark.parametrize(("end", "outcome"), [(1e-42, "healthy"), (0.0, "healthy"), (0.02, "poor_fit"), (0.9, "poor_fit")])
@pytest.mark.parametrize("n_modes", [1, None])
@pytest.mark.filterwarnings("error")
def test_data_without_spread(n_modes: int | None, end: float, outcome: str) -> None:
    """All real data are one point: no neighbourhood can be covered, so the distance decides: a hundredth of the first one is near enough."""
    real = {"fd": 0.0, "coverage": 1.0, "precision": 1.0, "vendi": 1.0, "memorisation": 1.0, "modes": 1.0}
    row = {"coverage": 0.0, "precision": 0.0, "vendi": 1.0, "memorisation": -1.0, "modes": 1.0, "modes_lost": 0.0, **D_FAIR}
    rows = [{**row, "fd": 1.0}, *[{**row, "fd": end}] * 4]
    curves = {name: [each[name] for each in rows] for name in rows[0]}
    assert diagnose(IMAGES, curves, ended="budget", baselines=real, n_modes=n_modes).outcome == outcome


def test_many_modes_need_the_share_that_real_data_show() -> None:
    """2,000 samples of 1,000 modes miss some by chance, so single modes are not counted in old curves."""
    for modes, outcome in ((840.0, "healthy"), (660.0, "healthy"), (640.0, "mode_dropping"), (420.0, "mode_collapse")):
        found = diagnosed(*[tick(modes=modes)] * 4, n_modes=1000, baselines={**BASELINES, "modes": 865.0})
        assert found.outcome == outcome, modes


def test_limits_are_relative_to_the_baselines() -> None:
    """Other units and data that are harder to cover do not change the outcome."""
    for case, (ticks, outcome, onset) in CASES.items():
        scaled = [
            {n: v * {"fd": 1e-3, "coverage": 0.5, "precision": 0.7}.get(n, 1.0) for n, v in row.items()} for row in [UNTRAINED, *ticks]
        ]
        curves = {name: [row.get(name) for row in scaled] for name in scaled[-1]}
        baselines = {**BASELINES, "fd": 1e-3, "coverage": 0.5, "precision": 0.7}
        found = diagnose(IMAGES, curves, ended="budget", baselines=baselines, n_modes=10)
        assert (found.outcome, found.onset_kimg) == (outcome, onset), case


# Stopping hopeless trials ---------------------------------------------------------------------------


def stopped_at(ticks: list[dict[str, float]], *, budget: int = 40_000, images: list[int] = IMAGES) -> int | None:
    """The tick at which a trial would be stopped as hopeless; None if there is none."""
    rows = [UNTRAINED, *ticks]
    for i in range(1, len(rows) + 1):
        curves = {name: [row.get(name) for row in rows[:i]] for name in rows[-1]}
        if reason := hopeless(images[:i], curves, budget=budget, baselines=BASELINES, n_modes=10):
            assert reason.startswith("10 kimg: ")
            return i - 1
    return None


def test_a_trial_is_stopped_after_three_ticks_and_a_quarter_of_the_budget_without_progress() -> None:
    stuck = tick(ONE_PICTURE, D_ALWAYS_RIGHT)
    assert stopped_at([stuck] * 4) == 3
    assert stopped_at([stuck] * 4, budget=100_000) == 4  # 30 of 100 kimg later
    assert stopped_at([stuck] * 4, budget=1_000_000) is None
    assert stopped_at([stuck] * 4, budget=40_000, images=[0, 1, 2, 3, 4]) is None
    assert stopped_at([stuck] * 4, budget=4_000, images=[0, 1_000, 2_000, 3_000, 4_000]) is None  # too early to tell


@pytest.mark.parametrize(
    "ticks",
    [
        [tick()] * 4,
        [tick(D_ALWAYS_RIGHT)] * 4,  # D is always right, but G is good
        [tick(ONE_PICTURE)] * 2 + [tick(ONE_PICTURE, vendi=3.0)] * 2,  # samples begin to differ
        [tick(UNTRAINED, D_ALWAYS_RIGHT, fd=fd, vendi=3.0) for fd in (80.0, 40.0, 20.0, 10.0)],  # approaches the data at every tick
        [tick(ONE_PICTURE, D_ALWAYS_RIGHT)] * 2 + [tick()] + [tick(ONE_PICTURE, D_ALWAYS_RIGHT)],
        [tick(modes=4.0, coverage=0.4)] * 4,  # modes are missing, but training has a useful signal
        [tick(ONE_PICTURE, D_ALWAYS_RIGHT, fd=0.99)] * 4,  # the distance has fallen a hundredfold
    ],
)
def test_a_trial_that_may_recover_is_not_stopped(ticks: list[dict[str, float]]) -> None:
    assert stopped_at(ticks) is None


# Trials with a known cause of failure -----------------------------------------------------------------


def staged(path: Path = STAGED) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def test_diagnoses_of_staged_trials_are_correct() -> None:
    found = confusion.Confusion.of(staged())
    assert sum(n for (truth, _), n in found.counts.items() if truth == "healthy") >= 60
    assert sum(n for (truth, _), n in found.counts.items() if truth in FAILURES) >= 150
    assert found.right.share >= 0.9
    assert found.right.low >= 0.85
    assert found.false_alarms.high <= 0.15
    assert found.wrongly_ended.n >= 60
    assert found.wrongly_ended.k == 0


def test_diagnoses_of_trials_with_fresh_seeds_are_correct() -> None:
    """Seeds that no limit was chosen on."""
    found = confusion.Confusion.of(staged(FRESH))
    assert found.right.n >= 210
    assert found.right.share >= 0.92
    assert len(found.by_setting) == 6
    for name, rate in found.by_setting.items():
        assert rate.n >= 18
        assert rate.share >= (0.75 if name == "fashion_mnist/dcgan" else 0.85)  # its unchanged trials are still improving


@pytest.mark.parametrize("path", [STAGED, FRESH], ids=["development", "fresh"])
def test_the_documentation_shows_the_results_for_staged_trials(path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text()
    assert confusion.Confusion.of(staged(path)).markdown() in page


# Curves ------------------------------------------------------------------------------------------


def test_quantities_read_from_curves() -> None:
    trial = Curves.of(
        [0, 1000, 2000, 4000], {"fd": [100.0, 10.0, 1.0, 0.5], "up": [0.0, 1.0, 2.0, None]}, baselines={"fd": 1.0}, n_modes=None
    )
    assert trial.remaining.tolist() == pytest.approx([1, 0.5, 0, 0])  # values below the baseline count as the baseline
    assert trial.recent_gain(trial.remaining) == 0
    assert trial.late_mean(trial["up"]) == 2.0
    assert np.isnan(trial.late_mean(trial["not there"]))
    assert trial.onset(np.array([True, False, True, True])) == 2
    assert trial.onset(np.array([True, True, True, False])) == 4
    assert trial.onset(np.array([True] * 4)) == 0
    assert trial.turning_points(np.array([0.0, 0.1, 1.0, 0.9, 0.2, 0.4]), swing=0.5) == [0, 2, 4]
    with pytest.raises(UserError, match="must hold at least one tick"):
        Curves.of([], {}, baselines={}, n_modes=None)
