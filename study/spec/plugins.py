"""Plugins: modules that a study or a recipe names, imported before its settings are checked."""

import filecmp
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ganstudy.registry import REGISTRIES
from ganstudy.written import shown
from study.spec.errors import SpecError


def import_plugins(modules: Sequence[str], *, folders: Sequence[Path | str] = ()) -> None:
    """Import modules that are installed, or in the current folder or in `folders`.

    Raises SpecError if there is no such module, if two files may be meant, if the import fails, and unless the module registers an entry and
    leaves the entries of others alone. Then no entry of it stays.
    """
    if not modules:
        return
    # All our entries must be in their tables before those of a plugin. Imported here, since torch and Optuna take seconds
    import trainables.signal_names  # noqa: F401

    places = list(dict.fromkeys(str(Path(place).absolute()) for place in (os.getcwd(), *folders)))
    sys.path += [place for place in places if place not in sys.path]
    importlib.invalidate_caches()  # a plugin may have been written a moment ago
    for i, module in enumerate(modules):
        try:
            _import(module, places)
            _IMPORTED.add(module)
        except _Wrong as error:
            raise SpecError(("plugins", str(i)), f"the plugin {module!r} {error}") from error.__cause__


def plugins_of(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the plugins that a mapping names. Raises SpecError unless it is a list of names."""
    plugins = given.get("plugins", ())
    if not isinstance(plugins, (list, tuple)):
        raise SpecError(("plugins",), f"plugins must be a list; given {shown(plugins)}")
    for i, module in enumerate(plugins):
        if not isinstance(module, str):
            raise SpecError(("plugins", str(i)), f"a plugin must be the name of a module; given {shown(module)}")
    return tuple(plugins)


_IMPORTED: set[str] = set()  # names of plugins


class _Wrong(Exception):
    """What is wrong with a plugin, as the rest of a sentence."""


def _import(module: str, places: Sequence[str]) -> None:
    """Import one plugin. Raises _Wrong."""
    if module.endswith(".py") or not all(part.isidentifier() for part in module.split(".")):
        raise _Wrong("must be the name of a module, such as my_plugin for the file my_plugin.py")
    top = module.partition(".")[0]
    if module in sys.modules:
        _refuse_another(top, places)
        if top in sys.stdlib_module_names:
            raise _Wrong("must register an entry; it is a module of Python and registers nothing. Name your own module")
        return
    before, known = {id(table): dict(table) for table in REGISTRIES}, set(sys.modules)
    try:
        found = importlib.import_module(module)
        _refuse_another(top, places)
        if replaced := [
            f"the {table.kind} {name!r}"
            for table in REGISTRIES
            for name, entry in before.get(id(table), {}).items()
            if table.get(name) is not entry
        ]:
            raise _Wrong(f"({_place(found)}) must register new names; it replaces {', '.join(replaced)}. Choose another name")
        if all(len(table) == len(before.get(id(table), {})) for table in REGISTRIES):
            raise _Wrong(
                f"({_place(found)}) must register an entry, such as a loss or a trick; it registered nothing. Is it the module that you mean?"
            )
    except BaseException as error:
        for table in REGISTRIES:
            table.clear()
            table.update(before.get(id(table), {}))
        for name in set(sys.modules) - known:
            if name == top or name.startswith(f"{top}."):
                del sys.modules[name]
        if isinstance(error, _Wrong):
            raise
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}."):
            raise _Wrong(f"must be importable; there is no module {error.name} in {' or '.join(places)}, and none is installed") from None
        if not isinstance(error, (Exception, SystemExit)):
            raise
        # a plugin may raise anything, and its author needs to see it
        raise _Wrong(f"must be importable; it raised {type(error).__name__}: {error}{_line(error, places)}") from error


def imported() -> tuple[str, ...]:
    """Return the names of the plugins that this process has imported."""
    return tuple(sorted(name for name in _IMPORTED if name in sys.modules))


def _refuse_another(top: str, places: Sequence[str]) -> None:
    """Raise _Wrong if the current folder, or one beside a study file, holds another module of the name than the one that is imported."""
    imported = _place(sys.modules[top])
    for place in places:
        for path in (Path(place, f"{top}.py"), Path(place, top, "__init__.py")):
            if path.is_file() and not (
                os.path.isfile(imported) and filecmp.cmp(path, imported, shallow=False)
            ):  # a copy is no other module
                raise _Wrong(f"must be one module; {path} has its name, and so has {imported}. Rename your module")


def _place(module: ModuleType) -> str:
    """Return the file of a module, or its folder if it is one without __init__.py."""
    if file := getattr(module, "__file__", None):
        return str(file)
    return str(next(iter(getattr(module, "__path__", [])), "a module of Python"))


def _line(error: BaseException, places: Sequence[str]) -> str:
    """Return " (/here/my_plugin.py, line 3)": where a plugin in one of the places raised; "" if its own text says it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(tuple(places))]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames and not isinstance(error, SyntaxError) else ""


def plugin_folders(modules: Sequence[str]) -> tuple[str, ...]:
    """Return the folders where the driver found the plugins.

    Workers that share its file system search them too. On other machines, plugins must be installed.
    """
    tops = [sys.modules[module.partition(".")[0]] for module in modules]
    # a package without __init__.py has no file, but a path; a module built into Python has neither
    places = [next(iter(getattr(top, "__path__", [])), getattr(top, "__file__", None)) for top in tops]
    return tuple(dict.fromkeys(str(Path(place).absolute().parent) for place in places if place))


def own_folders(modules: Sequence[str]) -> tuple[str, ...]:
    """Return the same without the folders of installed packages."""
    return tuple(folder for folder in plugin_folders(modules) if Path(folder).name not in ("site-packages", "dist-packages"))
