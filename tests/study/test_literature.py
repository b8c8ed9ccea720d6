"""The studies that test published methods again, and the table that is made of them."""

from pathlib import Path

import pandas as pd
import pytest

from bench.literature import REAL, markdown
from study.spec import StudySpec

STUDIES = sorted(Path(__file__).parents[2].glob("studies/literature/*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_of_variants_over_seeds(path: Path) -> None:
    spec = StudySpec.load(path)
    assert list(spec.space.scientific) == list(spec.space.variants)
    assert len(spec.space.variants) == 1
    assert not spec.space.nuisance
    assert spec.seeds >= 3


def test_the_table_has_means_with_their_standard_errors_beside_real_data() -> None:
    runs = [("plain", "mode_collapse", 6, 0.5), ("plain", "healthy", 8, 0.7), ("packed", "healthy", 8, 0.9)]
    rows = [{"variant": v, "seed": i, "outcome": o, "modes_seen": m, "hq": hq} for i, (v, o, m, hq) in enumerate(runs)]
    table = markdown(pd.DataFrame([*rows, {"variant": REAL, "modes_seen": 8, "hq": 0.98889}]))
    assert table.splitlines() == [
        "| | runs | failed | modes | high quality, % |",
        "|---|---|---|---|---|",
        "| plain | 2 | 1 | 7.0 ± 1.0 | 60.0 ± 10.0 |",
        "| packed | 1 | 0 | 8.0 | 90.0 |",
        "| real data |  |  | 8.0 | 98.9 |",
    ]
