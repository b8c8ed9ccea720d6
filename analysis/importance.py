"""The importance of each setting: the share of the differences between configs that it explains, compared with chance."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from scipy import stats

from analysis.estimate import UPPER_TAIL
from analysis.levels import distinct_values, is_numeric
from analysis.model.outcomes import refuse_unknown
from analysis.outcomes import RISKS
from analysis.table import Bools, Floats, TrialTable, as_table
from analysis.words import listed
from ganstudy import UserError

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator

_PERMUTATIONS, _RESAMPLES, _BLOCK = 999, 400, 100
_DEGREE = 3  # of the smooth curve of a range
_LEAST = 0.25  # least share of the variance of config means that is taken to be real, so that shares stay finite
_OPTUNA_CONFIGS = 500  # Optuna's importances take seconds then; of more configs, a random choice is used
_ROUNDING = 1e-9  # of the largest value: what configs must differ by
_EQUAL = 1e-6  # of the sum of squares: what is left of it in a resample of equal configs, by rounding and by the ridge
_TOP = 5  # configs that PED-ANOVA needs among the best


def importance(table: TrialTable, outcome: str = "failed", *, settings: Sequence[str] | None = None, seed: int = 0) -> pd.DataFrame:
    """Return the importance of each setting for an outcome, the largest first. Index: setting.

    `outcome` is "failed", one failure such as "mode_collapse", or a metric, of runs that did not fail. `settings` defaults to the scientific
    and nuisance settings; those with one value are left out.

    * share: of the variance between configs, what the main effect of the setting explains; levels are compared freely, a range as a smooth
      curve of degree 3 on its own scale. What chance explains is subtracted, so a setting without effect has 0 on average, and half of the
      time less; at most 1. A conditional setting is compared among the configs in which it is active. low, high: its 95 % interval, from
      resampling configs; below 0 where chance explains as much, and at most 1. With so few different configs that some resamples have equal ones only, it
      holds all that a share can be;
    * p: the probability that a setting without any effect explains as much; p_family: that the best of all settings does, if none has any
      effect. Both from 999 permutations of the configs. Read p_family where many settings are looked at;
    * n_configs: configs that count.

    Noise between seeds is subtracted from the variance between configs if a config has two trials; else it is part of it. Interactions are no
    main effects. Raises UserError for an unknown name, with fewer than six configs, if all configs are equal, if no setting has two values, and if
    all that have need more configs: a choice of k values needs k + 2.
    """
    y, noise, given = _config_values(table, outcome, settings)
    bases = [basis for name in given.columns if (basis := _basis(given[name], str(name), table)) is not None]
    if not bases:
        varied = [given[name].dropna() for name in given.columns if given[name].nunique() > 1]
        if not varied:
            raise UserError("importance needs a setting with two values; every setting given has one")
        few = listed([f"{each.name} has {each.nunique()} values in {len(each)} configs" for each in varied])
        raise UserError(f"importance needs two more configs than a choice has values, and four for a range; {few}")
    rng = np.random.default_rng(seed)
    explained = [_share(basis, y, noise) for basis in bases]
    p, p_family = _permuted(bases, y, rng)
    ends = [_interval(basis, y, noise, share, rng) for basis, share in zip(bases, explained, strict=True)]
    frame = pd.DataFrame(
        {"share": explained, "low": [low for low, _ in ends], "high": [high for _, high in ends], "p": p, "p_family": p_family},
        index=pd.Index([basis.name for basis in bases], name="setting"),
    )
    frame = frame.assign(**frame[["share", "low", "high"]].clip(upper=1.0))  # the noise that is taken out of the total is an estimate too
    frame["n_configs"] = [int(basis.active.sum()) for basis in bases]
    frame = frame.sort_values("share", ascending=False, kind="stable")
    frame.attrs = {"outcome": outcome, "noise": noise}
    return frame


def optuna_importance(table: TrialTable, outcome: str = "failed", *, settings: Sequence[str] | None = None, seed: int = 0) -> pd.DataFrame:
    """Return the importances that Optuna computes from the same configs. Index: setting; columns: fanova (Hutter et al. 2014), ped_anova
    (Watanabe et al. 2023).

    They have no zero: they are shares of what a model found, and a model finds something in noise too. fanova is a share of the variance of the
    values; ped_anova asks what tells the best tenth of the configs (at least five) from all. NaN where attrs["missing"] says why. Of more than
    500 configs, 500 are chosen at random. Arguments and errors as for `importance`.
    """
    y, _, given = _config_values(table, outcome, settings)
    given = given[[name for name in given.columns if given[name].nunique() > 1]]
    sign = 1.0 if outcome in RISKS else table.direction(outcome).sign
    fanova, ped_anova, missing = _optuna(table, given, sign * y, outcome, np.random.default_rng(seed))
    frame = pd.DataFrame({"fanova": fanova, "ped_anova": ped_anova}).rename_axis("setting")
    frame.attrs = {"outcome": outcome, "missing": missing}
    return frame


@dataclass(frozen=True, eq=False)
class _Basis:
    """The main effect of a setting: orthonormal columns [C, k], 0 where the setting is inactive and orthogonal to the mean where active."""

    name: str
    active: Bools  # [C]
    columns: Floats


def _config_values(table: TrialTable, outcome: str, names: Sequence[str] | None) -> tuple[Floats, float, pd.DataFrame]:
    """Return the mean of each config [C], the variance of these means due to seeds (0 if unknown), and the named settings [C]."""
    table = as_table(table)
    names = list(names) if names is not None else [*table.scientific, *table.nuisance]
    unknown = sorted(set(names) - set(map(str, table.settings.columns)))
    if unknown:
        raise UserError(f"settings must be columns of table.settings; got {unknown}; there are {list(table.settings.columns)}")
    refuse_unknown(outcome, table)
    table = table.where(table.evidence)
    if outcome in RISKS:
        events = table.failed if outcome == "failed" else table.outcome == outcome
        values = np.where(table.censored, np.nan, events.astype(np.float64))
    else:
        values = np.where(table.failed, np.nan, table.at_end(outcome))
        values = np.log(values) if table.scale(outcome) == "log" else values
    table, values = table.where(np.isfinite(values)), values[np.isfinite(values)]
    grouped = pd.Series(values).groupby(table.config_id, sort=False)
    n = grouped.size()
    if len(n) < 6:
        raise UserError(f"importance needs at least six configs with values of {outcome}; there are {len(n)}")
    means = np.asarray(grouped.mean(), dtype=np.float64)
    if np.ptp(means) <= _ROUNDING * np.abs(means).max():
        raise UserError(f"importance needs an outcome in which configs differ; {outcome} is equal in all {len(n)} configs")
    df = int((n - 1).sum())
    within = float((grouped.var(ddof=1).fillna(0) * (n - 1)).sum() / df) if df > 0 else 0.0
    settings = table.settings.groupby(table.config_id, sort=False)[names].first()
    for name in names:  # the order of choices is in the categories
        settings[name] = settings[name].astype(table.settings[name].dtype)
    return means, within * float((1 / n).mean()), settings


def _basis(column: pd.Series, name: str, table: TrialTable) -> _Basis | None:
    """Return the basis of a setting, or None if it has one value or too few configs."""
    active = column.notna().to_numpy()
    values, n = column[active], int(active.sum())
    if values.nunique() < 2:
        return None
    if is_numeric(values) and values.nunique() > 2:
        x = values.to_numpy(dtype=np.float64)
        x = np.log(x) if table.setting_scale(name) == "log" else x
        degree = min(_DEGREE, values.nunique() - 1, max(n // 8, 1))
        raw = np.vander((x - x.mean()) / x.std(), degree + 1, increasing=True)[:, 1:]
    else:
        raw = np.array([(values == level).to_numpy() for level in distinct_values(values)[1:]], dtype=np.float64).T
    if raw.shape[1] > n - 3:
        return None
    columns = np.zeros((len(column), raw.shape[1]))
    columns[active] = np.linalg.qr(raw - raw.mean(0))[0]
    return _Basis(name, active, columns)


def _share(basis: _Basis, y: Floats, noise: float) -> float:
    """Return the share of the variance between configs: epsilon squared (Kelley 1935) with the seeds' noise taken out of the total."""
    mine, (n, k) = y[basis.active], (int(basis.active.sum()), basis.columns.shape[1])
    total = ((mine - mine.mean()) ** 2).sum()
    effect = ((basis.columns.T @ y) ** 2).sum()
    if total <= _nothing(y):
        return 0.0
    return float((effect - k * (total - effect) / (n - 1 - k)) / max(total - (n - 1) * noise, _LEAST * total))


