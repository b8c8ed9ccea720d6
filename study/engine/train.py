"""One run without Ray: a recipe, or a study's trial again, trained in this process; its samples, curves and measurements in a folder."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console

from ganstudy import UserError
from ganstudy.files import users_path, write_whole
from ganstudy.units import to_images, to_kimg
from study.evaluation.evaluator import Evaluator
from study.evaluation.protocol import HEADLINE
from study.spec.recipes import write_config
from study.spec.sections import EvaluationConfig
from study.store.layout import RunLayout
from trainables.config import TrialConfig
from trainables.data import load
from trainables.generators import save_generator
from trainables.grid import extent, grid_png, grid_samples, real_png
from trainables.loop import Diverged
from trainables.run import LOOPS


@dataclass
class Trained:
    """What a run came to, tick by tick."""

    config: TrialConfig
    evaluator: Evaluator
    ticks: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    ended: str = ""  # budget, dead or "" where it was stopped
    reason: str = ""
    seconds: float = 0.0  # of training
    evaluation_seconds: float = 0.0

    @property
    def baselines(self) -> dict[str, float]:
        return {name: baseline.value for name, baseline in self.evaluator.baselines.items()}


def train(
    config: TrialConfig,
    out: Path,
    console: Console,
    *,
    evaluation: EvaluationConfig | None = None,
    kept: Path | None = None,
    device: str | None = None,
) -> Trained:
    """Train on the GPU where there is one, judged at each tick as a study would judge it (`judged`, and its own classifier in `kept`).

    Writes config.yaml first, and a line of history.jsonl, a grid of samples and generator.safetensors at each tick. study.show.run_page.conclude
    writes the rest. Raises UserError for what cannot run, before anything is written.
    """
    layout = RunLayout(out)
    if layout.history.exists():
        raise UserError(
            f"{out} must be free of an earlier run; it holds {layout.history.name}. Give another folder with --out, or remove it"
        )
    source = load(config.data)
    evaluation = evaluation or EvaluationConfig()
    on = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    run = LOOPS.pick(config.loop)(config, source, device=on)  # before the judge, which may take minutes: mistakes come out at once
    with torch.random.fork_rng(devices=[]), console.status("preparing the evaluation protocol"):  # judging never moves the training
        evaluator = Evaluator.build(
            source,
            features=evaluation.features,
            weights=evaluation.weights,
            n_fake=evaluation.samples,
            kept=kept,
            conditional=config.g.condition is not None,
        ).on(on)
    with users_path(out, "be a folder that can be written", do="Give another one with --out"):
        write_config(layout.config, config)
    write_whole(layout.real, real_png(source.train))
    console.print(
        f"{config.arch} with {config.loss} on {source.name} ({len(source.train):,} rows), {config.budget_kimg:g} kimg on {on}, into {out}",
        soft_wrap=True,
    )
    found = Trained(config, evaluator)
    ticks = run.ticks()
    with layout.history.open("w") as history:
        try:
            while True:
                began = time.perf_counter()
                tick = next(ticks, None)
                if tick is None:
                    found.ended = "budget"
                    break
                trained = time.perf_counter()
                generator = run.generator()
                values = {**evaluator(generator), **tick.signals}
                found.seconds += trained - began
                found.evaluation_seconds += time.perf_counter() - trained
                save_generator(generator, config, source.shape, layout.generator)  # first: what is concluded of the last tick looks at it
                found.ticks.append((tick.images, values))
                history.write(json.dumps({"images": tick.images, "seconds": round(found.seconds, 3), **values}) + "\n")
                history.flush()
                write_whole(layout.grid(tick.images), grid_png(grid_samples(generator, source.shape), extent=extent(source.train)))
                console.print(f"{to_kimg(tick.images):>8g} kimg {remaining(found):>12}  {headline(values)}", soft_wrap=True)
        except Diverged as reason:
            found.ended, found.reason = "dead", str(reason)
        except KeyboardInterrupt:
            found.reason = "stopped by Ctrl-C"
    return found


def remaining(found: Trained) -> str:
    """ "12 min left", judging included, at the pace so far."""
    images, _ = found.ticks[-1]
    if not images:
        return ""
    seconds = (found.seconds + found.evaluation_seconds) * max(0.0, to_images(found.config.budget_kimg) / images - 1)
    return f"{seconds:.0f} s left" if seconds < 100 else f"{seconds / 60:.0f} min left"


def headline(values: Mapping[str, float], names: Iterable[str] = HEADLINE) -> str:
    return "  ".join(f"{name} {values[name]:.4g}" for name in names if name in values)
