"""The sections of the report, each a function from a table to markup."""

from collections import Counter
from collections.abc import Mapping
from html import escape

import numpy as np
import pandas as pd

from analysis import plots
from analysis.estimate import rate
from analysis.explain import Explanation
from analysis.levels import distinct_values, is_numeric
from analysis.outcomes import FAILURES, OUTCOMES, RISKS
from analysis.rank import rank
from analysis.report import page
from analysis.table import TrialTable
from analysis.words import aligned, listed, number, percent, plural, value_text
from ganstudy.ended import ENDED_LABELS

_TOP, _BOTTOM = 10, 5  # rows of the ranking that are shown
_NOTABLE = 0.05  # p of a bend or an interaction that the table lists although it is not claimed
_BEST, _PER_FAILURE = 3, 2  # sample grids that are shown


def evidence(explanation: Explanation, objective: str) -> str:
    """The claims as a table, and figures of risk and objective by setting."""
    table = explanation.table
    columns = [
        "Setting",
        "Compared",
        "Outcome",
        "Effect",
        "95 % alone",
        "p alone",
        "95 % of all",
        "p of all",
        "Trials (configs)",
    ]
    rows, kinds = [], []
    for claim in explanation:
        if claim.kind in ("bend", "interaction") and not claim.claimed and claim.p >= _NOTABLE:
            continue
        n = " + ".join(f"{group.trials} ({group.configs})" for group in (claim.n_with, claim.n_without))
        rows.append(
            [
                claim.setting + (" (nuisance)" if claim.role == "nuisance" else ""),
                f"{claim.level} against {claim.reference}",
                RISKS.get(claim.outcome, claim.outcome),
                claim.shown(claim.effect),
                claim.interval(family=False),
                _probability(claim.p),
                claim.interval(family=True) if np.isfinite(claim.family_p) else "–",
                _probability(claim.family_p),
                n,
            ]
        )
        kinds.append("strong" if claim.claimed else "weak")
    note = (
        "Bold rows are claimed; they come first. In at most one of twenty studies in which no setting has an effect, anything is claimed: “of all” "
        "holds for all rows at once, “alone” for one row. Effects on a risk are differences in percentage points; those marked × are ratios of "
        "geometric means over trials that completed their budget and did not fail; “win” is the probability that a run with the level beats "
        "one without, failed runs counted last. A range is compared between its ends. Effects are adjusted for the claims beside them and for "
        "nuisance settings that matter. Bends of ranges and interactions are listed if they are claimed or p alone is below .05. Seeds are nested "
        "in configs. If the trials do not belong to a randomised design, effects are associations, and none is claimed."
    )
    shown = page.grid(columns, rows, numbers=columns[3:9], kinds=kinds, full=True)
    parts = [shown if rows else page.paragraph("No setting could be compared."), page.paragraph(note, kind="note")]
    if plots.setting_rows(table):
        parts += ["<h3>Risk of failure, with 95 % intervals</h3>", page.chart(plots.risk_by_setting(table), name="risk")]
    if plots.setting_rows(plots.completed(table, objective)):
        heading = f"<h3>{escape(objective)} of trials that completed their budget</h3>"
        parts += [heading, page.chart(plots.metric_by_setting(table, objective), name="objective")]
    return "".join(parts)


def design(table: TrialTable, given: Mapping[str, str]) -> str:
    """The `given` facts about the design, followed by those in the table."""

    def values(name: str) -> str:
        active = table.settings[name].dropna()
        if active.empty:
            return "–"
        if is_numeric(active) and active.nunique() > 6:
            return f"{number(float(active.min()))} to {number(float(active.max()))}"
        return ", ".join(value_text(value) for value in distinct_values(active))

    own = {
        "Trials": f"{plural(len(table), 'trial')} of {plural(len(set(table.config_id)), 'config')}",
        "Phases": listed([f"{phase} ({n})" for phase, n in Counter(map(str, table.phase)).items()]),
        "Scientific settings": "; ".join(f"{name}: {values(name)}" for name in table.scientific),
        "Nuisance settings": "; ".join(f"{name}: {values(name)}" for name in table.nuisance),
    }
    return page.pairs({**given, **{name: text for name, text in own.items() if text}})


def outcomes(table: TrialTable, objective: str) -> str:
    """Counts of outcomes and of why trials stopped, and the objective against coverage."""
    counted = table.where(table.evidence)
    rows = []
    for outcome in OUTCOMES.values():
        chosen = table.outcome == outcome.name
        share = rate(counted.outcome == outcome.name, counted.config_id) if outcome.name and len(counted) else None
        interval = f"{percent(share.low)} to {percent(share.high)}" if share else "–"
        onsets = table.onset_kimg[chosen & np.isfinite(table.onset_kimg)]
        onset = (
            f"{number(float(np.median(onsets)))} ({number(float(onsets.min()))} to {number(float(onsets.max()))})" if len(onsets) else "–"
        )
        if chosen.any() or (outcome.name == "healthy" and not table.foreign):
            rows.append([outcome.label, str(int(chosen.sum())), percent(share.value) if share else "–", interval, onset])
    columns = ["Outcome", "Trials", "Share", "95 % interval", "Onset in kimg, median (range)"]
    parts = [page.grid(columns, rows, numbers=columns[1:])]
    n_ended = Counter(map(str, table.ended))
    counts = [[label, str(n_ended[ended])] for ended, label in ENDED_LABELS.items() if n_ended[ended]]
    parts.append(page.grid(["Why trials stopped", "Trials"], counts, numbers=["Trials"]))
    if "coverage" in table.final.columns and objective != "coverage" and len(counted):
        parts += [
            f"<h3>{escape(objective)} and coverage of every trial</h3>",
            page.chart(plots.trade_off(counted, objective, "coverage"), name="trade"),
        ]
    return "".join(parts)


