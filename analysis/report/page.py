"""A document as one self-contained HTML page. It loads nothing from elsewhere and contains plotly.js once."""

import base64
import json

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from analysis.plots.style import dark_colours
from analysis.report.content import Document


def page(document: Document) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("analysis.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters |= {"base64": _base64, "figure": _figure, "spaced": _spaced, "data": _data}
    drawn = any(block.kind in ("charts", "choice") for section in document.sections for block in section.blocks)
    # plotly.js is JavaScript of its own package, not text of a study
    plotly = Markup(get_plotlyjs()) if drawn else ""
    return environment.get_template("report.html").render(document=document, plotly=plotly, dark=dark_colours())


def _base64(png: bytes) -> str:
    return base64.b64encode(png).decode("ascii")


def _spaced(text: str) -> str:
    """A number and its % or × stay on one line."""
    return text.replace(" %", "\u00a0%").replace("× ", "×\u00a0")


def _figure(figure: go.Figure) -> Markup:
    return _script(figure.to_json())


def _data(value: object) -> Markup:
    return _script(json.dumps(value, allow_nan=False, separators=(",", ":")))


def _script(text: str) -> Markup:
    """JSON in a script element ends at no "</script>" of its own."""
    return Markup(text.replace("<", "\\u003c"))
