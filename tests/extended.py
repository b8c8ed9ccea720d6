"""A small search and a larger space for it."""

from typing import Any

from played import SEARCH

from study.spec.study_spec import StudySpec

LR = {"low": 1e-4, "high": 1e-3, "log": True}
GIVEN: dict[str, Any] = {**SEARCH, "space": {"scientific": {"g.lr": LR}}, "n_configs": 12}
WIDER: dict[str, Any] = {
    "scientific": {"g.lr": {**LR, "high": 1e-2}, "r1": [False, True], "r1.gamma": "range"},
    "nuisance": {"beta1": [0.0, 0.5]},
}


def spec(**keys: Any) -> StudySpec:
    return StudySpec.from_dict({**GIVEN, **keys})
