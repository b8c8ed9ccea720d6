"""Ablations of a study whose choices do not contain the default."""

from collections.abc import Callable
from pathlib import Path

from analysis.ablation import ablations
from study.api import open_study
from study.spec.study_spec import StudySpec
from study.store.records import Closed, Ended, Measurement, StudyRecord
from study.store.store import Store


def test_a_default_outside_the_choices_is_compared_too(toy: Callable[..., StudySpec], tmp_path: Path) -> None:
    """Phase ablate trains the default, which none of the listed losses is."""
    spec = toy(space={"scientific": {"loss": ["hinge", "wasserstein"]}, "nuisance": {}})
    base = next(iter(spec.designed())).flat
    with Store.writing(tmp_path) as store:
        store.write_study(StudyRecord(spec=spec.as_dict(), protocol={}, baselines={}, n_modes=None))
        for phase, loss, fd in (("confirm", "hinge", 1.0), ("confirm", "wasserstein", 9.0), ("ablate", "nonsaturating", 2.0)):
            for seed in range(3):
                flat = {**base, "loss": loss, "seed": seed}
                measured = Measurement(images=600, seconds=1.0, evaluation_seconds=0.1, values={"fd": fd + 0.01 * seed, "modes": 8.0})
                store.write(
                    spec.config(flat, seed).trial_id,
                    opened={"phase": phase, "flat": flat},
                    measured=measured,
                    closed=Closed(ended=Ended.BUDGET),
                )
    table = open_study(tmp_path).table()
    assert list(table.settings["loss"].cat.categories) == ["hinge", "wasserstein", "nonsaturating"]
    assert not table.settings["loss"].isna().any()
    found = ablations(table)
    assert {(each.value, each.default) for each in found} == {("hinge", "nonsaturating"), ("wasserstein", "nonsaturating")}
    assert {each.pairs for each in found} == {3}
