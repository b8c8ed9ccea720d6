"""Tracking: where a study is shown beside its own records. Naming a mirror costs no import of it."""

import netrc
import os
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, TypeAdapter, model_validator

from ganstudy.registry import Registry

CLOUD = "https://api.wandb.ai"

Mode = Literal["online", "offline", "disabled"]


class WandbConfig(BaseModel):
    """Weights & Biases: a run per trial, a group per study. Keys are never part of a study file; W&B's own places hold them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    entity: str | None = None
    project: str = "ganstudy"
    base_url: str | None = None  # of a server of your own; None: as W&B is set up here
    mode: Literal["auto", "online", "offline", "disabled"] = "auto"  # auto: online where a key is found, else offline

    def resolved(self) -> Mode:
        """What `auto` comes to on this machine: WANDB_MODE where it is set, else whether there is a key."""
        if self.mode != "auto":
            return self.mode
        match os.environ.get("WANDB_MODE"):
            case "online":
                return "online"
            case "offline" | "dryrun":
                return "offline"
            case "disabled":
                return "disabled"
        return "online" if has_key(self.base_url) else "offline"


@dataclass(frozen=True)
class TrackerEntry:
    """description: one line for `ganstudy list`. config: the type of what stands under `tracking.NAME`. make: "module:function", imported in the tracking process alone, called with
    (folder, config, study, limit_s) -> Tracker when the study's first record is there."""

    description: str
    config: Any
    make: str


TRACKERS: Registry[TrackerEntry] = Registry("tracker")
TRACKERS["wandb"] = TrackerEntry(
    "Weights & Biases: a run per trial, a group per study", WandbConfig, "study.tracking.wandb_tracker:wandb_tracker"
)
TRACKERS["optuna"] = TrackerEntry(
    "Optuna: finished trials in a storage that optuna-dashboard shows", str, "study.tracking.optuna_tracker:optuna_tracker"
)


class Tracking(BaseModel):
    """The trackers of a study. A plugin's tracker is a further key, its name in TRACKERS."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    wandb: WandbConfig | None = None
    optuna: str | None = None  # a storage for optuna-dashboard: a URL (sqlite:///digits.db), or the path of a journal file (digits.log)

    @model_validator(mode="before")
    @classmethod
    def _check_plugins(cls, given: Any) -> Any:
        for name in given if isinstance(given, Mapping) else ():
            TRACKERS.pick(name)
        return given

    @property
    def active(self) -> dict[str, Any]:
        """Name -> config, of the trackers that have something to do."""
        given = {name: TypeAdapter(TRACKERS[name].config).validate_python(value) for name, value in (self.model_extra or {}).items()}
        if self.optuna is not None:
            given["optuna"] = self.optuna
        if self.wandb is not None and self.wandb.resolved() != "disabled":
            given["wandb"] = self.wandb.model_copy(update={"mode": self.wandb.resolved()})
        return given


def has_key(base_url: str | None) -> bool:
    """Whether W&B would find a key for its server: in the environment, in its settings, or in the netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    settings = _settings()
    host = base_url or os.environ.get("WANDB_BASE_URL") or settings.get("base_url", CLOUD)
    if settings.get("api_key") and host == settings.get("base_url", CLOUD):
        return True
    try:
        known = netrc.netrc(Path(os.environ.get("NETRC", "~/.netrc")).expanduser())
    except (OSError, netrc.NetrcParseError):
        return False
    return known.authenticators(urlsplit(host).netloc) is not None


def _settings() -> dict[str, str]:
    """W&B's settings file of this user; empty if there is none that can be read."""
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(Path(os.environ.get("WANDB_CONFIG_DIR", "~/.config/wandb")).expanduser() / "settings")
    except (ConfigError, UnicodeDecodeError):
        return {}
    return dict(parser["default"]) if "default" in parser else {}
