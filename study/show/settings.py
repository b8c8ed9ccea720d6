"""The settings of configs in lines that tell the configs apart."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

import analysis
from analysis.beside import telling
from analysis.words import value_texts

_FEW = 3  # switches that are named although they are off, if all are


def told_apart(trials: analysis.TrialTable, config_ids: list[str]) -> list[str]:
    """Return the scientific settings of each config in a line, with the nuisance settings in which these configs differ."""
    configs = trials.settings.groupby(trials.config_id, sort=False).first().loc[config_ids]
    return settings_of(configs, telling(configs, trials))


def settings_of(configs: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return some settings of each config in a line, as "g.lr 0.001, r1": a switch that is on by its name.

    What is off or does not apply is left out, unless nothing else is left. "–" without settings.
    """
    texts = value_columns(configs, names)
    lines = []
    for row in configs.to_dict("records"):
        values = {name: row[name] for name in names}
        there = {name: value for name, value in values.items() if value is not None and value == value}
        on = [name if value is True else f"{name} {texts[name][value]}" for name, value in there.items() if value is not False]
        off = [f"{name} –" for name in values if name not in there] or [f"{name} off" for name in values]
        lines.append(", ".join(on or (off if len(off) <= _FEW or len(there) < len(values) else ["all off"])) or "–")
    return lines


def value_columns(configs: pd.DataFrame, names: Sequence[str]) -> dict[str, dict[Any, str]]:
    """Return, for each setting, its values in these configs -> a text for each, as a study file can have it; the texts of two values differ."""
    texts = {}
    for name in names:
        found = configs[name].dropna().unique().tolist()
        texts[name] = dict(zip(found, value_texts(found), strict=True))
    return texts
