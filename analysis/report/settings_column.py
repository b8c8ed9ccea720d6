"""The column of a table of configs with their settings: what the configs that are shown differ in."""

from collections.abc import Sequence

import pandas as pd

from analysis.words import listed, value_texts

_NAMED = 6  # settings of a config that are named, of those in which all configs are alike
_APART = 10  # settings of a config that are named, if configs differ in them


def settings_column(frame: pd.DataFrame, leading: Sequence[str]) -> tuple[list[str], str]:
    """Return the settings of each config as text, "r1 on, d.lr 0.003", and a note that names the settings that have no room, if configs differ in them.

    frame: configs with their settings, as `analysis.rank` returns them; attrs["settings"] maps settings to columns. leading: settings, the most important
    first. The others follow.
    """
    columns = frame.attrs["settings"]
    names = [*(name for name in leading if name in columns), *(name for name in columns if name not in leading)]
    apart = [name for name in names if frame[columns[name]].nunique(dropna=False) > 1]
    alike = [name for name in names if name not in apart]
    chosen = {*apart[:_APART], *alike[: max(0, _NAMED - len(apart))]}
    texts: dict[str, dict[object, str]] = {}
    for name in names:
        found = frame[columns[name]].dropna().unique().tolist()
        texts[name] = dict(zip(found, value_texts(found), strict=True))

    def line(values: dict[str, object]) -> str:
        active = [name for name in names if values[name] is not None and values[name] == values[name]]  # NaN differs from itself
        shown = [f"{name} {texts[name][values[name]]}" for name in active if name in chosen]
        return ", ".join([*shown, "…"] if len(shown) < len(active) else shown) or "–"

    lines = [line({name: row[columns[name]] for name in names}) for row in frame.to_dict("records")]
    note = f"The configs also differ in {listed(apart[_APART:])}, which the column has no room for." if apart[_APART:] else ""
    return lines, note
