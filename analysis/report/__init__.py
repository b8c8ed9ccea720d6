"""The report: a study as one self-contained HTML page.

`analysis.report` is the function, not this package; other modules import from here with `from analysis.report import page`.
"""

from analysis.report.build import report

__all__ = ["report"]
