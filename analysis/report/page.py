"""Pieces of HTML. The functions here escape their texts and return markup."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

_STYLE = """
:root { --ink: #1f2933; --soft: #52606d; --line: #e4e7eb; --accent: #0072b2; --wash: #f5f7fa; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; color: var(--ink); background: #fff; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; }
.layout { display: grid; grid-template-columns: 9rem minmax(0, 1fr); gap: 2.5rem; max-width: 1200px; margin: 0 auto; }
.layout { padding: 2.5rem 1.5rem 4rem; }
nav { position: sticky; top: 2.5rem; align-self: start; font-size: .875rem; }
nav a { display: block; padding: .22rem 0 .22rem .75rem; color: var(--soft); text-decoration: none; border-left: 2px solid var(--line); }
nav a:hover { color: var(--accent); border-color: var(--accent); }
h1 { font-size: 1.9rem; line-height: 1.25; letter-spacing: -.01em; margin: .2rem 0 1.2rem; max-width: 46rem; text-wrap: balance; }
h2 { font-size: 1.25rem; margin: 2.8rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
p, ul { max-width: 46rem; margin: .5rem 0; }
.kicker, .note, caption, figcaption { color: var(--soft); font-size: .875rem; }
.kicker { text-transform: uppercase; letter-spacing: .08em; font-size: .75rem; margin: 0; }
.answer { background: var(--wash); border-left: 4px solid var(--accent); border-radius: 0 6px 6px 0; }
.answer { padding: 1rem 1.25rem; font-size: 1.06rem; max-width: 50rem; }
.answer p { margin: .35rem 0; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .84rem; line-height: 1.4; }
.full table { width: 100%; }
th { text-align: left; font-weight: 600; color: var(--soft); border-bottom: 2px solid var(--line); vertical-align: bottom; }
th, td { padding: .38rem .75rem .38rem 0; } th:last-child, td:last-child { padding-right: 0; }
td { border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.strong td { font-weight: 600; } tr.weak td { color: var(--soft); }
tr.gap td { text-align: center; color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 1.1rem; margin: 1rem 0; }
.cards figure { margin: 0; }
.cards img { width: 100%; display: block; border: 1px solid var(--line); border-radius: 4px; image-rendering: pixelated; }
figcaption { margin-top: .4rem; line-height: 1.4; font-size: .8rem; overflow-wrap: anywhere; } figcaption b { color: var(--ink); }
.chart { margin: .4rem 0 1rem; width: 100%; }
@media (max-width: 900px) {
  .layout { display: block; padding: 1.25rem 1rem 3rem; }
  nav { position: static; display: flex; flex-wrap: wrap; gap: .2rem .9rem; margin-bottom: 1.2rem; }
  nav a { border: 0; padding: .2rem 0; text-decoration: underline; }
  h1 { font-size: 1.5rem; } .cards { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@media print {
  nav { display: none; } .layout { display: block; max-width: none; padding: 0; } body { font-size: 11pt; }
  .cards { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  h2, h3 { break-after: avoid; } figure, .chart, tr { break-inside: avoid; } .wide { overflow: visible; }
}
"""


@dataclass(frozen=True)
class PageSection:
    """A heading and the markup below it."""

    title: str
    body: str

    @property
    def anchor(self) -> str:
        return "-".join(self.title.lower().split())


def page(title: str, head: str, sections: Sequence[PageSection]) -> str:
    """Return the whole document. It loads nothing from elsewhere and contains plotly.js once."""
    contents = "".join(f'<a href="#{escape(s.anchor)}">{escape(s.title)}</a>' for s in sections)
    body = "".join(f'<section id="{escape(s.anchor)}"><h2>{escape(s.title)}</h2>{s.body}</section>' for s in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><script>{get_plotlyjs()}</script></head>"
        f'<body><div class="layout"><nav aria-label="Contents">{contents}</nav><main>{head}{body}</main></div></body></html>\n'
    )


def paragraph(text: str, *, kind: str = "") -> str:
    """Return plain text as a paragraph of class `kind`. A number and its % stay on one line."""
    opened = f'<p class="{escape(kind)}">' if kind else "<p>"
    return f"{opened}{escape(text).replace(' %', '&nbsp;%')}</p>"


def bullets(items: Sequence[str]) -> str:
    """Return plain texts as a list."""
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def grid(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[str] = (), kinds: Sequence[str] = (), full: bool = False
) -> str:
    """Return plain texts as a table.

    `numbers` names the right-aligned columns; `kinds` [rows] holds the class of each row; an empty row marks omitted rows. `full` stretches
    the table to the width of the page. Without column names there is no header.
    """
    marks = [' class="number"' if column in numbers else "" for column in columns]
    names = "".join(f"<th{mark}>{escape(column)}</th>" for column, mark in zip(columns, marks, strict=True))
    lines = []
    for row, kind in zip(rows, kinds or [""] * len(rows), strict=True):
        opened = f' class="{escape(kind)}"' if kind else ""
        cells = "".join(f"<td{mark}>{escape(cell)}</td>" for cell, mark in zip(row, marks, strict=bool(row)))
        lines.append(f"<tr{opened}>{cells}</tr>" if row else f'<tr class="gap"><td colspan="{len(columns)}">⋮</td></tr>')
    head = f"<thead><tr>{names}</tr></thead>" if any(columns) else ""
    return f'<div class="wide{" full" * full}"><table>{head}<tbody>{"".join(lines)}</tbody></table></div>'


def pairs(items: Mapping[str, str]) -> str:
    """Return names and texts as a table of two columns."""
    return grid(["", ""], [[name, text] for name, text in items.items()])


def chart(figure: go.Figure, *, name: str) -> str:
    """Return an interactive figure. `name` must be unique among the charts of the page."""
    config = {"responsive": True, "displaylogo": False, "displayModeBar": False}
    markup: str = figure.to_html(full_html=False, include_plotlyjs=False, div_id=f"chart-{name}", default_width="100%", config=config)
    return f'<div class="chart">{markup}</div>'


def picture(png: bytes, *, heading: str, text: str) -> str:
    """Return a PNG, embedded in the page, with its caption."""
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<figure><img alt="{escape(heading)}" src="data:image/png;base64,{data}">'
        f"<figcaption><b>{escape(heading)}</b><br>{escape(text)}</figcaption></figure>"
    )
