"""Passwords in the addresses of trackers: never in records, logs and messages, and needed again for a resume."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy import in_this_process

from ganstudy import UserError
from ganstudy.masked import is_masked, masked
from study.api import open_study
from study.engine.prepare import prepare
from study.spec.study_spec import StudySpec
from study.store.layout import Layout
from study.tracking.optuna_tracker import check_storage
from study.tracking.tracker import log

Toy = Callable[..., StudySpec]
SECRET = "s3cret/p:w"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (f"mysql://me:{SECRET}@host/db", "mysql://me:***@host/db"),
        (f"mysql+pymysql://:{SECRET}@host:3306/db?charset=utf8", "mysql+pymysql://:***@host:3306/db?charset=utf8"),
        (f"sqlite:///a.db?password={SECRET}&b=1", "sqlite:///a.db?password=***&b=1"),
        (
            {"base_url": f"https://me:{SECRET}@host", "tags": [f"x://a:{SECRET}@b"]},
            {"base_url": "https://me:***@host", "tags": ["x://a:***@b"]},
        ),
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("https://host:8080/a", "https://host:8080/a"),
        ("a.log", "a.log"),
        (3, 3),
    ],
)
def test_passwords_are_hidden_and_nothing_else(address: Any, shown: Any) -> None:
    assert masked(address) == shown
    assert masked(masked(address)) == shown
    assert not is_masked(address)
    assert is_masked(shown) == (address != shown)


def test_messages_and_logs_hide_passwords(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError) as refused:
        check_storage(f"nosuch://me:{SECRET}@host/db")
    assert "nosuch://me:***@host/db" in str(refused.value)
    log(f"cannot connect to mysql://me:{SECRET}@host/db")
    assert "mysql://me:***@host/db" in capsys.readouterr().out


def test_records_hide_the_password_and_a_resume_asks_for_it(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    with sqlite3.connect(tmp_path / "a.db"):
        pass
    address = f"sqlite:///{tmp_path}/a.db?password={SECRET}"
    spec = toy(tracking={"optuna": address})
    in_this_process(spec, tmp_path / "toy")
    assert SECRET not in Layout(tmp_path / "toy").records.read_text()
    prepare(spec, tmp_path / "toy", address=None)
    resumed = open_study(tmp_path / "toy").spec
    with pytest.raises(UserError, match=r"tracking\.optuna needs a password.* OPTUNA_STORAGE .* study file"):
        prepare(resumed, tmp_path / "toy", address=None)
    monkeypatch.setenv("OPTUNA_STORAGE", "sqlite:///another.db")
    with pytest.raises(UserError, match="needs a password"):
        prepare(resumed, tmp_path / "toy", address=None)
    monkeypatch.setenv("OPTUNA_STORAGE", address)
    prepare(resumed, tmp_path / "toy", address=None)
    assert resumed.tracking.active == {"optuna": address}


def test_a_password_of_a_server_is_asked_for_too(toy: Toy, tmp_path: Path) -> None:
    spec = toy(tracking={"wandb": {"mode": "offline", "base_url": "https://me:***@host"}})
    with pytest.raises(UserError, match=r"tracking\.wandb needs a password.*launch the study with its study file"):
        prepare(spec, tmp_path / "toy", address=None)


def test_a_password_of_an_mlflow_server_may_come_from_mlflows_own_variables(toy: Toy, tmp_path: Path) -> None:
    spec = toy(tracking={"mlflow": "https://me:***@host"})
    with pytest.raises(UserError, match=r"tracking\.mlflow needs a password.*MLFLOW_TRACKING_PASSWORD"):
        prepare(spec, tmp_path / "toy", address=None)
