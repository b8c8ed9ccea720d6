"""Tracking: where a study is mirrored: W&B and Optuna storages. This module imports neither."""

import netrc
import os
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

_CLOUD = "https://api.wandb.ai"

Mode = Literal["online", "offline", "disabled"]


class WandbConfig(BaseModel):
    """Weights & Biases: one run per trial, one group per study. API keys are never in a study file; W&B's own files and variables hold them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    entity: str | None = None
    project: str = "ganstudy"
    base_url: str | None = None  # your own server; None: the server that W&B is configured for
    mode: Literal["auto", "online", "offline", "disabled"] = "auto"  # auto: online if an API key is found, else offline

    def resolved(self) -> Mode:
        """Return the mode on this machine. `auto` follows WANDB_MODE if it is set; else it is online if there is an API key."""
        if self.mode != "auto":
            return self.mode
        match os.environ.get("WANDB_MODE"):
            case "online":
                return "online"
            case "offline" | "dryrun":
                return "offline"
            case "disabled":
                return "disabled"
        return "online" if _has_key(self.base_url) else "offline"


class Tracking(BaseModel):
    """The mirrors of a study; None: no mirror."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    wandb: WandbConfig | None = None
    optuna: str | None = None  # storage for optuna-dashboard: a URL (sqlite:///digits.db) or the path of a journal file (digits.log)


def _has_key(base_url: str | None) -> bool:
    """Whether W&B would find an API key for its server: in the environment, its settings file or the netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    settings = _settings()
    host = base_url or os.environ.get("WANDB_BASE_URL") or settings.get("base_url", _CLOUD)
    if settings.get("api_key") and host == settings.get("base_url", _CLOUD):
        return True
    try:
        known = netrc.netrc(Path(os.environ.get("NETRC", "~/.netrc")).expanduser())
    except (OSError, netrc.NetrcParseError):
        return False
    return known.authenticators(urlsplit(host).netloc) is not None


def _settings() -> dict[str, str]:
    """Return this user's W&B settings; {} if the file is missing or unreadable."""
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(Path(os.environ.get("WANDB_CONFIG_DIR", "~/.config/wandb")).expanduser() / "settings")
    except (ConfigError, UnicodeDecodeError):
        return {}
    return dict(parser["default"]) if "default" in parser else {}
