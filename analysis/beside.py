"""The settings of configs beside the columns of a result."""

import pandas as pd

from analysis.table import TrialTable


def telling(configs: pd.DataFrame, table: TrialTable) -> list[str]:
    """Return the names of the settings that tell configs apart: the scientific ones, and the nuisance settings in which they differ.

    configs: the settings of each config in a row.
    """
    return [*table.scientific, *(name for name in table.nuisance if configs[name].nunique(dropna=False) > 1)]


def with_settings(frame: pd.DataFrame, table: TrialTable) -> pd.DataFrame:
    """Return a frame of configs (index: config_id) with the settings that tell them apart as further columns, and the index as first column.

    A setting whose name is taken is `config.NAME`. attrs["settings"] maps the settings to their columns.
    """
    configs = table.settings.groupby(table.config_id, sort=False).first().loc[frame.index]
    taken = {*map(str, frame.columns), "config_id"}
    names = {}
    for name in telling(configs, table):
        names[name] = name
        while names[name] in taken:
            names[name] = f"config.{names[name]}"
        taken.add(names[name])
    result = frame.join(configs[list(names)].rename(columns=names)).rename_axis("config_id").reset_index()
    result.attrs = {"settings": names}
    return result
