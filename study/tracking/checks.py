"""Refuses trackers that cannot work, before a study starts."""

import importlib

from study.spec.tracking import TRACKERS, Tracking


def check_trackers(tracking: Tracking) -> None:
    """Raise UserError for a tracker that needs a package that is not installed, or an address that cannot be right."""
    for name, config in tracking.active.items():
        module, _, function = TRACKERS[name].check.partition(":")
        if module:
            getattr(importlib.import_module(module), function)(config)
