"""`ganstudy wandb-import`: runs of W&B as a CSV file that `ganstudy explain` reads."""

from pathlib import Path

import pandas as pd
from rich.console import Console

from analysis.foreign.sources import SEED, wandb_frames
from analysis.words import plural
from ganstudy import UserError
from ganstudy.command import command
from ganstudy.files import check_output, write_output
from study.tracking.wandb_files import local_runs
from study.tracking.wandb_project import project_runs


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
    varied = [str(name) for name in settings if settings[name].nunique(dropna=False) > 1]
    shown = [name for name in map(str, results) if not name.startswith("_")]
    console.print(
        f"{out}: {plural(len(frame), 'run')}. Settings that differ: {', '.join(varied) or 'none'}. Results: {', '.join(shown) or 'none'}",
        soft_wrap=True,
    )
    if varied and shown:
        seeds = [name for name in varied if SEED.fullmatch(name)]
        asked = [name for name in varied if name not in seeds[:1]] or varied
        more = [*(("--seed", seeds[0]) if seeds else ()), *(() if "State" in facts else ("--state", str(facts.columns[0])))]
        line = command("explain", out, "--config", ",".join(asked), *more, "--objective", shown[0], "--direction", "minimize")
        console.print(f"Read it, with the objective and direction that you mean: {line}", soft_wrap=True)
