"""TensorBoard tracker: an event file per trial. The only module that imports tensorboard, and without its summary writers, which need torch or TensorFlow.

Nobody knows which events a killed process has written, so a trial that goes on is written again from the start, to a new file. The former file is
emptied.
"""

import os
import time
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ganstudy import UserError
from ganstudy.forms import is_range
from study.spec.tracking import TensorboardConfig
from study.store.layout import Layout
from study.store.records import Ended, StudyRecord, TrialRecord, mark
from study.tracking.computing import Computing, computing_of
from study.tracking.handed import handed
from study.tracking.pictures import has_picture
from study.tracking.runs import BEST, Pictures, RunTracker, begun, final_values
from study.tracking.tracker import closing_fields

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

_RGB = 3  # the colour space of an image summary


def check_tensorboard(config: TensorboardConfig) -> None:
    """Raise UserError if the package is missing, or if the folder cannot be one."""
    if find_spec("tensorboard") is None:
        raise UserError(
            "tracking.tensorboard needs the package tensorboard, which is not installed. Install it with: pip install 'ganstudy[tensorboard]'"
        )
    for path in (Path(config.folder), *Path(config.folder).parents) if config.folder else ():
        if path.exists() and not path.is_dir():
            raise UserError(
                f"tracking.tensorboard.folder must be a folder; given {config.folder}, and {path} is a file. Choose another folder"
            )


