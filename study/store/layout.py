"""The names of all files and folders that a study leaves, and those of one run of `ganstudy train`. No other module spells them."""

from dataclasses import dataclass
from pathlib import Path

from study.store.records import Saved


def default_folder(name: str) -> Path:
    """Where a study, or a run of `ganstudy train`, is kept unless a folder is given."""
    return Path("runs") / name


@dataclass(frozen=True)
class Layout:
    """The folder of a study."""

    folder: Path

    @property
    def records(self) -> Path:
        return self.folder / "records.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the driver."""
        return self.folder / "lock"

    @property
    def stop(self) -> Path:
        """Its presence asks the driver to stop."""
        return self.folder / "stop"

    @property
    def classifier(self) -> Path:
        """The classifier of the evaluator, if it is not a shipped one. Folders of format 1 call it ruler.safetensors."""
        old = self.folder / "ruler.safetensors"
        return old if old.exists() else self.folder / "classifier.safetensors"

    @property
    def real(self) -> Path:
        """A grid of real data."""
        return self.folder / "real.png"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    # Of a trial ----------------------------------------------------------------------------------

    def samples(self, trial_id: str) -> Path:
        """The folder of its grids."""
        return self.folder / "trials" / trial_id / "samples"

    def grid(self, trial_id: str, images: int) -> Path:
        """The samples of its generator after so many images."""
        return _grid(self.samples(trial_id), images)

    def grids(self, trial_id: str) -> list[Path]:
        """Those that are there, by images."""
        return _grids(self.samples(trial_id))

    def checkpoint(self, saved: Saved) -> Path:
        """A folder that Tune made. trainables.tune names what is in it."""
        return self.folder / saved.path

    def generator(self, saved: Saved) -> Path:
        from trainables.generators import GENERATOR_FILE  # here, since it imports torch, which costs seconds

        return self.checkpoint(saved) / GENERATOR_FILE

    # Ray Tune ------------------------------------------------------------------------------------

    @property
    def runs(self) -> Path:
        """A folder for each run of Tune, which names what is in it."""
        return self.folder / "tune"

    def next_run(self) -> str:
        """A name in `runs` that is free."""
        return f"run{len(list(self.runs.glob('*'))):03}"

    @staticmethod
    def trial_run(trial_id: str, tune_id: str) -> str:
        """A trial's folder in a run of Tune. One that failed comes back as another trial of Tune's."""
        return f"{trial_id}_{tune_id}"

    # Evaluated again -----------------------------------------------------------------------------

    @property
    def evaluations(self) -> Path:
        """The numbers by other evaluation protocols. Folders of format 1 call it judged."""
        old = self.folder / "judged"
        return old if old.exists() else self.folder / "evaluated"

    def evaluated(self, protocol: str) -> Path:
        """The numbers by the evaluation protocol of this hash. The evaluation protocol and its baselines are next to them."""
        return self.evaluations / f"{protocol}.csv"

    def evaluated_protocol(self, protocol: str) -> Path:
        return self.evaluated(protocol).with_suffix(".json")

    def protocols(self) -> list[str]:
        """The hashes of those that there are numbers of."""
        return [path.stem for path in sorted(self.evaluations.glob("*.csv"))]

    # Tracking ------------------------------------------------------------------------------------

    @property
    def tracking(self) -> Path:
        """W&B's own name for its folder, which names the runs in it; our process keeps its files there too."""
        return self.folder / "wandb"

    @property
    def tracking_lock(self) -> Path:
        """Held by the process that tracks."""
        return self.tracking / "lock"

    @property
    def tracking_log(self) -> Path:
        return self.tracking / "log.txt"

    @property
    def mirrored(self) -> Path:
        """Trial id -> [ticks, ended] of the runs that are complete in W&B."""
        return self.tracking / "mirrored.json"


@dataclass(frozen=True)
class RunLayout:
    """The folder of one run of `ganstudy train`."""

    folder: Path

    @property
    def config(self) -> Path:
        """All settings, as a recipe."""
        return self.folder / "config.yaml"

    @property
    def history(self) -> Path:
        """A line a tick."""
        return self.folder / "history.jsonl"

    @property
    def protocol(self) -> Path:
        """The evaluation protocol of all its numbers."""
        return self.folder / "protocol.json"

    @property
    def lock(self) -> Path:
        """Held by the process that trains. study.store.lock has one name for the locks of studies and runs."""
        return Layout(self.folder).lock

    def checkpoint(self, images: int) -> Path:
        """The folder to resume from after so many images. trainables.trial names what is in it, and there is a history."""
        return self.folder / "checkpoint" / f"{images:09d}"

    def checkpoints(self) -> list[Path]:
        """Those that are there, the newest last: one, or two if a kill came before the older one was removed."""
        return sorted((self.folder / "checkpoint").glob("[0-9]*"), key=lambda path: int(path.name))

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def curves(self) -> Path:
        """The run as a page."""
        return self.folder / "curves.html"

    @property
    def generator(self) -> Path:
        from trainables.generators import GENERATOR_FILE  # here, since it imports torch, which costs seconds

        return self.folder / GENERATOR_FILE

    @property
    def samples(self) -> Path:
        """The folder of its grids."""
        return self.folder / "samples"

    @property
    def real(self) -> Path:
        """A grid of real data."""
        return self.samples / "real.png"

    def grid(self, images: int) -> Path:
        """The samples of its generator after so many images."""
        return _grid(self.samples, images)

    def grids(self) -> list[Path]:
        """Those that are there, by images."""
        return _grids(self.samples)


def _grid(folder: Path, images: int) -> Path:
    return folder / f"{images:09d}.png"


def _grids(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.png"))
