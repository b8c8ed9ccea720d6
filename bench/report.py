"""`python -m bench.report [TRIALS] [TICKS] [--keep FOLDER]`: size of the report of a simulated study, and the time until Chromium has drawn it.

The study has 17 settings, 12 of them scientific and 3 ranges, and 20 curves. "Opened" is from the start of the navigation until the page can be
read and scrolled; "drawn" until its last figure is there. Other load on the machine lengthens both, but not the CPU time. Each is measured in a new browser. Needs `chromium`.
"""

import io
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from rich.console import Console

import analysis
from analysis import Direction, TrialTable
from bench.chromium import browser
from bench.figures import Figure, show

_REPEATS = 5
_SWITCHES, _CHOICES, _RANGES = 10, 4, 3
_SIGNALS = 18  # curves beside fd and coverage
_SEEDS = 2
_GRID = 224  # pixels of a sample grid: 8 × 8 pictures of 28 × 28


def study(trials: int, ticks: int) -> TrialTable:
    """Return a randomised design in which one switch keeps runs from failing and one range has a valley."""
    rng = np.random.default_rng(0)
    configs = trials // _SEEDS
    columns: dict[str, object] = {f"switch_{i}": rng.random(configs) < 0.5 for i in range(_SWITCHES)}
    columns |= {f"choice_{i}": rng.choice(["first", "second", "third"], configs) for i in range(_CHOICES)}
    columns |= {f"range_{i}": np.exp(rng.uniform(np.log(1e-5), np.log(1e-3), configs)) for i in range(_RANGES)}
    settings = pd.DataFrame(columns)
    position = (np.log(settings["range_0"]) - np.log(1e-5)) / np.log(100)
    of = np.repeat(np.arange(configs), _SEEDS)
    n = len(of)
    failed = rng.random(n) < np.where(settings["switch_0"], 0.15, 0.55)[of]
    died = failed & (rng.random(n) < 0.5)
    level = 2 + 4 * (position - 0.4) ** 2 + 0.3 * rng.standard_normal(configs)
    fd = np.exp(level.to_numpy()[of] + 0.2 * rng.standard_normal(n) + 1.2 * failed)
    coverage = np.where(failed, 0.2, 0.8) + 0.05 * rng.standard_normal(n)
    ids = np.array([f"{config:010x}-s{seed}" for config, seed in zip(of, np.tile(np.arange(_SEEDS), configs), strict=True)])
    images = np.tile(np.arange(1, ticks + 1) * 10_000.0, (n, 1))
    images[died, ticks // 2 :] = np.nan
    noise = np.exp(0.1 * rng.standard_normal((n, ticks)))
    gone = np.where(np.isnan(images), np.nan, 1.0)
    curves = {
        "fd": fd[:, None] * np.linspace(5, 1, ticks) * noise * gone,
        "coverage": coverage[:, None] * np.linspace(0.2, 1, ticks) * gone,
    }
    curves |= {f"d/signal_{i}": rng.standard_normal((n, ticks)) * gone for i in range(_SIGNALS)}
    names = list(map(str, settings))
    return TrialTable(
        trial_id=ids,
        config_id=np.array([f"{config:010x}" for config in of]),
        seed=np.tile(np.arange(_SEEDS), configs),
        phase=np.full(n, "explore"),
        ended=np.where(died, "dead", "budget"),
        outcome=np.where(died, "diverged", np.where(failed, "mode_collapse", "healthy")),
        diagnosis=np.where(failed, "too little of the data", "coverage is 95% of that of real data"),
        onset_kimg=np.where(failed, 50.0, np.nan),
        settings=settings.iloc[of].set_axis(pd.Index(ids)),
        final=pd.DataFrame({"fd": fd, "coverage": coverage, "seconds": rng.uniform(500, 700, n)}, index=ids),
        curves=curves,
        images=images,
        scientific=tuple(names[:7] + names[10:12] + names[14:]),
        nuisance=tuple(names[7:10] + names[12:14]),
        directions={"fd": Direction.MINIMIZE, "coverage": Direction.MAXIMIZE, "seconds": Direction.MINIMIZE},
        baselines={"fd": 1.0, "coverage": 0.95},
    )


def grid(seed: int) -> bytes:
    """Return a grid of noise as a PNG, which no compression makes small."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (_GRID, _GRID), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def figures(trials: int, ticks: int, folder: Path, program: str) -> Iterator[Figure | str]:
    """Write the report and yield its figures."""
    table = study(trials, ticks)
    images = {str(trial): grid(i % 50) for i, trial in enumerate(table.trial_id)}
    path = folder / "report.html"
    start = time.monotonic()
    analysis.report(table, path, images=images, real=grid(0), recipes=dict.fromkeys(images, "g.lr: 0.001\n" * 50))
    yield Figure("written in", [time.monotonic() - start], "s")
    yield Figure("size", [path.stat().st_size / 1e6], "MB", "< 8")
    opened, drawn, busy, printed, said = [], [], [], [], []
    for _ in range(_REPEATS):
        with browser(program) as page:
            page.call("Performance.enable")
            page.open(path)
            drawn.append(page.until("Number(document.documentElement.dataset.drawn)") / 1000)
            opened.append(page.value("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd") / 1000)
            busy.append(next(each["value"] for each in page.call("Performance.getMetrics")["metrics"] if each["name"] == "ProcessTime"))
            before = time.monotonic()
            page.pdf()
            printed.append(time.monotonic() - before)
            said += page.said
    yield Figure("opened in Chromium", opened, "s")
    yield Figure("all figures drawn", drawn, "s", "< 3")
    yield Figure("CPU time of the page until then", busy, "s")
    yield Figure("printed to PDF", printed, "s")
    yield Figure("messages in the console", [float(len(said))], "", "0")
    yield f"{len(table)} trials of {len(set(table.config_id))} configs, {ticks} ticks, {len(table.curves)} curves, 17 settings"


def main() -> None:
    given = [int(arg) for arg in sys.argv[1:] if arg.isdigit()]
    trials, ticks = (given + [1000, 12][len(given) :])[:2]
    program = shutil.which("chromium")
    if program is None:
        sys.exit("chromium must be installed to measure how fast it draws a report")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[sys.argv.index("--keep") + 1]) if "--keep" in sys.argv else Path(temporary)
        show("Report", figures(trials, ticks, folder, program), Console())


if __name__ == "__main__":
    main()
