"""MLflow tracker: a run per trial, below one of the study. The only module that imports mlflow.

The server is the memory: a run is found by its tags, and what it has of a trial is not sent again. A server that fails or hangs is left alone for a
while; what is missing is sent when it answers again, or when the study is resumed.
"""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ganstudy import UserError
from ganstudy.masked import masked
from study.spec.tracking import MlflowConfig
from study.store.layout import Layout
from study.store.records import Ended, StudyRecord, TrialRecord, mark
from study.store.store import Store
from study.tracking.computing import Computing, computing_of
from study.tracking.handed import handed
from study.tracking.pictures import has_picture
from study.tracking.runs import Pictures, RunTracker, begun, final_values, state, written
from study.tracking.tracker import closing_fields, log

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

DOWN_S = 60.0  # after a failure, how long the server is left alone
_METRICS, _PARAMS = 1000, 100  # what MLflow takes in one call
_TAG = 5000  # characters of a tag
_SQLITE = "sqlite:///"
_PARENT = "mlflow.parentRunId"  # the tag by which MLflow shows runs below another


def check_mlflow(config: MlflowConfig) -> None:
    """Raise UserError if the package is missing, or if the address cannot be that of a server or of an SQLite file. Asks no server."""
    if find_spec("mlflow") is None:
        raise UserError("tracking.mlflow needs the package mlflow, which is not installed. Install it with: pip install 'ganstudy[mlflow]'")
    if reason := _fault(config.uri):
        raise UserError(
            "tracking.mlflow must be the address of a server, such as http://host:5000, or an SQLite file, such as sqlite:///mlflow.db; "
            f"given {masked(config.uri)!r}: {reason}"
        )


def _fault(uri: str) -> str:
    """Why an address cannot be right; "" if it can."""
    if uri.startswith(_SQLITE):
        file = Path(uri.removeprefix(_SQLITE))
        return "it names no file" if not file.name else "" if file.parent.is_dir() else f"the folder {file.parent} does not exist"
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018  # raises if it is no number
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return f"it begins with {parts.scheme}:" if parts.scheme else "it has no scheme, such as http://"
    return "" if parts.hostname else "it names no host"


@dataclass
class _Run:
    """A run of the server. has: (metric, step) of what it had when it was opened."""

    id: str
    has: set[tuple[str, int]]


