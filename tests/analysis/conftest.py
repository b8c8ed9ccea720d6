"""Simulated studies: tables with known effects."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis import Direction, TrialTable

Stage = Callable[..., TrialTable]


@pytest.fixture(scope="session")
def stage() -> Stage:
    return staged


def staged(
    n_configs: int = 40,
    n_seeds: int = 2,
    *,
    seed: int = 0,
    risk: Callable[[pd.Series], float] = lambda config: 0.3,
    log_fd: Callable[[pd.Series], float] = lambda config: 0.0,
    config_sd: float = 0.3,
    seed_sd: float = 0.2,
    dead: float = 0.5,
    n_ticks: int = 6,
) -> TrialTable:
    """A randomised design over r1 (with r1.gamma), loss and d.lr. `risk` and `log_fd` map the settings of a config to their effects.

    A share `dead` of the failures are dead trials, the others are mode collapses. fd is log-normal around exp(2 + log_fd).
    """
    rng = np.random.default_rng(seed)
    configs = pd.DataFrame(
        {
            "r1": rng.permutation(np.arange(n_configs) % 2 == 0),
            "loss": rng.permutation(np.array(["hinge", "nonsaturating", "wasserstein"])[np.arange(n_configs) % 3]),
            "d.lr": np.exp(rng.uniform(np.log(1e-5), np.log(1e-3), n_configs)),
        }
    )
    configs["r1.gamma"] = np.where(configs["r1"], np.exp(rng.uniform(np.log(0.1), np.log(10), n_configs)), np.nan)
    configs["data.name"], configs["arch"] = "digits", "dcgan"
    log_mean = np.array([2 + log_fd(row) for _, row in configs.iterrows()]) + config_sd * rng.standard_normal(n_configs)
    risks = np.array([risk(row) for _, row in configs.iterrows()])
    of = np.repeat(np.arange(n_configs), n_seeds)
    n = len(of)
    failed = rng.random(n) < risks[of]
    died = failed & (rng.random(n) < dead)
    fd = np.exp(log_mean[of] + seed_sd * rng.standard_normal(n) + 1.2 * failed)
    coverage = np.where(failed, 0.1, 0.8) + 0.05 * rng.standard_normal(n)
    ids = np.array([f"t{i:03d}" for i in range(n)])
    ticks = np.arange(1, n_ticks + 1)
    images = np.tile(ticks * 1000.0, (n, 1))
    images[died, n_ticks // 2 :] = np.nan
    decay = np.exp(2.0 * (n_ticks - ticks) / n_ticks)
    curves = {
        "fd": np.where(np.isnan(images), np.nan, fd[:, None] * decay),
        "coverage": np.where(np.isnan(images), np.nan, coverage[:, None] / decay),
    }
    return TrialTable(
        trial_id=ids,
        config_id=np.array([f"c{i:02d}" for i in of]),
        seed=np.tile(np.arange(n_seeds), n_configs),
        phase=np.full(n, "explore"),
        ended=np.where(died, "dead", "budget"),
        outcome=np.where(died, "diverged", np.where(failed, "mode_collapse", "healthy")),
        diagnosis=np.where(
            died, "values became non-finite", np.where(failed, "partial: too little of the data", "coverage is 95% of that of real data")
        ),
        onset_kimg=np.where(died, n_ticks // 2, np.where(failed, 1.0, np.nan)),
        settings=configs.iloc[of].set_axis(pd.Index(ids)),
        final=pd.DataFrame({"fd": fd, "coverage": coverage}, index=ids),
        curves=curves,
        images=images,
        scientific=("r1", "loss"),
        nuisance=("r1.gamma", "d.lr"),
        directions={"fd": Direction.MINIMIZE, "coverage": Direction.MAXIMIZE},
        baselines={"fd": 0.8, "coverage": 0.95},
    )
