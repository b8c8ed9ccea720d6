"""The names of all files and folders that a study or `ganstudy train` writes. No other module contains these names."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ganstudy import UserError
from study.store.records import Saved


def default_folder(name: str) -> Path:
    """Return the default folder of a study, or of `ganstudy train`."""
    return Path("runs") / name


def not_records(path: Path) -> Path:
    """Return a path that the user chose for output. Raises UserError if it would replace the records of a study."""
    if path.resolve() == Layout(path.resolve().parent).records:
        raise UserError(f"--out must not be the records of a study; given {path}. Choose another file")
    return path


def shown(folder: Path) -> str:
    """Return what messages call a study folder: its path, or its address if it is the local copy of a study in an object store."""
    origin = Layout(folder).origin
    return str(json.loads(origin.read_text())["url"]) if origin.exists() else str(folder)


@dataclass(frozen=True)
class Layout:
    """The files of a study folder."""

    folder: Path

    @property
    def records(self) -> Path:
        return self.folder / "records.jsonl"

    def free_backup(self) -> Path:
        """A free name beside the records, for a copy of them before a repair."""
        return next(path for n in count(1) if not (path := self.folder / f"records.{n}.jsonl").exists())

    @property
    def trials_cache(self) -> Path:
        """The trials of a large study as columns, made from its records."""
        return self.folder / "cache" / "trials.parquet"

    @property
    def ticks_cache(self) -> Path:
        """The ticks of a large study as columns, made from its records."""
        return self.trials_cache.with_name("ticks.parquet")

    @property
    def lock(self) -> Path:
        """The lock that the driver holds."""
        return self.folder / "lock"

    @property
    def stop(self) -> Path:
        """A file that tells the driver to stop."""
        return self.folder / "stop"

    @property
    def copied(self) -> Path:
        """A file that says from where a study was copied; it has no checkpoints then."""
        return self.folder / "copied_from"

    @property
    def origin(self) -> Path:
        """JSON, only in the local copy of a study in an object store: its address there, and an id of this copy."""
        return self.folder / "origin.json"

    @property
    def segments(self) -> Path:
        """Which parts of the records are in the object store, a line each: its first byte, its size and its tag there."""
        return self.folder / "segments"

    @property
    def updating(self) -> Path:
        """The lock of the process that brings the local copy up to date."""
        return self.folder / "updating"

    def replaced(self) -> Path:
        """A free name for a folder, which keeps what is left of a study that another one has replaced: `study.store.replaced`."""
        return next(path for n in count(1) if not (path := self.folder / f"replaced{n}").exists())

    @property
    def made(self) -> list[Path]:
        """All that a study leaves in the folder and that exists, its records first. Not the lock, nor files of the user."""
        own = [
            self.records,
            *sorted(self.folder.glob("records.*.jsonl")),
            self.trials_cache.parent,
            self.classifier,
            self.real,
            self.report,
            self.trials,
            self.runs,
            self.evaluations,
            self.tracking,
            self.tensorboard,
        ]
        return [path for path in own if path.exists()]

    def former(self) -> Path:
        """A free name for a folder, which keeps what is in a local copy but not in the object store any more."""
        return next(path for n in count(1) if not (path := self.folder / f"former{n}").exists())

    @property
    def classifier(self) -> Path:
        """The evaluator's classifier, unless it ships with ganstudy. In format 1: ruler.safetensors."""
        old = self.folder / "ruler.safetensors"
        return old if old.exists() else self.folder / "classifier.safetensors"

    @property
    def real(self) -> Path:
        """A grid of real data."""
        return self.folder / "real.png"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    # Trials --------------------------------------------------------------------------------------

    @property
    def trials(self) -> Path:
        """The parent of the folders of trials."""
        return self.folder / "trials"

    def samples(self, trial_id: str) -> Path:
        """The folder of the sample grids."""
        return self.trials / trial_id / "samples"

    def grid(self, trial_id: str, images: int) -> Path:
        """The sample grid after `images` training images."""
        return grid_in(self.samples(trial_id), images)

    def grids(self, trial_id: str) -> list[Path]:
        """The existing sample grids, sorted by images."""
        return grids_in(self.samples(trial_id))

    def checkpoint(self, saved: Saved) -> Path:
        """A checkpoint folder made by Ray Tune. trainables.trial names the files in it."""
        return self.folder / saved.path

    def generator(self, saved: Saved) -> Path:
        """The generator file of a checkpoint."""
        from trainables.generators import GENERATOR_FILE  # here, since importing torch takes seconds

        return self.checkpoint(saved) / GENERATOR_FILE

    def stored(self, saved: Iterable[Saved]) -> list[Saved]:
        """Return those of the checkpoints that still have a generator file."""
        return [each for each in saved if self.generator(each).exists()]

    # Ray Tune ------------------------------------------------------------------------------------

    @property
    def runs(self) -> Path:
        """The parent of the Ray Tune folders, one per driver. Ray Tune names the files in them."""
        return self.folder / "tune"

    def next_run(self) -> str:
        """Return a free name in `runs`."""
        return f"run{len(list(self.runs.glob('*'))):03}"

    @staticmethod
    def trial_run(trial_id: str, tune_id: str) -> str:
        """Return the name of a trial's folder for Ray Tune. A trial that is started again has a new tune_id."""
        return f"{trial_id}_{tune_id}"

    # Other evaluation protocols -------------------------------------------------------------------

    @property
    def evaluations(self) -> Path:
        """The folder of metrics by other evaluation protocols. In format 1: judged."""
        old = self.folder / "judged"
        return old if old.exists() else self.folder / "evaluated"

    def evaluated(self, protocol: str) -> Path:
        """The metrics by the evaluation protocol with this hash."""
        return self.evaluations / f"{protocol}.csv"

    def evaluated_protocol(self, protocol: str) -> Path:
        """The evaluation protocol with this hash, and its real-data baselines."""
        return self.evaluated(protocol).with_suffix(".json")

    def protocols(self) -> list[str]:
        """Return the hashes of all evaluation protocols in `evaluations`."""
        return [path.stem for path in sorted(self.evaluations.glob("*.csv"))]

    # Tracking ------------------------------------------------------------------------------------

    @property
    def tracking(self) -> Path:
        """The folder of W&B's files and of the tracking process. W&B expects this name."""
        return self.folder / "wandb"

    @property
    def tracking_lock(self) -> Path:
        """The lock that the tracking process holds."""
        return self.tracking / "lock"

    @property
    def tracking_log(self) -> Path:
        """The log of the tracking process."""
        return self.tracking / "log.txt"

    @property
    def tracking_ended(self) -> Path:
        """JSON: tracker -> why it failed, or "", of those that have ended."""
        return self.tracking / "ended.json"

    def sent(self, tracker: str) -> Path:
        """What a tracker with a run per trial has written, a line of JSON for each trial: [trial id, ticks, ended, place]; W&B's has no place."""
        return self.tracking / f"{tracker}.jsonl"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files, unless the study file names another folder: a folder per trial."""
        return self.folder / "tensorboard"

    @property
    def results(self) -> Path:
        """JSON: the results of the study as its W&B run shows them."""
        return self.tracking / "results.json"

    @property
    def study_run(self) -> Path:
        """JSON: the address of the study's W&B run, and which results and which report are in it."""
        return self.tracking / "study_run.json"

    def beside_real(self, trial_id: str, images: int) -> Path:
        """Samples of one of the best trials beside real data, as the W&B run of the study shows them."""
        return self.tracking / "pictures" / f"{trial_id}-{images}.png"

    @property
    def wandb_pages(self) -> Path:
        """The specifications of W&B's workspace view and report of the study, as JSON, and in `sent.json` where they are."""
        return self.tracking / "pages"


def grid_in(folder: Path, images: int) -> Path:
    """The sample grid after `images` training images, in a folder of sample grids."""
    return folder / f"{images:09d}.png"


def grids_in(folder: Path) -> list[Path]:
    """The existing sample grids of a folder, sorted by images."""
    return sorted(folder.glob("[0-9]*.png"))
