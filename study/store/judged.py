"""Reading back what `ganstudy judge` measured."""

import json
from pathlib import Path

import pandas as pd

from study.store.layout import Layout


def read_judged(folder: Path, ruler: str) -> pd.DataFrame:
    """The numbers by the ruler of this hash, by trial_id; its `ruler` and `floors` are in the frame's attrs."""
    layout = Layout(folder)
    # as text first: pandas's own floats may lose a bit
    frame = pd.read_csv(layout.judged(ruler), index_col="trial_id", dtype=str).astype(float).astype({"images": int})
    frame.attrs = json.loads(layout.judged_ruler(ruler).read_text())
    return frame
