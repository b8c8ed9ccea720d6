"""A study as one self-contained HTML page: question, answer, evidence, design, outcomes, ranking, samples, curves, caveats, provenance."""

import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import page, plots
from analysis.estimate import rate
from analysis.explain import Claim, answer, basis, explain
from analysis.rank import rank
from analysis.settings import levels, numeric
from analysis.table import FAILURES, TrialTable
from analysis.words import OUTCOMES, RISKS, aligned, listed, number, percent, plural, value_text

TOP, BOTTOM = 10, 5  # rows of the ranking that are shown
BEST, PER_FAILURE = 3, 2  # sample grids that are shown
ENDINGS = {
    "budget": "spent its budget",
    "scheduler": "cut short by the scheduler",
    "dead": "died (left the finite numbers, or nothing could come any more)",
    "error": "broke off by an error of program or machine (no evidence)",
    "": "unfinished (no evidence yet)",
}


def report(
    table: TrialTable,
    path: str | Path,
    *,
    question: str = "",
    score: str = "fd",
    claims: Sequence[Claim] | None = None,
    design: Mapping[str, str] | None = None,
    images: Mapping[str, bytes] | None = None,
    real: bytes | None = None,
    provenance: Mapping[str, str] | None = None,
    caveats: Sequence[str] = (),
) -> Path:
    """Writes the page to `path`, whole or not at all, and gives the path back.

    `claims` are computed for the risk of failing and for the score unless given; `images` maps trial ids to PNGs of their sample grids,
    `real` is a PNG of real data; `design` and `provenance` are name -> text. Raises
    ValueError for an unknown score or an unknown trial in `images`.
    """
    table.direction(score)
    images = images or {}
    unknown = sorted(set(images) - set(map(str, table.trial_id)))
    if unknown:
        raise ValueError(f"images must belong to trials of this table; got {unknown}")
    if claims is None:
        claims = [*explain(table, "failed"), *explain(table, score)]
    title = question or f"What {listed(list(table.scientific)) or 'the settings'} do to {score} and to the risk of failing"
    head = page.paragraph("GAN study report", kind="kicker") + f"<h1>{escape(title)}</h1>"
    told = "".join(map(page.paragraph, answer(table, claims).splitlines()))
    head += f'<div class="answer">{told}</div>'
    counted = table.where(table.evidence)
    sections = []
    if len(counted):
        sections.append(page.Section("Evidence", _evidence(basis(table), claims, score)))
    sections.append(page.Section("Design", _design(table, design or {})))
    sections.append(page.Section("Outcomes", _outcomes(table, score)))
    if len(counted):
        sections.append(page.Section("Ranking", _ranking(counted, score)))
    shown = _samples(table, score, images, real)
    if shown:
        sections.append(page.Section("Samples", shown))
    if score in table.curves:
        sections.append(page.Section("Curves", page.chart(plots.curves(table, score), name="curves")))
    sections.append(page.Section("Caveats", page.bullets([*_own_caveats(table, claims, score), *caveats])))
    if provenance:
        sections.append(page.Section("Provenance", page.pairs(provenance)))
    return _write(Path(path), page.page(title, head, sections))


def _evidence(table: TrialTable, claims: Sequence[Claim], score: str) -> str:
    columns = ["Setting", "Compared", "Outcome", "Effect", "95 % interval", "p", "q", "Trials (configurations)", "Evidence"]
    rows, kinds = [], []
    for claim in claims:
        show = _points if claim.outcome in RISKS else (lambda x: f"× {aligned(x)}") if claim.scale == "log" else aligned
        n = " + ".join(f"{side.trials} ({side.configs})" for side in (claim.n_with, claim.n_without))
        rows.append(
            [
                claim.setting,
                f"{claim.level} against {claim.reference}",
                RISKS.get(claim.outcome, claim.outcome),
                show(claim.effect),
                f"{show(claim.low)} to {show(claim.high)}",
                _probability(claim.p),
                _probability(claim.q),
                n,
                claim.evidence,
            ]
        )
        kinds.append("strong" if claim.clear else "weak")
    note = (
        "Strongest first; bold where the interval excludes no effect. Numbers of a range are split at the median of their configurations. Effects "
        "on a risk are differences in percentage points, effects marked × are ratios of geometric means; effects on a score are among runs "
        "that reached the end, adjusted for the other scientific settings where that can be estimated. q is the share of false findings "
        "to expect among claims at least as strong (Benjamini and Hochberg, per outcome); one comparison in twenty looks clear by chance. "
        "Seeds are nested in configurations. Designed: all runs are of a randomised design; observed: a search chose some of the runs, "
        "so an effect may be the search's own doing."
    )
    shown = page.grid(columns, rows, numbers=columns[3:8], kinds=kinds, full=True)
    parts = [shown if rows else page.paragraph("No setting could be compared."), page.paragraph(note, kind="note")]
    varied = any(table.knobs[name].nunique() > 1 for name in (*table.scientific, *table.nuisance))
    if varied:
        parts += ["<h3>Risk of failing, with 95 % intervals</h3>", page.chart(plots.risk_by_setting(table), name="risk")]
    if varied and np.isfinite(table.at_end(score)).any():
        parts += [f"<h3>{escape(score)} of runs that reached the end</h3>", page.chart(plots.score_by_setting(table, score), name="score")]
    return "".join(parts)


