"""The program: what to ask, how to launch it, where it is kept, how to read it."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.api import StudyView as StudyView
    from study.api import launch as launch
    from study.api import open_study as open_study
    from study.spec.study_spec import StudySpec as StudySpec

__all__ = ["StudySpec", "StudyView", "launch", "open_study"]

HOMES = {"StudySpec": "study.spec.study_spec", "launch": "study.api", "open_study": "study.api", "StudyView": "study.api"}


def __getattr__(name: str) -> Any:
    """Looked up when used: reading a study's results must not cost the import of Ray."""
    if name not in HOMES:
        raise AttributeError(f"module 'study' has no attribute {name!r}; it has {sorted(HOMES)}")
    return getattr(importlib.import_module(HOMES[name]), name)