def _nothing(y: Floats) -> float:
    """The sum of squares up to which configs are equal except for rounding."""
    return len(y) * (_ROUNDING * float(np.abs(y).max())) ** 2


def _permuted(bases: Sequence[_Basis], y: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return p and p_family of each setting. Settings are compared by the p value of an F test, so that more levels are no advantage."""
    active = np.array([basis.active for basis in bases], dtype=np.float64)
    n, k = active.sum(1)[:, None], np.array([basis.columns.shape[1] for basis in bases], dtype=np.float64)[:, None]
    stacked = np.hstack([basis.columns for basis in bases])
    starts = np.cumsum([0, *(basis.columns.shape[1] for basis in bases)])[:-1]

    def log_p(values: Floats) -> Floats:  # [C, B] -> [settings, B]
        effect = np.add.reduceat((stacked.T @ values) ** 2, starts, axis=0)
        total = np.maximum(active @ values**2 - (active @ values) ** 2 / n, least)  # 0 if all that have the setting active are equal
        share = np.minimum(effect / total, 1 - 1e-12)
        return np.asarray(stats.f.logsf(share / k / ((1 - share) / (n - 1 - k)), k, n - 1 - k))

    y, least = y - y.mean(), _nothing(y)
    found = log_p(y[:, None])
    chance = np.hstack(
        [log_p(np.array([rng.permutation(y) for _ in range(min(_BLOCK, _PERMUTATIONS - i))]).T) for i in range(0, _PERMUTATIONS, _BLOCK)]
    )
    count = 1 + _PERMUTATIONS
    return (1 + (chance <= found + 1e-9).sum(1)) / count, (1 + (chance.min(0) <= found + 1e-9).sum(1)) / count


def _interval(basis: _Basis, y: Floats, noise: float, share: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the ends of the bootstrap interval, shifted by the bias of the bootstrap (resampled configs repeat, which looks like an effect).

    A resample of equal configs has no share. If more than 2.5 % of them are such, the interval goes from the least possible share to 1.
    """
    mine, x = y[basis.active] - y[basis.active].mean(), basis.columns[basis.active]
    n, k = x.shape
    rows = np.column_stack([np.ones(n), x * np.sqrt(n), mine])
    products = (rows[:, :, None] * rows[:, None, :]).reshape(n, -1)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES).astype(np.float64)
    gram = (weights @ products).reshape(_RESAMPLES, k + 2, k + 2)
    left, right = gram[:, :-1, :-1] + 1e-9 * n * np.eye(k + 1), gram[:, :-1, -1]  # a level may be missing from a resample
    total = gram[:, -1, -1] - right[:, 0] ** 2 / n
    effect = (right * np.linalg.solve(left, right[..., None])[..., 0]).sum(1) - right[:, 0] ** 2 / n
    differ = total > max(_nothing(y), _EQUAL * (mine**2).sum())
    if differ.mean() < UPPER_TAIL:
        return min(share, -k / (n - 1 - k)), 1.0  # from that of a setting that explains nothing to that of one that explains all
    total, effect = total[differ], effect[differ]
    shares = (effect - k * (total - effect) / (n - 1 - k)) / np.maximum(total - (n - 1) * noise, _LEAST * total)
    low, high = np.quantile(shares, [1 - UPPER_TAIL, UPPER_TAIL]) - shares.mean() + share
    return float(low), float(high)


