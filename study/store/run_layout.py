"""The names of all files and folders that `ganstudy train` writes. No other module contains these names."""

from dataclasses import dataclass
from pathlib import Path

from study.store.layout import Layout, grid_in, grids_in


@dataclass(frozen=True)
class RunLayout:
    """The files of a folder that `ganstudy train` writes."""

    folder: Path

    @property
    def config(self) -> Path:
        """All settings, as a recipe."""
        return self.folder / "config.yaml"

    @property
    def history(self) -> Path:
        """One line of measurements per tick."""
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
        """The folder to resume from after so many images. It holds the files that trainables.trial names, and a history."""
        return self.folder / "checkpoint" / f"{images:09d}"

    def checkpoints(self) -> list[Path]:
        """Those that are there, the newest last: up to two, or three if a kill came before the oldest was removed."""
        return sorted((self.folder / "checkpoint").glob("[0-9]*"), key=lambda path: int(path.name))

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def curves(self) -> Path:
        """The HTML page of the training run."""
        return self.folder / "curves.html"

    @property
    def generator(self) -> Path:
        from trainables.generators import GENERATOR_FILE  # here, since importing torch takes seconds

        return self.folder / GENERATOR_FILE

    @property
    def samples(self) -> Path:
        """The folder of the sample grids."""
        return self.folder / "samples"

    @property
    def real(self) -> Path:
        """A grid of real data."""
        return self.samples / "real.png"

    def grid(self, images: int) -> Path:
        """The sample grid after `images` training images."""
        return grid_in(self.samples, images)

    def grids(self) -> list[Path]:
        """The existing sample grids, sorted by images."""
        return grids_in(self.samples)
