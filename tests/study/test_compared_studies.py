"""`ganstudy compare`: two studies that were trained."""

import io
import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from toy import TOY, in_this_process
from typer.testing import CliRunner

import analysis
from ganstudy import UserError
from study.api import launch, open_study
from study.cli import app
from study.show.compare import Compared
from study.show.terminal import print_ranking
from study.spec.study_spec import StudySpec

OTHER_BASE = {**TOY["base"], "d.lr": 1e-3, "latent.dim": 6}


def trained(folder: Path, **changes: Any) -> Path:
    in_this_process(StudySpec.from_dict({**TOY, "seeds": 2, **changes}), folder)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    trained(folder / "one")
    trained(folder / "other", base=OTHER_BASE, question="And with another discriminator?")
    trained(folder / "few", evaluation={"samples": 150})
    return folder


def compared(*folders: Path, **options: str) -> str:
    """What the command prints on a wide terminal."""
    given = [f"--{name}={value}" for name, value in options.items()]
    result = CliRunner().invoke(app, ["compare", *map(str, folders), *given], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_what_differs_between_the_studies_is_listed(runs: Path) -> None:
    found = Compared(open_study(runs / "one"), open_study(runs / "other"), None)
    assert {name: values for name, *values in found.design} == {
        "d.lr": ["0.0002", "0.001"],
        "latent.dim": ["4", "6"],
    }
    text = compared(runs / "one", runs / "other")
    assert "And with another discriminator?" in text
    assert "latent.dim" in text


def test_the_ranking_holds_the_configs_of_both(runs: Path) -> None:
    result = CliRunner().invoke(app, ["compare", str(runs / "one"), str(runs / "other"), "--json"])
    found = json.loads(result.stdout, parse_constant=pytest.fail)
    views = [open_study(runs / name) for name in ("one", "other")]
    configs = {row["config_id"] for row in found["ranking"]}
    assert configs == {config for view in views for config in view.trials()["config_id"]}
    assert {row["d.lr"] for row in found["ranking"]} == {2e-4, 1e-3}
    assert found["studies"] == ["one", "other"]


def test_other_evaluation_protocols_are_refused_until_one_is_measured_like_the_other(runs: Path) -> None:
    one, few = open_study(runs / "one"), open_study(runs / "few")
    with pytest.raises(UserError, match=r"one evaluation protocol.*n_fake: 200 and 150.*ganstudy evaluate"):
        Compared(one, few, None)
    few.evaluate(samples=200)
    found = Compared(one, few, None)
    assert found.protocol == one.protocol.hash
    assert found.found
    assert all(each.difference == each.first.no_effect for each in found.found)  # the same trials, measured alike
    assert {name for name, *_ in found.design} == set()
    assert found.tables[1].at_end("fd") == pytest.approx(found.tables[0].at_end("fd"))


def test_a_study_is_not_compared_with_itself_or_with_nothing(runs: Path, tmp_path: Path) -> None:
    one = open_study(runs / "one")
    with pytest.raises(UserError, match="two studies"):
        Compared(one, open_study(runs / ".." / runs.name / "one"), None)
    started = tmp_path / "started"
    started.mkdir()
    lines = (runs / "one" / "records.jsonl").read_text().splitlines(keepends=True)
    (started / "records.jsonl").write_text("".join(lines[:2]))
    with pytest.raises(UserError, match="finished trials of both studies; started has none"):
        Compared(one, open_study(started), None)


def test_another_objective_needs_an_outcome(runs: Path, tmp_path: Path) -> None:
    coverage = trained(tmp_path / "coverage", objective="coverage", n_configs=2)
    with pytest.raises(UserError, match="--outcome must name"):
        Compared(open_study(runs / "one"), open_study(coverage), None)
    assert "coverage" in compared(runs / "one", coverage, outcome="coverage")


def test_a_protocol_that_was_not_measured(runs: Path) -> None:
    with pytest.raises(UserError, match="protocol must be"):
        open_study(runs / "one").table(protocol="0123456789")


def test_what_a_study_lacks_is_a_dash(runs: Path) -> None:
    found = Compared(open_study(runs / "one"), open_study(runs / "other"), None)
    spec = found.views[0].study.spec
    object.__setattr__(
        found.views[0],
        "study",
        replace(found.views[0].study, spec={**spec, "failure": "fd > 3", "base": {**spec["base"], "data.size": None}}),
    )
    rows = {name: values for name, *values in found.design}
    assert rows["failure"] == ["fd > 3", "–"]
    assert not any("None" in value for values in rows.values() for value in values)


def test_the_ranking_begins_with_how_many_configs_it_leaves_out(runs: Path) -> None:
    views = [open_study(runs / name) for name in ("one", "other")]
    tables = [view.table() for view in views]
    first = tables[0].config_id == tables[0].config_id[0]
    tables[0] = replace(tables[0], phase=np.where(first, "confirm", "explore"))
    said = io.StringIO()
    named = dict(zip(("one", "other"), tables, strict=True))
    print_ranking(analysis.together(named), "fd", Console(file=said, width=200), n=8, studies=named)
    assert said.getvalue().startswith("Left out, since they have no finished trial of phase confirm: 3 of 4 configs of one.\n")
    print_ranking(tables[1], "fd", Console(file=(all_of_them := io.StringIO()), width=200), n=8)
    assert "Left out" not in all_of_them.getvalue()


@pytest.mark.parametrize("goal", ["explore", "optimise"])
def test_a_study_without_confirmed_configs_is_ranked_beside_one_that_has_some(runs: Path, goal: str) -> None:
    found = Compared(open_study(runs / "one"), open_study(runs / "other"), None)
    one, other = found.tables
    first = one.config_id == one.config_id[0]
    found.tables = replace(one, phase=np.where(first, "confirm", "explore")), replace(other, phase=np.full(len(other), goal))
    said = io.StringIO()
    found.print(Console(file=said, width=300))
    assert said.getvalue().startswith(
        "In the ranking, only trials with fresh seeds count for one; for other, which has no confirmed configs, all trials do."
    )
    assert ("other was a search, so the values of its first configs look better" in said.getvalue()) == (goal == "optimise")
    ranked = {row["config_id"] for row in found.as_dict()["ranking"]}
    assert ranked == {one.config_id[0], *other.config_id}


def test_nothing_is_said_of_fresh_seeds_where_the_studies_are_alike(runs: Path) -> None:
    found = Compared(open_study(runs / "one"), open_study(runs / "other"), None)
    assert found.counted == ""
    found.tables = tuple(replace(table, phase=np.full(len(table), "confirm")) for table in found.tables)
    assert found.counted == ""


def test_a_copy_of_a_study_is_not_another_study(runs: Path, tmp_path: Path) -> None:
    copytree(runs / "one", tmp_path / "copy")
    with pytest.raises(UserError, match=r"two independent studies; .*copy and .*one hold 8 trials of the same launch"):
        compared(runs / "one", tmp_path / "copy")


def test_studies_that_do_not_mean_the_same_by_a_failure_are_refused_at_once(runs: Path, tmp_path: Path) -> None:
    copytree(runs / "other", tmp_path / "other")
    spec = {**TOY, "seeds": 2, "base": OTHER_BASE, "question": "And with another discriminator?", "failure": "coverage < 0.2"}
    launch(StudySpec.from_dict(spec), tmp_path / "other", progress=False)
    with pytest.raises(
        UserError, match=r"must define a failure alike; .*one has failure: null, .*other failure: coverage < 0\.2\. `ganstudy resume .*"
    ):
        compared(runs / "one", tmp_path / "other")
