"""The tracking section of a study file: W&B, TensorBoard, MLflow and Optuna storages. This module imports none of them."""

import netrc
import os
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

from ganstudy import UserError
from ganstudy.masked import is_masked, masked
from ganstudy.registry import Registry
from ganstudy.written import shown
from study.spec.errors import SpecError

_CLOUD = "https://api.wandb.ai"

Mode = Literal["online", "offline", "disabled"]


class WandbConfig(BaseModel):
    """Weights & Biases: one run per trial, one for the study, one group for all. API keys are never in a study file; W&B's own files and variables hold them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    entity: str | None = None
    """user or team of W&B; null: the default of the API key"""
    project: str = "ganstudy"
    """project of W&B"""
    base_url: str | None = None
    """your own server; null: the server that W&B is configured for"""
    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    """auto: WANDB_MODE if it is set; else online if an API key is found, else offline"""
    max_images: Annotated[int, Field(ge=0)] = 20
    """sample grids of a trial, at most: the first, the last, and others at equal distances; 1: the last"""

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
        return "online" if has_key(self.base_url) else "offline"


class TensorboardConfig(BaseModel):
    """TensorBoard: an event file per trial."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    folder: Annotated[str, Field(min_length=1)] | None = None
    """where the event files are, in a folder named after the study; null: the folder `tensorboard` of the study"""


class MlflowConfig(BaseModel):
    """MLflow: a run per trial, an experiment per study."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    uri: str
    """a server (http://host:5000) or an SQLite file (sqlite:///mlflow.db)"""
    experiment: Annotated[str, Field(min_length=1)] | None = None
    """name of the experiment; null: the name of the study, with a suffix that tells it from others of this name"""


@dataclass(frozen=True)
class TrackerEntry:
    """One kind of tracker.

    description: one line for `ganstudy list`. config: the type of the value of `tracking.NAME`. make: "module:function", a function
    (folder, config, study, limit_s) -> Tracker; only the tracking process imports it, once the study has a record. check: "module:function",
    a function (config) that raises UserError before the study starts if the tracker cannot work; it must not ask a server, which may start later.
    """

    description: str
    config: Any
    make: str
    check: str = ""


TRACKERS: Registry[TrackerEntry] = Registry("tracker")
TRACKERS["wandb"] = TrackerEntry(
    "Weights & Biases: a run per trial, and one for the study", WandbConfig, "study.tracking.wandb_tracker:wandb_tracker"
)
TRACKERS["optuna"] = TrackerEntry(
    "Optuna: finished trials in a storage that optuna-dashboard shows",
    str,
    "study.tracking.optuna_tracker:optuna_tracker",
    check="study.tracking.optuna_tracker:check_storage",
)
TRACKERS["tensorboard"] = TrackerEntry(
    "TensorBoard: an event file per trial",
    TensorboardConfig,
    "study.tracking.tensorboard_tracker:tensorboard_tracker",
    check="study.tracking.tensorboard_tracker:check_tensorboard",
)
TRACKERS["mlflow"] = TrackerEntry(
    "MLflow: a run per trial, an experiment per study",
    MlflowConfig,
    "study.tracking.mlflow_tracker:mlflow_tracker",
    check="study.tracking.mlflow_tracker:check_mlflow",
)


def _short(name: str, key: str, config: type[BaseModel]) -> BeforeValidator:
    """A text stands for a mapping with this key."""

    def read(given: Any) -> Any:
        if given is not None and not isinstance(given, str | Mapping | config):
            raise SpecError(("tracking", name), f"tracking.{name} must be text, which is its {key}, or a mapping; given {shown(given)}")
        return {key: given} if isinstance(given, str) else given

    return BeforeValidator(read, json_schema_input_type=str | config | None)


class Tracking(BaseModel):
    """The trackers of a study. The name of a plugin's tracker is a further key."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, use_attribute_docstrings=True)

    wandb: WandbConfig | None = None
    """Weights & Biases; {} turns it on"""
    optuna: str | None = None
    """storage for optuna-dashboard: a URL (sqlite:///digits.db) or the path of a journal file (digits.log)"""
    tensorboard: Annotated[TensorboardConfig | None, _short("tensorboard", "folder", TensorboardConfig)] = None
    """TensorBoard; {} turns it on; a text is its folder"""
    mlflow: Annotated[MlflowConfig | None, _short("mlflow", "uri", MlflowConfig)] = None
    """MLflow; a text is its uri"""

    @model_validator(mode="before")
    @classmethod
    def _check_plugins(cls, given: Any) -> Any:
        for name in given if isinstance(given, Mapping) else ():
            try:
                TRACKERS.pick(name)
            except UserError as error:
                raise SpecError(("tracking", str(name)), str(error)) from None
        return given

    @property
    def active(self) -> dict[str, Any]:
        """Name -> config, of the trackers that have something to do.

        Records hide passwords. Raises UserError if one is needed: that of `optuna` may come from the variable OPTUNA_STORAGE, which Optuna reads too.
        """
        given = {name: TypeAdapter(TRACKERS[name].config).validate_python(value) for name, value in (self.model_extra or {}).items()}
        if self.optuna is not None:
            own = os.environ.get("OPTUNA_STORAGE", "")
            given["optuna"] = own if is_masked(self.optuna) and masked(own) == self.optuna else self.optuna
        if self.wandb is not None and self.wandb.resolved() != "disabled":
            given["wandb"] = self.wandb.model_copy(update={"mode": self.wandb.resolved()})
        given |= {name: config for name in ("tensorboard", "mlflow") if (config := getattr(self, name)) is not None}
        for name, config in given.items():
            if is_masked(config.model_dump() if isinstance(config, BaseModel) else config):
                how = {
                    "optuna": "set OPTUNA_STORAGE to its whole URL, or ",
                    "mlflow": "leave it out of the address and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or ",
                }.get(name, "")
                raise UserError(
                    f"tracking.{name} needs a password, which the records of a study do not keep; {how}launch the study with its study file instead of resuming it"
                )
        return given


def server(base_url: str | None) -> str:
    """Return the address that W&B sends to: that of the study, of the environment, of its settings file, or of its cloud."""
    return base_url or os.environ.get("WANDB_BASE_URL") or _settings().get("base_url", _CLOUD)


def has_key(base_url: str | None) -> bool:
    """Whether W&B would find an API key for its server: in the environment, its settings file or the netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    settings, host = _settings(), server(base_url)
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
