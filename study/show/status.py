"""What `ganstudy status` prints: progress, outcomes, and what to do next."""

from collections import Counter
from datetime import timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.words import listed, plural
from ganstudy.command import command
from study.console import print_table
from study.show.failed import again, to_try_again
from study.spec.phase_words import phase_words
from study.spec.planned import phases_of, planned_of_phases
from study.store.layout import shown
from study.store.records import Ended, needs_run
from study.views import StudyView

_FEWER = {  # phase -> why it may have fewer trials than planned
    "explore": "the design repeats configs",
    "optimise": "only configs that may still win got more seeds",
    "confirm": "the race ended early",
    "ablate": "the best configs have settings at their defaults already, or fewer seeds",
}


def print_status(view: StudyView, who: str | None, console: Console) -> None:
    """Print progress and outcomes. who: the active process, if there is one."""
    trials = view.trials()
    spec = view.study.spec
    total = view.study.planned
    console.print(
        Text.assemble(
            (spec["name"], "bold"),
            f"  {shown(view.folder)}: {len(trials)} of {plural(total, 'trial')} started; "
            + (f"active: {who}" if who else "no active process"),
        ),
        soft_wrap=True,
    )
    if len(phases := words_of(view)) > 1:
        for phase, words in phases.items():
            console.print(f"  {phase}: {plural(int((trials['phase'] == phase).sum()), 'trial')} ({words})", soft_wrap=True)
    if len(trials):
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("ended", "outcome", "trials"):
            table.add_column(column, justify="right" if column == "trials" else "left")
        for (ended, outcome), count in Counter(zip(trials["ended"], trials["outcome"], strict=True)).most_common():
            table.add_row(ended or "unfinished", outcome or "–", str(count))
        print_table(console, table)
        training, evaluating = trials["seconds"].sum(), trials["evaluation_seconds"].sum()
        console.print(
            f"time, summed over trials: {timedelta(seconds=round(training))} training, {timedelta(seconds=round(evaluating))} evaluation",
            soft_wrap=True,
        )
    if who:
        return
    if more := not_needed(view):
        console.print(f"{plural(len(trials), 'trial')}{more}", soft_wrap=True)
    if unfinished(view):
        for line in to_try_again(view):
            console.print(line, soft_wrap=True)
        console.print(f"Resume with {command('resume', shown(view.folder))}.", soft_wrap=True)
    elif given_up := (trials["ended"] == Ended.ERROR.value).sum():
        console.print(
            f"{plural(given_up, 'trial')} ended in an error and will not be tried again; {command('show', shown(view.folder), 'TRIAL')} shows why. "
            f"To try again once the reason is mended: {again(view)}.",
            soft_wrap=True,
        )


def unfinished(view: StudyView) -> bool:
    """Whether a resume would train something."""
    return len(view.recorded.columns.trials["phase"]) < view.study.planned or n_to_run(view, view.study.spec["max_failures"]) > 0


def words_of(view: StudyView) -> dict[str, str]:
    """Return what each phase of a study does, as far as it is known."""
    return phase_words(view.study.spec, distinct=n_designed(view), confirmed=n_confirmed(view))


def n_confirmed(view: StudyView) -> int | None:
    """Return how many configs the race of a study had; None before its end, or without a race."""
    trials = view.recorded.columns.trials
    ended = "confirm" in phases_of(view.study.spec) and (len(trials["phase"]) >= view.study.planned or (trials["phase"] == "ablate").any())
    return trials.loc[trials["phase"] == "confirm", "config_id"].nunique() if ended else None


def n_designed(view: StudyView) -> int | None:
    """Return how many configs of the study's design differ in more than the seed; None before all its trials have begun, or without a design."""
    design, trials = phases_of(view.study.spec).get("explore"), view.recorded.columns.trials
    explored = trials.loc[trials["phase"] == "explore", "config_id"]
    whole = design is not None and len(explored) >= design["n_configs"] * design["seeds"]
    return explored.nunique() if whole else None


def not_needed(view: StudyView) -> str:
    """Return how many trials a complete study did without, and why, as the end of a sentence; "" if it has all that it could have."""
    spec, phases = view.study.spec, view.recorded.columns.trials["phase"]
    most = possible = planned_of_phases(spec)
    left = sum(most.values()) - view.study.planned
    if left <= 0:
        return ""
    reasons = []
    if (confirmed := n_confirmed(view)) is not None:
        race = {**spec["phases"]["confirm"], "top": confirmed}
        possible = planned_of_phases({**spec, "phases": {**spec["phases"], "confirm": race}})
        found = f"only {plural(confirmed, 'config')}" if confirmed else "no config"
        reasons = [(f"{found} could be confirmed", sum(most.values()) - sum(possible.values()))]
    reasons += [(words, possible.get(phase, 0) - int((phases == phase).sum())) for phase, words in _FEWER.items()]
    why = [f"{words} ({fewer} fewer)" for words, fewer in reasons if fewer > 0]
    return f"; the other {left} of at most {sum(most.values())} were not needed: {listed(why)}"


def n_to_run(view: StudyView, max_failures: int) -> int:
    """Return how many of the recorded trials a resume would run."""
    trials = view.recorded.columns.trials
    facts = zip(*(trials[name] for name in ("ended", "failures", "images", "saved_images")), strict=True)
    return sum(
        needs_run(ended=ended, failures=failures, images=images, saved_images=saved, max_failures=max_failures)
        for ended, failures, images, saved in facts
    )
