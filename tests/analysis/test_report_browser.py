"""The report in Chromium: at all widths, in dark mode, by keyboard and in print."""

import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from degenerate import CHANGES
from PIL import Image

import analysis
from analysis import TrialTable
from bench.chromium import Page, browser

Stage = Callable[..., TrialTable]
DRAWN = "document.documentElement.dataset.drawn"
# The least contrast of any text with what is behind it (WCAG 2). Cells have colours of their own, which test_report_formats checks.
CONTRAST = """(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parts(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
  };
  const found = [];
  for (const element of document.querySelectorAll("main *, nav *, text")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("script") || element.closest("[id^=chart-cells]")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parts(element.closest("svg") ? style.fill : style.color)), light(behind(element))].sort((x, y) => x - y);
    found.push((b + .05) / (a + .05));
  }
  return Math.min(...found);
})()"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    program = shutil.which("chromium")
    assert program, "this test renders the report in a browser; install chromium"
    with browser(program) as page:
        yield page


def png() -> bytes:
    file = io.BytesIO()
    Image.new("L", (64, 64), 90).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def path(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = stage(16, 2, risk=lambda config: 0.1 if config["r1"] else 0.6)
    table = replace(table, final=table.final.assign(precision=0.00751), baselines={"fd": 0.00523, "precision": 0.00973, "coverage": 0.976})
    images = {str(trial): png() for trial in table.trial_id}
    return analysis.report(
        table,
        tmp_path_factory.mktemp("report") / "r.html",
        question="Does R1 keep a GAN from failing?",
        images=images,
        real=png(),
        recipes=dict.fromkeys(images, "r1: true\n"),
        provenance={"python": "3.11"},
    )


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 800, 1200, 1600])
def test_all_figures_are_drawn_and_nothing_sticks_out(tab: Page, path: Path, width: int) -> None:
    tab.said.clear()
    tab.open(path, width=width)
    tab.until(DRAWN)
    assert tab.said == []
    assert tab.value("document.documentElement.scrollWidth") == width
    assert tab.value("[...document.querySelectorAll('.plot')].filter((plot) => !plot.querySelector('.main-svg')).length") == 0
    assert tab.value("document.querySelectorAll('.plot').length") >= 12
    clipped = "[...document.querySelectorAll('.wide')].filter((box) => box.scrollWidth > box.clientWidth && box.tabIndex !== 0).length"
    assert tab.value(clipped) == 0
    assert tab.value("[...document.querySelectorAll('.card .wide')].filter((box) => box.scrollWidth > box.clientWidth).length") == 0
    assert tab.value("document.querySelectorAll('h1').length") == 1
    assert tab.value("[...document.images].every((image) => image.alt && image.complete)")


@pytest.mark.slow
def test_a_legend_of_many_lines_takes_no_room_from_its_figure(tab: Page, path: Path) -> None:
    heights = "Object.fromEntries([...document.querySelectorAll('.plot')].map((plot) => [plot.id, plot._fullLayout._size.h]))"
    found = {}
    for width in (1200, 400):
        tab.open(path, width=width)
        tab.until(DRAWN)
        found[width] = tab.value(heights)
    assert tab.value("Math.max(...[...document.querySelectorAll('.legend .bg')].map((box) => box.getBBox().height))") > 60
    for name, height in found[400].items():
        assert height >= 0.9 * found[1200][name], name


def test_dark_mode_is_followed_at_once_and_contrast_is_enough(tab: Page, path: Path) -> None:
    tab.open(path, dark=False)
    tab.until(DRAWN)
    ink = "getComputedStyle(document.querySelector('#chart-risk .xtick text')).fill"
    light = tab.value(ink)
    assert tab.value(CONTRAST) >= 4.5
    tab.emulate(dark=True)
    tab.until(f"{ink} !== '{light}'")
    assert tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(20, 25, 31)"
    tab.until("getComputedStyle(document.querySelector('#chart-curves .xtick text')).fill !== '" + light + "'")
    assert tab.value(CONTRAST) >= 4.5
    tab.emulate(dark=False)
    tab.until(f"{ink} === '{light}'")


def test_everything_is_reached_by_keyboard(tab: Page, path: Path) -> None:
    tab.open(path, width=700)
    tab.until(DRAWN)
    tab.value("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    wanted = tab.value("document.querySelectorAll('a[href], select, button, summary, [tabindex=\"0\"]').length")
    tab.value("window.reached = new Set(); document.addEventListener('focusin', (event) => window.reached.add(event.target))")
    for _ in range(wanted):
        tab.press("Tab", 9)
    assert tab.value("window.reached.size") == wanted
    assert tab.value("document.querySelector('.skip').textContent") == "Skip to the answer"
    tab.value("document.querySelector('button.copy').focus()")
    tab.press("Enter", 13, text="\r")
    assert tab.until("document.querySelector('.copied').textContent") in ("Copied.", "Selected: press Ctrl+C to copy.")


def test_a_metric_can_be_chosen(tab: Page, path: Path) -> None:
    tab.open(path)
    tab.until(DRAWN)
    title = "document.querySelector('#chart-curves .ytitle').textContent"
    assert tab.value(title) == "fd (less is better, log scale)"
    choose = "document.querySelector('select').value = 'coverage'; document.querySelector('select').dispatchEvent(new Event('change'))"
    tab.value(choose)
    tab.until(f"{title} === 'coverage (more is better)'")
    assert max(tab.value("[...document.getElementById('chart-curves').data[0].y].map((y) => y || 0)")) < 1.1


def test_print_is_light_whole_and_fits_the_paper(tab: Page, path: Path) -> None:
    tab.open(path, width=1600, dark=True)
    tab.value(
        "window.addEventListener('beforeprint', () => { window.inPrint = ["
        "[...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('.main-svg')),"
        "Math.max(...[...document.querySelectorAll('.main-svg')].map((svg) => svg.width.baseVal.value)),"
        "getComputedStyle(document.querySelector('.xtick text')).fill,"
        "document.querySelectorAll('details:not([open])').length] })"
    )
    assert tab.pdf().startswith(b"%PDF")
    drawn, width, ink, folded = tab.value("window.inPrint")
    assert drawn
    assert width <= 680
    assert ink == "rgb(31, 41, 51)"
    assert folded == 0
    tab.until("document.querySelector('.main-svg').width.baseVal.value > 680")  # as before
    tab.emulate(media="print")
    assert tab.value("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert (
        tab.value("getComputedStyle(document.querySelector('.card')).breakInside") == "auto"
    )  # a recipe is longer than the rest of a page
    tab.emulate()


@pytest.mark.slow
@pytest.mark.parametrize("change", ["all dead", "one finisher", "constant", "missing", "no settings"])
def test_degenerate_studies_are_drawn_without_a_message(tab: Page, stage: Stage, tmp_path: Path, change: str) -> None:
    table = CHANGES[change](stage(6, 2))
    tab.said.clear()
    tab.open(analysis.report(table, tmp_path / "r.html"))
    tab.until(DRAWN)
    assert tab.said == []


def test_a_study_without_trials_is_a_page(tab: Page, stage: Stage, tmp_path: Path) -> None:
    table = stage(2, 1).where(np.zeros(2, dtype=bool))
    tab.said.clear()
    tab.open(analysis.report(replace(table, curves={}), tmp_path / "r.html"))
    tab.until(DRAWN)
    assert tab.said == []
    assert "No answer yet" in tab.value("document.body.innerText")
