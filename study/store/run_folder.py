"""RunFolder: the folder of one `ganstudy train` run, and the decision whether the run can be resumed.

The newest checkpoint that is whole is authoritative; the files beside it are copies for people. A checkpoint is renamed into place once it is complete, so
a kill loses at most the current tick and never duplicates a line.
"""

import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ganstudy import UserError
from ganstudy.checksums import damage
from ganstudy.ended import Ended
from ganstudy.files import room_for, sync, write_whole
from study.spec.recipes import load_config, write_config
from study.store.generators import whole_generator
from study.store.layout import Layout
from study.store.records import Measurement
from study.store.run_layout import RunLayout
from trainables.config import UNIDENTIFIED, TrialConfig
from trainables.trial import SAMPLES, STATE, state_damage

log = logging.getLogger(__name__)


class RunFolder:
    """Reads and writes the folder of one run. Only the process that holds its lock may write."""

    def __init__(self, folder: Path):
        self.layout = RunLayout(folder)
        self._damage: dict[Path, str] = {}  # of the checkpoints that were read or made

    @property
    def checkpoint(self) -> Path | None:
        """The newest checkpoint whose files are as they were saved. Warns once of each newer one."""
        for path in reversed(self.layout.checkpoints()):
            if path not in self._damage:
                self._damage[path] = checkpoint_damage(path)
                if self._damage[path]:
                    log.warning("the checkpoint %s cannot be used: %s", path, self._damage[path])
            if not self._damage[path]:
                return path
        return None

    def history(self) -> list[Measurement]:
        """The ticks up to the newest checkpoint."""
        if self.checkpoint is None:
            return []
        return [_measurement(line) for line in RunLayout(self.checkpoint).history.read_text().splitlines()]

    def divergence(self) -> str:
        """Why the run diverged, from the conclusion that `study.show.run_page` wrote; "" if it did not."""
        if not self.layout.metrics.exists():
            return ""
        conclusion = json.loads(self.layout.metrics.read_text())
        return str(conclusion["reason"]) if conclusion["ended"] == Ended.DEAD else ""

    # Resuming ------------------------------------------------------------------------------------

    def check_config(self, config: TrialConfig) -> None:
        """Raises UserError where the folder holds a study, a run of another config or program, or one without a checkpoint."""
        if Layout(self.layout.folder).records.exists():
            raise UserError(f"{self.layout.folder} must not be the folder of a study; it is one. Give another folder with --folder")
        if not self._holds_a_run():
            return
        if self.checkpoint is None and self.layout.history.exists():
            raise UserError(
                f"{self.layout.folder} must be free of a run that cannot be resumed; it holds {self.layout.history.name} without a "
                f"{'checkpoint that is whole' if self.layout.checkpoints() else 'checkpoint'}. Give another folder with --folder, or remove it"
            )
        try:
            kept = load_config(self.layout.config, {}, trusted=False)
        except UserError as error:
            raise UserError(
                f"{self.layout.folder} must be free of files of other programs; it seems to hold a run, but {error}. Give another folder with --folder"
            ) from None
        if kept.trial_id != config.trial_id:
            free = UNIDENTIFIED - {"seed"}
            there, given = ({name: value for name, value in each.flat().items() if name not in free} for each in (kept, config))
            raise self._another("config", there, given)

    def begin(self, config: TrialConfig, protocol: Mapping[str, Any], *, plugins: Sequence[str] = ()) -> None:
        """Write the config, with the plugins that it needs, and the evaluation protocol, or check them if the folder holds a run. Raises UserError for another config or evaluation protocol."""
        self.check_config(config)
        if self._holds_a_run():
            there = json.loads(self.layout.protocol.read_text()) if self.layout.protocol.exists() else {}
            if there != protocol:
                raise self._another("evaluation protocol", there, protocol)
        write_config(self.layout.config, config, plugins=plugins)
        write_whole(self.layout.protocol, json.dumps(protocol, indent=2) + "\n")

    def _holds_a_run(self) -> bool:
        """Whether anything was measured or concluded."""
        return self.checkpoint is not None or self.layout.history.exists() or self.layout.metrics.exists()

    def _another(self, what: str, there: Mapping[str, Any], given: Mapping[str, Any]) -> UserError:
        changed = [name for name in sorted({*there, *given}) if there.get(name) != given.get(name)]
        # a trick that only one of them has is named without its settings
        names = [name for name in changed if (name in there and name in given) or name.partition(".")[0] not in changed or "." not in name]
        differences = "; ".join(f"{name}: {there.get(name, 'unset')} there, {given.get(name, 'unset')} given" for name in names)
        return UserError(
            f"{self.layout.folder} must hold a run of the same {what}, or none; they differ in {differences}. "
            "Give another folder with --folder, or remove it"
        )

    # Ticks ---------------------------------------------------------------------------------------

    def save(self, history: Sequence[Measurement], write: Callable[[Path], None]) -> None:
        """Keep the last tick of the history: `write` fills a folder with the checkpoint and adds checksums. Of the older ones, the newest is kept."""
        checkpoint, before = self.layout.checkpoint(history[-1].images), self.checkpoint
        part = checkpoint.with_name(f".{checkpoint.name}")
        shutil.rmtree(part, ignore_errors=True)  # of a run that was killed here
        part.mkdir(parents=True)
        with room_for(part):
            RunLayout(part).history.write_text("".join(_line(measured) for measured in history))
        write(part)
        sync(*part.iterdir(), part)
        if checkpoint.exists():  # a damaged one of an earlier process
            shutil.rmtree(checkpoint)
        part.rename(checkpoint)
        sync(checkpoint.parent)
        self._damage[checkpoint] = ""
        self.publish()
        for other in checkpoint.parent.iterdir():
            if other not in (checkpoint, before):
                shutil.rmtree(other, ignore_errors=True)

    def publish(self) -> None:
        """Copy what people read out of the newest checkpoint: the history, the generator, a grid of samples. Repeating it changes nothing."""
        if checkpoint := self.checkpoint:
            newest = RunLayout(checkpoint)
            write_whole(self.layout.generator, whole_generator(newest.generator))
            write_whole(self.layout.grid(int(checkpoint.name)), (checkpoint / SAMPLES).read_bytes())
            write_whole(self.layout.history, newest.history.read_bytes())


def checkpoint_damage(checkpoint: Path) -> str:
    """Return in a clause which file of a checkpoint is not as it was saved; "" if all are."""
    inside = RunLayout(checkpoint)
    problems = {checkpoint / STATE: state_damage(checkpoint)}
    problems |= {path: damage(path) for path in (inside.generator, inside.history, checkpoint / SAMPLES)}
    return next((f"{path.name}: {problem}" for path, problem in problems.items() if problem), "")


def _line(measured: Measurement) -> str:
    """Return a line of history.jsonl: the clocks and the values on one level."""
    clocks = {"images": measured.images, "seconds": measured.seconds, "evaluation_seconds": measured.evaluation_seconds}
    return json.dumps({**clocks, **measured.values}, allow_nan=False) + "\n"


def _measurement(line: str) -> Measurement:
    values = json.loads(line)
    clocks = {name: values.pop(name) for name in ("images", "seconds", "evaluation_seconds")}
    return Measurement(**clocks, values=values)
