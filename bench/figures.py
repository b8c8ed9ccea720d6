"""What a benchmark yields, and how it is shown."""

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


Figures = Iterator[Figure | str]  # a str is a line of explanation


def in_turns(ours: Callable[[], float], peer: Callable[[], float], *, n: int) -> tuple[list[float], list[float]]:
    """Each measured once for warming up, then n times in turns: what else the machine does meets both alike."""
    ours(), peer()
    pairs = [(ours(), peer()) for _ in range(n)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def show(title: str, figures: Figures, console: Console) -> None:
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
