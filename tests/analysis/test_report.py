import io
import pickle
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import analysis
from analysis import TrialTable, plots
from analysis.outcomes import FAILURES, OUTCOMES, RISKS
from ganstudy import UserError
from ganstudy.ended import Ended

Stage = Callable[..., TrialTable]


def png(size: tuple[int, int] = (64, 64)) -> bytes:
    file = io.BytesIO()
    Image.new("L", size, 90).save(file, "PNG")
    return file.getvalue()


def risky(config: Mapping[str, Any]) -> float:
    return 0.1 if config["r1"] else 0.6


@pytest.fixture(scope="module")
def browser() -> str:
    found = shutil.which("chromium")
    assert found, "this test renders the report in a browser; install chromium"
    return found


class Outline(HTMLParser):
    """Collects the resources a page loads, its anchors and links, and the tags that are still open."""

    def __init__(self, text: str):
        super().__init__()
        self.fetched: list[str] = []
        self.ids: list[str | None] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"] or ""] if tag == "a" else []
        source = given.get("src") or (given.get("href") if tag == "link" else None)
        self.fetched += [source] if source and not source.startswith("data:") else []
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_complete_and_self_contained(stage: Stage, tmp_path: Path) -> None:
    table = stage(30, 2, risk=risky)
    images = {str(trial): png() for trial in table.trial_id}
    path = analysis.report(
        table,
        tmp_path / "deep" / "report.html",
        question="Does R1 help?",
        images=images,
        real=png(),
        design={"Generator": "Sobol"},
        provenance={"Code": "0123abc"},
        caveats=["Small pictures."],
    )
    text = path.read_text(encoding="utf-8")
    outline = Outline(text)
    assert outline.fetched == []
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert {link.removeprefix("#") for link in outline.links} <= set(outline.ids)
    for word in ("Does R1 help?", "Sobol", "0123abc", "Small pictures.", "Real data", "fixed settings", "Nothing can be told from noise"):
        assert word in text
    assert text.count("<img alt=") == 2 + 7 + 2 + 2 + 4  # real twice, best, collapsed, diverged, top configs
    assert len(re.findall(r"plotly\.js v\d", text)) == 1
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]  # no partial file remains
    for claim in analysis.explain(table):
        assert claim.setting in text or claim.kind in ("bend", "interaction")


def test_text_is_escaped(stage: Stage, tmp_path: Path) -> None:
    table = stage(8, 1)
    table = replace(table, settings=table.settings.assign(loss=["<b>x</b>", "y"] * 4))
    path = analysis.report(table, tmp_path / "r.html", question="<script>alert(1)</script>", caveats=["<i>"], provenance={"<k>": "<v>"})
    text = path.read_text(encoding="utf-8")
    for markup in ("<script>alert", "<i>", "<k>", "<v>", "<td>&lt;b>"):
        assert markup not in text
    assert Outline(text).open == []


@pytest.mark.parametrize(
    "case", ["no trials", "unfinished", "one trial", "all dead", "one seed per config", "observed", "no baselines", "one level left"]
)
def test_incomplete_studies_have_a_report(stage: Stage, tmp_path: Path, case: str) -> None:
    table = stage(6, 1)
    if case == "no trials":
        table = replace(table.where(np.zeros(6, dtype=bool)), settings=table.settings.iloc[:0, :0], final=table.final.iloc[:0, :0])
    elif case == "unfinished":
        table = replace(table, ended=np.array([""] * 6), outcome=np.array([""] * 6))
    elif case == "one trial":
        table = table.where(np.arange(6) == 0)
    elif case == "all dead":
        table = replace(table, ended=np.array(["dead"] * 6), outcome=np.array(["diverged"] * 6))
    elif case == "observed":
        table = replace(table, phase=np.array(["optimise"] * 6))
    elif case == "no baselines":
        table = replace(table, baselines={})
    elif case == "one level left":
        on = table.settings["r1"].to_numpy(dtype=bool)
        table = replace(table, scientific=("r1",), nuisance=())
        table = replace(table, ended=np.where(on, "dead", "budget"), outcome=np.where(on, "diverged", "healthy"))
    text = analysis.report(table, tmp_path / "r.html", objective="coverage").read_text(encoding="utf-8")
    assert Outline(text).open == []
    assert ("No answer yet" in text) == (case in ("no trials", "unfinished"))
    assert ("observed, not designed" in text) == (case == "observed")


def test_invalid_arguments_are_rejected_and_the_old_page_remains(stage: Stage, tmp_path: Path) -> None:
    table, path = stage(6, 1), tmp_path / "r.html"
    path.write_text("old")
    with pytest.raises(UserError, match="'t999'"):
        analysis.report(table, path, images={"t999": png()})
    with pytest.raises(UserError, match="'fid'"):
        analysis.report(table, path, objective="fid")
    assert path.read_text() == "old"


def test_every_outcome_has_its_own_label_colour_and_symbol() -> None:
    assert all(name == outcome.name for name, outcome in OUTCOMES.items())
    for attribute in ("label", "colour", "symbol"):
        assert len({getattr(outcome, attribute) for outcome in OUTCOMES.values()}) == len(OUTCOMES)
    assert RISKS.keys() == set(OUTCOMES) - {"healthy", "completed", ""} == {*FAILURES, "undertrained"}
    assert len(set(RISKS.values())) == len(RISKS)


def test_why_a_trial_stopped_survives_pickling_and_has_a_label() -> None:
    for ended in Ended:
        assert pickle.loads(pickle.dumps(ended)) is ended is Ended(ended.value)
        assert ended.label
    assert [*map(str, Ended)] == ["budget", "scheduler", "dead", "error"]


def test_figures_show_every_trial_and_the_baseline(stage: Stage) -> None:
    table = stage(20, 2, risk=risky)
    drawn = plots.trade_off(table, "fd", "coverage")
    assert sum(len(trace.x) for trace in drawn.data) == 40
    assert drawn.layout.xaxis.type == "log"
    assert drawn.layout.yaxis.type is None
    assert {shape.line.dash for shape in drawn.layout.shapes} == {"dash"}
    lines = plots.curves(table, "fd")
    assert sum(np.isfinite(np.asarray(trace.y, dtype=float)).sum() for trace in lines.data) == np.isfinite(table.curves["fd"]).sum()
    risks = plots.risk_by_setting(table, ["r1"])
    assert [text.split()[-1] for text in risks.layout.yaxis.ticktext] == ["off", "on"]
    assert risks.data[0].x[0] > risks.data[0].x[1]


def test_a_browser_draws_all_figures(stage: Stage, tmp_path: Path, browser: str) -> None:
    path = analysis.report(stage(12, 2, risk=risky), tmp_path / "r.html")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    options += ["--disable-sync", "--virtual-time-budget=30000", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    found = subprocess.run([browser, *options, path.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    drawn = found.stdout
    assert drawn.count('class="main-svg"') >= 5
    for name in ("risk", "objective", "trade", "ranking", "curves"):
        assert f'id="chart-{name}"' in drawn
