"""What Ray Tune does besides and a study does not need: it logs trials that end in an error, which the driver says in a line, and imports loggers."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_REPEATED = ("Trial task failed for trial", "Trials did not complete")
_LOGGERS = ("ray.tune.execution.tune_controller", "ray.tune.tune")


def _is_new(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_REPEATED)


def mute_repeats() -> None:
    """Drop these messages of Ray Tune. Others of the same loggers are kept."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_new)
    logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)  # it warns about result files that we turn off


@contextmanager
def no_loggers_imported() -> Iterator[None]:
    """For its usage statistics, Ray imports each logger that it knows when a Tune run has callbacks: MLflow and W&B, seconds each. It does not here."""
    usage: Any = sys.modules.get("ray.air._internal.usage")  # private to Ray: if another version has it elsewhere, the loggers are imported
    if not hasattr(usage, "tag_callbacks"):
        yield
        return
    tag, usage.tag_callbacks = usage.tag_callbacks, lambda callbacks: False
    try:
        yield
    finally:
        usage.tag_callbacks = tag
