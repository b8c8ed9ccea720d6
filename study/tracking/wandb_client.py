"""Starts W&B runs, online or, while the server fails, offline. All runs share one wandb-core process, so only the first one takes half a second to start."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.spec.tracking import Mode, WandbConfig
from study.store.layout import Layout
from study.tracking.tracker import log

if TYPE_CHECKING:
    import wandb

DOWN_S = 60.0  # after a failure, how long runs are written offline before the server is tried again
INTERRUPTED = 255  # W&B's exit code for an interrupted run


class Client:
    """Starts the runs of one study.

    patience_s: the total time limit at the end of a study. Starting a run may take a sixth of it and finishing a third, which leaves time to
    write a run offline if the server fails at the end.
    """

    def __init__(self, layout: Layout, config: WandbConfig, *, mode: Mode, patience_s: float):
        self.layout, self.config, self.mode, self.patience_s = layout, config, mode, patience_s
        self.down_until = 0.0
        self.forget: list[Callable[[], None]] = []  # called when a failure has closed all runs
        self._folders: dict[str, list[Path]] | None = None  # run id -> its folders; None: not looked up since the last failure
        if config.base_url:
            os.environ["WANDB_BASE_URL"] = config.base_url
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        # files of tables and artifacts wait there for `ganstudy sync`
        os.environ.setdefault("WANDB_DATA_DIR", str(layout.tracking.absolute()))

    @property
    def online(self) -> bool:
        """Whether a run that is started now goes to the server."""
        return self.mode == "online" and time.monotonic() > self.down_until

    def start(self, run_id: str, **about: Any) -> "wandb.Run":
        """Start a run, or resume it on the server; offline, it is written again from the start. about: arguments of wandb.init."""
        import wandb  # here, since a study without W&B must not import it

        if self._folders is None:
            self._folders = _folders(self.layout)
        for folder in self._folders.pop(run_id, ()):
            shutil.rmtree(folder, ignore_errors=True)  # an unfinished run, which is written again from the start
        online = self.online
        try:
            run = wandb.init(
                id=run_id,
                entity=self.config.entity,
                project=self.config.project,
                dir=self.layout.folder,
                mode="online" if online else "offline",
                resume="allow" if online else None,
                reinit="create_new",
                settings=wandb.Settings(
                    console="off",
                    silent=True,
                    disable_git=True,
                    disable_code=True,
                    x_disable_meta=True,
                    x_disable_stats=True,
                    x_disable_machine_info=True,
                    x_save_requirements=False,
                    init_timeout=self.patience_s / 6,
                    finish_timeout=self.patience_s / 3,
                    finish_timeout_raises=True,
                ),
                **about,
            )
        except wandb.Error as error:
            if not online:
                raise
            self.failed(error)
            wandb.teardown(INTERRUPTED)  # wandb-core would keep the id of the failed run in use
            for forget in self.forget:  # the teardown closed these runs too
                forget()
            return self.start(run_id, **about)
        self._folders[run_id] = [Path(run.dir).parent]
        return run

    def failed(self, error: Exception) -> None:
        """Write runs offline for a while, after a failure of the server."""
        log(f"W&B server unavailable; runs are written offline for {DOWN_S:g} s: {error}")
        self.down_until = time.monotonic() + DOWN_S
        self._folders = None


def _folders(layout: Layout) -> dict[str, list[Path]]:
    """Return run id -> the folders of its runs. Looking them up for each run would take ever longer: a study of 5,000 trials has as many."""
    found: dict[str, list[Path]] = {}
    for file in layout.tracking.glob("*run-*/run-*.wandb"):
        found.setdefault(file.stem.removeprefix("run-"), []).append(file.parent)
    return found
