"""Cells of two settings, and the cost of a study, counted by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from analysis import TrialTable, explain
from analysis.cells import cells, interactions
from analysis.cost import cost
from ganstudy import UserError

Stage = Callable[..., TrialTable]


def test_cells_are_means_over_configs(stage: Stage) -> None:
    table = stage(30, 3, risk=lambda config: 0.4)
    for outcome in ("failed", "fd", "coverage"):
        found = cells(table, "r1", "loss", outcome)
        assert (found.row_labels, found.column_labels) == (("off", "on"), ("hinge", "nonsaturating", "wasserstein"))
        assert found.n.sum() <= 30
        for i, on in enumerate((False, True)):
            for j, loss in enumerate(found.column_labels):
                chosen = (table.settings["r1"] == on).to_numpy() & (table.settings["loss"] == loss).to_numpy()
                means = []
                for config in dict.fromkeys(table.config_id[chosen]):
                    mine = chosen & (table.config_id == config)
                    if outcome == "failed":
                        means.append(table.failed[mine].mean())
                    elif (mine & ~table.failed).any():
                        values = table.final[outcome].to_numpy()[mine & ~table.failed]
                        means.append(np.log(values).mean() if outcome == "fd" else values.mean())
                expected = np.mean(means) if outcome != "fd" else np.exp(np.mean(means))
                assert found.value[i, j] == pytest.approx(expected)
                assert found.n[i, j] == len(means)


def test_the_pair_that_interacts_comes_first(stage: Stage) -> None:
    table = stage(60, 2, seed=1, risk=lambda config: 0.0, log_fd=lambda config: 3.0 * (config["r1"] == (config["d.lr"] > 1e-4)))
    table = replace(table, scientific=("r1", "loss", "d.lr"), nuisance=("r1.gamma",))
    found = interactions(explain(table, ("failed", "fd")), "fd")
    assert {found[0].rows, found[0].columns} == {"r1", "d.lr"}
    assert found[0].p < 1e-6
    assert found[0].p == min(each.p for each in found)


def test_the_cost_adds_up(stage: Stage) -> None:
    table = stage(10, 2)
    with pytest.raises(UserError, match="'seconds'"):
        cost(table)
    seconds = np.arange(1.0, 21.0)
    table = replace(table, final=table.final.assign(seconds=seconds))
    found = cost(table)
    assert found["seconds"].sum() == seconds.sum()
    assert found["trials"].sum() == 20
    assert found["share"].sum() == pytest.approx(1)
    assert found.attrs["failed"] == pytest.approx(seconds[table.failed].sum() / seconds.sum())
