"""Lines of the terminal."""

import numpy as np
import pandas as pd

from study.show.settings import settings_of


def test_settings_of_configs_are_told_apart_in_a_line() -> None:
    configs = pd.DataFrame(
        {
            "width": [1024.0, 1020.0, np.nan, np.nan],
            "lr": [0.000342719847, 0.000342719848, 0.001, np.nan],
            "norm": [True, False, False, False],
            "opt": pd.Categorical(["adam", "sgd", "sgd", None]),
        }
    )
    assert settings_of(configs, ["width", "lr", "norm", "opt"]) == [
        "width 1024, lr 0.000342719847, norm, opt adam",
        "width 1020, lr 0.000342719848, opt sgd",
        "lr 0.001, opt sgd",
        "width –, lr –, opt –",
    ]
    assert settings_of(configs, ["norm"]) == ["norm", "norm off", "norm off", "norm off"]
    assert settings_of(configs, []) == ["–"] * 4
    switches = pd.DataFrame([[True, False, False, True], [False] * 4], columns=list("abcd"))
    assert settings_of(switches, list("abcd")) == ["a, d", "all off"]
    assert settings_of(switches, list("ab")) == ["a", "a off, b off"]
