"""The settings of the base that the top configs of a report are compared with."""

from study.store.settings import base_of
from trainables.config import known_settings


def base(given: dict[str, object]) -> dict[str, object]:
    return base_of({"base": given, "space": {}}, known_settings())


def test_a_setting_that_does_not_apply_in_the_base_has_no_value() -> None:
    assert "wgan_gp.weight" not in base({})
    assert base({"wgan_gp": True})["wgan_gp.weight"] == 10
    assert base({"loss": "wasserstein"})["loss"] == "wasserstein"