def _design(table: TrialTable, design: Mapping[str, str]) -> str:
    def values(name: str) -> str:
        live = table.knobs[name].dropna()
        if live.empty:
            return "–"
        if numeric(live) and live.nunique() > 6:
            return f"{number(float(live.min()))} to {number(float(live.max()))}"
        return ", ".join(value_text(value) for value in levels(live))

    own = {
        "Trials": f"{plural(len(table), 'trial')} of {plural(len(set(table.config_id)), 'configuration')}",
        "Phases": listed([f"{phase} ({n})" for phase, n in Counter(map(str, table.phase)).items()]),
        "Asked about": "; ".join(f"{name}: {values(name)}" for name in table.scientific),
        "Varied to be fair": "; ".join(f"{name}: {values(name)}" for name in table.nuisance),
    }
    return page.pairs({**design, **{name: text for name, text in own.items() if text}})


def _outcomes(table: TrialTable, score: str) -> str:
    counted = table.where(table.evidence)
    rows = []
    for kind in plots.COLOURS:
        chosen = table.outcome == kind
        share = rate(counted.outcome == kind, counted.config_id) if kind and len(counted) else None
        interval = f"{percent(share.low)} to {percent(share.high)}" if share else "–"
        onsets = table.onset_kimg[chosen & np.isfinite(table.onset_kimg)]
        onset = (
            f"{number(float(np.median(onsets)))} ({number(float(onsets.min()))} to {number(float(onsets.max()))})" if len(onsets) else "–"
        )
        if chosen.any() or kind == "healthy":
            rows.append([OUTCOMES[kind], str(int(chosen.sum())), percent(share.value) if share else "–", interval, onset])
    columns = ["Outcome", "Trials", "Share", "95 % interval", "Onset in kimg, median (range)"]
    parts = [page.grid(columns, rows, numbers=columns[1:])]
    endings = [[text, str(int((table.ended == ended).sum()))] for ended, text in ENDINGS.items() if (table.ended == ended).any()]
    parts.append(page.grid(["Ending", "Trials"], endings, numbers=["Trials"]))
    if "coverage" in table.final.columns and score != "coverage" and len(counted):
        parts += [
            f"<h3>{escape(score)} and coverage of every run</h3>",
            page.chart(plots.trade_off(counted, score, "coverage"), name="trade"),
        ]
    return "".join(parts)


