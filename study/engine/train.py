"""One trial without Ray, trained in this process: a recipe, or the config of a study's trial. Its folder can be resumed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text

from ganstudy.ended import Ended
from ganstudy.files import write_whole
from ganstudy.units import to_images, to_kimg
from study.evaluation.evaluator import Evaluator
from study.evaluation.protocol import HEADLINE
from study.spec.sections import EvaluationConfig, Resources
from study.store.lock import driving
from study.store.records import Measurement
from study.store.run_folder import RunFolder
from trainables.config import TrialConfig
from trainables.data import Source, load
from trainables.grid import real_png
from trainables.precision import be_deterministic
from trainables.threads import threads
from trainables.trial import Trial


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The result of a run so far."""

    config: TrialConfig
    evaluator: Evaluator
    history: Sequence[Measurement]  # all ticks, all values finite; none if it was interrupted, or diverged, before the first one
    ended: Ended | None  # None if it was interrupted
    reason: str = ""  # what diverged, or how it was interrupted

    @property
    def baselines(self) -> dict[str, float]:
        return {name: baseline.value for name, baseline in self.evaluator.baselines.items()}


def train(
    config: TrialConfig,
    out: Path,
    console: Console,
    *,
    evaluation: EvaluationConfig | None = None,
    resources: Resources | None = None,
    plugins: Sequence[str] = (),
    kept: Path | None = None,
) -> Trained:
    """Train on the GPU if there is one, and evaluate at each tick, with the numbers that a trial of a study would have.

    resources: those of the study's trials, for the number of threads and how a GPU computes. plugins: the modules that the config needs, which are
    imported. kept: where the study keeps its classifier.

    A folder that holds the same run is resumed from its last tick; if the run has finished, nothing is trained. Keeps a checkpoint, a line
    of history, a grid of samples and the generator at each tick; study.show.run_page.conclude writes the rest. Raises UserError for what
    cannot run or resume, before anything is written.
    """
    folder = RunFolder(out)
    folder.check_config(config)
    source = load(config.data)
    resources = resources or Resources()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    be_deterministic(resources.deterministic, device)
    with threads(resources.cpu):  # before the evaluator, which may take minutes: mistakes come out at once
        trial = Trial(config, source, lambda generator: evaluator(generator), device=device, capture=resources.capture == "auto")
    for note in source.notes:
        console.print(note, soft_wrap=True)
    with console.status(Text("preparing the evaluation protocol")):
        evaluator = _evaluator(config, source, evaluation or EvaluationConfig(), kept=kept).on(device)
    with driving(out, do="Give another folder with --folder"), threads(resources.cpu):
        folder.begin(config, evaluator.protocol.as_dict(), plugins=plugins)
        write_whole(folder.layout.real, real_png(source.train))
        folder.publish()  # a kill may have come before it
        history, reason = folder.history(), folder.divergence()
        ended = Ended.DEAD if reason else Ended.BUDGET if _spent(config, history) else None
        console.print(_headed(config, source, device, out, history=history, ended=ended), soft_wrap=True)
        try:
            if ended is None and folder.checkpoint:
                trial.load(folder.checkpoint)
            while ended is None:
                measured = trial.advance()
                if measured.diverged:
                    ended, reason = Ended.DEAD, measured.diverged
                    break
                clocks = {"seconds": round(measured.seconds, 3), "evaluation_seconds": round(measured.evaluation_seconds, 3)}
                history.append(Measurement(images=measured.images, values=measured.values, **clocks))
                folder.save(history, trial.save)
                ended = Ended.BUDGET if measured.finished else None
                left = _remaining(config, history[-1])
                console.print(f"{measured.kimg:>8g} kimg {left:>12}  {headline(measured.values)}", soft_wrap=True)
        except KeyboardInterrupt:
            reason = "interrupted by Ctrl-C"
            folder.publish()  # it may have come in the middle of a save
            history = folder.history()
    return Trained(config=config, evaluator=evaluator, history=history, ended=ended, reason=reason)


def _evaluator(config: TrialConfig, source: Source, evaluation: EvaluationConfig, *, kept: Path | None) -> Evaluator:
    """The evaluator of this run. Making it never moves the training."""
    with torch.random.fork_rng(devices=[]):
        return Evaluator.build(
            source,
            features=evaluation.features,
            weights=evaluation.weights,
            n_fake=evaluation.samples,
            kept=kept,
            conditional=config.g.condition is not None,
        )


def _spent(config: TrialConfig, history: Sequence[Measurement]) -> bool:
    return bool(history) and history[-1].images >= to_images(config.budget_kimg)


def _headed(
    config: TrialConfig, source: Source, device: torch.device, out: Path, *, history: Sequence[Measurement], ended: Ended | None
) -> str:
    """Return the first line of output: what the run will do."""
    part = "" if config.data.size is None else f"{config.data.size:,} of "
    what = f"{config.arch} with {config.loss} on {source.name} ({part}{len(source.train):,} rows), {config.budget_kimg:g} kimg"
    if ended:
        return f"{what}: already finished in {out}, so nothing is trained"
    resumed = f", resumed at {to_kimg(history[-1].images):g} kimg" if history else ""
    return f"{what} on {device}, into {out}{resumed}"


def _remaining(config: TrialConfig, last: Measurement) -> str:
    """ "12 min left", evaluation included, at the pace so far."""
    if not last.images:
        return ""
    seconds = (last.seconds + last.evaluation_seconds) * max(0.0, to_images(config.budget_kimg) / last.images - 1)
    return f"{seconds:.0f} s left" if seconds < 100 else f"{seconds / 60:.0f} min left"


def headline(values: Mapping[str, float], names: Iterable[str] = HEADLINE) -> str:
    """ "fd 0.12  coverage 0.9", of the names that have a value."""
    return "  ".join(f"{name} {values[name]:.4g}" for name in names if name in values)
