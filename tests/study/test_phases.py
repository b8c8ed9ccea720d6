"""Phases of a study, played without Ray: which trials they propose, from what, and that a killed study goes on where it was."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from played import play
from typer.testing import CliRunner

from analysis.report.findings import findings
from ganstudy import UserError
from study.api import open_study
from study.cli import app
from study.show.launches import changes_of
from study.spec.ablated import ablated
from study.spec.identity import differences
from study.spec.planned import phases_of, planned_trials
from study.spec.study_spec import StudySpec
from study.store.records import TrialRecord
from study.store.store import Store
from trainables.config import TrialConfig

GIVEN: dict[str, Any] = {
    "name": "phased",
    "question": "Which config is the best?",
    "base": {"data": "ring8", "arch": "mlp", "budget_kimg": 1.0, "tick_kimg": 0.5},
    "space": {
        "scientific": {"r1": [False, True], "loss": ["nonsaturating", "hinge"], "r1.gamma": "range"},
        "nuisance": {"g.lr": {"low": 1e-4, "high": 1e-2, "log": True}},
    },
    "phases": {"explore": {"n_configs": 12}, "optimise": {"n_configs": 12}, "confirm": {"top": 5, "seeds": 4}, "ablate": {"of": 2}},
}
SPEC = StudySpec.from_dict(GIVEN)


def settled(record: TrialRecord) -> float | None:
    """R1 is worth a factor of 2, a learning rate of 1e-3 is best, and configs and seeds differ by 5 %, alike in all Python processes."""
    seed = int(record.config_id, 16) % 2**32 + record.flat["seed"] % 997
    return (1.0 if record.flat["r1"] else 2.0) * (1 + math.log10(record.flat["g.lr"] / 1e-3) ** 2) * (1 + 0.05 * math.sin(seed))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return play(SPEC, tmp_path_factory.mktemp("phases") / "study", settled)


def in_phase(store: Store, phase: str) -> list[TrialRecord]:
    return [record for record in store.trials.values() if record.phase == phase]


def test_phases_run_in_order_and_do_not_mix(done: Store) -> None:
    phases = [record.phase for record in done.trials.values()]
    assert list(dict.fromkeys(phases)) == ["explore", "optimise", "confirm", "ablate"]
    assert phases == sorted(phases, key=["explore", "optimise", "confirm", "ablate"].index)
    assert Counter(phases)["explore"] == Counter(phases)["optimise"] == 12
    assert len(done.trials) <= SPEC.n_trials == planned_trials(SPEC.as_dict())
    assert done.study
    assert done.study.planned == len(done.trials)


def test_no_two_phases_share_a_seed_but_confirm_and_ablate(done: Store) -> None:
    seeds = {phase: {record.flat["seed"] for record in in_phase(done, phase)} for phase in ("explore", "optimise", "confirm", "ablate")}
    assert len(seeds["explore"]) == len(seeds["optimise"]) == 12
    assert not seeds["explore"] & seeds["optimise"]
    assert not (seeds["explore"] | seeds["optimise"]) & seeds["confirm"]
    assert seeds["ablate"] <= seeds["confirm"]
    assert len(seeds["confirm"]) <= 4


def test_confirm_trains_the_best_configs_again_with_the_same_fresh_seeds(done: Store) -> None:
    before = [record for record in done.trials.values() if record.phase in ("explore", "optimise")]
    found = {record.config_id: settled(record) for record in before}
    best = sorted(found, key=lambda config: found[config])[:5]  # type: ignore[arg-type,return-value]
    runs = Counter(record.config_id for record in in_phase(done, "confirm"))
    assert set(runs) == set(best)
    assert min(runs.values()) >= 2
    rounds = [record.flat["seed"] for record in in_phase(done, "confirm")]
    assert rounds == sorted(rounds), "a round begins when the one before it has ended"


def test_ablate_puts_one_setting_at_a_time_back_to_the_base_with_the_seeds_of_confirm(done: Store) -> None:
    parents = {
        config: next(r for r in in_phase(done, "confirm") if r.config_id == config)
        for config in {r.config_id for r in in_phase(done, "confirm")}
    }
    seeds = {config: {r.flat["seed"] for r in in_phase(done, "confirm") if r.config_id == config} for config in parents}
    wanted = set()
    for record in in_phase(done, "ablate"):
        mine = [
            (config, name)
            for config, parent in parents.items()
            for name, values in ablated(SPEC, parent.settings).items()
            if SPEC.asked(values, record.flat["seed"]).flat == dict(record.flat)
        ]
        assert mine, "an ablated config differs from a confirmed one in one setting and what depends on it"
        assert record.flat["seed"] in seeds[mine[0][0]]
        wanted.add(mine[0][0])
    assert len(wanted) == 2, "of: 2"
    assert all(TrialConfig.from_flat(record.flat).trial_id == record.trial_id for record in in_phase(done, "ablate"))


def test_a_trick_that_goes_back_to_off_takes_its_settings_with_it() -> None:
    config = {"r1": True, "r1.gamma": 3.0, "loss": "hinge", "g.lr": 2e-3}
    found = ablated(SPEC, config)
    assert set(found) == {"r1", "r1.gamma", "loss", "g.lr"}
    assert "r1.gamma" not in SPEC.asked(found["r1"], 0).flat
    assert ablated(SPEC, {"r1": False, "loss": "nonsaturating"}) == {}


@pytest.mark.parametrize(
    "stops",
    [
        [1, 11, 12, 13],
        *(pytest.param(stops, marks=pytest.mark.slow) for stops in ([5, 23, 24, 25, 26], [24, 29, 33, 36, 40], list(range(1, 60, 7)))),
    ],
)
def test_a_study_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path: Path, done: Store, stops: list[int]) -> None:
    before = 0
    for stop in stops:
        play(SPEC, tmp_path / "study", settled, at_most=stop - before)
        before = stop
    again = play(SPEC, tmp_path / "study", settled)
    assert [(r.trial_id, r.phase) for r in again.trials.values()] == [(r.trial_id, r.phase) for r in done.trials.values()]


def test_best_and_the_ranking_count_only_fresh_seeds(done: Store) -> None:
    view = open_study(done.folder)
    confirmed = {record.config_id for record in in_phase(done, "confirm")}
    best = view.best(n=10)
    assert {trial.record.config_id for trial in best} <= confirmed
    assert {trial.record.phase for trial in best} == {"confirm"}
    with_r1 = [trial for trial in best if trial.record.flat["r1"]]
    assert len(view.best(n=10, where="r1")) == len(with_r1)
    said = CliRunner().invoke(app, ["rank", str(done.folder), "--where", "r1"], catch_exceptions=False).stdout
    assert f"{len(with_r1)} of {len(confirmed)} ranked configs, with their places among all\n" in said


def test_a_study_whose_trials_all_died_confirms_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = play(SPEC, tmp_path / "study", lambda record: None)
    assert {record.phase for record in store.trials.values()} == {"explore", "optimise"}
    assert "nothing to confirm" in caplog.text


def test_a_phase_can_be_added_and_grow(tmp_path: Path) -> None:
    phases = GIVEN["phases"]
    store = play(StudySpec.from_dict({**GIVEN, "phases": {"explore": phases["explore"]}}), tmp_path / "study", settled)
    assert len(store.trials) == 12
    store = play(
        StudySpec.from_dict({**GIVEN, "phases": {name: phases[name] for name in ("explore", "confirm")}}), tmp_path / "study", settled
    )
    n = len(store.trials)
    assert n > 12
    grown = {"explore": {"n_configs": 16}, "confirm": {"top": 6, "seeds": 4}}
    store = play(StudySpec.from_dict({**GIVEN, "phases": grown}), tmp_path / "study", settled)
    assert len(in_phase(store, "explore")) == 16
    assert len({record.config_id for record in in_phase(store, "confirm")}) >= 6
    told = changes_of(Store(tmp_path / "study").studies)
    assert len(told) == 2
    assert "confirm: " in told[0]
    assert "n_configs: 12" in told[1]
    assert "n_configs: 16" in told[1]


def test_a_study_file_without_a_phase_that_was_added_is_told_which() -> None:
    """As after `ganstudy confirm`."""
    alone = {key: given for key, given in GIVEN.items() if key != "phases"} | {"n_configs": 12}
    spec = StudySpec.from_dict(alone)
    found = differences(spec.with_phase("confirm", top=5).as_dict(), spec.as_dict())
    assert found == ["it has the phases {confirm: {top: 5, seeds: 5, error: 0.05}} too"]
    assert differences(spec.as_dict(), spec.with_phase("confirm", top=5).as_dict()) == []


def test_phases_of_a_study_with_one() -> None:
    flat = StudySpec.from_dict({**{k: v for k, v in GIVEN.items() if k != "phases"}, "n_configs": 6, "seeds": 2})
    one = StudySpec.from_dict({**GIVEN, "phases": {"explore": {"n_configs": 6, "seeds": 2}}})
    assert phases_of(flat.as_dict()) == phases_of(one.as_dict())
    assert flat.n_trials == one.n_trials == 12
    assert [proposal.flat for proposal in flat.designed()] == [proposal.flat for proposal in one.designed()]


@pytest.mark.parametrize(
    "spec", [SPEC, StudySpec.from_dict({**GIVEN, "phases": {"explore": {"sampler": "random", "n_configs": 3, "seeds": 2}}})]
)
def test_a_study_with_phases_comes_back_from_its_records(spec: StudySpec) -> None:
    assert StudySpec.from_dict(spec.as_dict()) == spec
    assert "sampler" not in spec.as_dict()


REFUSED: list[tuple[Any, tuple[str, ...], str]] = [
    ([{"explore": {"n_configs": 2}}], ("phases",), "phases must be a mapping"),
    ({"confirm": {}}, ("phases",), "explore or optimise"),
    ({"explore": {"n_configs": 2}, "ablate": {}}, ("phases", "ablate"), "needs phases.confirm"),
    ({"explore": {}}, ("phases", "explore"), "must have the key n_configs"),
    ({"explore": {"n_configs": 2}, "optimise": {}}, ("phases", "optimise"), "must have the key n_configs"),
    ({"explore": {"n_configs": 2, "sampler": "tpe"}}, ("phases", "explore", "sampler"), "must be one of"),
    (
        {"explore": {"n_configs": 2}, "optimise": {"n_configs": 2, "sampler": "sobol"}},
        ("phases", "optimise", "sampler"),
        "no sampler of goal: optimise",
    ),
    ({"explore": {"n_configs": 2}, "confirm": {"topp": 3}}, ("phases", "confirm", "topp"), "did you mean 'top'"),
    ({"explore": {"n_configs": 2}, "confirm": {"seeds": 1}}, ("phases", "confirm", "seeds"), "phases.confirm.seeds"),
    ({"explore": {"n_configs": 2}, "confrim": {}}, ("phases", "confrim"), "did you mean 'confirm'"),
    (
        {"explore": {"n_configs": 2}, "optimise": {"n_configs": 2, "scheduler": {"grace_kimg": 9}}},
        ("phases", "optimise", "scheduler", "grace_kimg"),
        "no trial is ever stopped",
    ),
]


@pytest.mark.parametrize(("phases", "where", "words"), REFUSED)
def test_phases_that_make_no_sense_are_refused_at_their_key(phases: Any, where: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        StudySpec.from_dict({**GIVEN, "phases": phases})
    assert error.value.where == where  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", ["goal", "sampler", "n_configs", "seeds", "scheduler"])
def test_keys_of_a_phase_are_refused_beside_phases(key: str) -> None:
    with pytest.raises(UserError, match=f"must have no key {key}"):
        StudySpec.from_dict({**GIVEN, key: 2})


def test_settings_are_judged_by_the_design_alone(done: Store) -> None:
    """What a search and a confirmation chose by results says nothing of settings: figures and importances are of the 12 trials of explore."""
    found = findings(open_study(done.folder).table(), objectives=["fd"])
    assert set(found.explanation.table.phase) == {"explore"}
    (frame,) = [frame for name, frame in found.importances.items() if name == "fd"]
    assert frame is not None
    assert frame["n_configs"].max() <= 12
