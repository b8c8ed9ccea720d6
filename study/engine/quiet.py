"""Turns off what a study does not need of Ray Tune: messages about failed trials, which the driver reports in a line each, and imports of loggers."""

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
    """Keep Ray from importing MLflow and W&B, which takes seconds: it imports all loggers that it knows, to count them in its usage statistics."""
    usage: Any = sys.modules.get("ray.air._internal.usage")  # private to Ray: if another version has it elsewhere, the loggers are imported
    if not hasattr(usage, "tag_callbacks"):
        yield
        return
    tag, usage.tag_callbacks = usage.tag_callbacks, lambda callbacks: False
    try:
        yield
    finally:
        usage.tag_callbacks = tag
