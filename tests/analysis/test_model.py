"""The joint model against independent computations: ordinary least squares, exact permutations, the Mann-Whitney statistic, simulations."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS

from analysis import Direction, TrialTable
from analysis.model import JointModel, Response, joint_model, responses, units_of
from analysis.model.multiplicity import ERROR, SHARES, limits
from analysis.model.regression import Regression, normal_scores, permute
from analysis.model.terms import bend, interaction, line, terms_of
from analysis.outcomes import WIN

Stage = Callable[..., TrialTable]


def settings(n: int, seed: int = 0) -> pd.DataFrame:
    """A switch, a choice of three, a range, and a range that lives where the switch is on."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "on": rng.permutation(np.arange(n) % 2 == 0),
            "loss": pd.Categorical(rng.permutation(np.array(["b", "a", "c"])[np.arange(n) % 3]), categories=["b", "a", "c"]),
            "lr": np.exp(rng.uniform(np.log(1e-4), np.log(1e-2), n)),
        }
    )
    frame["gamma"] = np.where(frame["on"], rng.uniform(1, 2, n), np.nan)
    return frame


def response(values: np.ndarray, name: str = "y") -> Response:
    return Response(name, "objective", values, "linear", Direction.MINIMIZE)


@pytest.fixture
def made() -> tuple[pd.DataFrame, Regression]:
    frame = settings(40)
    rng = np.random.default_rng(1)
    y = rng.standard_normal(40) + frame["on"].to_numpy() + np.where(frame["loss"] == "c", 2.0, 0.0)
    y[[3, 8]] = np.nan
    terms = terms_of(frame, ["on", "loss", "lr", "gamma"], [], {"lr": "log", "gamma": "linear"})
    return frame, Regression(response(y), terms)


def ols(frame: pd.DataFrame, y: np.ndarray, columns: dict[str, np.ndarray], rows: np.ndarray) -> tuple[pd.Series, pd.Series, float]:
    kept = rows & np.isfinite(y)
    x = pd.DataFrame({"1": np.ones(len(frame)), **columns})[kept]
    fit = OLS(y[kept], x).fit()
    return fit.params, fit.bse, fit.df_resid


