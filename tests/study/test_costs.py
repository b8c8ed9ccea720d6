"""The time that the dry run names: each kind of config is timed, and counted as often as it is trained."""

from collections.abc import Callable
from pathlib import Path

import pytest

from study.engine import costs
from study.engine.costs import Cost, Costs, configs_of
from study.engine.prepare import Prepared, prepare
from study.spec.study_spec import StudySpec
from trainables.config import TrialConfig
from trainables.loop import Diverged

VARIANTS = {"method": {"plain": {}, "wide": {"g.width": 12}, "steps": {"d_steps": 5}}}


def test_every_kind_of_config_is_timed_and_counts_by_its_trials(
    toy: Callable[..., StudySpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = toy(space={"scientific": VARIANTS}, n_configs=6)
    prepared = prepare(spec, tmp_path / "out", address=None)
    configs = configs_of(spec, spec.config({"method": "plain"}))
    speeds = {"plain": 1_000.0, "wide": 500.0, "steps": 100.0}

    def told(config: TrialConfig, prepared: Prepared) -> Cost:
        name = "wide" if config.g.width == 12 else "steps" if config.d_steps == 5 else "plain"
        return Cost(images_per_second=speeds[name], evaluation_seconds=0.5, checkpoint_mb=1.0)

    monkeypatch.setattr(costs, "probe", told)
    found = Costs.measured(configs, prepared)
    ticks = 1 + 3  # the untrained networks, and 0.6 kimg in ticks of 0.2
    assert found.kinds == len(found.timed) == 3
    assert found.seconds == pytest.approx(sum(600 / speed for speed in speeds.values()) / 3 + ticks * 0.5)
    assert str(found) == "100 to 1,000 images/s and 0.50 s per evaluation, measured on this machine with 3 of 3 kinds of config"
    in_time = Costs.measured(configs, prepared, seconds=-1.0)
    assert (len(in_time.timed), in_time.kinds) == (1, 3)
    assert "with 1 of 3 kinds of config" in str(in_time)


def test_kinds_that_diverge_are_left_out(toy: Callable[..., StudySpec], tmp_path: Path) -> None:
    spec = toy(space={"scientific": {"method": {"plain": {}, "fast": {"d.lr": 1e30, "d_steps": 2}}}}, n_configs=4)
    prepared = prepare(spec, tmp_path / "out", address=None)
    configs = configs_of(spec, spec.config({"method": "plain"}))
    found = Costs.measured(configs, prepared)
    assert (found.kinds, len(found.timed)) == (2, 1)
    with pytest.raises(Diverged):
        Costs.measured([config for config in configs if config.d_steps == 2], prepared)


def test_a_search_is_timed_by_random_configs_of_its_space(toy: Callable[..., StudySpec]) -> None:
    spec = toy(goal="optimise", space={"scientific": VARIANTS})
    configs = configs_of(spec, spec.config({"method": "plain"}))
    assert {(config.g.width, config.d_steps) for config in configs} == {(8, 1), (12, 1), (8, 5)}
