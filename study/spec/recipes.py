"""Recipes: YAML files with the settings of one config, under dotted names, and the plugins that they need under `plugins`."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ganstudy import UserError
from ganstudy.command import command
from ganstudy.files import write_whole
from study.spec.changes import as_options
from study.spec.culprit import culprit
from study.spec.errors import SpecError
from study.spec.files import line_of, read_yaml
from study.spec.plugins import import_plugins, plugins_of
from study.spec.space import check_names
from trainables.config import TrialConfig, live


def plugins_in(path: Path | str) -> tuple[str, ...]:
    """Return the plugins that a recipe names. Raises UserError, with file and line, unless it is a list of names."""
    try:
        return plugins_of(read_yaml(Path(path)))
    except SpecError as error:
        raise UserError(f"{path}{line_of(Path(path), error.where)}: {error}") from None


def load_config(path: Path | str, changes: Mapping[str, Any], *, trusted: bool = True) -> TrialConfig:
    """Read a recipe, import its plugins if it is trusted, and apply `changes`, as --set does. If a change turns a trick off, its settings are dropped.

    Plugins may be beside the recipe. Raises UserError, with file and line, for an invalid setting or a plugin that cannot be imported.
    """
    path = Path(path)
    plugins, given = plugins_in(path), read_yaml(path)
    given.pop("plugins", None)
    try:
        import_plugins(plugins if trusted else (), folders=[path.parent])
    except SpecError as error:
        raise UserError(f"{path}{line_of(path, error.where)}: {error}") from None
    if studies := [key for key in ("base", "space") if key in given]:
        raise UserError(
            f"{path} must be a recipe, which has only settings; it has {studies[0]}, so it is a study file. {command('launch', path)} runs it"
        )
    try:
        check_names(given, ("base",))
    except SpecError as error:
        raise UserError(f"{path}{line_of(path, error.where[1:])}: {error}") from None
    try:
        TrialConfig.from_flat(given)
    except UserError as error:
        raise UserError(f"{path}{line_of(path, (str(culprit(given)),))}: {error}") from None
    return changed_config(given, changes)


def changed_config(flat: Mapping[str, Any], changes: Mapping[str, Any]) -> TrialConfig:
    """Return the config of the settings with changes. Settings that no longer apply are dropped, unless they are in `changes`.

    Raises UserError for an invalid config, which begins with the changes that are wrong.
    """
    try:
        return _changed(flat, changes)
    except UserError as error:
        matter = [name for name in changes if _is_valid(flat, {other: value for other, value in changes.items() if other != name})]
        blamed = as_options(matter or changes)
        raise UserError(f"{blamed}: {error}" if blamed else str(error)) from None


def _is_valid(flat: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
    try:
        _changed(flat, changes)
    except UserError:
        return False
    return True


def _changed(flat: Mapping[str, Any], changes: Mapping[str, Any]) -> TrialConfig:
    merged = {**flat, **changes}
    return TrialConfig.from_flat({name: value for name, value in merged.items() if name in changes or name in live(merged)})


def write_config(path: Path, config: TrialConfig, *, plugins: Sequence[str] = ()) -> None:
    """Write a config as a recipe, defaults included: load_config(path, {}) == config."""
    write_whole(path, config_text(config, path.name, plugins=plugins))


def config_text(config: TrialConfig, name: str, *, plugins: Sequence[str] = ()) -> str:
    """Return a config as a recipe in a file of this name, defaults included. None is left out: it follows from the rest."""
    text, yaml = io.StringIO(), YAML(typ="safe", pure=True)
    text.write(f"# All settings of {config.trial_id}, defaults included. {command('train', name)} trains it again.\n")
    yaml.default_flow_style = False
    named = {"plugins": list(plugins)} if plugins else {}
    yaml.dump({**named, **{name: value for name, value in config.flat().items() if value is not None}}, text)
    return text.getvalue()
