"""--set: what it changes, and which change or line is blamed for an error."""

import re
from pathlib import Path
from typing import Any

import pytest
from bad_studies import good
from played import study_record

from ganstudy import UserError
from study.api import open_study
from study.spec.changes import with_changes
from study.spec.study_spec import StudySpec
from study.store.store import Store

FILE = """name: x
question: q
goal: optimise
base: {data: ring8, arch: mlp, budget_kimg: 10.0, tick_kimg: 1.0}
space:
  scientific:
    batch_size: [16, 32]
scheduler:
  grace_kimg: 5.0
n_configs: 4
"""


@pytest.mark.parametrize(
    ("changes", "blamed"),
    [
        ({"seeds": 1, "budget_kimg": 2.0}, ["budget_kimg"]),  # grace_kimg of the file is not below it any more
        ({"budget_kimg": 2.0, "tick_kimg": 0.5}, ["budget_kimg"]),
        ({"goal": "explain"}, ["goal"]),  # the scheduler of the file does not fit
        ({"packing": True, "packing.samples": 3}, ["packing", "packing.samples"]),  # neither is wrong without the other
        ({"g.lr": -1.0}, ["g.lr"]),
    ],
)
def test_a_change_is_blamed_for_an_error_that_the_file_alone_does_not_have(
    tmp_path: Path, changes: dict[str, Any], blamed: list[str]
) -> None:
    (tmp_path / "s.yaml").write_text(FILE)
    with pytest.raises(UserError) as error:
        StudySpec.load(tmp_path / "s.yaml", changes)
    place = str(error.value).partition(": ")[0]
    assert set(re.findall(r"--set (\S+)", place)) <= set(blamed)
    assert "--set" in place
    assert ".yaml" not in place


def test_a_change_of_a_study_that_is_resumed_is_blamed_too(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(FILE)
    with Store.writing(tmp_path / "run") as store:
        store.write_study(study_record(StudySpec.load(tmp_path / "s.yaml")))
    view = open_study(tmp_path / "run")
    assert view.spec_with({"seeds": 2}).seeds == 2
    with pytest.raises(UserError, match=r"^--set budget_kimg: scheduler.grace_kimg must be at most"):
        view.spec_with({"seeds": 1, "budget_kimg": 2.0})
    with pytest.raises(UserError, match=r"^--set g\.lrr: no setting named"):
        view.spec_with({"g.lrr": 2.0})


def test_an_error_of_the_file_is_blamed_on_its_line_whatever_is_changed(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(FILE.replace("grace_kimg: 5.0", "grace_kimg: 50.0"))
    with pytest.raises(UserError, match=r"s\.yaml, line 9: scheduler.grace_kimg must be at most"):
        StudySpec.load(tmp_path / "s.yaml", {"max_failures": 3})


def test_a_change_keeps_what_it_does_not_name() -> None:
    keys = StudySpec.model_fields
    assert with_changes(good(objective="coverage"), {"objective.direction": "maximize"}, keys)["objective"] == {
        "metric": "coverage",
        "direction": "maximize",
    }
    changed = with_changes(good(), {"resources.gpu": 0.5, "tracking.wandb.mode": "offline", "d.lr": 0.1}, keys)
    assert (changed["resources"], changed["tracking"], changed["base"]["d.lr"]) == ({"gpu": 0.5}, {"wandb": {"mode": "offline"}}, 0.1)


@pytest.mark.parametrize(
    ("given", "change"),
    [
        ({"tracking": "wandb"}, "tracking.wandb.mode"),
        ({"base": [1]}, "d.lr"),
        ({"scheduler": "asha"}, "scheduler.grace_kimg"),
        ({"n_configs": 3}, "n_configs.x"),
    ],
)
def test_a_key_inside_something_else_is_refused(given: dict[str, Any], change: str) -> None:
    with pytest.raises(UserError, match=f"--set {change} needs .* to be a mapping"):
        with_changes(good(**given), {change: 1}, StudySpec.model_fields)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"base": {"qqqq": 1}}, r"no setting named 'qqqq'; `ganstudy list settings` prints all \d+$"),
        (
            {"base": {"latent.zzzzzzz": 1}},
            "no setting named 'latent.zzzzzzz'; latent has latent.dim, latent.distribution, latent.truncation",
        ),
        ({"objective": "zzzz"}, "`ganstudy list metrics` and `ganstudy list signals` print all"),
        ({"failure": "zzzz > 1"}, "`ganstudy list metrics` and `ganstudy list signals` print all"),
        ({"scheduler": {"name": [1]}, "goal": "optimise"}, r"scheduler.name must be text; given \[1\]"),
        ({"name": "a" * 101}, "name must be text of at most 100 characters"),
        ({"base": {"g.width": "x" * 5000}}, "given 'x{199}…$"),
        ({"design_seed": 10**12}, "design_seed must be at most 100000000000; given 1000000000000"),
        ({"base": {3: 1}}, "a key of base must be text; given 3"),
        ({"base": {"data.modes": 3}}, "add `data: mixture1200` to base$"),
    ],
)
def test_messages_are_short_and_say_where_to_look(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        StudySpec.from_dict(good(**given))
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("space", "--set cannot change what varies; given space. Change the space in the study file"),
        ("space.nuisance.d.lr", "--set cannot change what varies; given space.nuisance.d.lr"),
        ("base.d.lr", "as it stands in base, such as --set d.lr=…; given base.d.lr"),
        ("base", "such as --set budget_kimg=…; given base"),
    ],
)
def test_base_and_space_are_not_changed_as_a_whole(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(FILE)
    with pytest.raises(UserError, match=re.escape(said)):
        StudySpec.load(tmp_path / "s.yaml", {name: 1})
