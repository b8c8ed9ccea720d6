"""What a reader must know beside the results: the design of the study, and caveats."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from analysis.explain import Explanation
from analysis.levels import distinct_values, is_numeric
from analysis.model.outcomes import survivors
from analysis.table import TrialTable
from analysis.words import listed, number, plural, value_text
from ganstudy.ended import ENDED_LABELS, Ended


def design(table: TrialTable, given: Mapping[str, str]) -> dict[str, str]:
    """Return the `given` facts about the design, followed by those in the table."""

    def values(name: str) -> str:
        active = table.settings[name].dropna()
        if active.empty:
            return "–"
        if is_numeric(active) and active.nunique() > 6:
            return f"{number(float(active.min()))} to {number(float(active.max()))}"
        return ", ".join(value_text(value) for value in distinct_values(active))

    ended = Counter(map(str, table.ended))
    own = {
        "Trials": f"{plural(len(table), 'trial')} of {plural(len(set(table.config_id)), 'config')}",
        "Phases": listed([f"{phase} ({n})" for phase, n in Counter(map(str, table.phase)).items()]),
        "Why trials stopped": listed([f"{label} ({ended[name]})" for name, label in ENDED_LABELS.items() if ended[name]]),
        "Scientific settings": "; ".join(f"{name}: {values(name)}" for name in table.scientific),
        "Nuisance settings": "; ".join(f"{name}: {values(name)}" for name in table.nuisance),
    }
    return {**given, **{name: text for name, text in own.items() if text}}


def caveats(table: TrialTable, explanation: Explanation, objective: str) -> list[str]:
    """Return the caveats that follow from the table and the claims."""
    counted = table.where(table.evidence)
    n_configs = len(set(counted.config_id))
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
        seeds = len(counted) / n_configs
        lines.append(
            f"{plural(n_configs, 'config')} with {seeds:.1f} seeds each on average: "
            "effects smaller than the width of the intervals cannot be detected."
        )
        if len(counted) == n_configs > 1:
            lines.append("Every config has a single seed, so differences between configs include the luck of the seed.")
    used = explanation.table
    failed = int((used.failed & ~np.isfinite(survivors(used, objective))).sum())
    if failed:
        lines.append(
            f"Effects on {objective} leave out {plural(failed, 'trial')} that failed, which {'counts' if failed == 1 else 'count'} in the "
            "risk of failure."
        )
    if stopped := int((counted.ended == Ended.SCHEDULER.value).sum()):
        lines.append(_of_stopped(stopped, int(counted.censored.sum()), objective))
    if len(counted) and not explanation.designed:
        lines.append("The trials are observed, not designed: what good ones have in common need not be what makes them good.")
    return lines


def _of_stopped(n: int, censored: int, objective: str) -> str:
    """Return what the trials that a scheduler stopped count in. censored: how many had not failed by then."""
    text = f"A scheduler stopped {plural(n, 'trial')} before the end, so that the final {objective} is unknown there."
    if censored < n:
        text += f" {n - censored} of them had failed by then and {'counts' if n - censored == 1 else 'count'} in the risk of failure."
    if censored:
        rest = f"{censored} had not" if censored < n else "None of them had failed by then"
        text += f" {rest}; nobody knows whether {'it' if censored == 1 else 'they'} would have, so that {'it is' if censored == 1 else 'they are'} in no risk."
    return text
