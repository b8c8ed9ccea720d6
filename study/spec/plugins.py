"""Plugins: modules that a study names, imported before its settings are checked."""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from study.spec.errors import SpecError


def import_plugins(modules: tuple[str, ...]) -> None:
    """Import the modules. They may also be in the current folder. Raises SpecError if an import fails."""
    if modules and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    for i, module in enumerate(modules):
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:  # a plugin may raise anything, and its author needs to see it
            raise SpecError(
                ("plugins", str(i)), f"the plugin {module!r} must be importable; it raised {type(error).__name__}: {error}"
            ) from error


def plugin_folders(modules: Sequence[str]) -> tuple[str, ...]:
    """Return the folders where the driver found the plugins.

    Workers that share its file system search them too. On other machines, plugins must be installed.
    """
    tops = [sys.modules[module.partition(".")[0]] for module in modules]
    # a package without __init__.py has no file, but a path; a module built into Python has neither
    places = [next(iter(getattr(top, "__path__", [])), getattr(top, "__file__", None)) for top in tops]
    return tuple(str(Path(place).parent) for place in places if place)
