"""The findings as data: what `report.json` holds. docs/report.md documents the keys."""

from typing import Any

import pandas as pd

from analysis.plain import plain
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
        "objectives": {name: table.direction(name) for name in found.objectives},
        "constraints": [str(limit) for limit in found.feasibility.limits] if found.feasibility else [],
        "baselines": dict(table.baselines),
        "trials": len(table),
        "configs": len(set(table.config_id)),
        "failed": int(table.failed.sum()),
        "designed": found.explanation.designed,
        "outcomes": _rows(found.outcomes),
        "claims": list(found.explanation),
        "ranges": [plain(shape) | {"sentence": shape.sentence} for shape in found.shapes],
        "interactions": list(found.cells),
        "ranking": _rows(found.ranking),
        "ablations": [plain(each) | {"sentence": each.sentence} for each in found.ablations],
        "expected_best": _rows(found.expected),
        "pareto": _rows(found.pareto),
        "feasibility": _rows(found.feasibility.configs if found.feasibility else None),
        "importance": {outcome: _rows(frame) for outcome, frame in found.importances.items()},
        "cost": _rows(found.cost),
        "missing": dict(found.why),
        "design": dict(found.design),
        "caveats": list(found.caveats),
        "provenance": dict(found.provenance),
    }
    return {key: plain(value) for key, value in everything.items()}


def _rows(frame: pd.DataFrame | None) -> list[dict[str, Any]] | None:
    """One object per row; a named index is a key of it."""
    if frame is None:
        return None
    frame = frame.reset_index() if frame.index.name else frame
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
