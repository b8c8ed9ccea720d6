"""Shows the progress of a study: a live table in a terminal, plain lines elsewhere."""

import time
from collections import Counter
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from analysis.words import plural
from ganstudy.command import command
from ganstudy.units import to_images, to_kimg
from study.console import terminal
from study.engine.reasons import TOO_LARGE
from study.spec.plugins import plugin_folders
from study.spec.study_spec import StudySpec
from study.store.diagnosis import diagnosis
from study.store.layout import shown
from study.store.raised import Raised, raised
from study.store.records import Ended, TrialRecord
from study.store.store import Store


class Progress:
    """Finished trials, best trial so far, failures and time left. Call `update` for every trial that has a new record."""

    def __init__(self, spec: StudySpec, store: Store, *, shown: bool = True):
        self.spec, self.store, self.shown = spec, store, shown
        self.folders = plugin_folders(spec.plugins)
        self.outcomes: dict[str, tuple[TrialRecord, str]] = {}
        self.told: set[str] = set()  # kinds of bugs whose traceback was printed
        self.start, self.images_before = time.monotonic(), self.images()
        self.console = terminal()
        self.live = (
            Live(get_renderable=self.table, console=self.console, refresh_per_second=2) if shown and self.console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        elif self.shown:
            done = sum(map(self._is_done, self.store.trials.values()))
            self.console.print(
                f"{self.spec.name}: {plural(self.spec.n_trials, 'trial')} of {self.spec.budget_kimg:g} kimg, {done} already finished",
                soft_wrap=True,
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.live:
            self.live.stop()

    def __getstate__(self) -> dict[str, Any]:
        """Empty: Tune pickles its callbacks for a restore that we never use, and a terminal cannot be pickled."""
        return {}

    def update(self, record: TrialRecord) -> None:
        """Print a line for a trial that ended; beside a live table, only for one that ended in an error. A bug of ours has its traceback once.

        The line of a trial waits for the checkpoint of its last tick, since without it the trial runs again.
        """
        if not self.shown or not record.closed:
            return
        failed = record.closed.ended is Ended.ERROR
        if not failed and not self._is_done(record):
            return
        if failed and (error := self._raised(record)).ours and error.kind not in self.told:
            self.told.add(error.kind)
            self.console.print(record.closed.reason.rstrip(), soft_wrap=True)
        if failed or not self.live:
            done = sum(self._is_done(other) for other in self.store.trials.values())
            left = "" if failed else f"  {self.time_left()}"
            self.console.print(f"{done:>4}/{self.spec.n_trials}  {record.trial_id}  {self.status_text(record)}{left}", soft_wrap=True)

    def _is_done(self, record: TrialRecord) -> bool:
        """Whether a trial has ended and is not run again."""
        return record.closed is not None and not record.needs_run(self.spec.max_failures)

    def _raised(self, record: TrialRecord) -> Raised:
        assert record.closed
        return raised(record.closed.reason, self.spec.plugins, self.folders)

    def images(self) -> int:
        """Real images that all trials have trained on."""
        return sum(record.last.images for record in self.store.trials.values() if record.last)

    def time_left(self) -> str:
        """Remaining time at the average speed so far; "" before the first new measurement."""
        new = self.images() - self.images_before
        whole = self.spec.n_trials * to_images(self.spec.budget_kimg)
        ended_early = sum(
            to_images(self.spec.budget_kimg) - r.last.images
            for r in self.store.trials.values()
            if r.closed and r.last and r.closed.ended is not Ended.ERROR
        )
        if new <= 0:
            return ""
        seconds = (time.monotonic() - self.start) * max(0.0, whole - ended_early - self.images()) / new
        return f"{timedelta(seconds=round(seconds))} left"

    def status_text(self, record: TrialRecord) -> str:
        """Outcome and objective of a trial that ended, and whether it was stopped early; or the line of its error, which try it was, and what shows all of it."""
        assert record.closed
        if record.closed.ended is Ended.ERROR:
            error, allowed = self._raised(record), self.spec.max_failures + 1
            again = f"try {record.failures} of {allowed}" if record.failures else "which cost no try"
            if (error.refused or TOO_LARGE in error.line) and not record.needs_run(self.spec.max_failures):
                again = "not tried again"
            return (
                f"error, {again}: {error.told.rstrip('.')}. {command('show', shown(self.store.folder), record.trial_id)} prints all of it"
            )
        metric = self.spec.objective.metric
        objective = f"  {metric} {record.last.values[metric]:.4g}" if record.last and metric in record.last.values else ""
        early = (
            f"  stopped early, at {to_kimg(record.last.images):g} kimg" if record.closed.ended is Ended.SCHEDULER and record.last else ""
        )
        return f"{self.outcome(record)}{objective}{early}"

    def outcome(self, record: TrialRecord) -> str:
        """Outcome so far. Cached until the trial has a new record, since the table is redrawn twice a second."""
        assert self.store.study
        known = self.outcomes.get(record.trial_id)
        if known is None or known[0] is not record:
            known = self.outcomes[record.trial_id] = (record, diagnosis(record, self.store.study).outcome)
        return known[1]

    def table(self) -> Group:
        """The live table: summary, best trial, and up to eight running trials."""
        trials = list(self.store.trials.values())
        done = [record for record in trials if record.closed and record.closed.ended is not Ended.ERROR]
        counts = Counter(self.outcome(record) for record in done)
        errors = sum(record.closed is not None and record.closed.ended is Ended.ERROR for record in trials)
        metric, sign = self.spec.objective.metric, self.spec.objective.direction.sign
        healthy = [r for r in done if r.last and metric in r.last.values and self.outcome(r) == "healthy"]
        best = min(healthy, key=lambda record: sign * record.last.values[metric], default=None)  # type: ignore[union-attr]
        grid = Table.grid(padding=(0, 2))
        grid.add_row(
            Text(self.spec.name, style="bold"),
            ProgressBar(total=self.spec.n_trials, completed=len(done), width=40),
            f"{len(done)}/{plural(self.spec.n_trials, 'trial')}",
            self.time_left(),
        )
        outcomes = ", ".join(f"{n} {name}" for name, n in counts.most_common()) or "no finished trials"
        early = sum(record.closed is not None and record.closed.ended is Ended.SCHEDULER for record in done)
        outcomes += f" ({early} stopped early)" if early else ""
        grid.add_row("", outcomes + (f", {plural(errors, 'error')}" if errors else ""), "", "")
        if best and best.last:
            grid.add_row("", f"best so far: {metric} {best.last.values[metric]:.4g}  {best.trial_id}", "", "")
        running = [record for record in trials if not record.closed]
        for record in running[:8]:
            last = record.last
            grid.add_row(
                "",
                f"{record.trial_id}  {to_kimg(last.images) if last else 0:g} of {self.spec.budget_kimg:g} kimg"
                + (f"  {metric} {last.values[metric]:.4g}" if last and metric in last.values else "")
                + (f"  {outcome} so far" if (outcome := self.outcome(record)) else ""),
                "",
                "",
            )
        return Group(grid)
