"""Tables of trials of phases confirm and ablate, made by hand."""

from typing import Any

import numpy as np
import pandas as pd

from analysis import TrialTable


def made(rows: list[dict[str, Any]], *, by: str = "fd", direction: str = "minimize") -> TrialTable:
    """rows: config, seed, phase, value, and settings."""
    frame = pd.DataFrame(rows)
    names = [str(name) for name in frame if name not in ("config", "seed", "phase", "value", "failed")]
    n = len(frame)
    ids = pd.Index([f"{row['config']}-s{row['seed']}" for row in rows])
    failed = frame["failed"].fillna(False).to_numpy(dtype=bool) if "failed" in frame else np.zeros(n, dtype=bool)
    return TrialTable(
        trial_id=ids.to_numpy(dtype=np.str_),
        config_id=frame["config"].to_numpy(dtype=np.str_),
        seed=frame["seed"].to_numpy(dtype=np.int64),
        phase=frame["phase"].to_numpy(dtype=np.str_),
        ended=np.array(["budget"] * n),
        outcome=np.array(["healthy"] * n),
        diagnosis=np.array([""] * n),
        onset_kimg=np.full(n, np.nan),
        settings=frame[names].set_axis(ids),
        final=frame[["value"]].rename(columns={"value": by}).set_axis(ids),
        curves={},
        images=np.zeros((n, 0)),
        scientific=tuple(names[:1]),
        nuisance=tuple(names[1:]),
        directions={by: direction},  # type: ignore[dict-item]
        baselines={},
        own_failures=failed,
    )
