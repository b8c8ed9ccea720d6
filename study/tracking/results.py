"""The results of a study as its W&B run shows them: ranking, effects, answer, winners.

`python -m study.tracking.results FOLDER [--trust-plugins]` computes them once for each line of its input. It is a process of its own, because it imports torch and
pandas, and because a ranking takes seconds, in which trials must still be logged.
"""

import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

import analysis
from analysis.confirmed import CONFIRM
from analysis.explain import all_outcomes
from analysis.plain import plain
from analysis.winner import winner
from ganstudy import UserError
from ganstudy.files import write_whole
from study.store.cached import Cached
from study.store.columns import InMemory
from study.store.layout import Layout
from study.store.records import mark
from study.store.store import Store
from study.tracking.best_pictures import best_pictures
from study.tracking.computing import TRUST, with_paths
from study.tracking.home import home
from study.tracking.wandb_content import content_of
from study.views import StudyView, TrialView

_ROWS = 500  # of a table, the first ones
_WINNERS = 3  # configs whose generators are kept; of several objectives, of the front


def write_results(folder: Path, *, trust_plugins: bool = False) -> Path:
    """Compute the results of the study in a folder and write them to `Layout.results`, as JSON.

    Beside the results, it has the size in bytes and the number of lines of the records that they are of, and how many seconds they took. Raises
    UserError if the file cannot be written.
    """
    began, layout = time.monotonic(), Layout(folder)
    with home(layout):  # before the results, which take seconds
        pass
    with layout.records.open("rb") as file:  # before reading, so that the results are never newer than they say
        lines = sum(1 for _ in file)
        size = file.tell()
    view = StudyView(Cached(folder) if Cached.is_for(folder) else InMemory(Store(folder)), trust_plugins=trust_plugins)
    found = {"records": size, "lines": lines, **results_of(view)}
    found = with_paths(found, lambda path: str(Path(path).relative_to(view.folder)))
    with home(layout):
        return write_whole(layout.results, json.dumps({**found, "took_s": time.monotonic() - began}))


def results_of(view: StudyView) -> dict[str, Any]:
    """Return the results so far, as plain values for JSON. A table is {"columns": [...], "rows": [...]}.

    ended, failed: numbers of trials. best: value of the first place, {} of several objectives. leaderboard: the ranking, or the front of several
    objectives. effects: the comparisons, claimed ones first. answer, constraints: texts; "" if there are none. winners: see `_winner`.
    study_file: the study as YAML. content: see `content_of`. pictures: see `best_pictures`.
    """
    table, trials = view.table(), view.recorded.columns.trials
    found: dict[str, Any] = {
        "ended": int((trials["ended"] != "").sum()),
        "failed": int(trials["failed"].sum()),
        "best": {},
        "leaderboard": None,
        "effects": None,
        "answer": "",
        "constraints": "",
        "winners": [],
        "study_file": _study_file(view),
        "content": content_of(view),
        "pictures": {},
    }
    if not table.evidence.any():
        return found
    claims = analysis.explain(table, all_outcomes(table, view.objective))
    found |= {
        "answer": "\n".join(filter(None, [winner(table, list(view.study.objectives), limits=view.study.limits), analysis.answer(claims)])),
        "effects": _effects(claims) if len(claims) else None,
    }
    if view.study.limits:
        found["constraints"] = analysis.feasibility(table, view.study.limits, by=view.objective).sentence
    try:
        board = _front(view, table) if len(view.study.objectives) > 1 else _ranking(view, table)
        found["leaderboard"] = _table(board.head(_ROWS))
        if len(view.study.objectives) == 1 and len(board):
            found["best"] = plain({view.objective: board[view.objective].iloc[0]})
        best = view.best(_WINNERS)
        found["winners"] = [each for place, trial in enumerate(best, start=1) if (each := _winner(view, trial, place)) is not None]
        found["pictures"] = best_pictures(view, best)
    except UserError as error:  # too few trials for a ranking, or none keeps to the constraints
        found["note"] = str(error)
    return found


