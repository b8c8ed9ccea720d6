"""What W&B shows of a trial: name, config, summary, sample grids."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from recorded import STUDY

from study.store.records import Closed, Ended, Measurement, StudyRecord, TrialRecord
from study.tracking.names import run_name
from study.tracking.pictures import has_picture
from study.tracking.wandb_fields import baselines_beside, nested, run_config, run_summary, run_tags
from trainables.config import known_settings


def study(base: dict[str, Any], scientific: dict[str, Any], **spec: Any) -> StudyRecord:
    return replace(STUDY, spec={**STUDY.spec, "base": base, "space": {"scientific": scientific, "nuisance": {}}, **spec})


def trial(ticks: int = 0, ended: Ended | None = None, every: int = 1000, **flat: Any) -> TrialRecord:
    """A trial whose fd falls until its second tick and rises from then on."""
    measured = tuple(
        Measurement(images=every * tick, seconds=2.0 * tick, evaluation_seconds=0.5 * tick, values={"fd": 10.0 + abs(tick - 1)})
        for tick in range(ticks)
    )
    given = {name.replace("__", "."): value for name, value in {"seed": 4, **flat}.items()}
    return TrialRecord(trial_id="aa-s4", number=0, flat=given, measurements=measured, closed=Closed(ended=ended) if ended else None)


@pytest.mark.parametrize(
    ("flat", "name"),
    [
        ({"r1": True, "g__lr": 3e-4}, "r1, g.lr=0.0003, seed=4"),
        ({"r1": False, "g__lr": 1e-3}, "base, seed=4"),
        ({"r1": True, "r1__gamma": 1.5, "g__lr": 1e-3}, "r1, r1.gamma=1.5, seed=4"),
        ({"r1": True, "g__lr": 4.273519e-7}, "r1, g.lr=4.27e-07, seed=4"),
        ({"r1": False, "g__lr": 1e-3, "ema": False, "loss": "hinge"}, "ema=off, loss=hinge, seed=4"),
    ],
)
def test_the_name_says_how_a_trial_differs_from_the_base(flat: dict[str, Any], name: str) -> None:
    given = study({"g.lr": 1e-3, "ema": True}, {"r1": [False, True], "g.lr": {"low": 1e-7, "high": 1.0, "log": True}})
    assert run_name(trial(**{"ema": True, **flat}), given, known_settings()) == name


def test_a_name_shows_a_variant_and_not_what_is_in_it() -> None:
    given = study({}, {"nets": {"small": {"g.width": 8, "d.width": 8}, "large": {"g.width": 64, "d.width": 64}}})
    large = replace(trial(g__width=64, d__width=64), variants={"nets": "large"})
    small = replace(trial(g__width=8, d__width=8), variants={"nets": "small"})
    assert run_name(large, given, known_settings()) == "nets=large, seed=4"
    assert run_name(small, given, known_settings()) == "base, seed=4"


def test_a_long_name_is_cut() -> None:
    flat: dict[str, Any] = dict.fromkeys(
        (
            "r1",
            "r2",
            "ema",
            "r1__every",
            "r2__every",
            "r1__gamma",
            "r2__gamma",
            "d_steps",
            "g__lr",
            "d__lr",
            "batch_size",
            "beta1",
            "beta2",
        ),
        7,
    )
    name = run_name(trial(**flat, data__size=123_456_789, latent__dim=123_456, weight_decay=0.123456), study({}, {}), known_settings())
    assert len(name) == 120
    assert name.endswith("…, seed=4")


def test_the_config_has_defaults_and_what_the_networks_had() -> None:
    given = replace(trial(r1=True, arch="mlp"), effective={"data.size": 1437, "d.lr": 5e-4, "beta1": 0.9, "g.condition": None})
    config = run_config(given, study({}, {"r1": [False, True]}), known_settings())
    assert config["r1"]["on"] is True
    assert config["r1"]["gamma"] == 10.0, "the default of a setting that applies"
    assert config["data"]["size"] == 1437, "null in the study file: all that there are"
    assert config["beta1"] == 0.5, "a setting with a value keeps it"
    assert "r2" not in config, "a switch that is off has no settings"
    assert (config["trial_id"], config["config_id"], config["baselines"]) == ("aa-s4", "aa", {"coverage": 0.9})


def test_the_summary_has_the_best_and_the_final_value() -> None:
    done = run_summary(trial(4, Ended.BUDGET), STUDY)
    assert (done["best/fd"], done["best/fd_images"], done["final/fd"], done["cost_seconds"]) == (10.0, 1000, 12.0, 7.5)
    assert (done["ended"], done["failed"]) == ("budget", False)
    dead = run_summary(trial(4, Ended.DEAD), STUDY)
    assert "final/fd" not in dead
    assert (dead["best/fd"], dead["outcome"], dead["failed"]) == (10.0, "diverged", True)
    assert run_summary(trial(0, Ended.ERROR), STUDY)["cost_seconds"] == 0.0
    more = replace(STUDY, spec={**STUDY.spec, "objective": {"metric": "fd", "direction": "maximize"}})
    assert run_summary(trial(4, Ended.BUDGET), more)["best/fd"] == 12.0


def test_tags_are_phase_and_outcome() -> None:
    assert run_tags(trial()) == ["explore"]
    assert run_tags(trial(1, Ended.BUDGET), "healthy") == ["explore", "healthy"]
    assert run_tags(trial(1, Ended.ERROR), "") == ["explore", "error"]


def test_baselines_stand_beside_objectives_and_constrained_metrics() -> None:
    given = replace(
        STUDY, baselines={"fd": 0.4, "coverage": 0.9, "recall": 0.8}, spec={**STUDY.spec, "constraints": {"coverage": ">= 0.5"}}
    )
    assert baselines_beside(["fd", "coverage", "recall", "d/adv"], given) == {"baseline/fd": 0.4, "baseline/coverage": 0.9}
    assert baselines_beside(["recall"], given) == {}


@pytest.mark.parametrize("max_images", [0, 1, 2, 5, 20, 200])
@pytest.mark.parametrize("ticks", [1, 2, 11, 101])
@pytest.mark.parametrize("done", [1.0, 0.3])
def test_sample_grids_are_few_and_keep_the_first_and_the_last(max_images: int, ticks: int, done: float) -> None:
    """done: the part of its budget that the trial trained for before a scheduler stopped it."""
    flat: dict[str, Any] = {"budget_kimg": float(max(ticks - 1, 1))}
    recorded = max(1, round(done * ticks))
    shown = [
        tick
        for tick in range(recorded)  # as a trial is logged: the last tick and its end come together
        if has_picture(
            trial(tick + 1, Ended.SCHEDULER if tick == recorded - 1 else None, **flat), STUDY, tick, known_settings(), max_images
        )
    ]
    assert len(shown) <= max_images
    assert not max_images or recorded - 1 in shown
    assert max_images < 2 or 0 in shown
    if max_images >= ticks:
        assert shown == [*range(recorded)]
    if max_images > 1 and done == 1.0 and ticks > max_images:
        assert len(shown) == max_images
        steps = [after - before for before, after in pairwise(shown)]
        assert max(steps) - min(steps) <= 1, "equal distances"


@pytest.mark.parametrize(
    ("flat", "deep"),
    [
        ({"g.lr": 1.0, "seed": 0}, {"g": {"lr": 1.0}, "seed": 0}),
        ({"r1": True, "r1.gamma": 2}, {"r1": {"on": True, "gamma": 2}}),
        ({"r1": False}, {"r1": {"on": False}}),
        ({"data": "digits", "data.size": 100}, {"data": {"name": "digits", "size": 100}}),
        ({"data": "digits"}, {"data": "digits"}),
        ({"data.download": True}, {"data": {"download": True}}),
    ],
)
def test_a_config_is_nested(flat: dict[str, Any], deep: dict[str, Any]) -> None:
    assert nested(flat) == deep
