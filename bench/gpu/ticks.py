"""Where the time of trials in lanes goes, without Ray: starting them, training, evaluating, and the rest, most of which is saving."""

import cProfile
import pstats
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from study.evaluation.evaluator import Evaluator
from study.spec.study_spec import StudySpec
from trainables.data import load
from trainables.lanes import Lanes
from trainables.tune import Shared

_STUDY = Path(__file__).parents[2] / "studies" / "fashion_mnist.yaml"
_EACH = 2  # trials of a lane, one after the other
_SHOWN = 12  # functions


def rows(lanes: tuple[int, ...] = (1, 4, 8), intervals: tuple[float, ...] = (0.005, 0.0005, 0.00005)) -> Iterator[dict[str, Any]]:
    """Yield seconds, summed over all trials, for numbers of lanes and intervals after which Python switches between threads."""
    spec = StudySpec.load(_STUDY)
    source = load(spec.corners[0].data)
    shared = Shared(source=source, evaluator=Evaluator.build(source))
    flats = [{**config.flat(), "budget_kimg": 100.0} for config in spec.corners]
    trained = Lanes(shared, cpus=1, gpu=1)
    _train(trained, flats[:1], defaultdict(float), None)  # initialises the libraries
    for n in lanes:
        for interval in intervals if n == max(lanes) else intervals[:1]:
            sys.setswitchinterval(interval)
            found, profile = defaultdict[str, float](float), cProfile.Profile()
            threads = [
                threading.Thread(
                    target=_train,
                    args=(trained, [flats[(_EACH * i + k) % len(flats)] for k in range(_EACH)], found, None if i else profile),
                )
                for i in range(n)
            ]
            start = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            yield {
                "lanes": n,
                "switch_s": interval,
                "trials": _EACH * n,
                "wall_s": round(time.perf_counter() - start, 2),
                **{name: round(seconds, 2) for name, seconds in found.items()},
                "of the first lane": _largest(profile),
            }


def _train(lanes: Lanes, flats: list[dict[str, Any]], found: defaultdict[str, float], profile: cProfile.Profile | None) -> None:
    name = threading.current_thread().name
    if profile:
        profile.enable()
    for flat in flats:
        start = time.perf_counter()
        lanes.begin(name, flat, None)
        found["start_s"] += time.perf_counter() - start
        finished = False
        while not finished:
            with TemporaryDirectory() as folder:
                start = time.perf_counter()
                facts = lanes.tick(name, Path(folder))
                found["ticks_s"] += time.perf_counter() - start
            finished = facts["finished"] or bool(facts["diverged"])
        found["training_s"] += facts["seconds"]
        found["evaluation_s"] += facts["evaluation_seconds"]
    if profile:
        profile.disable()


def _largest(profile: cProfile.Profile) -> dict[str, float]:
    """Return the functions of ours in which most time was spent, with what they called: seconds by file and name."""
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # not in the stubs
    own = {
        f"{Path(file).name}:{name}": round(total, 2)
        for (file, _, name), (_, _, _, total, _) in stats.items()
        if "site-packages" not in file and "/lib/" not in file
    }
    return dict(sorted(own.items(), key=lambda each: -each[1])[: _SHOWN * 2])