class TensorboardTracker(RunTracker["EventFileWriter"]):
    """Writes a folder with one event file per trial."""

    def __init__(self, folder: Path, config: TensorboardConfig, study: StudyRecord, computing: Computing, *, limit_s: float):
        self.layout, self.known = Layout(folder), handed().settings
        self.best: EventFileWriter | None = None  # where the best trials are shown
        # a folder of the user's may hold several studies, which may have the same trials
        self.home = Path(config.folder).absolute() / mark(study) if config.folder else self.layout.tensorboard
        # each file has the columns of the page HPARAMS, and a space that was extended has more
        columns = ",".join([*_varied(study), *study.objectives])
        super().__init__(self.layout.sent("tensorboard"), f"{self.home if config.folder else ''} {columns}", computing, limit_s=limit_s)
        self.done = {trial_id: found for trial_id, found in self.done.items() if (self.home / trial_id).is_dir()}

    def start(self, trial: TrialRecord, study: StudyRecord) -> "EventFileWriter":
        # here, as in all functions of this file, since a study without this tracker must not import tensorboard
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        writer, start = self._writer(trial.trial_id, study), begun(study)
        settings = {**trial.settings, "phase": trial.phase}
        given = {name: value for name, kind in _varied(study).items() if (value := _as(kind, settings.get(name))) is not None}
        for summary in (_columns(study), hparams_pb(given, trial_id=trial.trial_id, start_time_secs=start)):
            writer.add_event(Event(wall_time=start, step=0, summary=summary))
        writer.flush()
        return writer

    def write(self, run: "EventFileWriter", trial: TrialRecord, study: StudyRecord, ticks: range) -> None:
        for tick in ticks:
            measured = trial.measurements[tick]
            self._add(
                run,
                trial,
                study,
                tick,
                [
                    *_scalars({**measured.values, "seconds": measured.seconds, "evaluation_seconds": measured.evaluation_seconds}),
                    *(
                        _image("samples", grid)
                        for grid in (self.layout.grid(trial.trial_id, measured.images),)
                        if has_picture(trial, study, tick, self.known) and grid.exists()
                    ),
                ],
            )
        run.flush()

    def finish(self, run: "EventFileWriter", trial: TrialRecord, study: StudyRecord) -> None:
        fields = closing_fields(trial, study)
        numbers = {**final_values(trial, study), **({"failed": float(fields["failed"])} if fields["outcome"] else {})}
        self._add(run, trial, study, -1, [*_scalars(numbers), _text("outcome", _sentences(fields)), _session_end(trial, study)])
        run.close()

    def interrupt(self, run: "EventFileWriter") -> None:
        run.close()

    def show(self, pictures: Pictures, study: StudyRecord, n_ended: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # here for the same reason
        from tensorboard.compat.proto.summary_pb2 import Summary

        if self.best is None:
            self.best = self._writer(BEST, study)
        values = [
            _image(name if len(each) == 1 else f"{name}/{place}", Path(picture["path"]), picture["caption"])
            for name, each in pictures.items()
            for place, picture in enumerate(each, start=1)
        ]
        self.best.add_event(Event(wall_time=time.time(), step=n_ended, summary=Summary(value=values)))
        self.best.flush()

    def finish_study(self, study: StudyRecord, *, complete: bool) -> None:
        if self.best is not None:
            self.best.close()

    def _writer(self, name: str, study: StudyRecord) -> "EventFileWriter":
        """Return what writes a new event file in the folder `name`, and empty the former ones."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # here for the same reason
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        for former in (self.home / name).glob("*tfevents*"):
            os.truncate(former, 0)  # a TensorBoard that is reading it would wait for ever for a deleted file to grow
        writer = EventFileWriter(str(self.home / name))
        # here TensorBoard forgets what it has read of a former file
        writer.add_event(Event(wall_time=begun(study), step=0, session_log=SessionLog(status=SessionLog.START)))
        return writer

    def _add(self, run: "EventFileWriter", trial: TrialRecord, study: StudyRecord, tick: int, values: Iterable["Summary.Value"]) -> None:
        """Add values at a tick. The axis "relative" of TensorBoard then shows the seconds of training."""
        from tensorboard.compat.proto.event_pb2 import Event  # here for the same reason
        from tensorboard.compat.proto.summary_pb2 import Summary

        images, seconds = (trial.measurements[tick].images, trial.measurements[tick].seconds) if trial.measurements else (0, 0.0)
        run.add_event(Event(wall_time=begun(study) + seconds, step=images, summary=Summary(value=list(values))))


def tensorboard_tracker(folder: Path, config: TensorboardConfig, study: StudyRecord, limit_s: float) -> TensorboardTracker:
    """The tracker as TRACKERS makes it."""
    computing = computing_of(folder, trust_plugins=handed().trusts(study))
    return TensorboardTracker(folder, config, study, computing, limit_s=limit_s)


def _varied(study: StudyRecord) -> dict[str, type]:
    """The settings that the page HPARAMS shows -> bool, float or str: those of the space, the seed, and the phase."""
    return {**{name: _kind(form) for part in study.spec["space"].values() for name, form in part.items()}, "seed": float, "phase": str}


def _kind(form: Any) -> type:
    """What a setting is, given its domain in the format of the records: choices, {low, high}, or variants by name."""
    if isinstance(form, list):
        return bool if all(isinstance(each, bool) for each in form) else float if all(map(_is_number, form)) else str
    return float if is_range(form) else str


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as(kind: type, value: Any) -> bool | float | str | None:
    """A setting as its column takes it; None if it does not apply, or if it is of another kind than those of the space."""
    if kind is str:
        return None if value is None else str(value)
    return value if (_is_number(value) if kind is float else isinstance(value, bool)) else None


def _columns(study: StudyRecord) -> "Summary":
    """The columns of the page HPARAMS. Without them, TensorBoard shows the first five metrics of the alphabet."""
    from tensorboard.compat.proto.summary_pb2 import Summary  # here for the same reason
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    kinds = {bool: api_pb2.DATA_TYPE_BOOL, float: api_pb2.DATA_TYPE_FLOAT64, str: api_pb2.DATA_TYPE_STRING}
    tags = [*(f"final/{name}" for name in study.objectives), "failed", *study.objectives]
    content = plugin_data_pb2.HParamsPluginData(
        experiment=api_pb2.Experiment(
            time_created_secs=begun(study),
            hparam_infos=[api_pb2.HParamInfo(name=name, type=kinds[kind]) for name, kind in _varied(study).items()],
            metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in tags],
        )
    )
    return Summary(value=[_hparams_value(metadata.EXPERIMENT_TAG, content)])


def _hparams_value(tag: str, content: Any) -> "Summary.Value":
    from tensorboard.compat.proto.summary_pb2 import Summary  # here for the same reason
    from tensorboard.plugins.hparams import metadata

    return Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(content), tensor=metadata.NULL_TENSOR)


def _scalars(values: dict[str, float]) -> list["Summary.Value"]:
    from tensorboard.compat.proto.summary_pb2 import Summary  # here for the same reason

    return [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]


def _image(tag: str, path: Path, caption: str = "") -> "Summary.Value":
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata  # here for the same reason

    with Image.open(path) as picture:
        width, height = picture.size
    image = Summary.Image(height=height, width=width, colorspace=_RGB, encoded_image_string=path.read_bytes())
    return Summary.Value(tag=tag, image=image, metadata=SummaryMetadata(summary_description=caption))


def _text(name: str, text: str) -> "Summary.Value":
    from tensorboard.plugins.text.summary_v2 import text_pb  # here for the same reason

    value: Summary.Value = text_pb(name, text).value[0]
    return value


def _session_end(trial: TrialRecord, study: StudyRecord) -> "Summary.Value":
    """What the page HPARAMS shows as the status: a trial that died is a result, one that ended in an error is not."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2  # here for the same reason

    assert trial.closed
    status = api_pb2.STATUS_FAILURE if trial.closed.ended is Ended.ERROR else api_pb2.STATUS_SUCCESS
    end = begun(study) + (trial.last.seconds if trial.last else 0.0)
    content = plugin_data_pb2.HParamsPluginData(session_end_info=plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=end))
    return _hparams_value(metadata.SESSION_END_INFO_TAG, content)


def _sentences(fields: dict[str, Any]) -> str:
    """How a trial ended, as Markdown."""
    head = f"**{fields['outcome'] or 'no evidence'}** (ended: {fields['ended']})"
    return "\n\n".join(text for text in (head, fields["diagnosis"], fields["reason"]) if text)
