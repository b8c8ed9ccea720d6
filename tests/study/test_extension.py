"""`launch --extend`: a search that goes on in a larger space."""

import math
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from extended import GIVEN, LR, WIDER, spec
from played import end, play, study_record
from rich.console import Console

from analysis.report.findings import findings
from ganstudy import UserError
from study.api import open_study
from study.engine.extension import learned_again, of_space, refuse_unextended
from study.engine.prepare import prepare
from study.engine.searcher import Search
from study.engine.sequence import Sequence
from study.engine.unproposed import Unproposed
from study.show.trials import print_study, print_trial
from study.spec.study_spec import StudySpec
from study.store.cached import Cached
from study.store.records import Earlier, TrialRecord
from study.store.settings import settings_of
from study.store.store import Store
from trainables.config import known_settings


def value(record: TrialRecord) -> float | None:
    """A learning rate of 3e-3 is best, and R1 is worth a factor of 2. Some trials die."""
    if 2e-4 < record.flat["g.lr"] < 3e-4:
        return None
    return (1 if record.flat.get("r1") else 2) * (1 + math.log10(record.flat["g.lr"] / 3e-3) ** 2)


def value_of_r1(record: TrialRecord) -> float:
    return 1.0 if record.flat["r1"] else 2.0


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return play(spec(), tmp_path_factory.mktemp("extended") / "study", value)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsga2", "random"])
def test_earlier_trials_stay_and_new_ones_come_from_the_larger_space(tmp_path: Path, sampler: str, seeds: int) -> None:
    named = {"name": "nsga2", "population_size": 4} if sampler == "nsga2" else sampler
    before = play(spec(sampler=named, seeds=seeds), tmp_path / "study", value)
    after = play(spec(sampler=named, seeds=seeds, space=WIDER, n_configs=24), tmp_path / "study", value)
    old, new = list(after.trials.values())[: len(before.trials)], list(after.trials.values())[len(before.trials) :]
    assert [record.trial_id for record in old] == list(before.trials)
    assert all(record.launch < after.first_in(after.studies[-1].spec["space"]) <= new_.launch for record in old for new_ in new)
    assert len({record.flat["seed"] // 1000 for record in new}) == 12  # a genetic algorithm may propose a config twice
    assert any(record.flat["g.lr"] > 1e-3 for record in new)
    assert all("r1" in record.flat and record.flat["beta1"] in (0.0, 0.5) for record in new)
    seeds_used = [record.flat["seed"] for record in after.trials.values()]
    assert len(set(seeds_used)) == len(seeds_used)


def test_the_sampler_knows_what_was_found_in_the_smaller_space(known: Store, tmp_path: Path) -> None:
    """Each earlier trial, dead ones too, with what varies only now at its default."""
    larger = spec(space=WIDER, n_configs=24)
    sequence = Sequence(larger, known)
    assert sequence.next()
    told = [trial for trial in sequence.proposals["optimise"].study.trials if trial.state.is_finished()]  # type: ignore[attr-defined]
    records = list(known.trials.values())
    assert len(told) == 12
    assert sorted(trial.params["g.lr"] for trial in told) == sorted(record.flat["g.lr"] for record in records)
    assert all(trial.params["r1"] is False and trial.params["beta1"] == 0.5 and "r1.gamma" not in trial.params for trial in told)
    dead = [trial for trial in told if math.isinf(trial.value)]
    assert len(dead) == sum(value(record) is None for record in records) > 0


def test_a_search_is_extended_twice(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    play(spec(), folder, value)
    play(spec(space={"scientific": {"g.lr": {**LR, "high": 1e-2}}}, n_configs=18), folder, value)
    after = play(spec(space=WIDER, n_configs=24), folder, value)
    assert len(after.trials) == 24
    assert len(Store(folder).trials) == 24
    again = Unproposed(spec(space=WIDER, n_configs=24), after)
    assert sum(record in again for record in after.trials.values()) == 18


@pytest.mark.parametrize("stop", [3, 14, 19])
def test_an_extended_search_that_is_killed_goes_on_as_if_it_had_not_been(tmp_path: Path, stop: int) -> None:
    larger, folders = spec(space=WIDER, n_configs=24), [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        play(spec(), folder, value)
    whole = play(larger, folders[0], value)
    play(larger, folders[1], value, at_most=stop)
    assert list(play(larger, folders[1], value).trials) == list(whole.trials)


def test_trials_that_were_open_when_the_space_grew_are_learned_when_they_end(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        store.write_study(study_record(spec()))
        search = Search(spec(), store)
        first = search.suggest("0")
        assert first
        store.write_study(study_record(spec(space=WIDER, n_configs=24)))
        search = Search(spec(space=WIDER, n_configs=24), store)
        again = search.suggest("0")
        assert again
        assert again["trial_id"] == first["trial_id"]
        assert search.suggest("1")  # begins the proposals
        adaptive = search.proposals.proposals["optimise"]
        before = len(adaptive.study.trials)  # type: ignore[attr-defined]
        end(spec(), store, search, first["trial_id"], lambda record: 1.0)
        assert len(adaptive.study.trials) == before + 1  # type: ignore[attr-defined]
        assert adaptive.study.trials[-1].value == 1.0  # type: ignore[attr-defined]


def test_values_outside_the_larger_space_are_not_learned(known: Store) -> None:
    """A setting that varies only now may have no value of the base."""
    larger = spec(space={"scientific": {"g.lr": LR, "beta1": [0.0, 0.9]}}, n_configs=24)
    assert learned_again(known, larger) == [
        "the search goes on in a larger space, and learns from 0 of its 12 trials so far; 12 have a value outside of it"
    ]
    assert learned_again(known, spec(space=WIDER)) == ["the search goes on in a larger space, and learns from 12 of its 12 trials so far"]
    assert learned_again(known, spec()) == []


def test_what_warm_start_took_gets_values_for_the_settings_that_vary_now(known: Store) -> None:
    assert known.study
    taken = Earlier(study="other", trial_id="a-s0", values={"g.lr": 5e-4}, results=(1.0,))
    record = replace(known.study, earlier=(taken,))
    assert of_space(record, spec()) == (taken,)
    assert of_space(record, spec(space=WIDER))[0].values == {"g.lr": 5e-4, "r1": False, "beta1": 0.5}
    assert of_space(record, spec(space={"scientific": {"g.lr": LR, "beta1": [0.0, 0.9]}})) == ()


PHASES: dict[str, Any] = {"explore": {"n_configs": 4}, "optimise": {"n_configs": 4}}


def phased(**keys: Any) -> StudySpec:
    given = {key: item for key, item in GIVEN.items() if key not in ("goal", "n_configs")}
    return StudySpec.from_dict({**given, "phases": PHASES, **keys})


def test_what_cannot_be_extended_is_refused(known: Store, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="n_configs must be more than the 12 configs"):
        refuse_unextended(known, spec(space=WIDER))
    refuse_unextended(known, spec(space=WIDER, n_configs=13))
    twice = play(
        spec(sampler={"name": "nsga2", "population_size": 2}, space={"scientific": {"r1": [False, True]}}), tmp_path / "twice", value_of_r1
    )
    assert len({record.config_id for record in twice.trials.values()}) < 12
    with pytest.raises(UserError, match="must be more than the 12 configs"):
        refuse_unextended(twice, spec(space={"scientific": {"r1": [False, True], "beta1": [0.0, 0.5]}}, n_configs=12))
    with pytest.raises(UserError, match=r"must keep all settings and values; g.lr has no 0.0001 any more"):
        refuse_unextended(known, spec(space={"scientific": {"g.lr": {**LR, "low": 2e-4}}}, n_configs=24))
    design = play(spec(goal="explain"), tmp_path / "design", value)
    with pytest.raises(UserError, match=r"only a search can get a larger space.*compare"):
        refuse_unextended(design, spec(goal="explain", space=WIDER, n_configs=24))


def test_a_design_before_the_search_must_have_ended(tmp_path: Path) -> None:
    larger = phased(space=WIDER, phases={**PHASES, "optimise": {"n_configs": 8}})
    begun = play(phased(), tmp_path / "study", value, at_most=3)
    with pytest.raises(UserError, match=r"the phase explore must have ended and stay as it is.*3 of its 4 trials"):
        refuse_unextended(begun, larger)
    ended = play(phased(), tmp_path / "study", value)
    refuse_unextended(ended, larger)
    with pytest.raises(UserError, match="must have ended and stay"):
        refuse_unextended(ended, phased(space=WIDER, phases={"explore": {"n_configs": 6}, "optimise": {"n_configs": 8}}))
    whole = play(larger, tmp_path / "study", value)
    assert [record.phase for record in whole.trials.values()] == ["explore"] * 4 + ["optimise"] * 8


def test_a_config_of_the_design_is_learned_once_with_the_mean_of_its_seeds(tmp_path: Path) -> None:
    """Of two seeds, the second one is worth more."""

    def by_seed(record: TrialRecord) -> float:
        return 1.0 + int(record.flat["seed"]) % 2

    two = phased(phases={"explore": {"n_configs": 4, "seeds": 2}, "optimise": {"n_configs": 4}})
    store = play(two, tmp_path / "study", by_seed, at_most=8)
    sequence = Sequence(two, store)
    assert sequence.next()
    told = [trial for trial in sequence.proposals["optimise"].study.trials if trial.state.is_finished()]  # type: ignore[attr-defined]
    assert [trial.value for trial in told] == [1.5] * 4


def test_a_larger_space_needs_the_flag_and_is_shown(tmp_path: Path) -> None:
    folder, larger = tmp_path / "study", spec(space=WIDER, n_configs=24)
    play(spec(), folder, value, study=prepare(spec(), folder, address=None).study)
    with pytest.raises(UserError, match=r"holds another study.*with --extend, a search may also get a larger space"):
        prepare(larger, folder, address=None)
    prepared = prepare(larger, folder, address=None, extend=True)
    assert not prepared.done
    assert prepared.notes[-1] == "the search goes on in a larger space, and learns from 12 of its 12 trials so far"
    play(larger, folder, value, study=prepared.study)
    assert prepare(larger, folder, address=None).done  # as every later launch and resume
    view, console = open_study(folder), Console(record=True, width=200, file=StringIO())
    print_study(view, console)
    print_trial(view.trial(view.trials().index[0]), console)
    print_trial(view.trial(view.trials().index[-1]), console)
    text = console.export_text()
    assert "space: {scientific: {g.lr: {low: 0.0001, high: 0.001, log: true}}} before, " in text
    assert text.count("proposed in a smaller space: scientific: {g.lr: {low: 0.0001, high: 0.001, log: true}} then") == 1
    assert len(view.best(n=3, min_seeds=1)) == 3
    assert {"r1", "beta1"} <= set(view.trials().columns)
    assert not view.trials()["r1"].isna().any()
    assert not view.trials()["r1"].iloc[:12].any()  # off, where it did not vary


def test_the_launch_of_a_trial_is_the_same_in_the_cache(known: Store, tmp_path: Path) -> None:
    shutil.copytree(known.folder, tmp_path / "copy")
    after = play(spec(space=WIDER, n_configs=16), tmp_path / "copy", value)
    cached = Cached(tmp_path / "copy")
    assert [cached.record(trial_id).launch for trial_id in cached.trial_ids] == [record.launch for record in after.trials.values()]
    assert {record.launch for record in after.trials.values()} == {0, 1}


def test_trials_of_the_smaller_space_have_the_variant_that_their_settings_are(known: Store) -> None:
    assert known.study
    variants = {"penalties": {"none": {}, "r1": {"r1": True}, "hinge": {"loss": "hinge"}}}
    now = replace(known.study, spec=spec(space={"scientific": {"g.lr": LR, **variants}}).as_dict())
    assert {settings_of(record, now, known_settings())["penalties"] for record in known.trials.values()} == {"none"}
    hinge = known.trials[min(known.trials)].changed(flat={"data": "ring8", "arch": "mlp", "g.lr": 1e-3, "loss": "hinge"})
    assert settings_of(hinge, now, known_settings())["penalties"] == "hinge"


def test_claims_of_a_design_are_about_what_it_varied(tmp_path: Path) -> None:
    """What varies only in the search after it has no effect in the report: no trial of the design had another value."""
    space = {"scientific": {"loss": ["hinge", "minimax"], "g.lr": LR}}
    larger = {"scientific": {"loss": ["hinge", "minimax", "wasserstein"], "g.lr": LR, "r1": [False, True]}}

    def worse(record: TrialRecord) -> float:
        return (4.0 if record.flat["loss"] == "minimax" else 1.0) + float(record.flat["g.lr"])

    phases = {"explore": {"n_configs": 24}, "optimise": {"n_configs": 6}}
    play(phased(space=space, phases=phases), tmp_path / "study", worse)
    play(phased(space=larger, phases={**phases, "optimise": {"n_configs": 12}}), tmp_path / "study", worse)
    view = open_study(tmp_path / "study")
    found = findings(view.table(), objectives=["fd"])
    claims = {(claim.setting, claim.claimed) for claim in found.explanation if claim.outcome == "fd"}
    assert ("loss", True) in claims
    assert not any(setting == "r1" and claimed for setting, claimed in claims)
