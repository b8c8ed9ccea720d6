"""Recipes: YAML files of one training run's settings, one level deep."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ganstudy import UserError
from ganstudy.files import write_whole
from study.spec.errors import SpecError
from study.spec.files import line_of, read_yaml
from study.spec.space import check_names
from trainables.config import TrialConfig, live


def load_config(path: Path | str, changes: Mapping[str, Any]) -> TrialConfig:
    """A recipe: a YAML file of dotted settings, one level deep. `changes` are like --set; switching a trick off takes its settings along."""
    path = Path(path)
    given = read_yaml(path)
    if studies := [key for key in ("base", "space") if key in given]:
        raise UserError(f"{path} must be a recipe, settings alone; it has {studies[0]}, so it is a study: `ganstudy launch {path}` runs it")
    try:
        check_names(given, ("base",))
    except SpecError as error:
        raise UserError(f"{path}{line_of(path, error.where[1:])}: {error}") from None
    try:
        TrialConfig.from_flat(given)
    except UserError as error:
        named = next((name for name in given if str(error).startswith(f"{name} ")), "")
        raise UserError(f"{path}{line_of(path, (named,))}: {error}") from None
    return changed_config(given, changes)


def changed_config(flat: Mapping[str, Any], changes: Mapping[str, Any]) -> TrialConfig:
    """The settings with changes; what no longer lives, and was not asked for, is left out. Raises UserError for what cannot hold."""
    check = {**flat, **changes}
    return TrialConfig.from_flat({name: value for name, value in check.items() if name in changes or name in live(check)})


def write_config(path: Path, config: TrialConfig) -> None:
    """As a recipe: load_config(path, {}) == config. All that counts is there, defaults included; what is not set (None) follows from the rest."""
    text, yaml = io.StringIO(), YAML(typ="safe", pure=True)
    text.write(f"# All settings of {config.trial_id}, defaults included. `ganstudy train {path.name}` runs it again.\n")
    yaml.default_flow_style = False
    yaml.dump({name: value for name, value in config.flat().items() if value is not None}, text)
    write_whole(path, text.getvalue())
