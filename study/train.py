"""One run without Ray: a recipe, or a study's trial again, trained in this process; its samples, curves and measurements in a folder."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from study.files import write_config
from study.judge import Judge
from study.present import HEADLINE
from study.spec import Judged
from study.verdict import curves_of
from trainables.config import TrialConfig
from trainables.data import load
from trainables.generators import GENERATOR, load_generator, save_generator
from trainables.grid import extent, grid_png, grid_samples, real_png
from trainables.loop import Diverged
from trainables.run import LOOPS
from trainables.sampler import Sampler

CONFIG, HISTORY, METRICS, CURVES, SAMPLES = "config.yaml", "history.jsonl", "metrics.json", "curves.html", "samples"


@dataclass
class Trained:
    """What a run came to, tick by tick."""

    config: TrialConfig
    judge: Judge
    ticks: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    ended: str = ""  # budget, dead or "" where it was stopped
    reason: str = ""
    seconds: float = 0.0  # of training
    judge_seconds: float = 0.0

    @property
    def floors(self) -> dict[str, float]:
        return {name: floor.value for name, floor in self.judge.floors.items()}


def train(
    config: TrialConfig, out: Path, console: Console, *, judged: Judged | None = None, kept: Path | None = None, device: str | None = None
) -> Trained:
    """Train on the GPU where there is one, judged at each tick as a study would judge it (`judged`, and its own classifier in `kept`).

    Writes config.yaml first, a line of history.jsonl, a grid of samples and generator.safetensors at each tick, and at the end, or where
    Ctrl-C stops it, metrics.json and curves.html. Raises ValueError for what cannot run, before anything is written.
    """
    import torch

    if (out / HISTORY).exists():
        raise ValueError(f"{out} must be free of an earlier run; it holds {HISTORY}. Give another folder with --out, or remove it")
    source = load(config.data)
    judged = judged or Judged()
    on = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    run = LOOPS.pick(config.loop)(config, source, device=on)  # before the judge, which may take minutes: mistakes come out at once
    with torch.random.fork_rng(devices=[]), console.status("preparing the ruler"):  # judging never moves the training
        judge = Judge.build(
            source,
            features=judged.features,
            weights=judged.weights,
            n_fake=judged.samples,
            kept=kept,
            conditional=config.g.condition is not None,
        ).on(on)
    (out / SAMPLES).mkdir(parents=True, exist_ok=True)
    write_config(out / CONFIG, config)
    (out / SAMPLES / "real.png").write_bytes(real_png(source.train))
    console.print(
        f"{config.arch} with {config.loss} on {source.name} ({len(source.train):,} rows), {config.budget_kimg:g} kimg on {on}, into {out}",
        soft_wrap=True,
    )
    found = Trained(config, judge)
    ticks = run.ticks()
    with (out / HISTORY).open("w") as history:
        try:
            while True:
                began = time.perf_counter()
                tick = next(ticks, None)
                if tick is None:
                    found.ended = "budget"
                    break
                trained = time.perf_counter()
                sampler = run.sampler()
                values = {**judge(sampler), **tick.signals}
                found.seconds += trained - began
                found.judge_seconds += time.perf_counter() - trained
                save_generator(sampler, config, source.shape, out / GENERATOR)  # first: what is concluded of the last tick looks at it
                found.ticks.append((tick.images, values))
                history.write(json.dumps({"images": tick.images, "seconds": round(found.seconds, 3), **values}) + "\n")
                history.flush()
                (out / SAMPLES / f"{tick.images:09d}.png").write_bytes(
                    grid_png(grid_samples(sampler, source.shape), extent=extent(source.train))
                )
                console.print(f"{tick.images / 1000:>8g} kimg {remaining(found):>12}  {headline(values)}", soft_wrap=True)
        except Diverged as reason:
            found.ended, found.reason = "dead", str(reason)
        except KeyboardInterrupt:
            found.reason = "stopped by Ctrl-C"
    if found.ticks:
        conclude(found, out, console)
    else:
        console.print(f"{found.ended or 'stopped'} before anything was measured: {escape(found.reason)}", soft_wrap=True)
    return found


def remaining(found: Trained) -> str:
    """ "12 min left", judging included, at the pace so far."""
    images, _ = found.ticks[-1]
    if not images:
        return ""
    seconds = (found.seconds + found.judge_seconds) * max(0.0, 1000 * found.config.budget_kimg / images - 1)
    return f"{seconds:.0f} s left" if seconds < 100 else f"{seconds / 60:.0f} min left"


def headline(values: Mapping[str, float], names: Iterable[str] = HEADLINE) -> str:
    return "  ".join(f"{name} {values[name]:.4g}" for name in names if name in values)


def classes_of(judge: Judge, generator: Sampler) -> dict[str, dict[str, float]]:
    """Class -> how well the generator makes it when asked."""
    return {generator.classes[k]: values for k, values in judge.by_class(generator).items()}


def conclude(found: Trained, out: Path, console: Console) -> None:
    """The diagnosis in words, metrics.json and curves.html."""
    from analysis.diagnose import diagnose  # here, as plotly and pandas cost seconds
    from study.train_page import write_page

    images, curves = curves_of(found.ticks)
    verdict = diagnose(images, curves, ended=found.ended, baselines=found.floors, n_modes=found.judge.n_modes)
    last, values = found.ticks[-1]
    summary: dict[str, Any] = {
        "ended": found.ended or "stopped",
        "reason": found.reason,
        "images": last,
        "seconds": round(found.seconds, 3),
        "judge_seconds": round(found.judge_seconds, 3),
        "diagnosis": asdict(verdict) | {"evidence": verdict.evidence},
        "metrics": {name: {"value": values[name], "real": floor} for name, floor in found.floors.items() if name in values},
        "signals": {name: value for name, value in values.items() if name not in found.floors},
        "ruler": found.judge.ruler.as_dict(),
    }
    classes = {} if found.config.g.condition is None else classes_of(found.judge, load_generator(out / GENERATOR))
    if classes:
        summary["classes"] = classes
    (out / METRICS).write_text(json.dumps(summary, indent=2) + "\n")
    write_page(found, verdict, classes, out)
    if found.reason:
        console.print(f"{summary['ended']}: {escape(found.reason)}. What is kept is from {last / 1000:g} kimg", soft_wrap=True)
    console.print(f"real data score  {headline(found.floors)}", soft_wrap=True)
    for name, of in classes.items():
        console.print(f"asked for {escape(name)}: {headline(of, of)}", soft_wrap=True)
    console.print(f"diagnosis: [bold]{verdict.outcome or 'none'}[/bold], {escape(verdict.evidence)}", soft_wrap=True)
    console.print(f"{out}: {CURVES} (open it in a browser), {SAMPLES}/, {METRICS}, {HISTORY}, {CONFIG}, {GENERATOR}", soft_wrap=True)
