"""The settings of configs beside the columns of a result."""

import pandas as pd

from analysis.table import TrialTable


def with_settings(frame: pd.DataFrame, table: TrialTable) -> pd.DataFrame:
    """Return a frame of configs (index: config_id) with their scientific settings as further columns, and the index as first column.

    A setting whose name is taken is `config.NAME`. attrs["settings"] maps the settings to their columns.
    """
    taken = {*map(str, frame.columns), "config_id"}
    names = {}
    for name in table.scientific:
        names[name] = name
        while names[name] in taken:
            names[name] = f"config.{names[name]}"
        taken.add(names[name])
    settings = table.settings.groupby(table.config_id, sort=False)[list(names)].first().rename(columns=names)
    result = frame.join(settings).rename_axis("config_id").reset_index()
    result.attrs = {"settings": names}
    return result
