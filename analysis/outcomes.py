"""Outcomes: the result of a trial, with the words, colour and symbol of each. One table for all of them.

The colours are from Okabe & Ito's and Tol's palettes; each outcome also has its own symbol, for readers who do not see the colours.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One outcome: how it is named in data, in words and in figures."""

    name: str  # in tables and records
    label: str  # in legends and reports
    risk: str  # completes "the rate of …"; empty for outcomes whose rate is no risk
    failure: bool
    colour: str
    symbol: str  # plotly's name of a marker


POOR_FIT = "poor_fit"

OUTCOMES: Mapping[str, Outcome] = {
    outcome.name: outcome
    for outcome in (
        Outcome(name="healthy", label="healthy", risk="", failure=False, colour="#0072B2", symbol="circle"),
        Outcome(name="undertrained", label="undertrained", risk="undertraining", failure=False, colour="#56B4E9", symbol="triangle-up"),
        Outcome(name="mode_collapse", label="mode collapse", risk="mode collapse", failure=True, colour="#E69F00", symbol="diamond"),
        Outcome(name="mode_dropping", label="mode dropping", risk="mode dropping", failure=True, colour="#DDAA33", symbol="diamond-wide"),
        Outcome(name=POOR_FIT, label="poor fit", risk="a poor fit", failure=True, colour="#999933", symbol="pentagon"),
        Outcome(name="late_collapse", label="late collapse", risk="late collapse", failure=True, colour="#CC79A7", symbol="triangle-down"),
        Outcome(name="oscillating", label="oscillating", risk="oscillation", failure=True, colour="#7A5195", symbol="hourglass"),
        Outcome(
            name="discriminator_too_strong",
            label="discriminator too strong",
            risk="an overpowering discriminator",
            failure=True,
            colour="#882255",
            symbol="square",
        ),
        Outcome(
            name="discriminator_failed",
            label="discriminator failed",
            risk="discriminator failure",
            failure=True,
            colour="#117733",
            symbol="cross",
        ),
        Outcome(name="diverged", label="diverged", risk="divergence", failure=True, colour="#D55E00", symbol="x"),
        Outcome(name="memorising", label="memorising", risk="memorising training data", failure=True, colour="#B8A100", symbol="star"),
        # foreign runs have no curves to diagnose: who ran them says which ones failed
        Outcome(name="completed", label="completed", risk="", failure=False, colour="#332288", symbol="square-open"),
        Outcome(name="failed", label="failed", risk="failure", failure=True, colour="#CC3311", symbol="x-open"),
        # unfinished, or ended by an error
        Outcome(name="", label="unknown", risk="", failure=False, colour="#8A8F98", symbol="circle-open"),
    )
}
WIN = "win"  # the share of the study's other runs that a run beats, failed runs counted last
FAILURES = tuple(outcome.name for outcome in OUTCOMES.values() if outcome.failure)
RISKS: Mapping[str, str] = {"failed": "failure", **{outcome.name: outcome.risk for outcome in OUTCOMES.values() if outcome.risk}}
