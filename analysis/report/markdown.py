"""A document as Markdown: everything but figures and pictures."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.report.content import Document

_SPECIAL = re.compile(r"([\\`*<|\[\]])")


def markdown(document: Document) -> str:
    """Return the text. Characters that have a meaning in Markdown or HTML are escaped."""
    # autoescape is for HTML; here `plain` escapes
    environment = Environment(loader=PackageLoader("analysis.report"), trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    environment.filters["plain"] = _plain
    text = environment.get_template("report.md").render(document=document)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
