"""Study folders written like the Recorder writes them, for tests of readers and trackers."""

import time
from collections.abc import Callable
from typing import Any

from PIL import Image

from study.evaluation.protocol import EvaluationProtocol
from study.spec.tracking import Tracking, WandbConfig
from study.store.records import Closed, Ended, Measurement, Saved, StudyRecord
from study.store.store import Store

OFFLINE = Tracking(wandb=WandbConfig(mode="offline"))
ONLINE = Tracking(wandb=WandbConfig(mode="online"))
_SPACE = {
    "scientific": {"g.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "r1": [False, True]},
    "nuisance": {"d_steps": {"low": 1, "high": 5}},
}
SPEC = {
    "name": "digits",
    "question": "Does R1 keep small GANs from failing?",
    "base": {},
    "space": _SPACE,
    "objective": {"metric": "fd", "direction": "minimize"},
    "max_failures": 1,
    "n_configs": 1,
    "seeds": 1,
}
# W&B names start with digits-e3b0c4, since `created` is empty
STUDY = StudyRecord(spec=SPEC, protocol={}, baselines={"coverage": 0.9}, n_modes=10, provenance={})
PROTOCOL = EvaluationProtocol(data="digits", split="a", features="pixels", weights="b", n_real=10, n_fake=10, k=5)


def wait_until(true: Callable[[], bool], limit_s: float = 120) -> None:
    """Wait until the condition is true; fail after limit_s."""
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end, f"the condition must be true within {limit_s} s"
        time.sleep(0.05)


class Driver:
    """Writes records and sample grids like the Recorder."""

    def __init__(self, store: Store):
        self.store = store
        if store.study is None:
            store.write_study(STUDY)

    def open(self, trial_id: str, **flat: Any) -> None:
        self.store.write(
            trial_id, opened={"phase": "explore", "flat": {"g.lr": 1e-3, "r1": True, "r1.gamma": 2.0, "d_steps": 2, "seed": 4, **flat}}
        )

    def tick(self, trial_id: str, tick: int, ended: Ended | None = None, reason: str = "", **values: float) -> None:
        images = 1000 * tick
        measured = Measurement(
            images=images, seconds=0.5 * tick, evaluation_seconds=0.1, values={"fd": 100.0 - tick, "modes": 10.0, "d/adv": 0.7, **values}
        )
        self.store.write(trial_id, measured=measured, closed=Closed(ended=ended, reason=reason) if ended else None)
        if ended not in (Ended.DEAD, Ended.ERROR):
            path = self.store.folder / "trials" / trial_id / "samples" / f"{images:09d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (tick, 0, 0)).save(path)
            self.store.write(trial_id, saved=Saved(images=images, path=f"trials/{trial_id}/{images}"))

    def whole(self, trial_id: str, ended: Ended = Ended.BUDGET, ticks: int = 3, **values: float) -> None:
        self.open(trial_id)
        for tick in range(ticks):
            self.tick(trial_id, tick, ended if tick == ticks - 1 else None, **values)  # type: ignore[arg-type]

    def interrupted(self) -> None:
        """A study that was stopped: a trial is done, one has failed and may be tried again, and one is open after two ticks."""
        self.whole("done-s0")
        self.whole("failed-s0", Ended.ERROR)
        self.open("open-s0")
        self.tick("open-s0", 0)
        self.tick("open-s0", 1)
