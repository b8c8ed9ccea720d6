"""The W&B run of a study: leaderboard, effects, answer, report, and the generators of the best configs.

It shows what `study.tracking.results` has computed. Online it follows the study; offline it is written once, at its end, since `wandb sync` cannot
append to a run. The step of a row is twice the number of lines of the records that it shows, plus 1 for the report, so that a run that is continued
after a kill has each row once.
"""

import json
from typing import TYPE_CHECKING, Any

from ganstudy.files import write_whole
from study.store.layout import Layout
from study.store.records import StudyRecord, mark
from study.tracking.computing import Computing
from study.tracking.wandb_client import INTERRUPTED, Client
from study.tracking.wandb_publish import Pages

if TYPE_CHECKING:
    import wandb

_PLAIN = (str, int, float, bool)  # values of a spec that W&B shows as columns; the study file has all


def study_url(layout: Layout) -> str | None:
    """Return the address of the study's run; None unless it is online."""
    return _state(layout).get("url")


def study_run_id(study: StudyRecord) -> str:
    """Return the id of the study's run."""
    return f"{mark(study)}-study"


def has_report(layout: Layout) -> bool:
    """Whether there is a report that was written after the last record."""
    return layout.report.exists() and layout.report.stat().st_mtime_ns >= layout.records.stat().st_mtime_ns


def is_sent(layout: Layout) -> bool:
    """Whether the study's run was written with all records and the report that there is, online or offline."""
    return _state(layout).items() >= _sent(layout).items()


