"""A variant may be called low, and so may a choice, as a key of a range is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from played import SEARCH, play

from ganstudy.forms import are_variants, is_range
from ganstudy.written import differing
from study.spec.study_spec import StudySpec
from study.store.columns import columns_of
from study.store.tables import trial_table
from study.tracking.names import run_name
from trainables.config import known_settings

VARIANTS = {"low": {"r1.gamma": 0.1}, "high": {"r1.gamma": 10.0}}


@pytest.mark.parametrize(
    ("form", "variants", "a_range"),
    [
        (VARIANTS, True, False),
        ({"low": {}, "high": {}}, True, False),
        ({"low": 1, "high": 2}, False, True),
        (["low", "high"], False, False),
    ],
)
def test_forms_of_the_space_are_told_apart_by_their_values(form: Any, variants: bool, a_range: bool) -> None:
    assert (are_variants(form), is_range(form)) == (variants, a_range)


def test_variants_called_low_and_high_are_no_range(tmp_path: Path) -> None:
    spec = StudySpec.from_dict(
        {**SEARCH, "base": {**SEARCH["base"], "r1": True}, "space": {**SEARCH["space"], "scientific": {"method": VARIANTS}}}
    )
    store = play(spec, tmp_path / "low", lambda record: 1.0)
    assert store.study
    table = trial_table(columns_of(list(store.trials.values()), store.study))
    assert dict(table.scales) == {"g.lr": "log"}
    assert list(table.settings["method"].cat.categories) == ["low", "high"]
    trial = next(each for each in store.trials.values() if each.variants["method"] == "high")
    name = run_name(trial, store.study, known_settings())
    assert name.startswith("method=high, g.lr=")
    assert "gamma" not in name  # the name of the variant says it


def test_a_choice_called_low_is_no_range(tmp_path: Path) -> None:
    """Of a plugin's setting."""
    store = play(StudySpec.from_dict(SEARCH), tmp_path / "low", lambda record: 1.0)
    assert store.study
    space = {"scientific": {**store.study.spec["space"]["scientific"], "my.kind": ["low", "high"]}, "nuisance": {}}
    study = replace(store.study, spec={**store.study.spec, "space": space})
    trials = [replace(each, flat={**each.flat, "my.kind": "high"}) for each in store.trials.values()]
    table = trial_table(columns_of(trials, study))
    assert not table.scales
    assert list(table.settings["my.kind"].cat.categories) == ["low", "high"]


def test_of_variants_called_low_only_what_differs_is_shown() -> None:
    old, new = {"method": VARIANTS}, {"method": {**VARIANTS, "high": {"r1.gamma": 5.0}}}
    assert differing(old, new) == ["method: {high: {r1.gamma: 10.0}} in the folder, {high: {r1.gamma: 5.0}} now"]
    assert differing({"lr": {"low": 1, "high": 2}}, {"lr": {"low": 1, "high": 3}}) == [
        "lr: {low: 1, high: 2} in the folder, {low: 1, high: 3} now"
    ]
