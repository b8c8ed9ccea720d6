"""Sends everything to W&B that is not there yet: what `ganstudy sync` does."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from analysis.words import plural
from ganstudy import UserError
from ganstudy.command import command
from study.spec.tracking import WandbConfig, has_key, server
from study.store.layout import Layout, shown
from study.store.lock import driver
from study.store.records import StudyRecord, mark
from study.store.store import Store
from study.tracking.computing import Computing
from study.tracking.killing import kill
from study.tracking.process import complete_wandb, unsent
from study.tracking.reachable import refuse_unreachable
from study.tracking.runs import state, written
from study.tracking.wandb_publish import HINT, are_sent, installed
from study.tracking.wandb_study import is_sent, study_run_id

_LIMIT_S = 300.0  # for the runs that are not complete
_STALL_S = 60.0  # without a run that was sent
_POLL_S = 0.2


def sync(folder: Path, *, trust_plugins: bool = False, say: Callable[[str], None] = lambda line: None) -> tuple[str, bool]:
    """Send the runs that were written offline, by `wandb sync`, then complete those of trials and that of the study.

    The workspace and the report of the study come last. Returns what was sent and what is left, as a sentence, and whether nothing is left. What was
    sent is not sent again. A server that takes nothing for a minute is left. trust_plugins: import the plugins
    of the study, which are code, for its leaderboard and pictures. say: called with how many of the offline runs are sent. Raises UserError
    for a study without W&B, for one that runs, without an API key, and for a server that takes no connections.
    """
    from study.tracking.results import write_results  # here, since it imports torch

    store = Store(folder)
    if store.study is None:
        raise UserError(f"{shown(folder)} must hold a study to be sent; it has no records of one")
    given = (store.study.spec.get("tracking") or {}).get("wandb")
    if given is None:
        add = command("resume", shown(folder), "--set", "tracking.wandb.mode=auto")
        raise UserError(f"a study must be tracked by W&B to be sent; {shown(folder)} has no tracking.wandb. {add} adds it")
    config = WandbConfig.model_validate({**given, "mode": "online"})
    if who := driver(folder):
        raise UserError(f"{shown(folder)} must not be running to be sent; {who} runs it, and sends what it can when it ends")
    if not has_key(config.base_url):
        raise UserError("W&B needs an API key to send runs; none was found. `wandb login` stores one")
    refuse_unreachable(server(config.base_url), do="Start it, or correct tracking.wandb.base_url or WANDB_BASE_URL; nothing was sent")
    write_results(folder, trust_plugins=trust_plugins)
    pages = installed() and not are_sent(Layout(folder), config)
    before, hint = _missing(folder, store.study), "" if installed() else f" {HINT}."
    if not before and not pages:
        return f"W&B has everything of this study; nothing was sent.{hint}", True
    whole = _whole(folder, store.study)
    if not whole or _send(whole, folder, config, say):
        problem = complete_wandb(folder, config, trust_plugins=trust_plugins, limit_s=_LIMIT_S)
    else:
        problem = f"the server took nothing for {_STALL_S:g} s"
    left, pages_left = _missing(folder, store.study), pages and not are_sent(Layout(folder), config)
    sent = f"W&B: sent {_said(len(before - left), pages and not pages_left)} of this study"
    if not left and not pages_left:
        return f"{sent}; nothing is left.{hint}", True
    why = f" ({problem})" if problem else ""
    return (
        f"{sent}; {_said(len(left), pages_left)} left{why}, see {Layout(folder).tracking_log}. The same command sends the rest.{hint}",
        False,
    )


def _said(runs: int, pages: bool) -> str:
    """Return a number of runs, and whether the pages come with them, as words."""
    return ", ".join([plural(runs, "run")] * bool(runs or not pages) + ["the workspace and the report"] * pages)


def _missing(folder: Path, study: StudyRecord) -> set[str]:
    """Return the ids of the runs that are not complete in W&B: those of trials that have ended, and that of the study."""
    done, trials = written(Layout(folder).sent("wandb")), Store(folder).trials.values()
    ids = {f"{mark(study)}-{trial.trial_id}" for trial in trials if trial.closed and done.get(trial.trial_id) != state(trial)}
    found = Computing(folder).results
    if found and found["leaderboard"] and not is_sent(Layout(folder)):
        ids.add(study_run_id(study))
    return ids | {_run_id(run) for run in unsent(folder)}


def _whole(folder: Path, study: StudyRecord) -> list[Path]:
    """Return the offline runs that hold all that their trial or the study has now. The others are written again, online."""
    done, trials = written(Layout(folder).sent("wandb")), Store(folder).trials  # read once, since there may be thousands of runs
    ids = {f"{mark(study)}-{name}" for name, trial in trials.items() if name in done and done[name] == state(trial)}
    if is_sent(Layout(folder)):
        ids.add(study_run_id(study))
    return [run for run in unsent(folder) if _run_id(run) in ids]


def _run_id(run: Path) -> str:
    """Return the id of the run in a folder offline-run-DATE_TIME-ID."""
    return run.name.removeprefix("offline-run-").partition("-")[2]


def _send(runs: list[Path], folder: Path, config: WandbConfig, say: Callable[[str], None]) -> bool:
    """Send runs by W&B's own command, which marks those that it has sent. Its output is in the log of the tracking process.

    Returns False if the server took none of them for a while.
    """
    address = {"WANDB_BASE_URL": config.base_url} if config.base_url else {}
    with Layout(folder).tracking_log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "wandb", "sync", *(str(run.absolute()) for run in runs)],
            stdout=output,
            stderr=output,
            env={**os.environ, **address},
            cwd=folder,  # where W&B writes logs of its own, in the folder that it has here anyway
        )
        left, since = len(unsent(folder)), time.monotonic()
        others = left - len(runs)  # that are written again, online
        try:
            while True:
                ended = process.poll() is not None  # before the count, which is then that of all
                if (now := len(unsent(folder))) < left:
                    left, since = now, time.monotonic()
                    say(f"sent {len(runs) + others - left} of {plural(len(runs), 'run')} that were written offline")
                if ended or time.monotonic() - since > _STALL_S:
                    return ended
                time.sleep(_POLL_S)
        finally:
            if process.poll() is None:
                kill(psutil.Process(process.pid))
                process.wait()
