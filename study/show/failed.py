"""Trials that ended in an error: by distinct error, and what to do."""

from collections.abc import Mapping

import pandas as pd

from analysis.words import plural
from ganstudy.command import command
from study.store.layout import shown
from study.store.raised import Raised, at_fault, raised
from study.store.records import Ended
from study.views import StudyView

_KINDS = 5  # that are printed


def errors_of(view: StudyView) -> list[str]:
    """Return a sentence for each distinct error that ended trials, the most frequent first; of many, the first and how many more there are."""
    found: dict[str, list[tuple[str, Raised]]] = {}
    for trial_id, reason in _reasons(view).items():
        error = raised(reason, view.plugins, view.study.plugin_folders)
        found.setdefault(error.kind, []).append((trial_id, error))
    by_number = sorted(found.values(), key=len, reverse=True)
    lines = []
    for trials in by_number[:_KINDS]:
        trial_id, error = trials[-1]
        told = error.told.rstrip(".")
        lines.append(f"{plural(len(trials), 'trial')}: {told}. {command('show', shown(view.folder), trial_id)} prints all of it.")
    if len(by_number) > _KINDS:
        lines.append(f"{plural(len(by_number) - _KINDS, 'more error')}; {command('show', shown(view.folder))} lists all trials.")
    return lines


def to_try_again(view: StudyView) -> list[str]:
    """Return what ended the trials that a resume tries again: first the fault of a node, or what has stopped the study, which cost no tries; then all else."""
    trials, allowed = view.trials(), view.study.spec["max_failures"]
    crashed = trials[(trials["ended"] == Ended.ERROR) & (trials["failures"] <= allowed)]
    given_back, lines = crashed[crashed["failures"] == 0], list[str]()
    if len(given_back):
        error = raised(str(given_back["reason"].iloc[-1]), view.plugins, view.study.plugin_folders)
        n, configs = len(given_back), given_back["config_id"].nunique()
        node = _bad_node(view, given_back.index)
        happened = f"{plural(n, 'trial')} of {plural(configs, 'config')} ended in an error"
        lines.append(
            (
                f"On the node {node}, {happened} while others worked elsewhere: "
                if node
                else f"The study stopped because {happened} and {at_fault(error)}: "
            )
            + f"{error.told.rstrip('.')}. Mend this first. It cost no tries: a resume tries {'it' if n == 1 else 'them'} again, then trains the rest."
        )
    if more := len(crashed) - len(given_back):
        lines.append(f"A resume tries {plural(more, 'trial')} again that ended in an error.")
    return lines


def _bad_node(view: StudyView, failed: pd.Index) -> str:
    """Return the node on which these trials failed, if it was one and other trials ended well on others; else ""."""
    trials = view.recorded.columns.trials
    nodes = set(trials.loc[trials["trial_id"].isin(failed), "node"])
    sound = trials.loc[~trials["ended"].isin(["", Ended.ERROR]), "node"]
    return nodes.pop() if len(nodes) == 1 and "" not in nodes and (~sound.isin([*nodes, ""])).any() else ""


def again(view: StudyView) -> str:
    """Return the command that tries trials again that have used up their tries."""
    return command("resume", shown(view.folder), "--set", f"max_failures={2 * view.study.spec['max_failures'] + 1}")


def none_finished(view: StudyView) -> str:
    """Return what a study says of which all trials ended in an error; "" for any other."""
    errors, n = errors_of(view), len(view.recorded.trial_ids)
    if len(_reasons(view)) < n or not n:
        return ""
    return "\n  ".join(
        [
            f"an answer needs a trial that finishes; {'the only one' if n == 1 else f'all {n}'} ended in an error. Mend the reason, then try again: {again(view)}; "
            "or correct the study file and launch it",
            *errors,
        ]
    )


def _reasons(view: StudyView) -> Mapping[str, str]:
    """Return the trials that ended in an error -> its text."""
    trials = view.trials()
    return {str(trial_id): str(reason) for trial_id, reason in trials.loc[trials["ended"] == Ended.ERROR, "reason"].items()}