class StudyRun:
    """Writes the study's run."""

    def __init__(self, client: Client, computing: Computing):
        self.client, self.computing, self.layout = client, computing, client.layout
        self.run: wandb.Run | None = None
        self.shown = 0  # lines of the records that the run shows
        self.pictured: list[list[str]] = []  # the files of the pictures that the run shows, each time
        self.pages = Pages(client.layout, client.config)
        client.forget.append(self._forget)

    def update(self, study: StudyRecord, n_ended: int) -> None:
        """Show new results, if there are any and the server can be reached, and have newer ones computed from time to time. n_ended: trials that have ended."""
        if not n_ended or not self.client.online or is_sent(self.layout):
            return
        found = self.computing.results
        if found and found["leaderboard"]:
            self._show(found, study)
            self.pages.begin(online=True)
        if found is None or n_ended > found["ended"]:
            self.computing.ask_again()

    def close(self, study: StudyRecord, *, complete: bool) -> None:
        """Show the last results and the report, finish the run, and write the workspace and the report page.

        complete: whether the study has ended. Then it waits for the results, for at most a third of the client's patience; else it shows those that are
        there. What is missing then is sent by the next launch, or by `ganstudy sync`.
        """
        try:
            self._close_run(study, complete=complete)
            if is_sent(self.layout):
                self.pages.finish(online=self.client.online, limit_s=self.client.patience_s / 6)
        finally:
            self.pages.close()

    def _close_run(self, study: StudyRecord, *, complete: bool) -> None:
        if is_sent(self.layout) and self.run is None:
            return
        if complete and not self.computing.current:
            self.computing.ask()
            self.computing.wait(self.client.patience_s / 3)
        found = self.computing.results
        whole = found is not None and found["leaderboard"] is not None and self.computing.current
        if not whole and self.run is None:
            return
        try:
            self._finish(found if whole else None, study, complete=complete)
        except TimeoutError as error:
            self.client.failed(error)
            self._forget()
            self._finish(found if whole else None, study, complete=complete)  # writes the run again, offline

    def _finish(self, found: dict[str, Any] | None, study: StudyRecord, *, complete: bool) -> None:
        """Finish the run with these results; None: they are not of all records, and the run is continued later."""
        if found is None:
            if self.run is not None:
                self.run.finish(exit_code=INTERRUPTED)
            return
        run, sent = self._show(found, study), _sent(self.layout)
        self._add_files(run, found, study)
        run.finish(exit_code=0 if complete else INTERRUPTED)
        write_whole(self.layout.study_run, json.dumps({**_state(self.layout), **sent}))

    def _show(self, found: dict[str, Any], study: StudyRecord) -> "wandb.Run":
        """Log the tables and the summary of results, unless the run shows them already."""
        import wandb  # here, since a study without W&B must not import it

        if self.run is None:
            self.run = self._start(study)
        if found["lines"] <= self.shown:
            return self.run
        run, step = self.run, 2 * found["lines"]
        if step >= run.starting_step:
            tables = {name: found[name] for name in ("leaderboard", "effects") if found[name]}
            shown = {
                name: wandb.Table(columns=table["columns"], data=table["rows"], allow_mixed_types=True) for name, table in tables.items()
            }
            best = {f"leader/{name}": value for name, value in found["best"].items()}
            run.log({"trials": found["ended"], "failed": found["failed"], **best, **shown, **self._pictures(found)}, step=step, commit=True)
        run.summary.update({name: found[name] for name in ("answer", "constraints") if found[name]})
        self.shown = found["lines"]
        return run

    def _start(self, study: StudyRecord) -> "wandb.Run":
        spec = study.spec
        run = self.client.start(
            study_run_id(study),
            name=spec["name"],
            group=spec["name"],
            job_type="study",
            notes=spec["question"],
            config={
                "study": {key: value for key, value in spec.items() if isinstance(value, _PLAIN)},
                "protocol": dict(study.protocol),
                "baselines": dict(study.baselines),
            },
        )
        run.define_metric("*", step_metric="trials")
        write_whole(self.layout.study_run, json.dumps({**_state(self.layout), "url": run.url if self.client.online else None}))
        return run

    def _add_files(self, run: "wandb.Run", found: dict[str, Any], study: StudyRecord) -> None:
        """Add the report, if it is newer than the records, the study file, and the generators of the best configs."""
        import wandb  # here, since a study without W&B must not import it

        if has_report(self.layout):
            step = 2 * found["lines"] + 1
            if step >= run.starting_step:
                run.log({"trials": found["ended"], "report": wandb.Html(str(self.layout.report), inject=False)}, step=step, commit=True)
            report = wandb.Artifact(f"{mark(study)}-report", "report")
            report.add_file(str(self.layout.report), skip_cache=True)
            run.log_artifact(report)
        asked = wandb.Artifact(f"{mark(study)}-study", "study")
        with asked.new_file(f"{study.spec['name']}.yaml") as file:
            file.write(found["study_file"])
        run.log_artifact(asked)
        for winner in reversed(found["winners"]):  # the best one last, so that it is `latest` too
            generator = wandb.Artifact(f"{mark(study)}-generator", "model", metadata=winner["about"])
            generator.add_file(winner["path"], skip_cache=True, policy="mutable" if run.offline else "immutable")
            run.log_artifact(generator, aliases=winner["aliases"])

    def _pictures(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return the pictures of the best trials as W&B's images if they are new, `max_images` times at most."""
        import wandb  # here, since a study without W&B must not import it

        new = [each["path"] for pictures in found["pictures"].values() for each in pictures]
        if new in self.pictured or len(self.pictured) >= self.client.config.max_images:
            return {}
        self.pictured.append(new)
        return {
            name: [wandb.Image(each["path"], caption=each["caption"]) for each in pictures] for name, pictures in found["pictures"].items()
        }

    def _forget(self) -> None:
        self.run, self.shown, self.pictured = None, 0, []


def _state(layout: Layout) -> dict[str, Any]:
    return dict(json.loads(layout.study_run.read_text())) if layout.study_run.exists() else {}


def _sent(layout: Layout) -> dict[str, Any]:
    """Return what is in the run once all is sent: all records, and the report."""
    return {"records": layout.records.stat().st_size, "report": layout.report.stat().st_mtime_ns if has_report(layout) else None}
