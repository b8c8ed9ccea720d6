"""The program: define a study, launch it on Ray, store its records, read them."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.api import launch as launch
    from study.api import open_study as open_study
    from study.spec.study_spec import StudySpec as StudySpec
    from study.views import StudyView as StudyView

__all__ = ["StudySpec", "StudyView", "launch", "open_study"]

_MODULES = {"StudySpec": "study.spec.study_spec", "launch": "study.api", "open_study": "study.api", "StudyView": "study.views"}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that reading a study does not import Ray."""
    if name not in _MODULES:
        raise AttributeError(f"module 'study' has no attribute {name!r}; it has {sorted(_MODULES)}")
    return getattr(importlib.import_module(_MODULES[name]), name)
