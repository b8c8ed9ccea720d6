"""The pages of the public Python names: what users call, and what plugins may rely on. mkdocstrings fills in signatures and docstrings."""

import importlib
import inspect
from collections.abc import Iterable, Mapping

import analysis.metrics
import study

_PLUGINS: Mapping[str, tuple[str, ...]] = {
    "trainables.tricks.base": ("trick", "Trick", "ImageTrick", "Step", "Nets"),
    "trainables.clock": ("Clock",),
    "trainables.updates.base": ("update", "Update"),
    "trainables.losses": ("Loss",),
    "trainables.optimisers": ("optimiser",),
    "trainables.data": ("Source",),
    "trainables.models.base": ("Architecture", "Discriminator"),
    "trainables.run": ("Run",),
    "analysis.metrics": ("Metric", "Comparison"),
    "study.spec.schedulers": ("Scheduler", "Rule"),
    "study.spec.tracking": ("TrackerEntry",),
    "study.tracking.tracker": ("Tracker",),
}


def python_page() -> str:
    """Return the page of what users call."""
    return _page(
        "# Python API",
        "The names on this page are stable; those of other modules may change. [Use the results in Python](../python.md) has examples.",
        {
            "study": study.__all__,
            "study.views": ["TrialView"],
            "analysis": [name for name in analysis.__all__ if name != "metrics"],
            "analysis.metrics": analysis.metrics.__all__,
            "trainables.generators": ["load_generator", "Generator"],
        },
    )


def extending_page() -> str:
    """Return the page of what a plugin imports."""
    return _page(
        "# Python API for plugins",
        "What a plugin imports: base classes, decorators and what their methods get. [Plugins](../plugins.md) has an example of each "
        "kind of entry.",
        _PLUGINS,
    )


def _page(title: str, introduction: str, modules: Mapping[str, Iterable[str]]) -> str:
    parts = [title, introduction]
    for module, names in modules.items():
        parts += [f"## {module}", *(_entry(module, name) for name in names)]
    return "\n\n".join(parts) + "\n"


def _entry(module: str, name: str) -> str:
    """Return the directive of mkdocstrings for a function or class where it is defined, under the name by which it is imported.

    It is "" for other values, such as tables, which have pages of their own.
    """
    value = getattr(importlib.import_module(module), name)
    if not (inspect.isfunction(value) or inspect.isclass(value)):
        return ""
    options = {"heading": f"{module}.{name}", "toc_label": name, "heading_level": 3}
    lines = [f"        {key}: {text}" for key, text in options.items()]
    return "\n".join([f"::: {value.__module__}.{value.__qualname__}", "    options:", *lines])
