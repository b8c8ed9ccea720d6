"""The registry of data sets, the settings that each reads, and `load`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from platformdirs import user_cache_dir

from ganstudy.arguments import check_takes
from ganstudy.errors import UserError
from ganstudy.registry import Registry
from ganstudy.written import shown
from trainables import needs, tables
from trainables.data.source import Source
from trainables.data.subsets import of_classes, with_tail
from trainables.sections import DataConfig

Loader = TypeVar("Loader", bound=Callable[[DataConfig], Source])

OWN = ("modes", "radius", "std", "side", "spacing", "turns", "dim", "inner")  # settings that only data sets decorated with @takes read

DATA: Registry[Callable[[DataConfig], Source]] = tables.DATA


def takes(*settings: str) -> Callable[[Loader], Loader]:
    """Decorator: declare the settings in OWN that a data set reads. With `classes` or `imbalance`, the data set applies them instead of `load`."""

    def mark(loader: Loader) -> Loader:
        loader.takes = settings  # type: ignore[attr-defined]
        return loader

    return mark


def taken(name: str) -> tuple[str, ...]:
    """Return the settings that the data set `name` declares with @takes."""
    return needs.takes(DATA, name)


def check(config: DataConfig) -> None:
    """Raise UserError for an unknown data set, or for a setting that only other data sets read."""
    for setting in set(OWN) - set(taken(config.name)):
        who = sorted(name for name in DATA if setting in taken(name))
        refuse(config, setting, because=f"it is a setting of {', '.join(who)}")


def load(config: DataConfig) -> Source:
    """Load the data set that `config` names, with its classes and imbalance.

    Loads all rows: `config.size` is applied by the run. Raises UserError if the data set is no function that returns a Source.
    """
    check(config)
    loader = DATA.pick(config.name)
    check_takes(loader, ("config",), f"the data set {config.name!r}")
    if not isinstance(source := loader(config), Source):
        raise UserError(f"the data set {config.name!r} must return a Source; given {type(source).__name__}")
    if config.classes is not None and "classes" not in taken(config.name):
        source = of_classes(source, config)
    if config.imbalance is not None and "imbalance" not in taken(config.name):
        source = with_tail(source, config)
    return source


def refuse(config: DataConfig, *settings: str, because: str) -> None:
    """Raise UserError for settings that would otherwise be ignored silently."""
    for setting in settings:
        if value := getattr(config, setting):
            raise UserError(f"data.{setting} must be left out for {config.name}: {because}; given {shown(value)}")


def root_of(config: DataConfig) -> Path:
    """Return the folder data.root, or by default the one in the user's cache."""
    return Path(os.path.expanduser(config.root)) if config.root else Path(user_cache_dir("ganstudy"), "data")
