"""Results of benchmarks, and a table that shows them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """Repeated measurements of one quantity."""

    what: str
    values: list[float]
    unit: str = ""
    target: str = ""

    def row(self) -> tuple[str, ...]:
        low, high = min(self.values), max(self.values)
        return self.what, str(len(self.values)), f"{median(self.values):.4g}", f"{low:.4g} – {high:.4g}", self.unit, self.target


Figures = Iterator[Figure | str]  # a str is a note below the table


def in_turns(ours: Callable[[], float], peer: Callable[[], float], *, n: int) -> tuple[list[float], list[float]]:
    """Call each once as warm-up, then both alternately n times, so that other load on the machine affects both. Returns both results."""
    ours(), peer()
    pairs = [(ours(), peer()) for _ in range(n)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def show(title: str, figures: Figures, console: Console) -> None:
    """Run a benchmark and print its figures as a table, its notes below."""
    table = Table("", "n", "median", "min – max", "unit", "target", title=title, title_justify="left")
    for column in table.columns[1:4]:
        column.justify = "right"
    notes = []
    for figure in figures:
        if isinstance(figure, Figure):
            table.add_row(*figure.row())
        else:
            notes.append(figure)
    console.print(table)
    for note in notes:
        console.print(f"  {note}", soft_wrap=True, highlight=False)
    console.print()