def _ranking(table: TrialTable, score: str) -> str:
    found = rank(table, score)
    knobs = list(table.scientific)
    columns = ["Place", "95 % places", "Configuration", "Seeds", "Died", "Failed", f"{score}, mean", "95 % interval", *knobs]

    def row(i: int) -> list[str]:
        config = found.iloc[i]
        whole = {name: "–" if pd.isna(config[name]) else str(int(config[name])) for name in ("place", "place_low", "place_high")}
        seeds = str(config["n"]) if config["n"] == config["n_seeds"] else f"{config['n']} of {config['n_seeds']}"
        measured = [
            aligned(config["mean"]),
            f"{aligned(config['low'])} to {aligned(config['high'])}" if np.isfinite(config["low"]) else "–",
        ]
        settings = ["–" if pd.isna(config[name]) else value_text(config[name]) for name in knobs]
        places = whole["place_low"] if whole["place_low"] == whole["place_high"] else f"{whole['place_low']} to {whole['place_high']}"
        head = [whole["place"], places, str(config["config_id"]), seeds, str(config["n_dead"]), percent(config["fail_rate"])]
        return [*head, *measured, *settings]

    if len(found) <= TOP + BOTTOM:
        rows = [row(i) for i in range(len(found))]
    else:
        rows = [*(row(i) for i in range(TOP)), [], *(row(i) for i in range(len(found) - BOTTOM, len(found)))]
    note = (
        f"Sorted by the bad end of the interval; a configuration with a run that died stands below all without. It {found.attrs['note']}."
        if np.isfinite(found["low"]).any()
        else f"Sorted by the score: {found.attrs['note']}. A configuration with a run that died stands below all without."
    )
    parts = [page.grid(columns, rows, numbers=[columns[0], columns[1], *columns[3:8]], full=True), page.paragraph(note, kind="note")]
    if found["mean"].notna().any():
        heading = f"<h3>{escape(score)}, mean of seeds with 95 % interval</h3>"
        parts += [heading, page.chart(plots.ranking(table, score), name="ranking")]
    return "".join(parts)


def _samples(table: TrialTable, score: str, images: Mapping[str, bytes], real: bytes | None) -> str:
    """Real data, the best runs and failed ones side by side; only trials whose picture was given."""
    sign = 1.0 if table.direction(score) == "min" else -1.0
    values = table.at_end(score)
    pictured = np.isin(table.trial_id, list(images))
    healthy = [
        int(i) for i in np.argsort(sign * values, kind="stable") if np.isfinite(values[i]) and table.outcome[i] == "healthy" and pictured[i]
    ]
    failed = [int(i) for kind in FAILURES for i in np.flatnonzero((table.outcome == kind) & pictured)[:PER_FAILURE]]
    cards = [page.picture(real, heading="Real data", text="what the generator is meant to imitate")] if real else []
    for i in [*healthy[:BEST], *failed]:
        last = table.final[score].iloc[i]
        measured = f"last {score} {number(float(last)) if pd.notna(last) else '–'}"
        told = f"{OUTCOMES[table.outcome[i]]}: {table.diagnosis[i]}" if table.outcome[i] in FAILURES else OUTCOMES[table.outcome[i]]
        text = f"{told}; {measured}; {plots.describe(table, i)}; seed {table.seed[i]}"
        cards.append(page.picture(images[str(table.trial_id[i])], heading=str(table.trial_id[i]), text=text))
    if not cards:
        return ""
    note = (
        f"Samples at the last tick: up to {BEST} runs with the best {score}, then up to {PER_FAILURE} failed runs of each kind. "
        "The best runs flatter, for they are the best of many."
    )
    return page.paragraph(note, kind="note") + f'<div class="cards">{"".join(cards)}</div>'


def _own_caveats(table: TrialTable, claims: Sequence[Claim], score: str) -> list[str]:
    counted = table.where(table.evidence)
    said = []
    if table.fixed:
        fixed = ", ".join(f"{name} {value_text(value)}" for name, value in table.fixed.items())
        said.append(
            f"Everything here holds under these fixed settings (those of a trick where it is on), and may not hold under others: {fixed}."
        )
    left_out = len(table) - len(counted)
    if left_out:
        said.append(
            f"{plural(left_out, 'trial')} carry no evidence (unfinished, or broken off by an error) and are left out of all statistics."
        )
    if len(counted):
        seeds = len(counted) / len(set(counted.config_id))
        said.append(
            f"{plural(len(set(counted.config_id)), 'configuration')} with {seeds:.1f} seeds each on average: "
            "effects smaller than the intervals are wide cannot be seen."
        )
    if counted.dead.any():
        n_dead = int(counted.dead.sum())
        said.append(
            f"Effects on {score} are among runs that reached the end; {plural(n_dead, 'run')} died and count in the risk of failing only."
        )
    if any(claim.evidence == "observed" for claim in claims):
        said.append("Some claims are observed, not designed: the search chose which runs to make, partly by their results.")
    return said


def _points(share: float) -> str:
    return f"{100 * share:+.0f}".replace("-", "−") + " pt"


def _probability(p: float) -> str:
    return "–" if not np.isfinite(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _write(path: Path, text: str) -> Path:
    """Beside its place first, then moved: a reader sees the old page or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(beside, 0o644)  # mkstemp makes it the owner's alone
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
    return path
