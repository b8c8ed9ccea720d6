"""The table of data sets, and which settings each of them reads."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from platformdirs import user_cache_dir

from ganstudy.errors import UserError
from ganstudy.registry import Registry
from trainables import needs, tables
from trainables.data.source import Source
from trainables.data.subsets import of_classes, with_tail
from trainables.sections import DataConfig

Loader = TypeVar("Loader", bound=Callable[[DataConfig], Source])

OWN = ("modes", "radius", "std", "side", "spacing", "turns", "dim", "inner")  # settings that a data set reads only if it says so

DATA: Registry[Callable[[DataConfig], Source]] = tables.DATA


def takes(*settings: str) -> Callable[[Loader], Loader]:
    """Decorator: this data set reads these of the settings OWN; `classes` and `imbalance`: it applies them itself, `load` does not."""

    def mark(loader: Loader) -> Loader:
        loader.takes = settings  # type: ignore[attr-defined]
        return loader

    return mark


def taken(name: str) -> tuple[str, ...]:
    """What the data set `name` said that it takes."""
    return needs.takes(DATA, name)


def check(config: DataConfig) -> None:
    """UserError for an unknown data set, or a setting of the shape of another one."""
    for setting in set(OWN) - set(taken(config.name)):
        who = sorted(name for name in DATA if setting in taken(name))
        refuse(config, setting, because=f"it is a setting of {', '.join(who)}")


def load(config: DataConfig) -> Source:
    """The data set that `config` names, of the classes and with the tail that it asks for.

    `config.size` is left to the run: the loader reads everything.
    """
    check(config)
    source = DATA.pick(config.name)(config)
    if config.classes is not None and "classes" not in taken(config.name):
        source = of_classes(source, config)
    if config.imbalance is not None and "imbalance" not in taken(config.name):
        source = with_tail(source, config)
    return source


def refuse(config: DataConfig, *settings: str, because: str) -> None:
    """UserError for settings that would otherwise be passed over in silence."""
    for setting in settings:
        if value := getattr(config, setting):
            raise UserError(f"data.{setting} must be left out for {config.name}: {because}; given {value!r}")


def root_of(config: DataConfig) -> Path:
    """The folder that data.root names, or else our own in the user's cache."""
    return Path(config.root).expanduser() if config.root else Path(user_cache_dir("ganstudy"), "data")
