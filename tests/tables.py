"""Changes of staged tables, and the claims about them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from analysis import Claim, Explanation, TrialTable

Stage = Callable[..., TrialTable]  # the fixture `stage` of tests/analysis/conftest.py


def claim_of(found: Explanation, setting: str, outcome: str, kind: str = "levels") -> Claim:
    """The first comparison of a setting in an outcome."""
    return next(c for c in found if (c.setting, c.outcome, c.kind) == (setting, outcome, kind))


def per_config(table: TrialTable, values: Any) -> Any:
    """[T]: a value for each config, from `values` in the order of configs."""
    return np.asarray(values)[np.unique(table.config_id, return_inverse=True)[1]]


def with_setting(table: TrialTable, name: str, values: Any, *, rest: tuple[str, ...] = ()) -> TrialTable:
    """The table with `name` set to `values` [T], and only it and `rest` as scientific settings."""
    settings = table.settings.assign(**{name: values})
    return replace(table, settings=settings, scientific=(name, *rest), nuisance=())
