"""The HTML report of a study: collects design, claims, samples and provenance for `analysis.report`."""

from datetime import timedelta
from pathlib import Path

import analysis
from analysis.explain import all_outcomes
from analysis.outcomes import FAILURES
from analysis.words import plural
from ganstudy import UserError
from ganstudy.files import check_output, users_path
from study.api import StudyView
from trainables.config import settings

GRIDS = 6  # at most so many sample grids of healthy trials, and of each kind of failure


def explanation_of(view: StudyView) -> analysis.Explanation:
    """Return the claims about the risk of failure, the objective and each kind of failure, all at one error rate."""
    table = view.table()
    return analysis.explain(table, all_outcomes(table, view.objective))


def write_report(view: StudyView, path: Path) -> Path:
    """Write the report atomically and return its path. Raises UserError if no trial has finished or the path is not writable."""
    table, study = view.table(), view.study
    if not table.evidence.any():
        raise UserError(f"a report needs a finished trial; none of the {len(table)} trials of {view.folder} has finished")
    real = view.store.layout.real
    spec = study.spec
    trials = view.trials()
    design = {
        "goal": spec["goal"],
        "design": f"{spec['sampler']}: {spec['n_configs']} configs × {plural(spec['seeds'], 'seed')}, {plural(len(trials), 'trial')} so far; design seed {spec['design_seed']}",
        "objective": view.objective + (f" (full name {view.protocol.axis(view.objective)})" if view.objective in study.baselines else ""),
        "failed": f"{spec['failure']}, or dead" if spec.get("failure") else f"an outcome of {', '.join(FAILURES)}",
        "budget": f"{spec['base'].get('budget_kimg', settings()['budget_kimg'])} kimg per trial",
        "protocol": f"{view.protocol.hash}: " + ", ".join(f"{key} {value}" for key, value in study.protocol.items()) + _accuracy(view),
        "time": f"{timedelta(seconds=round(trials['seconds'].sum()))} of training and {timedelta(seconds=round(trials['evaluation_seconds'].sum()))} of evaluation, summed over trials",
    }
    caveats: list[str] = []
    codes = {str(each.provenance.get("code")) for each in view.store.studies}
    if len(codes) > 1:
        caveats.append(f"The trials were run by {len(codes)} different versions of the code ({', '.join(sorted(codes))}).")
    caveats += [
        "All results hold for this data set, budget and evaluation protocol, and for the fixed values of the settings that the study did not vary."
    ]
    with users_path(check_output(path), "be a file that can be written", do="Give another with --out"):
        return analysis.report(
            table, path, question=str(spec["question"]), objective=view.objective, explanation=explanation_of(view), design=design, images=_grids(view),
            real=real.read_bytes() if real.exists() else None, provenance={**study.provenance, "folder": view.folder.name}, caveats=caveats,
        )  # fmt: skip


def _accuracy(view: StudyView) -> str:
    """Return "; classifier accuracy 98.8% on held-out images", or "" if the protocol uses no classifier."""
    found = view.study.accuracy
    return "" if found is None else f"; classifier accuracy {found:.1%} on held-out images"


def _grids(view: StudyView) -> dict[str, bytes]:
    """Return trial id -> newest sample grid (PNG) of the best healthy and of failed trials. All use the same latents."""
    trials = view.trials()
    good = (
        trials[trials["outcome"] == "healthy"]
        .sort_values(view.objective, ascending=view.direction is analysis.Direction.MINIMIZE)
        .head(GRIDS)
    )
    bad = [trial for kind in FAILURES for trial in trials.index[trials["outcome"] == kind][:GRIDS]]
    found = {str(trial): view.trial(str(trial)).samples_png() for trial in [*good.index, *bad]}
    return {trial: png for trial, png in found.items() if png}
