"""Published spaces: their values are the published ones, and studies can use them by name."""

from typing import Any

import pytest

from study.show.catalogue import catalogue
from study.spec.domains import as_given
from study.spec.published import SPACES, with_published
from study.spec.study_spec import StudySpec

METHODS = {
    "nsgan": {},
    "wgan": {"loss": "wasserstein", "weight_clipping": True},
    "wgan_gp": {"loss": "wasserstein", "wgan_gp": True},
    "dragan": {"dragan": True},
    "decayed": {"weight_penalty": True},
    "penalised": {"gradient_penalty": True},
}


RATES = {"low": 1e-5, "high": 1e-2, "log": True}
PENALTIES = ("wgan_gp.weight", "dragan.weight", "gradient_penalty.weight")
PUBLISHED = {  # as printed in the papers
    "lucic2018_wide": {
        "g.lr": RATES,
        "d.lr": RATES,
        "beta1": {"low": 0.0, "high": 0.99},
        "d_steps": [1, 5],
        "d.norm": ["none", "batch"],
        "weight_clipping.limit": {"low": 1e-3, "high": 1.0, "log": True},
        **{key: {"low": 0.1, "high": 100.0, "log": True} for key in PENALTIES},
    },
    "lucic2018_narrow": {
        "g.lr": {"low": 1e-4, "high": 1e-3, "log": True},
        "d.lr": {"low": 1e-4, "high": 1e-3, "log": True},
        "d.norm": ["none", "batch"],
        "weight_clipping.limit": {"low": 1e-2, "high": 1.0, "log": True},
        **{key: {"low": 0.1, "high": 10.0, "log": True} for key in PENALTIES},
    },
    "kurach2019": {
        "g.lr": RATES,
        "d.lr": RATES,
        "beta1": {"low": 0.0, "high": 0.99},
        "beta2": {"low": 0.0, "high": 0.999},
        "d_steps": [1, 5],
        **{key: {"low": 0.1, "high": 100.0, "log": True} for key in PENALTIES},
        "weight_penalty.weight": {"low": 1e-4, "high": 10.0, "log": True},
    },
    "kurach2019_grid": {
        "rate": {f"lr{lr:g}": {"g.lr": lr, "d.lr": lr} for lr in (2e-4, 1e-4, 1e-3)},
        "adam": {
            "beta0.5_0.9_steps5": {"beta1": 0.5, "beta2": 0.9, "d_steps": 5},
            "beta0.5_0.999_steps1": {"beta1": 0.5, "beta2": 0.999, "d_steps": 1},
            "beta0.5_0.999_steps5": {"beta1": 0.5, "beta2": 0.999, "d_steps": 5},
            "beta0.9_0.999_steps5": {"beta1": 0.9, "beta2": 0.999, "d_steps": 5},
        },
        **{key: [1.0, 10.0] for key in PENALTIES},
    },
}


def test_the_numbers_are_the_published_ones() -> None:
    assert {name: dict(space.settings) for name, space in SPACES.items()} == PUBLISHED


def study(space: Any, **more: Any) -> StudySpec:
    return StudySpec.from_dict(
        {"name": "s", "question": "which?", "n_configs": 4, "base": {"data": "ring8", "arch": "mlp"}, "space": space} | more
    )


@pytest.mark.parametrize("name", SPACES)
def test_each_is_valid_with_the_methods_it_was_published_for(name: str) -> None:
    if variants := {key for key, value in SPACES[name].settings.items() if isinstance(value, dict) and "low" not in value}:
        spec = study({"scientific": [name, {"method": METHODS}]}, n_configs=64)
        assert variants < spec.space.scientific.keys()
    else:
        spec = study({"scientific": {"method": METHODS}, "nuisance": name}, n_configs=64)
        assert spec.space.nuisance.keys() == SPACES[name].settings.keys()
        for setting, domain in spec.space.nuisance.items():
            assert as_given(domain) == SPACES[name].settings[setting]
    assert StudySpec.from_dict(spec.as_dict()) == spec
    for proposal in spec.designed():  # settings apply with their tricks
        assert ("weight_clipping.limit" in proposal.flat) == (
            proposal.flat.get("weight_clipping", False) and "weight_clipping.limit" in SPACES[name].settings
        )
    assert any(word.isdigit() for word in SPACES[name].source.split())
    assert SPACES[name].source in dict(catalogue()["spaces"])[name]


def test_settings_that_never_apply_or_are_scientific_are_left_out() -> None:
    spec = study({"scientific": {"g.lr": [1e-4, 1e-3], "method": {"plain": {}, "slow": {"beta1": 0.0}}}, "nuisance": "lucic2018_wide"})
    assert spec.space.nuisance.keys() == {"d.lr", "d_steps", "d.norm"}
    whole = study("lucic2018_wide", base={"data": "ring8", "arch": "mlp", "loss": "wasserstein", "weight_clipping": True})
    assert whole.space.scientific.keys() == {"g.lr", "d.lr", "beta1", "d_steps", "d.norm", "weight_clipping.limit"}


def test_a_later_entry_overrides() -> None:
    mixed = with_published({"scientific": {"r1": [False, True]}, "nuisance": ["lucic2018_narrow", {"g.lr": [1.0, 2.0]}, "kurach2019"]}, {})
    assert mixed["nuisance"]["g.lr"] == SPACES["kurach2019"].settings["g.lr"]
    mixed = with_published({"scientific": {"r1": [False, True]}, "nuisance": ["kurach2019", {"g.lr": [1.0, 2.0]}]}, {})
    assert mixed["nuisance"]["g.lr"] == [1.0, 2.0]


def test_the_fixed_grid_of_kurach_et_al_has_24_configs() -> None:
    spec = study("kurach2019_grid", sampler="factorial", base={"data": "ring8", "arch": "mlp", "wgan_gp": True}, n_configs=24)
    configs = {
        (flat["g.lr"], flat["d.lr"], flat["beta1"], flat["beta2"], flat["d_steps"], flat["wgan_gp.weight"])
        for flat in (proposal.flat for proposal in spec.designed())
    }
    assert len(configs) == 24
    assert {g for g, *_ in configs} == {1e-4, 2e-4, 1e-3}
    assert all(g == d for g, d, *_ in configs)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("lucic2018", "no published space named 'lucic2018'; did you mean 'lucic2018_wide'?"),
        ({"scientific": {"r1": [False, True]}, "nuisance": ["kurach2019", 3]}, "or a list of these; given 3"),
        (
            {"scientific": {"r1": [False, True]}, "nuisance": "kurach2019_grid"},
            "variants must be in space.scientific; rate is in space.nuisance",
        ),
    ],
)
def test_invalid_spaces_are_refused_with_the_reason(space: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011  (the message is checked below)
        study(space)
    assert message in str(error.value)
