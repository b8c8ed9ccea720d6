"""The findings as data: what `report.json` holds. docs/report.md documents the keys."""

from dataclasses import fields
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd

from analysis.report.findings import Findings

FORMAT = 1


def data(found: Findings) -> dict[str, Any]:
    """Return plain values for strict JSON: numbers that are not finite are None."""
    table = found.table
    everything = {
        "format": FORMAT,
        "question": found.question,
        "answer": list(found.answer),
        "objective": found.objective,
        "direction": table.direction(found.objective),
        "baselines": dict(table.baselines),
        "trials": len(table),
        "configs": len(set(table.config_id)),
        "failed": int(table.failed.sum()),
        "designed": found.explanation.designed,
        "outcomes": _rows(found.outcomes),
        "claims": [_record(claim) for claim in found.explanation],
        "ranges": [_record(shape) | {"sentence": shape.sentence} for shape in found.shapes],
        "interactions": [_record(cells) for cells in found.cells],
        "ranking": _rows(found.ranking),
        "expected_best": _rows(found.expected),
        "pareto": _rows(found.pareto),
        "importance": {outcome: _rows(frame) for outcome, frame in found.importances.items()},
        "cost": _rows(found.cost),
        "missing": dict(found.why),
        "design": dict(found.design),
        "caveats": list(found.caveats),
        "provenance": dict(found.provenance),
    }
    return {key: _plain(value) for key, value in everything.items()}


def _record(item: Any) -> dict[str, Any]:
    """The fields of a dataclass."""
    return {each.name: getattr(item, each.name) for each in fields(item)}


def _rows(frame: pd.DataFrame | None) -> list[dict[str, Any]] | None:
    """One object per row; a named index is a key of it."""
    if frame is None:
        return None
    frame = frame.reset_index() if frame.index.name else frame
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        return _plain(_record(value))
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, str | bool | int) else str(value)
