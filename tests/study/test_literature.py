"""The studies that replicate published methods, and their result tables."""

from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.literature import REAL, markdown, published_protocol
from study.spec.study_spec import StudySpec

FOLDER = Path(__file__).parents[2] / "studies" / "literature"
STUDIES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_replication_varies_one_setting_over_seeds(path: Path) -> None:
    spec = StudySpec.load(path)
    assert list(spec.space.scientific) == list(spec.space.variants)
    assert len(spec.space.variants) == 1
    assert not spec.space.nuisance
    assert spec.seeds >= 3


def test_the_table_shows_means_standard_errors_and_real_data() -> None:
    runs = [("plain", "mode_collapse", 6, 0.5), ("plain", "healthy", 8, 0.7), ("packed", "healthy", 8, 0.9)]
    rows = [{"variant": v, "seed": i, "outcome": o, "modes": m, "high_quality": hq} for i, (v, o, m, hq) in enumerate(runs)]
    table = markdown(pd.DataFrame([*rows, {"variant": REAL, "modes": 8, "high_quality": 0.98889}]))
    assert table.splitlines() == [
        "| | runs | failed | modes | high quality, % |",
        "|---|---|---|---|---|",
        "| plain | 2 | 1 | 7.0 ± 1.0 | 60.0 ± 10.0 |",
        "| packed | 1 | 0 | 8.0 | 90.0 |",
        "| real data |  |  | 8.0 | 98.9 |",
    ]


def test_published_metrics() -> None:
    """Four samples on one centre, one near a second, one far from all: 2 of 3 modes, 5 of 6 of high quality, shares 4/5 and 1/5."""
    centres = np.array([[0, 0], [10, 0], [0, 10]], dtype=np.float32)
    points = np.array([*[[0, 0]] * 4, [10, 2.9], [3.1, 9.9]], dtype=np.float32)
    found = published_protocol(points, centres, std=1.0)
    assert found["modes"] == 2
    assert found["high_quality"] == pytest.approx(5 / 6)
    assert found["reverse_kl"] == pytest.approx(0.8 * log(2.4) + 0.2 * log(0.6))
    nothing = published_protocol(points + 100, centres, std=1.0)
    assert (nothing["modes"], nothing["high_quality"]) == (0, 0)
    assert np.isnan(nothing["reverse_kl"])


@pytest.mark.parametrize("path", [path for path in STUDIES if path.with_suffix(".csv").exists()], ids=lambda path: path.stem)
def test_the_page_shows_the_table_of_the_stored_results(path: Path) -> None:
    trials = pd.read_csv(path.with_suffix(".csv"))
    spec = StudySpec.load(path)
    (variants,) = spec.space.variants.values()
    runs = trials[trials["variant"] != REAL]
    assert runs.groupby("variant")["seed"].nunique().to_dict() == dict.fromkeys(variants, spec.seeds)
    assert markdown(trials) in (FOLDER / "README.md").read_text()
