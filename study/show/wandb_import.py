"""`ganstudy wandb-import`: runs of W&B as a CSV file that `ganstudy explain` reads."""

from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from analysis.foreign.settings import cleaned
from analysis.foreign.sources import SEED, wandb_frames
from analysis.words import plural
from ganstudy import UserError
from ganstudy.command import command
from ganstudy.files import check_output, write_output
from study.tracking.wandb_files import local_runs
from study.tracking.wandb_project import project_runs

_OWN = {
    "study_id",
    "trial_id",
    "config_id",
    "phase",
    "protocol",
    "baselines",
}  # what ganstudy adds to the settings in the config of a trial
_COUNTS = {"step", "steps", "epoch", "epochs", "images", "seconds", "evaluation_seconds", "cost_seconds", "failures", "onset_kimg"}


def import_wandb(source: str, out: Path, console: Console) -> None:
    """Write the runs of a project, or of a folder with run files, to a CSV file, a row for each, and print what its columns are.

    The columns are those of TrialTable.from_wandb, after Name, Created and Runtime (seconds), which W&B's own exports have too. Raises UserError if the
    source cannot be read, before the file is written.
    """
    check_output(out)
    if Path(source).is_dir():
        runs = local_runs(Path(source))
    elif source.count("/") < 2 and all(source.split("/")):
        runs = project_runs(source, lambda line: console.print(line, soft_wrap=True))
    else:
        raise UserError(f"{source} must be a W&B project, as entity/project, or a folder with run files; there is no such folder")
    found = len(runs)
    runs = [run for run in runs if not _is_of_a_study(run)]
    if not runs:
        raise UserError(f"{source} must hold runs of trials; it holds {plural(found, 'run')} of a whole study of ganstudy")
    settings, results, facts = wandb_frames(runs)
    taken = {*settings.columns, *results.columns, *facts.columns}
    known = {
        "Name": [run.name for run in runs],
        "Created": [run.created_at for run in runs],
        "Runtime": [run.summary_metrics.get("_runtime") for run in runs],
    }
    own = pd.DataFrame({name: values for name, values in known.items() if name not in taken})
    frame = pd.concat([own, facts, settings, results], axis=1)
    write_output(out, frame.to_csv(index=False))
    ours = {name for name in settings if str(name).partition(".")[0] in _OWN} if "study_id" in settings else set()
    possible, _ = cleaned(settings, [str(name) for name in settings if name not in ours], skip=True)
    varied = [str(name) for name in possible if possible[name].nunique() > 1]  # that some runs lack a setting is no difference
    shown = [name for name in map(str, results) if not name.startswith("_")]
    left = f" ({plural(found - len(runs), 'run')} of a whole study left out)" if found > len(runs) else ""
    console.print(
        f"{out}: {plural(len(frame), 'run')}{left}. Settings that differ: {', '.join(varied) or 'none'}. Results: {', '.join(shown) or 'none'}",
        soft_wrap=True,
    )
    if varied and shown:
        seeds = [name for name in varied if SEED.fullmatch(name)]
        asked = [name for name in varied if name not in seeds[:1]] or varied
        more = [*(("--seed", seeds[0]) if seeds else ()), *(() if "State" in facts else ("--state", str(facts.columns[0])))]
        candidates = [name for name in shown if _may_be_an_objective(results[name])]
        objective = candidates[0] if len(candidates) == 1 else "RESULT"
        line = command("explain", out, "--config", ",".join(asked), *more, "--objective", objective, "--direction", "minimize")
        means = "" if len(candidates) == 1 else "RESULT is the result that you mean; "
        console.print(f"Read it with {line}: {means}`--direction maximize` if more of it is better", soft_wrap=True)


def _is_of_a_study(run: Any) -> bool:
    """Whether a run is that of a whole study of ganstudy, whose config holds no settings of a trial."""
    return {"study", "protocol", "baselines"} <= run.config.keys() and "trial_id" not in run.config


def _may_be_an_objective(values: pd.Series) -> bool:
    """Whether a result is a number that differs between runs and is not one of those that only count or say how a run ended."""
    return (
        bool(pd.api.types.is_numeric_dtype(values))
        and not pd.api.types.is_bool_dtype(values)
        and values.nunique() > 1
        and values.name not in _COUNTS
    )