def indicators(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    return {f"loss {level}": (frame["loss"] == level).to_numpy(dtype=float) for level in ("a", "c")}


def test_levels_are_the_coefficients_of_least_squares(made: tuple[pd.DataFrame, Regression]) -> None:
    frame, regression = made
    y, position = regression.response.values, np.log(frame["lr"].to_numpy())
    on = {"on": frame["on"].to_numpy(dtype=float)}
    params, errors, df = ols(frame, y, {**indicators(frame), **on, "lr": position}, np.ones(40, dtype=bool))
    fit = regression.fit(regression.terms["loss"], ["on", line("lr")])
    assert fit
    names = [(c.levels[0], c.references[0]) for c in regression.terms["loss"].contrasts]
    assert names == [("a", "b"), ("c", "b"), ("c", "a")]
    expected = [params["loss a"], params["loss c"], params["loss c"] - params["loss a"]]
    assert fit.estimate == pytest.approx(expected)
    assert fit.error[:2] == pytest.approx([errors["loss a"], errors["loss c"]])
    assert fit.df == df
    assert fit.score[1] == pytest.approx(float(normal_scores(np.array(params["loss c"] / errors["loss c"]), int(df))))


def thirds_code(values: np.ndarray) -> np.ndarray:
    """−1/2 in the lowest third of the values, 1/2 in the highest."""
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    return np.asarray(0.5 * (values >= high) - 0.5 * (values <= low))


def test_a_trend_is_the_difference_between_the_highest_and_the_lowest_third(made: tuple[pd.DataFrame, Regression]) -> None:
    frame, regression = made
    code = thirds_code(frame["lr"].to_numpy())
    params, errors, _ = ols(frame, regression.response.values, {"lr": code}, np.ones(40, dtype=bool))
    fit = regression.fit(regression.terms["lr"], [])
    assert fit
    assert fit.estimate[0] == pytest.approx(params["lr"])
    assert errors["lr"] <= fit.error[0] * 1.000001 < 1.2 * errors["lr"]


@pytest.mark.parametrize("steep", [False, True])
def test_a_trend_means_the_same_whatever_the_curve_is(steep: bool) -> None:
    """The difference of the means of both thirds, for a line and for a step."""
    x = np.linspace(0, 1, 60)
    y = np.where(x > 0.5, 1.0, 0.0) if steep else x
    regression = Regression(response(y + 1e-3 * np.cos(np.arange(60))), terms_of(pd.DataFrame({"x": x}), ["x"], [], {"x": "linear"}))
    fit = regression.fit(regression.terms["x"], [])
    assert fit
    assert fit.estimate[0] == pytest.approx(y[40:].mean() - y[:20].mean(), abs=0.001)


def test_a_bend_is_the_middle_against_the_ends() -> None:
    frame = pd.DataFrame({"x": np.linspace(0, 1, 21)})
    y = 3.0 - 5 * (1 - 4 * (frame["x"].to_numpy() - 0.5) ** 2)  # a valley of depth 5
    regression = Regression(response(y + 1e-3 * np.cos(np.arange(21))), terms_of(frame, ["x"], [], {"x": "linear"}))
    fit = regression.fit(regression.terms[bend("x")], [line("x")])
    assert fit
    assert fit.estimate[0] == pytest.approx(-5, abs=0.01)


def test_an_interaction_is_a_difference_of_differences(made: tuple[pd.DataFrame, Regression]) -> None:
    frame, regression = made
    on = frame["on"].to_numpy(dtype=float)
    columns = {**indicators(frame), "on": on, **{f"on {name}": on * column for name, column in indicators(frame).items()}}
    params, errors, df = ols(frame, regression.response.values, columns, np.ones(40, dtype=bool))
    term = regression.terms[interaction("on", "loss")]
    fit = regression.fit(term, list(term.needs))
    assert fit
    assert fit.estimate == pytest.approx([params["on loss a"], params["on loss c"]])
    for error, least in zip(fit.error, [errors["on loss a"], errors["on loss c"]], strict=True):
        assert least <= error * 1.000001 < 1.2 * least
    assert fit.df == df


def test_a_level_that_spreads_more_than_the_others_has_the_error_of_welch() -> None:
    """The error of a comparison of two other levels does not profit from, nor suffer by, a third."""
    rng = np.random.default_rng(0)
    loss, spread = np.array(["a", "b", "c"])[np.arange(45) % 3], np.array([0.2, 3.0, 3.0])[np.arange(45) % 3]
    y = rng.standard_normal(45) * spread
    frame = pd.DataFrame({"loss": pd.Categorical(loss, categories=["a", "b", "c"])})
    regression = Regression(response(y), terms_of(frame, ["loss"], [], {}))
    fit = regression.fit(regression.terms["loss"], [])
    assert fit
    pooled = np.sqrt(sum(y[loss == level].var(ddof=1) for level in "abc") / 3 * 2 / 15)
    for contrast, error in zip(regression.terms["loss"].contrasts, fit.error, strict=True):
        pair = [y[loss == level].var(ddof=1) for level in (contrast.levels[0], contrast.references[0])]
        assert error == pytest.approx(max(pooled, np.sqrt(sum(pair) / 15)))
    assert fit.error[2] > 1.2 * pooled


def test_two_levels_of_equal_size_have_the_error_of_least_squares(made: tuple[pd.DataFrame, Regression]) -> None:
    frame, regression = made
    y = np.random.default_rng(2).standard_normal(40) * np.where(frame["on"], 3.0, 1.0)
    _, errors, _ = ols(frame, y, {"on": frame["on"].to_numpy(dtype=float)}, np.ones(40, dtype=bool))
    fit = Regression(response(y), regression.terms).fit(regression.terms["on"], [])
    assert fit
    assert fit.error[0] == pytest.approx(errors["on"])


def test_a_conditional_setting_is_fitted_where_it_lives(made: tuple[pd.DataFrame, Regression]) -> None:
    frame, regression = made
    lives = frame["gamma"].notna().to_numpy()
    gamma = np.zeros(40)
    gamma[lives] = thirds_code(frame["gamma"][lives].to_numpy())
    params, errors, df = ols(frame, regression.response.values, {"gamma": gamma}, lives)
    fit = regression.fit(regression.terms["gamma"], [])
    assert fit
    assert fit.estimate[0] == pytest.approx(params["gamma"])
    assert fit.error[0] == pytest.approx(errors["gamma"])
    assert fit.df == df


def test_settings_that_always_vary_together_cannot_be_told_apart() -> None:
    frame = settings(24)
    frame["twin"] = ~frame["on"]
    regression = Regression(response(np.random.default_rng(0).standard_normal(24)), terms_of(frame, ["on", "twin"], [], {}))
    alone, beside = regression.fit(regression.terms["twin"], []), regression.fit(regression.terms["twin"], ["on"])
    assert alone
    assert np.isfinite(alone.score).all()
    assert beside is None or np.isnan(beside.score).all()


@pytest.mark.parametrize(("df", "tolerance"), [(2, 0.06), (3, 0.05), (8, 0.02), (200, 0.001)])
def test_normal_scores_have_the_tail_of_students_t(df: int, tolerance: float) -> None:
    t = np.linspace(-8, 8, 41)
    exact = stats.norm.isf(stats.t.sf(np.abs(t), df)) * np.sign(t)
    assert np.abs(normal_scores(t, df) - exact).max() < tolerance


@pytest.mark.parametrize("groups", [1, 3])
def test_permuted_scores_are_those_of_permuted_data(made: tuple[pd.DataFrame, Regression], groups: int) -> None:
    """The scores of permutations have the distribution of scores of a response that is permuted, within strata, and fitted anew."""
    _, regression = made
    term = regression.terms["loss"]
    strata = (
        stats.rankdata(np.nan_to_num(regression.response.values), method="ordinal").astype(np.int64) * groups // 41
    )  # they differ in the response
    permute([regression], [[term]], residual_of=[[]], strata=strata, n=4000, seed=0)
    found = regression.permuted(term, [])
    assert found is not None
    rng, known = np.random.default_rng(1), np.isfinite(regression.response.values)
    anew = []
    for _ in range(2000):
        values = regression.response.values.copy()
        for stratum in range(groups):
            chosen = np.flatnonzero(known & (strata == stratum))
            values[chosen] = values[rng.permutation(chosen)]
        again = Regression(response(values), regression.terms)
        again.group(term).permuted = np.tile(again.group(term).scored[:, None], 2)  # the data themselves as all permutations
        score = again.permuted(term, [])
        assert score is not None
        anew.append(score[:, 0])
    for mine, theirs in zip(found, np.array(anew).T, strict=True):
        assert stats.ks_2samp(mine, theirs).pvalue > 0.001


def test_limits_spend_the_error_rate_in_the_stated_shares() -> None:
    rng = np.random.default_rng(0)
    scores = {"risk": [rng.standard_normal((4, 20_000))], "objective": [rng.standard_normal((6, 20_000))], "win": [], "other": []}
    found = limits(scores)
    over = {part: np.abs(np.vstack(scores[part])).max(axis=0) > found.limit[part] for part in ("risk", "objective")}
    assert (over["risk"] | over["objective"]).mean() == pytest.approx(ERROR, abs=0.002)
    assert over["risk"].mean() / over["objective"].mean() == pytest.approx(SHARES["risk"] / SHARES["objective"], rel=0.15)
    assert found.adjusted_p("risk", found.limit["risk"]) == pytest.approx(ERROR, abs=0.003)


@pytest.mark.parametrize("seed", range(5))
def test_limits_hold_with_ties(seed: int) -> None:
    """Scores take three values, and the largest is reached by 3 % or 9 % of the permutations."""
    rng = np.random.default_rng(seed)
    for share, claims in ((0.03, True), (0.09, False)):
        scores = np.where(rng.random((1, 4999)) < share, 3.0, rng.choice([1.0, 2.0], (1, 4999)))
        limit = limits({"risk": [scores]}).limit["risk"]
        assert (limit < 3.0) is claims
        assert (scores > limit).mean() <= ERROR


def test_the_summary_is_the_mann_whitney_probability(stage: Stage) -> None:
    table = stage(20, 2, risk=lambda k: 0.3)
    units = units_of(table)
    (win,) = (r for r in responses(units, ("failed", "fd")) if r.name == WIN)
    on = units.settings["r1"].to_numpy(dtype=bool)
    worth = np.where(table.failed, 1e9, table.final["fd"])
    of_on = table.settings["r1"].to_numpy(dtype=bool)
    u = stats.mannwhitneyu(worth[of_on], worth[~of_on]).statistic / (of_on.sum() * (~of_on).sum())  # share of pairs that `on` loses
    n = len(table)
    assert 0.5 + (win.values[on].mean() - win.values[~on].mean()) * (n - 1) / n == pytest.approx(1 - u)


def test_equal_risks_are_told_apart_only_in_scores(stage: Stage) -> None:
    table = stage(24, 2)
    (failed,) = (r for r in responses(units_of(table), ("failed", "fd")) if r.name == "failed")
    assert len(set(failed.scored)) > len(set(failed.values)) == 3  # none, half or all trials of a config
    order = np.argsort(failed.scored)
    assert (np.diff(failed.values[order]) >= 0).all()


def test_censored_trials_are_in_no_outcome(stage: Stage) -> None:
    """A scheduler stopped them before they failed: whether they would have, nobody knows."""
    table = stage(12, 1, risk=lambda k: 0.0)
    stopped = np.arange(12) < 4
    table = replace(table, ended=np.where(stopped, "scheduler", "budget"))
    for found in responses(units_of(table), ("failed", "fd")):
        assert np.isnan(found.values).tolist() == stopped.tolist()


def test_configs_are_the_units_unless_every_combination_was_run(stage: Stage) -> None:
    table = replace(stage(8, 3), scientific=("r1",), nuisance=("d.lr",))
    assert units_of(table).kind == "config"
    assert units_of(replace(table, nuisance=())).kind == "config"  # 8 configs, 2 combinations: they differ in something else
    two = table.where(np.isin(table.config_id, [table.config_id[table.settings["r1"] == on][0] for on in (True, False)]))
    assert units_of(replace(two, nuisance=())).kind == "trial"
    assert units_of(replace(two, nuisance=("d.lr",))).kind == "config"


def model_of(table: TrialTable) -> JointModel:
    units = units_of(table)
    return joint_model(units, responses(units, ("failed", "fd")), scientific=table.scientific, nuisance=table.nuisance)


def test_a_nuisance_setting_that_matters_is_adjusted_for_and_not_claimed(stage: Stage) -> None:
    table = stage(48, 2, risk=lambda k: 0.1, log_fd=lambda k: 3 * np.log10(k["d.lr"] / 1e-4))
    model = model_of(table)
    assert "d.lr" in model.chosen["fd"]
    assert not any(c.claimed for c in model.comparisons if c.role == "nuisance")
    assert all(np.isnan(c.family_p) for c in model.comparisons if c.role == "nuisance")
    r1 = next(c for c in model.comparisons if (c.response.name, c.term.name) == ("fd", "r1"))
    alone = model.regressions["fd"].fit(r1.term, [])
    assert alone
    assert r1.error < alone.error[0] / 2


def test_corrected_effects_are_smaller_and_less_so_the_surer_they_are(stage: Stage) -> None:
    table = stage(48, 2, risk=lambda k: 0.1 if k["r1"] else 0.7)
    claim = next(c for c in model_of(table).comparisons if (c.response.name, c.term.name) == ("failed", "r1"))
    assert claim.claimed
    shares = [replace(claim, score=-score).corrected / claim.estimate for score in (claim.limit + 0.1, claim.limit + 1, claim.limit + 6)]
    assert 0 < shares[0] < shares[1] < shares[2]
    assert shares[2] == pytest.approx(1, abs=0.01)


def test_a_claim_passes_its_limit_as_its_interval_excludes_zero(stage: Stage) -> None:
    for seed in range(12):
        table = stage(24, 2, seed=seed, risk=lambda k: 0.1 if k["r1"] else 0.6, log_fd=lambda k: 0.5 * (k["loss"] == "hinge"))
        for c in model_of(table).comparisons:
            low, high = c.interval(family=c.role == "scientific")
            if c.claimed:
                assert abs(c.score) > c.limit
                assert low > 0 or high < 0
                assert c.family_p <= ERROR
