"""What the dry run says a design will show, from trials that there are, and what more trials would show."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from played import play
from typer.testing import CliRunner

from analysis.power import Plan, Variation, bought, planned, planned_statement
from analysis.risks import rate_and_correlation
from ganstudy import UserError
from study.cli import app
from study.engine.planning import more_trials, variation
from study.spec.study_spec import StudySpec
from study.store.layout import Layout
from study.store.records import TrialRecord
from study.store.store import Store

GIVEN: dict[str, Any] = {
    "name": "planned",
    "question": "Does R1 help?",
    "base": {"data": "ring8", "arch": "mlp", "g.width": 8, "d.width": 8, "budget_kimg": 1.0, "tick_kimg": 0.5},
    "space": {"scientific": {"r1": [False, True]}, "nuisance": {"g.lr": {"low": 1e-4, "high": 1e-2, "log": True}}},
    "n_configs": 12,
    "seeds": 2,
    "failure": "fd > 10",
}
SPEC = StudySpec.from_dict(GIVEN)


@pytest.mark.parametrize(("rate", "icc"), [(0.2, 0.1), (0.5, 0.6)])
def test_the_rate_and_the_correlation_are_those_of_the_trials(rate: float, icc: float) -> None:
    rng = np.random.default_rng(0)
    risk = rng.beta(rate * (1 / icc - 1), (1 - rate) * (1 / icc - 1), 800)
    found = rate_and_correlation(rng.binomial(4, risk), np.full(800, 4))
    assert found == pytest.approx((rate, icc), abs=0.06)


def test_what_few_trials_do_not_tell_is_assumed() -> None:
    assert str(Variation.of([], [], source="this study")) == "50 % of the trials failing and an intraclass correlation of 0.3, both assumed"
    assert Variation.of([1, 0], [2, 2], source="this study") == Variation()
    one_config = Variation.of([2], [20], source="the base in runs/a")
    assert one_config.rate == pytest.approx(3 / 22, abs=0.02)
    assert (one_config.icc, one_config.icc_from) == (0.3, "")
    assert str(one_config).endswith("as in 20 trials of the base in runs/a, and an intraclass correlation of 0.3, assumed")
    many = Variation.of([0, 0, 2, 2, 0, 2], [2] * 6, source="this study")
    assert many.icc > 0.5
    assert str(many).endswith("as in 12 trials of this study")


def test_rarer_failures_show_smaller_differences_and_alike_trials_larger_ones() -> None:
    plan = Plan(2, 60, 3)
    assert planned(plan, 1, rate=0.1) < planned(plan, 1, rate=0.5) < planned(plan, 1, rate=0.5, icc=0.8)
    text = planned_statement(180, {"r1": plan}, Variation(0.1, 0.2, "180 trials of this study", "180 trials of this study"))
    assert f"{100 * planned(plan, 1, rate=0.1, icc=0.2):.0f} points for r1" in text
    assert "(1 comparison; 10 % of the trials failing and an intraclass correlation of 0.2, as in 180 trials of this study)" in text


def test_four_times_as_many_trials_show_half_the_difference() -> None:
    plan = {"r1": Plan(2, 400, 2), "loss": Plan(3, 400, 2)}
    text = bought(800, plan, {"one more hour": 2400})
    now, then = (float(each) for each in re.findall(r"(\d+) points", text))
    assert then == pytest.approx(now / 2, abs=1)
    assert "one more hour trains about 2400 more trials" in text
    assert (
        bought(4, {"r1": Plan(2, 4, 1)}, {"one more slot": 2})
        == "This design shows no difference for r1; one more slot trains about 2 more trials, which show no difference."
    )


def test_an_hour_trains_as_many_trials_as_fit() -> None:
    assert more_trials(64, slots=2, seconds=60.0, kind="slot") == {"one more hour": 120.0, "one more slot in the same time": 32.0}


def fails(record: TrialRecord) -> float | None:
    return None if int(record.config_id, 16) % 3 == 0 else 5.0


def test_the_rate_is_that_of_the_study_or_of_its_base_in_studies_beside_it(tmp_path: Path) -> None:
    assert variation(SPEC, tmp_path / "new") == Variation()
    store = play(SPEC, tmp_path / "old", fails)
    dead = sum(fails(record) is None for record in store.trials.values())
    own = variation(SPEC, tmp_path / "old")
    assert own.rate_from == "24 trials of this study"
    assert own.rate == pytest.approx((dead + 1) / 26, abs=0.1)
    assert own.icc > 0.6  # all trials of a config end alike
    assert variation(SPEC, tmp_path / "new") == Variation()  # none of them has the settings of the base alone

    base = {**GIVEN, "space": {"scientific": {"r1": [False, True]}}, "n_configs": 2, "seeds": 15, "sampler": "factorial"}
    play(StudySpec.from_dict(base), tmp_path / "based", lambda record: None if record.flat["seed"] % 5 == 0 else 5.0)
    found = variation(SPEC, tmp_path / "new")
    assert found.rate_from == "15 trials of the base in based"
    assert found.icc_from == ""
    for name, damage in (("a", b"{\n"), ("b", b'{"format": 99}\n')):  # the dry run of a study is no time to complain about others
        shutil.copytree(tmp_path / "based", tmp_path / name)
        records = Layout(tmp_path / name).records
        records.write_bytes(damage + records.read_bytes())
        with pytest.raises(UserError):
            Store(tmp_path / name)
    assert variation(SPEC, tmp_path / "new") == found
    other = StudySpec.from_dict({**GIVEN, "failure": "fd > 1"})
    assert variation(other, tmp_path / "new") == Variation()


def test_the_dry_run_says_what_more_time_would_show(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "name: a\nquestion: Does R1 help?\nbase: {data: ring8, arch: mlp, g.width: 8, d.width: 8, budget_kimg: 1, tick_kimg: 0.5}\n"
        "space: {scientific: {r1: [false, true]}}\nn_configs: 64\n"
    )
    arguments = ["launch", str(tmp_path / "a.yaml"), "--dry-run", "--folder", str(tmp_path / "out")]
    said = " ".join(CliRunner().invoke(app, arguments, catch_exceptions=False).output.split())
    assert "50 % of the trials failing and an intraclass correlation of 0.3, both assumed" in said
    assert re.search(
        r"This design shows \d+ points for r1; one more hour trains about \d+ more trials, which show \d+ points; one more (slot|GPU) in the",
        said,
    )
