"""The report of a study: collects design, claims, samples, recipes and provenance for `analysis.report`."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import analysis
from analysis.explain import all_outcomes
from analysis.outcomes import FAILURES, OUTCOMES
from analysis.words import listed, plural
from ganstudy import UserError
from ganstudy.command import command
from ganstudy.files import check_output, users_path
from study.show.status import words_of
from study.spec.recipes import config_text
from study.store.layout import shown
from study.store.local_copy import bring, newest_grids, read
from study.store.records import StudyRecord
from study.store.settings import base_of
from study.tracking.wandb_study import study_url
from study.views import StudyView
from trainables.config import known_settings, settings

T = TypeVar("T")


def explanation_of(table: analysis.TrialTable, objective: str) -> analysis.Explanation:
    """Return the claims about the risk of failure, the objective and each kind of failure, all at one error rate."""
    return analysis.explain(table, all_outcomes(table, objective))


def write_report(view: StudyView, path: Path, found: analysis.Explanation | None = None) -> Path:
    """Write the report atomically and return its path: HTML, Markdown or JSON, by its suffix. found: its claims, if they were computed already.

    Raises UserError if no trial has finished, for another suffix, and if the path is not writable.
    """
    table, study = view.table(), view.study
    if not table.evidence.any():
        raise UserError(
            f"a report needs a finished trial; {shown(view.folder)} has none; {command('status', shown(view.folder))} shows its progress"
        )
    real = view.layout.real
    bring(view.folder, real)
    spec = study.spec
    trials = view.trials()
    failures = [OUTCOMES[name].label for name in FAILURES if name != "failed"]  # which runs of other programs have
    design = {
        **words_of(view),
        "trials": f"{len(trials)} so far; design seed {spec['design_seed']}",
        "objective" if len(study.objectives) == 1 else "objectives": listed([_named(view, name) for name in study.objectives]),
        "failed": f"{spec['failure']}, or dead" if spec.get("failure") else f"an outcome of {', '.join(failures)}",
        "budget": f"{spec['base'].get('budget_kimg', settings()['budget_kimg'])} kimg per trial",
        "protocol": f"{view.protocol.hash}: " + ", ".join(f"{key} {value}" for key, value in study.protocol.items()) + _accuracy(view),
        "time": f"{timedelta(seconds=round(trials['seconds'].sum()))} of training and {timedelta(seconds=round(trials['evaluation_seconds'].sum()))} of evaluation, summed over trials",
    }
    if study.limits:
        design["constraints"] = listed([str(limit) for limit in study.limits])
    if study.sharing:
        design["sharing"] = _sharing(study)
    caveats: list[str] = []
    if len(codes := _codes(view)) > 1:
        told = ", ".join(f"{code}: {plural(count, 'trial')}" if count else code for code, count in codes.items())
        caveats.append(f"The trials were trained by {len(codes)} different versions of the code ({told}); they may differ for that reason.")
    caveats += [
        "Metrics are those of the evaluation protocol of this study (see Design); under another one, such as other features, results may differ."
    ]
    with users_path(check_output(path), "be a file that can be written", do="Give another with --out"):
        return analysis.report(
            table, path, question=str(spec["question"]), objective=list(study.objectives), limits=study.limits,
            explanation=explanation_of(table, view.objective) if found is None else found, design=design, images=_grids(view),
            defaults=base_of(view.study.spec, known_settings()), recipes=_recipes(view),
            real=real.read_bytes() if real.exists() else None, provenance={**study.provenance, "folder": Path(shown(view.folder)).name, **_wandb(view)}, caveats=caveats,
        )  # fmt: skip


def _wandb(view: StudyView) -> Mapping[str, str]:
    """Return the address of the study in W&B, if it is online."""
    return {"W&B": url} if (url := study_url(view.layout)) else {}


def _named(view: StudyView, metric: str) -> str:
    """Return a metric with its full name."""
    return metric + (f" (full name {view.protocol.axis(metric)})" if metric in view.study.baselines else "")


def _accuracy(view: StudyView) -> str:
    """Return "; classifier accuracy 98.8% on held-out images", or "" if the protocol uses no classifier."""
    found = view.study.accuracy
    return "" if found is None else f"; classifier accuracy {found:.1%} on held-out images"


def _sharing(study: StudyRecord) -> str:
    """Return how many trials shared a GPU where the launch measured it, and what it was at first."""
    now, at_first = study.sharing["lanes"], study.sharing.get("lanes_at_first")
    halved = f"; {at_first} at first, until trials ran out of its memory" if at_first else ""
    return f"{plural(now, 'trial')} at a time on each GPU, as measured{halved}"


def _codes(view: StudyView) -> Mapping[str, int]:
    """Return hash of the code -> number of trials that it trained. Older records know only the code of each driver: its number is 0."""
    trials = view.recorded.columns.trials
    counts = Counter(code for codes in trials["codes"] for code in codes.split())
    if ((trials["ticks"] > 0) & (trials["codes"] == "")).any():
        counts.update({str(each.provenance.get("code")): 0 for each in view.recorded.studies})
    return counts


class _Lazy(Mapping[str, T]):
    """Trial id -> what `read` returns for it, read when it is asked for."""

    def __init__(self, trials: list[str], read: Callable[[str], T]):
        self.trials, self.read = trials, read

    def __getitem__(self, trial: str) -> T:
        return self.read(trial)

    def __iter__(self) -> Iterator[str]:
        return iter(self.trials)

    def __len__(self) -> int:
        return len(self.trials)


def _grids(view: StudyView) -> Mapping[str, bytes]:
    """Return trial id -> newest sample grid (PNG). All use the same latents."""
    grids = newest_grids(view.folder, view.recorded.trial_ids)
    return _Lazy([*grids], lambda trial: read(view.folder, grids[trial]))


def _recipes(view: StudyView) -> Mapping[str, str]:
    """Return trial id -> YAML that trains it again; none if the study's plugins are not trusted."""
    trials = list(view.recorded.trial_ids) if view.trusted else []
    return _Lazy(trials, lambda trial: config_text(view.trial(trial).config, f"{trial}.yaml", plugins=view.plugins))