def ranking(table: TrialTable, objective: str) -> str:
    """The best and worst configs as a table, and a figure of the best."""
    found = rank(table, objective)
    scientific = list(table.scientific)
    columns = ["Place", "95 % places", "P(best)", "Config", "Trials", f"{objective}, expected", "95 % interval", "As measured", "P(fail)"]
    columns += ["95 % of P(fail)", "Died", *scientific]

    def row(i: int) -> list[str]:
        config = found.iloc[i]
        place, low, high = ("–" if pd.isna(config[name]) else str(int(config[name])) for name in ("place", "place_low", "place_high"))
        return [
            place,
            low if low == high else f"{low} to {high}",
            percent(config["p_best"]),
            str(config["config_id"]),
            f"{config['n']} of {config['n_seeds']}",
            aligned(config["estimate"]),
            f"{aligned(config['low'])} to {aligned(config['high'])}" if np.isfinite(config["low"]) else "–",
            aligned(config["mean"]),
            percent(config["p_fail"]),
            f"{percent(config['p_fail_low'])} to {percent(config['p_fail_high'])}" if np.isfinite(config["p_fail_low"]) else "–",
            str(config["n_dead"]),
            *("–" if pd.isna(config[name]) else value_text(config[name]) for name in scientific),
        ]

    if len(found) <= _TOP + _BOTTOM:
        rows = [row(i) for i in range(len(found))]
    else:
        rows = [*(row(i) for i in range(_TOP)), [], *(row(i) for i in range(len(found) - _BOTTOM, len(found)))]
    note = (
        f"{found.attrs['note']}. P(best): the chance that no other config is better. Trials: those that did not fail and have a value, of all. "
        "As measured: their mean as it is; the first of many is too good, because it was chosen by it."
    )
    numbers = [name for name in columns if name not in ("Config", *scientific)]
    parts = [page.grid(columns, rows, numbers=numbers, full=True), page.paragraph(note, kind="note")]
    if found["estimate"].notna().any():
        heading = f"<h3>{escape(objective)} and risk of a new run of the best configs, with 95 % intervals</h3>"
        parts += [heading, page.chart(plots.ranking(table, objective), name="ranking")]
    return "".join(parts)


def samples(table: TrialTable, objective: str, images: Mapping[str, bytes], real: bytes | None) -> str:
    """Sample grids of real data, of the best trials and of failed ones, as far as `images` has them; "" if there are none."""
    values = table.at_end(objective)
    pictured = np.isin(table.trial_id, list(images))
    order = np.argsort(table.direction(objective).sign * values, kind="stable")
    healthy = [int(i) for i in order if np.isfinite(values[i]) and table.outcome[i] == "healthy" and pictured[i]]
    failed = [int(i) for name in FAILURES for i in np.flatnonzero((table.outcome == name) & pictured)[:_PER_FAILURE]]
    cards = [page.picture(real, heading="Real data", text="what the generator should imitate")] if real else []
    for i in [*healthy[:_BEST], *failed]:
        last = table.final[objective].iloc[i]
        measured = f"last {objective} {number(float(last)) if pd.notna(last) else '–'}"
        outcome = OUTCOMES[str(table.outcome[i])]
        diagnosis = f"{outcome.label}: {table.diagnosis[i]}" if outcome.failure else outcome.label
        text = f"{diagnosis}; {measured}; {plots.describe(table, i)}; seed {table.seed[i]}"
        cards.append(page.picture(images[str(table.trial_id[i])], heading=str(table.trial_id[i]), text=text))
    if not cards:
        return ""
    note = (
        f"Samples at the last tick: up to {_BEST} trials with the best {objective}, then up to {_PER_FAILURE} failed trials of each kind. "
        "The best trials overstate what to expect, because they are the best of many."
    )
    return page.paragraph(note, kind="note") + f'<div class="cards">{"".join(cards)}</div>'


def caveats(table: TrialTable, explanation: Explanation, objective: str) -> list[str]:
    """The caveats that follow from the table and the claims."""
    counted = table.where(table.evidence)
    lines = []
    if table.fixed:
        fixed = ", ".join(f"{name} {value_text(value)}" for name, value in table.fixed.items())
        lines.append(
            f"All results hold under these fixed settings (those of a trick apply where it is on) and may not hold under others: {fixed}."
        )
    left_out = len(table) - len(counted)
    if left_out:
        lines.append(f"All statistics exclude {plural(left_out, 'trial')} without evidence (unfinished or crashed).")
    if len(counted):
        seeds = len(counted) / len(set(counted.config_id))
        lines.append(
            f"{plural(len(set(counted.config_id)), 'config')} with {seeds:.1f} seeds each on average: "
            "effects smaller than the width of the intervals cannot be detected."
        )
    if counted.dead.any():
        n_dead = int(counted.dead.sum())
        lines.append(
            f"Effects on {objective} use only trials that completed their budget; {plural(n_dead, 'trial')} died and "
            f"{'counts' if n_dead == 1 else 'count'} only in the risk of failure."
        )
    if len(counted) and not explanation.designed:
        lines.append("The trials are observed, not designed: what good ones have in common need not be what makes them good.")
    return lines


def _probability(p: float) -> str:
    return "–" if not np.isfinite(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
