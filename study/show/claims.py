"""The comparisons of a study as a table in the terminal."""

from rich.console import Console
from rich.table import Table

import analysis
from analysis.model.outcomes import FAILED
from analysis.outcomes import RISKS
from analysis.words import plural
from study.console import print_table

_NOTABLE = 0.05  # p of a secondary comparison (a bend, an interaction, a kind of failure) that is listed although it is not claimed


def print_claims(explanation: analysis.Explanation, console: Console) -> None:
    """Print a row for each comparison; a star marks claims. Prints nothing if there are no comparisons; the answer gives the reason."""
    if not len(explanation):
        return
    kinds = {name for name in explanation.outcomes if name in RISKS and name != FAILED} if len(explanation.outcomes) > 1 else set()
    shown = [c for c in explanation if c.claimed or c.p < _NOTABLE or (c.kind in ("levels", "trend") and c.outcome not in kinds)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "setting", "compared", "outcome"):
        table.add_column(column, overflow="fold")
    for column in ("effect", "95 % alone", "p", "95 % of all", "p of all", "trials"):
        table.add_column(column, justify="right", no_wrap=True)
    for claim in shown:
        of_all = ("", "") if claim.role == "nuisance" else (claim.interval(family=True), f"{claim.family_p:.2g}")
        table.add_row(
            "*" if claim.claimed else "",
            claim.setting + (" (nuisance)" if claim.role == "nuisance" else ""),
            claim.compared,
            claim.outcome,
            claim.shown(claim.effect),
            claim.interval(family=False),
            f"{claim.p:.2g}",
            *of_all,
            f"{claim.n_with.trials} + {claim.n_without.trials}",
        )
    print_table(console, table)
    left = len(explanation) - len(shown)
    console.print(
        "* claimed: it holds among all comparisons at once; without any effect, one study in twenty claims anything. Effects: points are "
        "differences of rates, × are ratios; both are adjusted for claims beside them and nuisance settings that matter, so plain counts can differ, "
        "even in sign; win: share of other runs that a run beats, failed runs last"
        + (
            f"; {plural(left, 'secondary comparison')} (bends, interactions, kinds of failure) with p above {_NOTABLE:g} left out, --json has all"
            if left
            else ""
        )
        + ".",
        style="dim",
        soft_wrap=True,
    )
