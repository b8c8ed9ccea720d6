"""What Ray Tune logs of trials that end in an error: muted, since the driver says it in a line and keeps the whole text in the records."""

import logging

_REPEATED = ("Trial task failed for trial", "Trials did not complete")
_LOGGERS = ("ray.tune.execution.tune_controller", "ray.tune.tune")


def _is_new(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_REPEATED)


def mute_repeats() -> None:
    """Drop these messages of Ray Tune. Others of the same loggers are kept."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_new)
    logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)  # it warns about result files that we turn off
