"""What `ganstudy sync` reads and asks before it sends anything."""

import socket
from pathlib import Path
from typing import Any

import pytest
from ranked import played

from ganstudy import UserError
from study.store.layout import Layout
from study.store.records import mark
from study.store.store import Store
from study.tracking import sync as syncing
from study.tracking.reachable import refuse_unreachable
from study.tracking.runs import note, state

pytestmark = pytest.mark.usefixtures("own_wandb")


def reads(folder: Path, n_runs: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """How often the records are read for so many runs that were written offline, and how many of them are sent as they are."""
    played(folder, tracking={"wandb": {"mode": "offline"}}, n_configs=8)
    store = Store(folder)
    assert store.study
    trials, layout, counted, sent = list(store.trials.values())[:n_runs], Layout(folder), list[Path](), list[Path]()
    for trial in trials:
        (layout.tracking / f"offline-run-20260101_000000-{mark(store.study)}-{trial.trial_id}").mkdir(parents=True)
    for trial in trials[1:]:
        note(layout.sent("wandb"), trial.trial_id, state(trial))

    def counting(place: Path) -> Store:
        counted.append(place)
        return Store(place)

    def send(runs: list[Path], *rest: Any) -> bool:
        sent.extend(runs)
        return True

    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    for name, replacement in {
        "Store": counting,
        "refuse_unreachable": lambda address, do: None,
        "complete_wandb": lambda *given, **named: "",
        "_send": send,
    }.items():
        monkeypatch.setattr(syncing, name, replacement)
    syncing.sync(folder)
    return len(counted), len(sent)


def test_the_records_are_read_as_often_for_many_runs_as_for_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (reads(tmp_path / str(n), n, monkeypatch) for n in (2, 12))
    assert (few[1], many[1]) == (1, 11)  # one is not whole
    assert few[0] == many[0]


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_proxy_may_have_no_scheme(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        port = proxy.getsockname()[1]
        monkeypatch.setenv("https_proxy", f"{scheme}127.0.0.1:{port}")
        with pytest.raises(
            UserError, match=rf"must take connections through the proxy http://127\.0\.0\.1:{port}; it does not: Connection refused"
        ):
            refuse_unreachable("https://wandb.invalid", do="Start it")
        proxy.listen()
        refuse_unreachable("https://wandb.invalid", do="Start it")
