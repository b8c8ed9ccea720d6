"""What a terminal says of a ranking: which mean it shows, and no interval that tells nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phased import made
from rich.console import Console

from analysis import TrialTable, rank
from study.show.terminal import print_ranking


def printed(table: TrialTable, tmp_path: Path) -> str:
    with (tmp_path / "said").open("w+") as file:
        print_ranking(table, "fd", Console(file=file, width=400, highlight=False, markup=False), n=5)
        file.seek(0)
        return file.read()


def said(values: list[float], tmp_path: Path, *, direction: str = "minimize") -> str:
    """The ranking of one confirmed config by fd, and its legend."""
    rows = [{"config": "c0", "seed": i, "phase": "confirm", "value": value, "lr": 0.1} for i, value in enumerate(values)]
    return printed(made(rows, direction=direction), tmp_path)


@pytest.mark.parametrize(
    ("phases", "why"),
    [
        (("explore", "confirm", "ablate"), "they have no finished trial of phase confirm: 2 of 3 configs"),
        (("explore", "explore", "ablate"), "only phase ablate trained them: 1 of 3 configs"),
    ],
)
def test_what_a_ranking_leaves_out_has_its_own_reason(phases: tuple[str, ...], why: str, tmp_path: Path) -> None:
    """An ablated config has fresh seeds too, and is not ranked."""
    rows = [
        {"config": f"c{i}", "seed": seed, "phase": phase, "value": 0.1 + i + seed, "lr": 0.1 * i}
        for i, phase in enumerate(phases)
        for seed in (7, 8)
    ]
    assert printed(made(rows), tmp_path).splitlines()[0] == f"Left out, since {why}."


def test_before_a_trial_of_phase_confirm_has_finished_all_others_rank(tmp_path: Path) -> None:
    table = made(
        [{"config": f"c{i}", "seed": i, "phase": phase, "value": 0.1, "lr": 0.1} for i, phase in enumerate(("explore", "confirm"))]
    )
    running = replace(table, ended=np.array(["budget", ""]), outcome=np.array(["healthy", ""]))
    assert "confirm" not in rank(running, "fd").attrs["note"]
    assert "confirm" in rank(table, "fd").attrs["note"]


@pytest.mark.parametrize(
    ("direction", "mean"), [("minimize", "as measured: geometric mean of the"), ("maximize", "as measured: mean of the")]
)
def test_the_legend_names_the_mean_that_the_table_has(direction: str, mean: str, tmp_path: Path) -> None:
    assert mean in said([0.1, 0.12, 0.11], tmp_path, direction=direction)


def test_an_interval_that_tells_nothing_is_a_dash_with_its_reason(tmp_path: Path) -> None:
    text = said([0.001, 9.0], tmp_path)
    assert text.splitlines()[1].split()[2:5] == ["0.08745", "–", "0.09487"]
    assert "A dash in place of an interval: 2 seeds tell too little for an interval." in text


def test_a_table_writes_numbers_as_sentences_do(tmp_path: Path) -> None:
    text = said([12340.0, 12350.0, 12345.0], tmp_path)
    assert "12,345" in text
    assert "e+" not in text
    assert "−" in said([1.234e-6, 1.235e-6, 1.236e-6], tmp_path)
