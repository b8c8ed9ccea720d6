"""What an answer says of staged studies, in words."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tables import Stage, claim_of, per_config, with_setting

from analysis import TrialTable, answer, explain
from analysis.estimate import rate
from analysis.words import percent, value_text


def reversing(stage: Stage, one: str = "r1", other: str = "loss", levels: tuple[str, str] = ("hinge", "ns")) -> TrialTable:
    """`one` keeps training stable with the first level of `other` and breaks it with the second."""
    on, second = np.arange(60) % 2 == 0, np.arange(60) // 2 % 2 == 1
    table = stage(60, 3, risk=lambda k: 0.0)
    risk = per_config(table, np.where(on == second, 0.9, 0.1))
    table = replace(table, outcome=np.where(np.random.default_rng(0).random(180) < risk, "mode_collapse", "healthy"))
    table = with_setting(table, other, per_config(table, np.where(second, levels[1], levels[0])))
    return with_setting(table, one, per_config(table, on), rest=(other,))


def test_equal_shares_of_failures_are_not_called_none(stage: Stage) -> None:
    table = stage(24, 2, risk=lambda k: 0.0)
    half = replace(table, outcome=np.where(table.seed == 0, "mode_collapse", "healthy"))
    assert "In each config 50 % of the trials failed, so nothing can be told about what makes them fail." in answer(explain(half))
    none = replace(table, ended=np.where(table.seed == 0, "scheduler", "budget"))
    assert "No trial failed, so" in answer(explain(none))
    dead = replace(table, outcome=np.full(48, "mode_collapse"))
    text = answer(explain(dead, ("failed", "fd")))
    assert "All trials failed, so" in text
    assert "Nothing can be told about fd: no trial completed without failing." in text
    one = replace(table, outcome=np.where(table.config_id == "c00", "healthy", "mode_collapse"))
    assert "Nothing can be told about fd: it is known of one config only." in answer(explain(one, ("failed", "fd")))
    text = answer(explain(one, "fd"))
    assert "all outcomes are equal" not in text
    assert "(no outcome is known to differ between two configs)." in text


def test_a_level_all_of_whose_trials_crashed_is_named_as_such(stage: Stage) -> None:
    table = stage(8, 2, risk=lambda k: 0.0)
    table = with_setting(table, "boom", per_config(table, np.arange(8) % 2 == 0))
    boom = table.settings["boom"].to_numpy(dtype=bool)
    crashed = replace(table, outcome=np.where(boom, "", "healthy"), ended=np.where(boom, "error", "budget"))
    said = answer(explain(crashed))
    assert "boom (one value only: all trials with boom on crashed)" in said
    assert "0 failed (0 %, 95 % interval 0 % to " in said
    assert "; crashed trials left out." in said
    assert "crashed" not in answer(explain(table))


def test_a_range_is_told_with_the_counts_of_its_thirds(stage: Stage) -> None:
    table = stage(60, 3, risk=lambda k: (np.log10(k["d.lr"]) + 5) / 2)
    table = replace(table, scientific=("d.lr",), nuisance=())
    found = explain(table, ("failed", "fd"))
    claim = claim_of(found, "d.lr", "failed", "trend")
    lr = table.settings["d.lr"].to_numpy(dtype=float)
    low, high = np.quantile(lr[::3], [1 / 3, 2 / 3])
    failed = [int(table.failed[side].sum()) for side in (lr >= high, lr <= low)]
    line = next(line for line in answer(found).splitlines() if line.startswith("d.lr "))
    assert line.startswith(
        f"d.lr {claim.level}, instead of {claim.reference}, makes training fail more often: {failed[0]} of 60 trials failed "
    )
    assert f", {failed[1]} of 60 with {claim.reference} ({claim.shown(claim.effect)}" in line
    assert claim.effect == pytest.approx((failed[0] - failed[1]) / 60)
    assert (
        f"For failures, d.lr is best toward {value_text(float(lr.min()))}, an end of the range: a better value may lie beyond."
        in answer(found)
    )


def test_censored_trials_are_not_counted(stage: Stage) -> None:
    table = stage(24, 2, risk=lambda k: 0.1 if k["r1"] else 0.8)
    censored = ~table.failed & (np.arange(48) % 3 == 0)
    claim = claim_of(explain(replace(table, ended=np.where(censored, "scheduler", table.ended))), "r1", "failed")
    on = table.settings["r1"].to_numpy(dtype=bool)
    assert (claim.n_with.trials, claim.n_without.trials) == ((on & ~censored).sum(), (~on & ~censored).sum())


def test_the_share_of_failures_is_over_trials_that_were_not_stopped(stage: Stage) -> None:
    table = stage(24, 2, risk=lambda k: 0.4)
    stopped = ~table.failed & (table.seed == 0)
    found = answer(explain(replace(table, ended=np.where(stopped, "scheduler", table.ended))))
    n, k = int(table.failed.sum()), int(stopped.sum())
    assert 0 < n < 48 - k < 48
    assert f": {n} failed ({percent(n / (48 - k))}, 95 % interval " in found
    assert f"; {k} trials stopped by a scheduler left out." in found
    every = answer(explain(replace(table, ended=np.full(48, "scheduler"), outcome=np.full(48, "undertrained"))))
    assert "(a randomised design): all were stopped by a scheduler before they failed." in every


def test_the_answer_speaks_of_the_settings_that_were_asked_about(stage: Stage) -> None:
    table = stage(60, 2, risk=lambda k: 0.1, log_fd=lambda k: np.log(k["d.lr"] / 1e-4))
    lines = answer(explain(table, ("failed", "fd"), settings=["d.lr"])).splitlines()
    assert any(line.startswith("d.lr ") and "instead of" in line and "worsens fd" in line for line in lines)
    assert not any("loss" in line or "r1" in line for line in lines[:-1])
    assert (
        lines[-1]
        == "All of this holds on average over r1, loss and r1.gamma and for one value of 2 other settings; other values could change it."
    )


def test_training_that_mostly_fails_is_not_called_stable(stage: Stage) -> None:
    text = answer(explain(stage(60, 3, risk=lambda k: 0.5 if k["r1"] else 0.97), ("failed", "fd")))
    assert "r1 makes training fail less often: " in text
    assert "keeps training stable" not in text


@pytest.mark.parametrize("levels", [("4, 4", "8, 8"), ("a × b", "c × d"), ("x: y", "z; w")])
@pytest.mark.parametrize("name", ["loss", "g × h", "r1^2", "a, b"])
def test_names_and_levels_may_hold_any_text(stage: Stage, name: str, levels: tuple[str, str]) -> None:
    found = explain(reversing(stage, "r1", name, levels), ("failed", "fd"))
    claim = next(c for c in found if c.kind == "interaction" and c.outcome == "failed")
    assert claim.claimed
    assert (claim.settings, claim.levels, claim.references) == (("r1", name), ("on", levels[1]), ("off", levels[0]))
    assert [detail.partition(f"with {name} ")[2].split(", on instead of off: ")[0] for detail in claim.details] == list(levels)
    assert f"The effect of r1 on the rate of failure depends on {name}: " in answer(found)


def test_a_setting_named_like_the_bend_of_another_has_its_own_term(stage: Stage) -> None:
    table = stage(60, 2, log_fd=lambda k: np.log(k["d.lr"] / 1e-4))
    table = with_setting(table, "d.lr^2", per_config(table, np.arange(60) % 2 == 0), rest=("d.lr",))
    assert {(c.setting, c.kind) for c in explain(table, "fd") if c.kind != "interaction"} == {
        ("d.lr^2", "levels"), ("d.lr", "trend"), ("d.lr", "bend"),
    }  # fmt: skip


def test_values_that_round_to_the_same_text_are_told_apart(stage: Stage) -> None:
    table = stage(40, 2)
    table = with_setting(table, "d.lr", per_config(table, np.where(np.arange(40) % 2, 1.2341e-4, 1.2344e-4)))
    claim = claim_of(explain(table), "d.lr", "failed")
    assert (claim.level, claim.reference) == ("0.00012344", "0.00012341")


def test_levels_without_survivors_or_with_one_config_are_named(stage: Stage) -> None:
    table = stage(60, 2, risk=lambda k: 1.0 if k["loss"] == "hinge" else 0.1)
    loss = np.where(table.config_id == table.config_id[-1], "lsgan", table.settings["loss"])
    table = with_setting(table, "loss", pd.Categorical(loss, categories=["hinge", "nonsaturating", "wasserstein", "lsgan"]))
    text = answer(explain(table, ("failed", "fd")))
    n = int((table.settings["loss"] == "hinge").sum())
    assert f"Too few trials completed without failing to compare fd with loss hinge, the reference (0 of {n})." in text
    assert "Not compared: loss lsgan (it has 1 config)." in text


@pytest.mark.parametrize("good", ["hinge", "nonsaturating", "wasserstein"])
def test_one_good_level_of_a_choice_is_told_in_one_sentence(stage: Stage, good: str) -> None:
    bad = [level for level in ("hinge", "nonsaturating", "wasserstein") if level != good]
    table = stage(72, 2, risk=lambda k: 0.03 if k["loss"] == good else 0.8, log_fd=lambda k: -1.5 * (k["loss"] == good))
    found = explain(replace(table, scientific=("loss",), nuisance=()), ("failed", "fd", "coverage"))
    lines = answer(found).splitlines()
    by = {level: table.where((table.settings["loss"] == level).to_numpy()) for level in (good, *bad)}
    counted = [f"{int(by[level].failed.sum())} of {len(by[level])}" for level in by]
    mine = [c for c in found if c.claimed and c.outcome == "failed"]
    assert {frozenset((c.level, c.reference)) for c in mine} == {frozenset((good, level)) for level in bad}
    lows = [c.family_low if c.level == good else -c.family_high for c in mine]
    highs = [c.family_high if c.level == good else -c.family_low for c in mine]
    (stable,) = [line for line in lines if "keeps training stable" in line]
    assert stable.startswith(
        f"loss {good} keeps training stable: {counted[0]} trials failed, {counted[1]} with {bad[0]} and {counted[2]} with {bad[1]} (−"
    )
    assert stable.endswith(f"; 95 % intervals within {100 * min(lows):+.0f} to {100 * max(highs):+.0f}).".replace("-", "−"))
    (better,) = [line for line in lines if "improves fd" in line]
    assert better.startswith(f"loss {good} improves fd, compared with {bad[0]} and {bad[1]} (× 0.")
    assert f"Cannot be told from noise: loss {bad[1]} against {bad[0]}." in lines
    assert not any("win" in line or "beats" in line for line in lines)


def test_another_kind_of_failure_is_no_fewer_failures(stage: Stage) -> None:
    """Everything fails: by overflow with r1, by a collapse without."""
    table = stage(48, 2, risk=lambda k: 1.0)
    kinds = np.where(table.settings["r1"].to_numpy(dtype=bool), "diverged", "mode_collapse")
    text = answer(explain(replace(table, outcome=kinds), ("failed", "fd", "diverged", "mode_collapse")))
    assert "r1 changes how runs fail: more by divergence" in text
    assert "changes how runs fail: fewer by mode collapse" in text
    assert "the rate of" not in text


def test_an_interaction_in_a_kind_that_others_replace_is_about_how_runs_fail(stage: Stage) -> None:
    """All runs fail: by a collapse if both settings are equal, else by overflow."""
    table = reversing(stage)
    equal = table.settings["r1"].to_numpy(dtype=bool) == (table.settings["loss"] == "ns").to_numpy()
    text = answer(explain(replace(table, outcome=np.where(equal, "mode_collapse", "diverged")), ("failed", "mode_collapse", "diverged")))
    assert "The effect of r1 on how runs fail, by mode collapse or otherwise, depends on loss: " in text
    assert "the rate of" not in text


def test_good_levels_of_a_choice_are_told_together(stage: Stage) -> None:
    table = stage(96, 2, risk=lambda k: 0.85 if k["loss"] == "wasserstein" else 0.02)
    lines = answer(explain(replace(table, scientific=("loss",), nuisance=()), ("failed",))).splitlines()
    assert any(line.startswith("loss hinge and nonsaturating keep training stable: ") for line in lines)


def test_a_complete_design_says_that_it_speaks_of_seeds_only(stage: Stage) -> None:
    """Also where a choice lives under a switch."""
    table = stage(3, 8, risk=lambda k: 0.0)
    table = with_setting(table, "r1.gamma", pd.Series([None] * 8 + ["low"] * 8 + ["high"] * 8, index=table.settings.index))
    table = with_setting(table, "r1", per_config(table, [False, True, True]), rest=("r1.gamma",))
    text = answer(explain(table, ("failed", "fd")))
    assert "so intervals are over seeds only" in text
    share = rate(table.failed, table.trial_id)  # also the first one
    assert f"95 % interval {percent(share.low)} to {percent(share.high)}" in text.splitlines()[0]
    # one of the four combinations of two switches is missing, so this is a sample
    part = with_setting(stage(3, 8), "a", per_config(table, [False, True, True]))
    part = with_setting(part, "b", per_config(table, [False, False, True]), rest=("a",))
    assert "over seeds only" not in answer(explain(part, ("failed", "fd")))


def test_a_search_names_all_settings_and_says_which_way_a_range_goes(stage: Stage) -> None:
    table = stage(60, 2, risk=lambda k: 0.1 if k["d.lr"] < 1e-4 else 0.9)
    one = np.where(np.arange(120) < 2, "a", "b")
    table = replace(with_setting(table, "arch", one, rest=("d.lr", "loss")), phase=np.full(120, "optimise"))
    text = answer(explain(table, ("failed", "fd")))
    low, high = np.quantile(table.settings["d.lr"][::2], [1 / 3, 2 / 3])
    told = re.search(r"Runs with d.lr (\S+) or less fail less often \(p = [\d.e-]+\) than those with (\S+) or more\.", text)
    assert told
    assert float(told[1].replace("−", "-")) <= low < high <= float(told[2].replace("−", "-"))
    assert "No association with loss can be told from chance." in text
    assert "Not compared: arch (no two of its levels have two configs)." in text
