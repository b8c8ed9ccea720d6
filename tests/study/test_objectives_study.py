"""A real study on digits with two objectives and a constraint that bites."""

from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner

from study.api import open_study
from study.cli import app
from study.store.records import mark

GIVEN = """
name: traded
question: What is fd traded against?
goal: optimise
base: {data: digits, arch: mlp, g.width: 16, d.width: 16, latent.dim: 4, budget_kimg: 1.2, tick_kimg: 0.6}
space:
  scientific: {batch_size: [30, 100]}
  nuisance: {g.lr: {low: 1e-4, high: 3e-2, log: true}}
objectives: [fd, {coverage: maximize}]
constraints: {g/updates: "<= 20"}  # 40 with batches of 30, 12 with batches of 100
n_configs: 8
evaluation: {samples: 200}
resources: {concurrent: 2}
"""


def ganstudy(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_two_objectives_and_a_constraint_from_launch_to_report(tmp_path: Path) -> None:
    file, folder, storage = tmp_path / "traded.yaml", tmp_path / "out", f"sqlite:///{tmp_path}/mirror.db"
    file.write_text(GIVEN)
    ganstudy("launch", str(file), "--folder", str(folder), "--set", f"tracking.optuna={storage}")
    said = ganstudy("launch", str(file), "--folder", str(folder), "--set", f"tracking.optuna={storage}", "--set", "n_configs=12")
    assert "Pareto front of fd and coverage" in said
    view = open_study(folder)
    trials = [view.trial(trial_id) for trial_id in view.recorded.trial_ids]
    assert len(trials) == 12
    kept = {trial.trial_id for trial in trials if trial.config.batch_size == 100}
    assert 0 < len(kept) < 12, "the constraint must leave out some configs"
    assert all((trial.values["g/updates"] <= 20) == (trial.trial_id in kept) for trial in trials if trial.values)

    alive = [trial for trial in trials if trial.trial_id in kept and not trial.failed]
    if not alive:  # so short a training may fail in all of them
        assert "so there is no Pareto front" in said
    else:
        found = view.best()
        assert {trial.trial_id for trial in found} <= kept
        for trial in found:
            assert not any(
                other.values["fd"] < trial.values["fd"] and other.values["coverage"] >= trial.values["coverage"] for other in alive
            )
        assert "g/updates &lt;= 20" in (folder / "report.html").read_text()
    study = optuna.load_study(study_name=mark(view.study), storage=(opened := optuna.storages.RDBStorage(storage)))
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    for mirrored in study.trials:
        trial = view.trial(mirrored.user_attrs["trial_id"])
        if mirrored.state.name == "COMPLETE":
            assert mirrored.values == [trial.values["fd"], trial.values["coverage"]]
            assert mirrored.constraints["g/updates"] == pytest.approx((trial.values["g/updates"] - 20) / 20)
            assert mirrored.constraints["failed"] == float(trial.failed)
    opened.remove_session()
    opened.engine.dispose()
