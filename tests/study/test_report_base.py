"""The settings of the base that the top configs of a report are compared with."""

from study.store.settings import base_of
from trainables.config import known_settings


def base(given: dict[str, object]) -> dict[str, object]:
    return base_of({"base": given, "space": {}}, known_settings())


def test_of_the_space_only_variants_have_a_first_value_as_their_default() -> None:
    """The plugin that has the other settings was not imported."""
    space = {
        "scientific": {"method": {"low": {}, "high": {"r1": True}}, "my.weight": {"low": 0.1, "high": 1.0}, "my.kind": ["a", "b"]},
        "nuisance": {},
    }
    found = base_of({"base": {}, "space": space}, known_settings())
    assert found["method"] == "low"
    assert not found.keys() & {"my.weight", "my.kind"}


def test_a_setting_that_does_not_apply_in_the_base_has_no_value() -> None:
    assert "wgan_gp.weight" not in base({})
    assert base({"wgan_gp": True})["wgan_gp.weight"] == 10
    assert base({"loss": "wasserstein"})["loss"] == "wasserstein"
