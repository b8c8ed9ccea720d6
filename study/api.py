"""The Python interface: launch a study, open its folder, read its results. Reading needs no Ray and works while the study runs."""

from pathlib import Path
from typing import TYPE_CHECKING

from study.store.cached import Cached
from study.store.columns import InMemory
from study.store.local_copy import opened
from study.store.store import Store
from study.views import StudyView

if TYPE_CHECKING:
    from study.spec.study_spec import StudySpec


def launch(
    spec: "StudySpec",
    folder: Path | str | None = None,
    *,
    address: str | None = None,
    progress: bool = True,
    allow_changed_code: bool = False,
    extend: bool = False,
) -> "StudyView":
    """Run a study until all trials are done or it is stopped, and return its view. Call it again to resume.

    folder: where the study is stored, a path or an address such as s3://bucket/runs/digits; default runs/NAME. address: a Ray cluster; default: the Ray instance of this process, or a new local one.
    allow_changed_code: go on with a folder, or use nodes of the cluster, of other ganstudy code, which the trials record and the report says.
    extend: whether a search that the folder has may go on in a larger space; its sampler learns from the trials so far.
    The view's `interrupted` says whether Ctrl-C or SIGTERM has stopped it.
    Raises UserError if the study cannot run, before it starts or writes anything, and if another process runs this folder.
    """
    from study.engine.launch import launch as run  # here: Ray takes seconds to import, and reading a study does not need it

    store = run(spec, folder, address=address, progress=progress, allow_changed_code=allow_changed_code, extend=extend)
    view = open_study(store.folder, trust_plugins=True)
    view.interrupted = store.interrupted
    return view


def open_study(folder: Path | str, *, trust_plugins: bool = False) -> "StudyView":
    """Return the study in a folder, or at s3://bucket/runs/my. Raises UserError if there is none. trust_plugins: import its plugins, which are code."""
    folder = opened(folder)
    return StudyView(Cached(folder) if Cached.is_for(folder) else InMemory(Store(folder)), trust_plugins=trust_plugins)
