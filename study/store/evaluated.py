"""Read the results of `ganstudy evaluate`."""

import json
from pathlib import Path

import pandas as pd

from study.store.format import RENAMED, renamed
from study.store.layout import Layout


def read_evaluated(folder: Path, protocol: str) -> pd.DataFrame:
    """Return the metrics by the evaluation protocol with this hash, a row per trial_id.

    attrs["protocol"]: the protocol. attrs["baselines"]: the real-data baselines.
    """
    layout = Layout(folder)
    # read as strings first, since pandas's own float parser may lose the last bit
    frame = pd.read_csv(layout.evaluated(protocol), index_col="trial_id", dtype=str).astype(float).astype({"images": int})
    frame.attrs.update(renamed(json.loads(layout.evaluated_protocol(protocol).read_text()), RENAMED))
    return frame
