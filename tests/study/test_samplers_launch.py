"""Searches on Ray: by a Gaussian process, and by a sampler of OptunaHub that starts from another study."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hub import fill_cache
from rich.console import Console
from toy import run

from study.engine.dry_run import preview
from study.spec import sampling
from study.spec.study_spec import StudySpec
from study.store.records import Ended
from study.store.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_ray")]

LR = {"low": 1e-4, "high": 1e-2, "log": True}


def test_a_search_starts_from_another_one_that_is_then_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: Callable[..., StudySpec]
) -> None:
    first = toy(goal="optimise", sampler={"name": "gp", "n_startup_trials": 3}, n_configs=6, enqueue=["defaults"])
    run(first, tmp_path / "first")
    known = Store(tmp_path / "first").trials.values()
    assert [record.closed.ended for record in known if record.closed] == [Ended.BUDGET] * 6
    (enqueued,) = [record.flat for record in known if record.number == 0]
    assert (enqueued["r1"], enqueued["g.lr"]) == (False, 2e-4)

    fill_cache(tmp_path / "cache", monkeypatch)
    asked: dict[str, Any] = {
        "goal": "optimise",
        "sampler": {"name": "optunahub:samplers/fixed", "n": 8},
        "warm_start": [str(tmp_path / "first")],
    }
    second = toy(**asked, space={"scientific": {"r1": [False, True]}, "nuisance": {"d.lr": LR, "g.lr": LR}}, n_configs=3)
    console = Console(record=True, width=200)
    preview(second, tmp_path / "second", console, address=None)
    assert f"warm start: 6 of the 6 trials of {tmp_path / 'first'} taken" in re.sub(r"\s+", " ", console.export_text())
    run(second, tmp_path / "second")
    study = Store(tmp_path / "second").study
    assert study
    assert [each.trial_id for each in study.earlier] == [record.trial_id for record in known]
    assert {each.values["d.lr"] for each in study.earlier} == {2e-4}  # its default, which the first study did not vary

    shutil.rmtree(tmp_path / "first")
    run(second.model_copy(update={"n_configs": 5}), tmp_path / "second")
    store = Store(tmp_path / "second")
    assert store.study
    assert store.study.earlier == study.earlier
    drawn = [record.flat["d.lr"] == LR["low"] for record in store.trials.values()]
    assert drawn == [False, False, True, True, True]  # the sampler counts the six trials that it knows
    sampling._of_hub.cache_clear()