class MlflowTracker(RunTracker[_Run]):
    """Writes a run per trial to the experiment of the study, and the best trials to a run above them."""

    def __init__(self, folder: Path, config: MlflowConfig, study: StudyRecord, computing: Computing, *, limit_s: float):
        # before mlflow is imported: one try, so that the end of a study waits for a server that hangs a sixth of the limit
        os.environ |= {
            "MLFLOW_HTTP_REQUEST_TIMEOUT": str(max(1, round(limit_s / 6))),
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        }
        from mlflow import MlflowClient  # here, as in all functions of this file, since a study without this tracker must not import mlflow

        self.layout, self.uri, self.known = Layout(folder), config.uri, handed().settings
        self.name = _name(config, study)
        super().__init__(self.layout.sent("mlflow"), _place(config, study), computing, limit_s=limit_s)
        self.client = MlflowClient(tracking_uri=config.uri)
        self.experiment = self.parent = ""  # ids of the experiment and of the run of the study, once they are known
        self.runs: dict[str, str] | None = None  # trial id -> run id; None: to be looked up, at first and after a failure
        self.failure: Exception | None = None
        self.behind: set[str] = set()  # trials that could not be sent
        self.down_until = 0.0
        self.ending = False
        self.without_pictures = False

    def update(self, trial: TrialRecord, study: StudyRecord, *, last: bool) -> bool:
        from mlflow.exceptions import MlflowException  # here for the same reason

        if last and not self.ending:
            self.ending, self.down_until = True, 0.0  # one more try at the end
        self.behind.add(trial.trial_id)
        if time.monotonic() < self.down_until:
            return False
        try:
            complete = super().update(trial, study, last=last)
        except (MlflowException, OSError) as error:  # requests' errors are OSErrors
            log(f"MLflow: {trial.trial_id} could not be sent, and nothing is for {DOWN_S:g} s: {error}")
            self.failure, self.down_until = error, time.monotonic() + DOWN_S
            self.runs = None  # a run may have been made although no answer came
            self.open.pop(trial.trial_id, None)  # it is opened anew, and asked what it has
            return False
        self.behind.remove(trial.trial_id)
        return complete

    def start(self, trial: TrialRecord, study: StudyRecord) -> _Run:
        from mlflow.entities import Param  # here for the same reason

        from study.tracking.names import run_name  # here, since it imports pandas, which takes a second

        above, name = self._run_of_study(study), run_name(trial, study, self.known)
        if self.runs is None:
            self.runs = self._runs(study)
        if known := self.runs.get(trial.trial_id):
            run = _Run(known, set())
            self.client.update_run(run.id, status="RUNNING", name=name)
            self.client.set_tag(run.id, _PARENT, above)  # versions before this one had none
            for name in self.client.get_run(run.id).data.metrics:
                run.has |= {(name, metric.step) for metric in self.client.get_metric_history(run.id, name)}
        else:
            begin = round(1000 * begun(study)) + trial.number  # MLflow sorts by this
            tags = {"study": mark(study), "trial_id": trial.trial_id, "config_id": trial.config_id, "phase": trial.phase, _PARENT: above}
            made = self.client.create_run(self.experiment, start_time=begin, tags=tags, run_name=name)
            run = _Run(made.info.run_id, set())
            self.runs[trial.trial_id] = run.id
        params = [Param(name, str(value)) for name, value in trial.settings.items()]
        for first in range(0, len(params), _PARAMS):
            self.client.log_batch(run.id, params=params[first : first + _PARAMS])
        return run

    def write(self, run: _Run, trial: TrialRecord, study: StudyRecord, ticks: range) -> None:
        metrics: list[Metric] = []
        for measured in trial.measurements[ticks.start : ticks.stop]:
            values = {**measured.values, "seconds": measured.seconds, "evaluation_seconds": measured.evaluation_seconds}
            metrics += _metrics(values, study, step=measured.images, seconds=measured.seconds)
        self._send(run, metrics)
        for tick in ticks:
            grid = self.layout.grid(trial.trial_id, trial.measurements[tick].images)
            if has_picture(trial, study, tick, self.known) and grid.exists():
                self._attach(run.id, grid, "samples")

    def finish(self, run: _Run, trial: TrialRecord, study: StudyRecord) -> None:
        from mlflow.entities import RunTag  # here for the same reason

        assert trial.closed
        fields = closing_fields(trial, study)
        step, seconds = (trial.last.images, trial.last.seconds) if trial.last else (0, 0.0)
        self._send(run, _metrics(final_values(trial, study), study, step=step, seconds=seconds))
        note = "\n\n".join(text for text in (fields["diagnosis"], fields["reason"]) if text)
        tags = {**fields, "mlflow.note.content": note}  # MLflow shows this one as the run's description
        self.client.log_batch(run.id, tags=[RunTag(name, str(value)[:_TAG]) for name, value in tags.items() if value not in (None, "")])
        spent = trial.last.seconds + trial.last.evaluation_seconds if trial.last else 0.0
        status = "FAILED" if trial.closed.ended is Ended.ERROR else "FINISHED"
        self.client.set_terminated(run.id, status, end_time=round(1000 * (begun(study) + spent)) + trial.number)

    def interrupt(self, run: _Run) -> None:
        self.client.set_terminated(run.id, "KILLED")

    def show(self, pictures: Pictures, study: StudyRecord, n_ended: int) -> None:
        with TemporaryDirectory() as place:
            for name, each in pictures.items():
                (Path(place) / name).mkdir(parents=True)
                for number, picture in enumerate(each, start=1):
                    shutil.copyfile(picture["path"], Path(place) / name / f"{number}.png")
                (Path(place) / name / "captions.txt").write_text("".join(f"{picture['caption']}\n" for picture in each))
            self._attach(self._run_of_study(study), Path(place))

    def finish_study(self, study: StudyRecord, *, complete: bool) -> None:
        if complete or self.parent:
            self.client.set_terminated(self._run_of_study(study), "FINISHED" if complete else "KILLED")

    def close(self) -> None:
        if time.monotonic() > self.down_until:
            super().close()
        if self.failure and self.behind:
            raise self.failure

    def _attach(self, run_id: str, path: Path, folder: str = "") -> None:
        """Send a file, or all files of a folder. Those that are there already are replaced."""
        if self.without_pictures:
            return
        try:
            if path.is_dir():
                self.client.log_artifacts(run_id, str(path))
            else:
                self.client.log_artifact(run_id, str(path), folder)
        except ImportError as error:
            log(f"MLflow: pictures are left out, since a package for the server's artifact store is missing: {error}")
            self.without_pictures = True

    def _found(self, study: StudyRecord, with_tag: str) -> Iterator["Run"]:
        """The runs of this study with this tag."""
        self.experiment, token = self.experiment or self._experiment(study), None
        while token != "":
            page = self.client.search_runs([self.experiment], f"tags.study = '{mark(study)}' and tags.{with_tag}", page_token=token)
            yield from page
            token = page.token or ""

    def _runs(self, study: StudyRecord) -> dict[str, str]:
        """Trial id -> run id of the runs of this study. A search for each trial would take ever longer in a study of many trials."""
        return {run.data.tags["trial_id"]: str(run.info.run_id) for run in self._found(study, "trial_id != ''")}

    def _run_of_study(self, study: StudyRecord) -> str:
        """The id of the run of the study, which is made if it is missing."""
        if self.parent:
            return self.parent
        if known := next(self._found(study, "role = 'study'"), None):
            self.client.update_run(known.info.run_id, status="RUNNING")
            self.parent = str(known.info.run_id)
        else:
            tags = {"study": mark(study), "role": "study", **_note(study)}
            made = self.client.create_run(self.experiment, start_time=round(1000 * begun(study)), tags=tags, run_name=study.spec["name"])
            self.parent = str(made.info.run_id)
        return self.parent

    def _experiment(self, study: StudyRecord) -> str:
        """The id of the experiment, which is made if it is missing. Of an SQLite file, artifacts lie beside it, as MLflow's own server has them."""
        found = self.client.get_experiment_by_name(self.name)
        if found:
            return str(found.experiment_id)
        beside = Path(self.uri.removeprefix(_SQLITE)).absolute().parent / "mlartifacts" / self.name
        return str(
            self.client.create_experiment(
                self.name,
                artifact_location=beside.as_uri() if self.uri.startswith(_SQLITE) else None,
                tags=_note(study),
            )
        )

    def _send(self, run: _Run, metrics: Sequence["Metric"]) -> None:
        """Send the metrics that the run does not have yet."""
        missing = [metric for metric in metrics if (metric.key, metric.step) not in run.has]
        for first in range(0, len(missing), _METRICS):
            self.client.log_batch(run.id, metrics=missing[first : first + _METRICS])


