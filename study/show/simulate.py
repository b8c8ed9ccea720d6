"""`ganstudy simulate`: replays policies on recorded runs and prints what they found, at what cost."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table as Printed
from rich.text import Text

from analysis.replays import Figure, Replays
from analysis.words import number, percent, plural
from ganstudy import UserError
from ganstudy.units import to_kimg
from study.console import print_table
from study.simulate.compare import Setup, compare
from study.simulate.policies import POLICIES
from study.simulate.table import Table, told

_SHARES = (0.05, 0.1, 0.2, 0.4, 0.8)  # default budgets: so many of the configs, each to its end


def simulate(
    table: Table,
    name: str,
    console: Console,
    *,
    policies: Sequence[str],
    runs: Sequence[int],
    repetitions: int,
    slots: int,
    tolerance: float,
    processes: int | None = None,
) -> None:
    """Replay policies and print their figures. runs: the budgets, in whole runs, increasing; none: some shares of the table. Raises UserError."""
    for policy in policies:
        POLICIES.pick(policy)
    runs = list(runs) or sorted({max(1, round(share * len(table))) for share in _SHARES})
    recorded = sum(map(len, table.runs))
    if runs[-1] > recorded:
        raise UserError(
            f"a budget must be at most the {plural(recorded, 'run')} of the table; given {runs[-1]}. Leave out what is more, or give another table"
        )
    objective = table.spec.objective
    console.print(
        f"{name}: {plural(len(table), 'config')}, {plural(recorded, 'run')} of {table.spec.budget_kimg:g} kimg, "
        f"{percent(table.failed)} failed; objective {objective.metric}, {objective.direction}. {plural(repetitions, 'repetition')}, "
        f"{plural(slots, 'trial')} at a time. Intervals are 95 % over repetitions",
        soft_wrap=True,
    )
    if any(table.left_out.values()):
        console.print(f"Left out: {told(table.left_out)}", soft_wrap=True)
    setup = Setup(table=table, budgets=[n * table.budget for n in runs], slots=slots)
    with console.status(Text("replaying")):  # visible in a terminal only
        found = compare(setup, policies, repetitions=repetitions, processes=processes)
    for printed in tables(found, runs, tolerance, budget=table.budget):
        console.print()
        print_table(console, printed)
    console.print()
    for policy in policies:
        console.print(f"{policy}: {POLICIES[policy].description}", soft_wrap=True)


def tables(found: Mapping[str, Replays], runs: Sequence[int], tolerance: float, *, budget: int) -> list[Printed]:
    """Return the tables of figures: images until half of the repetitions are right, how often they are, regret, flattery and coverage.

    runs: the budgets, in whole runs; budget: the images of one.
    """
    near = percent(tolerance)
    first = _table("policy", f"kimg until half are within {near}", "relative to the first policy")
    base = next(iter(found.values())).images_until(tolerance).value
    for policy, replays in found.items():
        until = replays.images_until(tolerance)
        ratio = until.value / base if np.isfinite(until.value) and np.isfinite(base) else np.nan
        text = _text(until, _kimg, beyond=f"more than {_kimg(runs[-1] * budget)}", before=f"at most {_kimg(runs[0] * budget)}")
        first.add_row(policy, text, "" if np.isnan(ratio) else number(ratio))
    kinds: list[tuple[str, Callable[[Replays], list[Figure]], Callable[[float], str]]] = [
        (f"answers within {near} of the best config", lambda each: each.within(tolerance), percent),
        ("median regret", lambda each: each.median_regret(), percent),
        (
            "flattery: how many times better the reported value is than the true one",
            lambda each: each.mean_flattery(),
            lambda x: f"{x:.2f}",
        ),
        ("reported intervals that hold the true value", lambda each: each.coverage(), percent),
    ]
    others = [_by_budget(title, {policy: of(each) for policy, each in found.items()}, runs, text) for title, of, text in kinds]
    return [first, *(table for table in others if table.row_count)]


def _by_budget(title: str, figures: Mapping[str, list[Figure]], runs: Sequence[int], text: Callable[[float], str]) -> Printed:
    """Return a table of figures. Those that are from fewer repetitions than others, since a policy had no answer in the rest, say their n."""
    table = _table("policy", *(plural(n, "run") for n in runs), title=title)
    most = max(figure.n for row in figures.values() for figure in row)
    for policy, row in figures.items():
        if not all(np.isnan(figure.value) for figure in row):
            table.add_row(policy, *(_text(figure, text) + (f", n = {figure.n}" if 0 < figure.n < most else "") for figure in row))
    return table


def _table(*columns: str, title: str | None = None) -> Printed:
    table = Printed(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    return table


def _kimg(images: float) -> str:
    return f"{to_kimg(images):,.0f}"


def _text(figure: Figure, text: Callable[[float], str], *, beyond: str = "–", before: str = "–") -> str:
    """Return a figure with its interval. beyond: what infinity means; before: what minus infinity means."""
    if np.isnan(figure.value):
        return ""
    ends = (figure.value, figure.low, figure.high)
    value, low, high = (text(x) if np.isfinite(x) else beyond if x > 0 else before for x in ends)
    return value if np.isinf(ends).all() and len(set(ends)) == 1 else f"{value} ({low} to {high})"
