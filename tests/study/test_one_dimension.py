"""A study of points with one coordinate, from the check to the report."""

from collections.abc import Callable
from pathlib import Path

from toy import in_this_process

from study.api import open_study
from study.engine.prepare import prepare
from study.show.report import write_report
from study.spec.study_spec import StudySpec
from trainables.grid import real_png


def test_points_of_one_coordinate_are_trained_and_reported(toy: Callable[..., StudySpec], tmp_path: Path) -> None:
    spec = toy(base={"data": "mixture1200", "data.dim": 1, "data.inner": 1, "data.modes": 3}, n_configs=2)
    assert real_png(prepare(spec, tmp_path / "out", address=None).source.train)
    in_this_process(spec, tmp_path / "out")
    view = open_study(tmp_path / "out")
    assert view.best(1, min_seeds=1)[0].grid_png()
    assert write_report(view, tmp_path / "report.html").stat().st_size > 10_000