def mlflow_tracker(folder: Path, config: MlflowConfig, study: StudyRecord, limit_s: float) -> MlflowTracker:
    """The tracker as TRACKERS makes it."""
    computing = computing_of(folder, trust_plugins=handed().trusts(study))
    return MlflowTracker(folder, config, study, computing, limit_s=limit_s)


def unsent(folder: Path, config: MlflowConfig) -> str:
    """How many trials are not complete in MLflow, as a phrase; "" if all are."""
    store, found = Store(folder), written(Layout(folder).sent("mlflow"))
    trials = [trial for trial in store.trials.values() if trial.measurements or trial.closed]
    missing = [trial for trial in trials if store.study and found.get(trial.trial_id) != [*state(trial), _place(config, store.study)]]
    return f"{len(missing)} of {len(trials)} trials are not complete there" if missing else ""


def _note(study: StudyRecord) -> dict[str, str]:
    """The tag that MLflow shows as a description."""
    return {"mlflow.note.content": study.spec["question"]} if study.spec.get("question") else {}


def _name(config: MlflowConfig, study: StudyRecord) -> str:
    """The name of the experiment."""
    return config.experiment or mark(study)


def _place(config: MlflowConfig, study: StudyRecord) -> str:
    return f"{masked(config.uri)} {_name(config, study)}"


def _metrics(values: dict[str, float], study: StudyRecord, *, step: int, seconds: float) -> list["Metric"]:
    """Values of one tick. Their times are those of training, so that a second try sends the same, and MLflow keeps it once."""
    from mlflow.entities import Metric  # here for the same reason

    when = round(1000 * (begun(study) + seconds))
    return [Metric(name, value, when, step) for name, value in values.items()]
