"""`python -m bench.fresh WHAT FOLDER`: one call in a process of its own, for `bench.scale`. Prints its CPU seconds and the peak memory in MB as JSON.

Each function imports what its call needs, and no more, before the clock starts.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _reading(folder: Path, method: str) -> Callable[[], Any]:
    from study.api import open_study

    return lambda: getattr(open_study(folder), method)()


def _resuming(folder: Path) -> Callable[[], Any]:
    from study.engine.searcher import Search
    from study.spec.study_spec import StudySpec
    from study.store.store import Store

    def resume() -> None:
        store = Store(folder)
        assert store.study
        Search(StudySpec.from_dict(store.study.spec), store)

    return resume


def _optuna(folder: Path) -> Callable[[], Any]:
    import optuna

    return lambda: optuna.load_study(study_name="scale", storage=f"sqlite:///{folder / 'optuna.db'}").trials_dataframe()


MEASURED: dict[str, Callable[[Path], Callable[[], Any]]] = {
    "open_study, trials()": lambda folder: _reading(folder, "trials"),
    "open_study, best()": lambda folder: _reading(folder, "best"),
    "open_study, history()": lambda folder: _reading(folder, "history"),
    "resume: read, start the searcher": _resuming,
    "Optuna load_study, trials_dataframe()": _optuna,
}


def peak_mb() -> float:
    """Return the peak memory of this process in MB. What `resource` tells is at least that of the process that started it."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def main() -> None:
    call = MEASURED[sys.argv[1]](Path(sys.argv[2]))
    start = time.process_time()
    call()
    print(json.dumps([time.process_time() - start, peak_mb()]))


if __name__ == "__main__":
    main()
