"""One run without Ray: samples, curves, metrics and the generator, in a folder."""

import json
from pathlib import Path

from rich.console import Console

from study.judge import Judge
from study.present import HEADLINE
from study.spec import Judged
from trainables.config import TrialConfig
from trainables.data import load
from trainables.generators import GENERATOR, save_generator
from trainables.grid import extent, grid_png, grid_samples
from trainables.run import LOOPS, Diverged


def train(
    config: TrialConfig, out: Path, console: Console, *, judged: Judged | None = None, kept: Path | None = None, device: str | None = None
) -> None:
    """Train on the GPU where there is one, and judge as a study would (`judged`, and its own classifier in `kept`).

    Writes samples/IMAGES.png and a line of history.jsonl at each tick, and generator.safetensors.
    """
    import torch

    if (out / "history.jsonl").exists():
        raise ValueError(f"{out} must be free of an earlier run; it holds history.jsonl. Give another folder with --out, or remove it")
    source = load(config.data)
    judged = judged or Judged()
    on = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    judge = Judge.build(
        source,
        features=judged.features,
        weights=judged.weights,
        n_fake=judged.samples,
        kept=kept,
        conditional=config.g.condition is not None,
    ).on(on)
    run = LOOPS.pick(config.loop)(config, source, device=on)
    (out / "samples").mkdir(parents=True, exist_ok=True)
    with (out / "history.jsonl").open("w") as history:
        try:
            for tick in run.ticks():
                sampler = run.sampler()
                values = {**judge(sampler), **tick.signals}
                history.write(json.dumps({"images": tick.images, **values}) + "\n")
                history.flush()
                (out / "samples" / f"{tick.images:09d}.png").write_bytes(
                    grid_png(grid_samples(sampler, source.shape), extent=extent(source.train))
                )
                save_generator(sampler, config, source.shape, out / GENERATOR)
                shown = "  ".join(f"{name} {values[name]:.4g}" for name in HEADLINE if name in values)
                console.print(f"{tick.images / 1000:>8g} kimg  {shown}", soft_wrap=True)
        except Diverged as reason:
            console.print(f"dead: {reason}. What is kept is from the tick before", soft_wrap=True)
    console.print(
        f"{out}: samples, history.jsonl and {GENERATOR}. Real data score "
        + "  ".join(f"{k} {v.value:.4g}" for k, v in judge.floors.items()),
        soft_wrap=True,
    )