def _ranking(view: StudyView, table: analysis.TrialTable) -> pd.DataFrame:
    """Return the ranking as `ganstudy rank` shows it, with the name of the objective, and whether each config is confirmed."""
    ranked, by = analysis.rank(table, view.objective), view.objective
    names = {"estimate": by, "low": f"{by}_low", "high": f"{by}_high", "mean": f"{by}_measured"}
    ranked = ranked.rename(columns={old: new for old, new in names.items() if new not in ranked})
    if view.study.limits:
        kept = set(analysis.feasibility(table, view.study.limits, by=by).kept)
        ranked.insert(2, "feasible", [config in kept for config in ranked["config_id"]])
    return _with_confirmed(ranked, table)


def _front(view: StudyView, table: analysis.TrialTable) -> pd.DataFrame:
    """Return all configs by the probability of being on the Pareto front."""
    return _with_confirmed(analysis.pareto(table, *view.study.objectives, limits=view.study.limits), table)


def _with_confirmed(frame: pd.DataFrame, table: analysis.TrialTable) -> pd.DataFrame:
    """Return the frame with a further column, whether fresh seeds confirm each config, and with the ids of the configs last."""
    fresh = set(table.config_id[(table.phase == CONFIRM) & table.evidence])
    others = [name for name in frame if name != "config_id"]
    frame = frame.assign(confirmed=[config in fresh for config in frame["config_id"]])
    return frame[[*others, "confirmed", "config_id"]]


def _effects(claims: analysis.Explanation) -> dict[str, Any]:
    rows = [
        {
            "claimed": claim.claimed,
            "setting": claim.setting,
            "compared": claim.compared,
            "outcome": claim.outcome,
            "effect": claim.effect,
            "low": claim.low,
            "high": claim.high,
            "scale": claim.scale,
            "p": claim.p,
            "low_of_all": claim.family_low,
            "high_of_all": claim.family_high,
            "p_of_all": claim.family_p,
            "trials": f"{claim.n_with.trials} + {claim.n_without.trials}",
            "evidence": claim.evidence,
            "role": claim.role,
            "sentence": claim.sentence,
        }
        for claim in claims
    ]
    return _table(pd.DataFrame(rows[:_ROWS]))


def _table(frame: pd.DataFrame) -> dict[str, Any]:
    """Return a frame as names and rows. What is missing is None; a category is its text."""
    return {"columns": [str(name) for name in frame], "rows": [plain(row) for row in frame.astype(object).to_numpy().tolist()]}


def _winner(view: StudyView, trial: TrialView, place: int) -> dict[str, Any] | None:
    """Return the file of the generator of one of the best trials, its aliases in W&B and what is known about it; None without a stored generator."""
    if not trial.stored:
        return None
    record, values = trial.record, trial.values
    aliases = ["best" if place == 1 else f"place-{place}"]
    if place == 1 and record.phase == CONFIRM:
        aliases.append("confirmed")
    metrics = dict.fromkeys([*view.study.objectives, *(limit.name for limit in view.study.limits)])
    about = {
        "study": mark(view.study),
        "trial": trial.trial_id,
        "config_id": record.config_id,
        "phase": record.phase,
        "outcome": trial.outcome,
        "images": trial.stored[-1].images,
        **{name: values[name] for name in metrics if name in values},
        "protocol": view.protocol.hash,
        "config": trial.settings,
    }
    return {"path": str(trial.generator_path()), "aliases": aliases, "about": plain(about)}


def _study_file(view: StudyView) -> str:
    """Return the study as YAML, as it was last launched; a password is hidden."""
    text, yaml = io.StringIO(), YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.sort_base_mapping_type_on_output = False, False  # type: ignore[assignment]  # keys in their own order
    yaml.dump({key: value for key, value in plain(dict(view.study.spec)).items() if value is not None}, text)
    return text.getvalue()


def main() -> None:
    """Compute the results of the folder in argv for each line of stdin. One that cannot be computed does not end the process."""
    os.nice(10)  # training comes first
    for _ in sys.stdin:
        try:
            write_results(Path(sys.argv[1]), trust_plugins=TRUST in sys.argv[2:])
        except UserError as error:
            print(error, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
