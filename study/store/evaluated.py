"""Reading back what `ganstudy evaluate` measured."""

import json
from pathlib import Path

import pandas as pd

from study.store.format import RENAMED, renamed
from study.store.layout import Layout


def read_evaluated(folder: Path, protocol: str) -> pd.DataFrame:
    """The numbers by the evaluation protocol of this hash, by trial_id; its `protocol` and `baselines` are in the frame's attrs."""
    layout = Layout(folder)
    # as text first: pandas's own floats may lose a bit
    frame = pd.read_csv(layout.evaluated(protocol), index_col="trial_id", dtype=str).astype(float).astype({"images": int})
    frame.attrs.update(renamed(json.loads(layout.evaluated_protocol(protocol).read_text()), RENAMED))
    return frame
