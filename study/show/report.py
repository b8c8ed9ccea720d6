"""The report of a study: its design, its answer and its evidence, put together for `analysis.report`."""

from datetime import timedelta
from pathlib import Path

import analysis
from analysis.outcomes import FAILURES
from ganstudy import UserError
from ganstudy.files import check_output, users_path
from study.api import StudyView
from trainables.config import settings

GRIDS = 6  # sample grids of the best and of failed runs in the report


def claims_of(view: StudyView) -> list[analysis.Claim]:
    """On the risk of failing, and on the study's score."""
    table = view.table()
    return [*analysis.explain(table, "failed"), *analysis.explain(table, view.objective)]


def write_report(view: StudyView, path: Path) -> Path:
    """The page, written whole or not at all. Raises UserError where no trial has ended yet, or the path cannot be written."""
    table, study = view.table(), view.study
    if not table.evidence.any():
        raise UserError(f"a report needs a trial that came to an end; none of the {len(table)} of {view.folder} has")
    real = view.store.layout.real
    spec = study.spec
    trials = view.trials()
    design = {
        "goal": spec["goal"],
        "design": f"{spec['sampler']}: {spec['n_configs']} configurations × {spec['seeds']} run(s), {len(trials)} trials so far; design seed {spec['design_seed']}",
        "objective": f"{view.objective}, in full {view.protocol.axis(view.objective)}",
        "budget": f"{spec['base'].get('budget_kimg', settings()['budget_kimg'])} kimg a trial",
        "protocol": f"{view.protocol.hash}: " + ", ".join(f"{key} {value}" for key, value in study.protocol.items()) + accuracy(view),
        "time": f"{timedelta(seconds=round(trials['seconds'].sum()))} of training and {timedelta(seconds=round(trials['evaluation_seconds'].sum()))} of judging, summed over trials",
    }
    caveats: list[str] = []
    codes = {str(each.provenance.get("code")) for each in view.store.studies}
    if len(codes) > 1:
        caveats.append(f"The trials were run by {len(codes)} different states of the program ({', '.join(sorted(codes))}).")
    caveats += [
        "Every number holds for this data set, this budget and this evaluation protocol, and for the settings that the study did not vary."
    ]
    with users_path(check_output(path), "be a file that can be written", do="Give another with --out"):
        return analysis.report(
            table, path, question=str(spec["question"]), objective=view.objective, claims=claims_of(view), design=design, images=grids(view),
            real=real.read_bytes() if real.exists() else None, provenance={**study.provenance, "folder": view.folder.name}, caveats=caveats,
        )  # fmt: skip


def accuracy(view: StudyView) -> str:
    """ "; its classifier finds the class of 98.8 % of held-out images", where there is a classifier."""
    found = view.study.accuracy
    return "" if found is None else f"; its classifier finds the class of {found:.1%} of the held-out images"


def grids(view: StudyView) -> dict[str, bytes]:
    """trial id -> its newest grid, of the best runs and of failed ones, drawn from the same latents."""
    trials = view.trials()
    good = (
        trials[trials["outcome"] == "healthy"]
        .sort_values(view.objective, ascending=view.direction is analysis.Direction.MINIMIZE)
        .head(GRIDS)
    )
    bad = [trial for kind in FAILURES for trial in trials.index[trials["outcome"] == kind][:GRIDS]]
    found = {str(trial): view.trial(str(trial)).samples_png() for trial in [*good.index, *bad]}
    return {trial: png for trial, png in found.items() if png}
