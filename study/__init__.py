"""The program: what to ask, how to launch it, where it is kept, how to read it."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.drive import launch as launch
    from study.query import StudyView as StudyView
    from study.query import open_study as open_study
    from study.spec import StudySpec as StudySpec

__all__ = ["StudySpec", "StudyView", "launch", "open_study"]

HOMES = {"StudySpec": "study.spec", "launch": "study.drive", "open_study": "study.query", "StudyView": "study.query"}


def __getattr__(name: str) -> Any:
    """Looked up when used: reading a study's results must not cost the import of Ray."""
    if name not in HOMES:
        raise AttributeError(f"module 'study' has no attribute {name!r}; it has {sorted(HOMES)}")
    return getattr(importlib.import_module(HOMES[name]), name)
