"""The results of `ganstudy evaluate`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from analysis import TrialTable
from ganstudy import UserError
from ganstudy.command import command
from study.store.format import RENAMED, renamed
from study.store.layout import Layout, shown
from study.store.local_copy import protocols


def read_evaluated(folder: Path, protocol: str) -> pd.DataFrame:
    """Return the metrics by the evaluation protocol with this hash, a row per trial_id.

    attrs["protocol"]: the protocol. attrs["baselines"]: the real-data baselines.
    """
    layout = Layout(folder)
    # read as strings first, since pandas's own float parser may lose the last bit
    frame = pd.read_csv(layout.evaluated(protocol), index_col="trial_id", dtype=str).astype(float).astype({"images": int})
    frame.attrs.update(renamed(json.loads(layout.evaluated_protocol(protocol).read_text()), RENAMED))
    return frame


def measured_by(protocol: str, table: TrialTable, folder: Path) -> TrialTable:
    """Return the table of a study with the metrics of the evaluation protocol with this hash. Raises UserError if `evaluate` did not measure by it."""
    if protocol not in (known := protocols(folder)):
        raise UserError(
            f"protocol must be the study's own or one of its evaluations {known}; given {protocol!r}. {command('evaluate', shown(folder))} measures by another one"
        )
    found = read_evaluated(folder, protocol)
    return with_final(table, found, found.attrs["baselines"])


def with_final(table: TrialTable, values: pd.DataFrame, baselines: Mapping[str, float]) -> TrialTable:
    """Return the table with these metrics instead of its own, for trials evaluated at their last tick. Outcomes do not change.

    values: index trial_id; columns: images of the checkpoint, and every metric.
    """
    last = pd.DataFrame(table.images, index=table.trial_id).max(axis=1)
    final = values[values["images"] == last.reindex(values.index)].drop(columns="images")
    return replace(table, final=final.reindex(table.trial_id), baselines=baselines, curves={})