def _optuna(
    table: TrialTable, settings: pd.DataFrame, y: Floats, outcome: str, rng: np.random.Generator
) -> tuple[pd.Series, pd.Series, dict[str, str]]:
    """Return Optuna's importances of the settings (y: less is better), and why those of others are missing."""
    # here, since it imports the trees of scikit-learn, which takes a third of the time to open a study
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

    chosen = np.sort(rng.choice(len(y), min(len(y), _OPTUNA_CONFIGS), replace=False))
    settings, y = settings.iloc[chosen], y[chosen]
    unknown = pd.Series(np.nan, index=settings.columns)
    missing = {}
    everywhere = [str(name) for name in settings.columns if settings[name].notna().all()]
    conditional = [str(name) for name in settings.columns if name not in everywhere]
    if conditional:
        missing["fanova"] = f"fANOVA cannot use settings that are active in a part of the configs: {', '.join(conditional)}"
    fanova = unknown
    if everywhere:
        fanova = unknown.fillna(_evaluated(FanovaImportanceEvaluator(seed=int(rng.integers(2**31))), table, settings, y, everywhere))
    quantile = max(0.1, _TOP / len(y))
    if len(np.unique(y)) < len(y) / 2:
        missing["ped_anova"] = f"PED-ANOVA needs a clear order of configs; {outcome} has many ties"
    elif quantile > 0.5:
        missing["ped_anova"] = f"PED-ANOVA needs {2 * _TOP} configs; there are {len(y)}"
    if "ped_anova" in missing:
        return fanova, unknown, missing
    ped_anova = _evaluated(PedAnovaImportanceEvaluator(target_quantile=quantile), table, settings, y, list(map(str, settings.columns)))
    return fanova, unknown.fillna(ped_anova), missing


def _evaluated(
    evaluator: "BaseImportanceEvaluator", table: TrialTable, settings: pd.DataFrame, y: Floats, names: list[str]
) -> dict[str, float]:
    """Return what an evaluator of Optuna says about one trial per config."""
    distributions = {name: _distribution(table, settings[name].dropna()) for name in names}
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a study announces itself
    try:
        study = optuna.create_study()
    finally:
        optuna.logging.set_verbosity(level)
    for i, value in enumerate(y):
        active = {name: each for name, each in distributions.items() if not pd.isna(settings[name].iloc[i])}
        params = {
            name: float(settings[name].iloc[i]) if isinstance(each, FloatDistribution) else str(settings[name].iloc[i])
            for name, each in active.items()
        }
        study.add_trial(optuna.create_trial(params=params, distributions=active, value=float(value)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PED-ANOVA recalls that less is better, which holds here
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator, params=names, target=lambda trial: trial.values[0]))


def _distribution(table: TrialTable, values: pd.Series) -> BaseDistribution:
    if is_numeric(values) and values.nunique() > 2:
        return FloatDistribution(float(values.min()), float(values.max()), log=table.setting_scale(str(values.name)) == "log")
    return CategoricalDistribution([str(value) for value in distinct_values(values)])
