"""Plugins: a study's own modules, imported before its settings are looked at."""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from study.spec.errors import SpecError


def import_plugins(modules: tuple[str, ...]) -> None:
    """Import them, from the folder where the command was called too, as other programs with plugins do."""
    if modules and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # a plugin may raise anything at all; its author needs to see what
            raise SpecError(("plugins",), f"the plugin {module!r} must be importable; it raised {type(error).__name__}: {error}") from error


def plugin_folders(modules: Sequence[str]) -> tuple[str, ...]:
    """Where the driver found them. Workers on the same files look there too; elsewhere a plugin must be importable by itself."""
    tops = [sys.modules[module.partition(".")[0]] for module in modules]
    return tuple(str(Path(top.__file__).parents[top.__file__.endswith("__init__.py")]) for top in tops if top.__file__)
