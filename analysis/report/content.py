"""The content of a report: sections of blocks, without any markup. `page` makes HTML of it, `markdown` Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import plotly.graph_objects as go


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph. `note` marks explanations of what is above."""

    kind: ClassVar = "text"
    text: str
    note: bool = False


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar = "heading"
    text: str


@dataclass(frozen=True, kw_only=True)
class Bullets:
    """A list of plain texts."""

    kind: ClassVar = "bullets"
    items: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of plain texts. An empty row marks rows that are left out. `marks` [rows]: "strong", "weak" or ""."""

    kind: ClassVar = "table"
    name: str  # what it shows, for readers who do not see it
    columns: Sequence[str]  # no header if all are ""
    rows: Sequence[Sequence[str]]
    numbers: Sequence[str] = ()  # right-aligned columns
    marks: Sequence[str] = ()
    folded: str = ""  # if given, the table is folded behind this text

    @property
    def pairs(self) -> bool:
        """Whether it lists names and texts."""
        return not any(self.columns)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure. `name` is unique in the report; `alt` says in a sentence what is to be seen."""

    name: str
    title: str
    alt: str
    figure: go.Figure
    width: int = 0  # least width in pixels; on a narrower screen it scrolls in its own box


@dataclass(frozen=True, kw_only=True)
class Charts:
    """Figures, side by side where they fit; `alone` takes the whole width for each. `note` explains them, and is nowhere without them."""

    kind: ClassVar = "charts"
    charts: Sequence[Chart]
    alone: bool = True
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A figure with a metric to choose. `chart` shows the first metric."""

    kind: ClassVar = "choice"
    label: str
    chart: Chart
    metrics: Mapping[str, Mapping[str, Any]]  # metric -> what of the figure changes: y of each trace, and parts of the layout


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A PNG with its caption."""

    heading: str
    text: str
    alt: str
    png: bytes


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Pictures side by side."""

    kind: ClassVar = "gallery"
    pictures: Sequence[Picture]


@dataclass(frozen=True, kw_only=True)
class Card:
    """One config: facts, numbers, a picture, and the file that runs it again."""

    name: str
    facts: Sequence[str]
    table: Table
    picture: Picture | None = None
    recipe: str = ""  # YAML


@dataclass(frozen=True, kw_only=True)
class Cards:
    """Configs side by side."""

    kind: ClassVar = "cards"
    cards: Sequence[Card]


Block = Text | Heading | Bullets | Table | Charts | Choice | Gallery | Cards


@dataclass(frozen=True)
class Section:
    """A heading and the blocks below it."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        return "-".join(self.title.lower().split())


@dataclass(frozen=True, kw_only=True)
class Document:
    """A whole report."""

    sort: str  # what it is: "GAN study report"
    title: str  # the question
    answer: Sequence[str]  # one statement per line
    sections: Sequence[Section] = field(default_factory=tuple)


def pairs(name: str, items: Mapping[str, str]) -> Table:
    """Return names and texts as a table without header."""
    return Table(name=name, columns=("", ""), rows=[[key, text] for key, text in items.items()])


def reason(text: str) -> str:
    """Return a reason, such as why a section is empty, as a sentence."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
