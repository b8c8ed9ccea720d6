"""Names of settings, metrics and signals in conditions on trials."""

import pandas as pd

from analysis.metrics import METRICS
from analysis.where import selected
from trainables.config import settings
from trainables.signal_names import SIGNALS


def test_every_name_stands_as_it_is() -> None:
    names = sorted({*settings(), *METRICS, *SIGNALS})
    frame = pd.DataFrame({name: [1.0, 2.0] for name in names})
    assert len(names) > 150
    for name in names:
        assert selected(frame, f"{name} > 1 and 2*{name}/{name} == 2").tolist() == [False, True], name
