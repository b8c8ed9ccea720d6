"""The report as HTML, Markdown and JSON: the same content, for any table, also one in which there is little to say."""

import dataclasses
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from degenerate import CHANGES
from PIL import Image

import analysis
from analysis import Claim, TrialTable, plots
from analysis.cells import Cells
from analysis.plots.style import DARK_PAGE, GRID, PAGE, contrast, dark_colours
from analysis.report.build import document
from analysis.report.content import Chart, Charts, Choice
from analysis.report.data import data
from analysis.report.findings import Findings, findings
from analysis.report.markdown import markdown
from analysis.report.page import page
from analysis.report.runs import rounded, thinned
from ganstudy import UserError

Stage = Callable[..., TrialTable]
DOCS = Path(__file__).parents[2] / "docs" / "report.md"


def png() -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), 90).save(file, "PNG")
    return file.getvalue()


def risky(config: Any) -> float:
    return 0.1 if config["r1"] else 0.7


def strict(text: str) -> dict[str, Any]:
    """Parse JSON that has no NaN and no Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return found


def figures(found: Findings) -> list[Chart]:
    blocks = [block for section in document(found).sections for block in section.blocks]
    several = [chart for block in blocks if isinstance(block, Charts) for chart in block.charts]
    return [*several, *(block.chart for block in blocks if isinstance(block, Choice))]


def test_all_formats_say_the_same(stage: Stage, tmp_path: Path) -> None:
    table = stage(16, 2, risk=risky)
    found = analysis.explain(table, ("failed", "fd"))
    paths = [analysis.report(table, tmp_path / f"r.{end}", question="Does R1 help?", explanation=found) for end in ("html", "md", "json")]
    text = [path.read_text(encoding="utf-8") for path in paths]
    held = strict(text[2])
    assert held["answer"] == analysis.answer(found).splitlines()
    assert held["question"] == "Does R1 help?"
    for line in held["answer"]:
        assert line.replace(" %", "\u00a0%") in text[0]
        assert line in text[1].replace("\\", "")
    first = held["ranking"][0]
    assert f'<th scope="row">{first["config_id"]}</th>' in text[0]
    assert f"| {first['config_id']} | 1 |" in text[1]
    assert "<svg" not in text[1]


def test_json_holds_every_field_of_every_claim(stage: Stage) -> None:
    table = stage(40, 2, risk=risky)
    found = findings(table, objectives=["fd"])
    held = strict(json.dumps(data(found), allow_nan=False))
    assert len(held["claims"]) == len(found.explanation)
    for record, claim in zip(held["claims"], found.explanation, strict=True):
        assert record.keys() == {field.name for field in dataclasses.fields(Claim)}
        assert record["effect"] == pytest.approx(claim.effect)
        assert record["claimed"] is claim.claimed
        assert record["n_with"] == {"trials": claim.n_with.trials, "configs": claim.n_with.configs, "failed": claim.n_with.failed}
        assert (record["family_p"] is None) == bool(np.isnan(claim.family_p))
    assert sum(row["trials"] for row in held["outcomes"]) == len(table)
    assert len(held["ranking"]) == 40


def test_every_key_of_the_json_is_documented(stage: Stage) -> None:
    text = DOCS.read_text()
    for key in data(findings(stage(6, 1), objectives=["fd"])):
        assert f"| `{key}` |" in text


def test_another_suffix_is_refused(stage: Stage, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ends in \.html, \.md, \.json; got 'report\.pdf'"):
        analysis.report(stage(4, 1), tmp_path / "report.pdf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("configs", "seeds"), [(2, 1), pytest.param(8, 2, marks=pytest.mark.slow)])
def test_a_degenerate_study_has_all_formats(stage: Stage, change: str, configs: int, seeds: int) -> None:
    table = CHANGES[change](stage(configs, seeds, seed=configs))
    found = findings(table, objectives=["fd"], images={str(trial): png() for trial in table.trial_id}, real=png())
    made = document(found)
    text = page(made)
    assert text.count("<h1>") == 1
    assert not re.search(r"\bnan\b", markdown(made))
    strict(json.dumps(data(found), allow_nan=False))
    for chart in figures(found):
        assert chart.alt
        assert "NaN" not in chart.figure.to_json().replace('"NaN"', "")
    names = [chart.name for chart in figures(found)]
    assert len(names) == len(set(names))
    for line in analysis.answer(found.explanation).splitlines():
        assert line in made.answer


@pytest.mark.parametrize("n", [0, 1])
def test_a_study_of_almost_no_trials_has_all_formats(stage: Stage, n: int) -> None:
    table = stage(2, 1).where(np.arange(2) < n)
    found = findings(table, objectives=["fd"])
    assert page(document(found))
    assert markdown(document(found)).startswith("# How r1 and loss affect fd")
    assert strict(json.dumps(data(found), allow_nan=False))["trials"] == n


def test_a_long_table_is_thinned_and_keeps_every_outcome(stage: Stage) -> None:
    table = stage(150, 2, risk=risky)
    rare = table.outcome.copy()
    rare[7] = "memorising"
    few = thinned(replace(table, outcome=rare), "fd", 50)
    assert 45 <= len(few) <= 50
    assert set(few.outcome) == set(rare)
    assert few.final["fd"].min() <= np.quantile(table.final["fd"], 0.05)
    assert thinned(table, "fd", 300) is table
    assert rounded(np.array([0.0123456, np.nan, 1234567.0])) == [0.0123, None, 1230000.0]


def test_the_best_runs_have_pictures_whatever_their_outcome(stage: Stage) -> None:
    table = stage(10, 2, risk=lambda config: 0.0)
    table = replace(table, outcome=np.full(20, "undertrained"))
    images = {str(trial): png() for trial in table.trial_id}
    text = page(document(findings(table, objectives=["fd"], images=images, real=png())))
    best = str(table.trial_id[int(np.argmin(table.final["fd"]))])
    assert f"Samples of {best}, undertrained" in text


def test_cards_compare_with_the_base_and_hold_the_recipe(stage: Stage) -> None:
    table = stage(12, 2, risk=risky)
    recipes = {str(trial): f"seed: {i}\nr1: true # <b>" for i, trial in enumerate(table.trial_id)}
    found = findings(table, objectives=["fd"], defaults={"r1": False, "loss": "hinge", "d.lr": 1e-4}, recipes=recipes)
    text, plain = page(document(found)), markdown(document(found))
    assert found.ranking is not None
    first = found.ranking.iloc[0]
    assert "Differs from the defaults in" in text
    assert ("r1 on" in plain.split("Differs from the defaults in")[1].splitlines()[0]) == bool(first["r1"])
    assert text.count("Copy the YAML") == 4
    assert "r1: true # &lt;b&gt;" in text
    assert plain.count("```yaml") == 4


def test_text_in_cells_can_be_read() -> None:
    rates = np.linspace(0, 1, 51)[None]
    names = tuple(map(str, range(51)))
    found = Cells(rows="a", columns="b", row_labels=("on",), column_labels=names, outcome="failed", value=rates, n=rates, p=1.0)
    figure = plots.cells(found, None)  # type: ignore[arg-type]  # of a risk the table is not asked
    ends = [np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) for _, colour in figure.data[0].colorscale]
    for share, note in zip(rates[0], figure.layout.annotations, strict=True):
        behind = "#" + "".join(f"{round(part):02X}" for part in ends[0] + share * (ends[1] - ends[0]))
        assert contrast(note.font.color, behind) >= 4.5


def test_colours_can_be_told_from_both_pages() -> None:
    for light, dark in dark_colours().items():
        assert light == GRID or contrast(dark, DARK_PAGE) >= (1.0 if light == PAGE else 4.0)
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)


def test_markdown_marks_what_is_claimed_and_explains_no_figure(stage: Stage) -> None:
    found = findings(stage(60, 2, risk=risky), objectives=["fd"])
    text, whole = markdown(document(found)), page(document(found))
    claimed = [line for line in text.splitlines() if line.startswith("| **")]
    assert len(claimed) == sum(claim.claimed for claim in found.explanation) > 0
    for words in ("Thick: ", "Dots are configs", "The band is"):
        assert words in whole
        assert words not in text
    assert "What is said here holds for each curve alone" in text
