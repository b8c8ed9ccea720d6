"""Conditional settings: designs and adaptive search propose a setting exactly where its need is met."""

from typing import Any

import optuna
import pytest
from tiny import BESIDE

from study.engine.adaptive import point
from study.spec.ranges import RANGES
from study.spec.study_spec import StudySpec
from trainables.config import TrialConfig, field_needs, need_of, settings
from trainables.tricks import TRICKS
from trainables.updates import UPDATES

N = 32
BASE = {"data": "digits", "budget_kimg": 20.0}
OTHER = {  # a value that does not meet the need
    "arch": "mlp",
    "loss": "nonsaturating",
    "optimiser": "sgd",
    "update": "simultaneous",
    "g.activation": "relu",
    "d.activation": "relu",
    "latent.distribution": "normal",
}
CHOSEN = [name for name, need in field_needs().items() if need.names[0] in OTHER and name in RANGES]
BUNDLED = [name for name, need in field_needs().items() if need.names[0] not in (*OTHER, "data") and name in RANGES]


def test_every_need_has_a_test_in_this_file() -> None:
    of_data = {name for name, need in field_needs().items() if need.names == ("data",)}  # the data set never varies
    assert {*CHOSEN, *BUNDLED} | of_data == field_needs().keys()
    assert {"g.slope", "margin", "g.embedding", "d.class_weight", "weight_decay", "latent.truncation", "g.gain", "d_steps"} <= {
        *CHOSEN,
        *BUNDLED,
    }


def study(name: str, scientific: dict[str, Any], **more: Any) -> StudySpec:
    return StudySpec.from_dict(
        {
            "name": "needs",
            "question": "Is the setting proposed where it applies?",
            "base": BASE,
            "space": {"scientific": scientific, "nuisance": {name: "range"}},
            "n_configs": N,
            **more,
        }
    )


def choice(name: str) -> dict[str, Any]:
    """Return a choice between a value that meets the need of a setting and a value that does not."""
    need = need_of(name)
    assert need
    other = need.names[0]
    meeting = "dcgan" if other == "arch" else need.values()[0]
    return {other: [OTHER[other], meeting]}


def check(spec: StudySpec, name: str) -> None:
    """Check 32 configs of a design and 32 proposals: the setting is present exactly where it applies, and both cases occur."""
    search = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    flats = [proposal.flat for proposal in spec.designed()] + [spec.asked(point(spec, search.ask()), 0).flat for _ in range(N)]
    need = need_of(name)
    assert need
    met = [need.met({**settings(), **flat}.__getitem__) for flat in flats]
    assert [name in flat for flat in flats] == met
    assert set(met[:N]) == set(met[N:]) == {False, True}
    for flat in flats:
        TrialConfig.from_flat(flat)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_setting_applies_where_a_choice_meets_its_need(name: str) -> None:
    check(study(name, choice(name)), name)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_setting_applies_where_a_variant_meets_its_need(name: str) -> None:
    need = need_of(name)
    assert need
    bundle = need.first | {other: value for other, value in BESIDE.get(name, {}).items() if other not in BASE}
    check(study(name, {"method": {"plain": {}, "with": bundle}}), name)


@pytest.mark.parametrize("name", ["r1.gamma", "ema.halflife_kimg"])
def test_settings_of_tricks_follow_the_same_rule(name: str) -> None:
    check(study(name, {name.partition(".")[0]: [False, True]}), name)


def test_no_trick_or_update_rule_has_the_name_of_a_section() -> None:
    """Otherwise `g.lr` could be a setting of a trick."""
    assert not {"g", "d", "data", "latent"} & {*TRICKS, *UPDATES}
