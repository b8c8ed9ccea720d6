"""Tricks and update rules of plugins in a TrialConfig, and what every entry must have."""

from dataclasses import asdict

import pytest

from trainables.config import TrialConfig, settings, switch_of
from trainables.sections import Count, Positive
from trainables.tricks import TRICKS
from trainables.tricks.base import Trick, trick
from trainables.updates import UPDATES
from trainables.updates.alternating import Alternating
from trainables.updates.base import Update, update


@pytest.mark.usefixtures("plugins")
def test_a_plugin_trick_works_like_a_built_in_one() -> None:
    @trick("zoo")
    class Zoo(Trick):
        """A trick for wasserstein only. Nobody 2026."""

        strength: Positive = 3.0

        def check(self, config: TrialConfig) -> None:
            if config.loss != "wasserstein":
                raise ValueError(f"zoo needs loss: wasserstein; given {config.loss!r}")

    assert settings()["zoo"] is False
    assert settings()["zoo.strength"] == 3.0
    config = TrialConfig.from_flat({"loss": "wasserstein", "zoo": True, "zoo.strength": 4.0})
    assert config.flat()["zoo.strength"] == 4.0
    assert len({config.config_id, TrialConfig.from_flat({"loss": "wasserstein", "zoo": True}).config_id, TrialConfig().config_id}) == 3
    with pytest.raises(ValueError, match="zoo needs loss: wasserstein; given 'hinge'"):
        TrialConfig.from_flat({"loss": "hinge", "zoo": True})
    with pytest.raises(ValueError, match=r"zoo.strength must be above 0; given -1.0"):
        TrialConfig.from_flat({"loss": "wasserstein", "zoo": True, "zoo.strength": -1.0})
    with pytest.raises(ValueError, match=r"the name of a trick must be new; 'zoo' is taken"):
        trick("zoo")(type("Other", (Trick,), {"__doc__": "Other."}))


@pytest.mark.usefixtures("plugins")
def test_a_trick_needs_its_own_docstring() -> None:
    with pytest.raises(ValueError, match=r"a trick needs a docstring.*'bare' has none"):

        @trick("bare")
        class Bare(TRICKS["r1"]):  # type: ignore[misc, name-defined, valid-type]
            pass


@pytest.mark.usefixtures("plugins")
def test_each_setting_of_a_trick_or_an_update_rule_needs_a_default() -> None:
    with pytest.raises(ValueError, match=r"each setting of the trick 'bare' needs a default; weight has none"):

        @trick("bare")
        class Bare(Trick):
            """Nobody 2026."""

            weight: float

    with pytest.raises(ValueError, match=r"each setting of the update rule 'slow' needs a default; every has none"):

        @update("slow")
        class Slow(Alternating):
            """Nobody 2026."""

            every: Count

    assert "bare" not in TRICKS
    assert "slow" not in UPDATES


@pytest.mark.usefixtures("plugins")
def test_a_plugin_update_rule_works_like_a_built_in_one() -> None:
    @update("lazy")
    class Lazy(Alternating):
        """G moves every `every` rounds. Nobody 2026."""

        every: Count = 2

    assert settings()["lazy.every"] == 2
    config = TrialConfig.from_flat({"update": "lazy", "lazy.every": 3})
    assert (config.update_settings, config.flat()["lazy.every"]) == ({"every": 3}, 3)
    assert TrialConfig(update="lazy").update_settings == {"every": 2}
    assert len({config.config_id, TrialConfig(update="lazy").config_id, TrialConfig().config_id}) == 3
    with pytest.raises(ValueError, match=r"lazy.every must be at least 1; given 0"):
        TrialConfig.from_flat({"update": "lazy", "lazy.every": 0})


def test_tricks_rules_and_sections_have_distinct_names() -> None:
    sections = {name.partition(".")[0] for name in settings() if "." in name and not switch_of(name)}
    assert not TRICKS.keys() & UPDATES.keys()
    assert not (TRICKS.keys() | UPDATES.keys()) & (sections | TrialConfig.model_fields.keys())


@pytest.mark.parametrize("name", [*TRICKS, *UPDATES])
def test_tricks_and_update_rules_cite_a_source_and_have_defaults(name: str) -> None:
    cls: type[Trick] | type[Update] = TRICKS.get(name) or UPDATES[name]
    assert cls.__doc__
    assert any(word[:2] in ("19", "20") and word[:4].isdigit() for word in cls.__doc__.replace(";", " ").replace(".", " ").split())
    assert asdict(cls()).keys() == {setting.removeprefix(f"{name}.") for setting in settings() if setting.startswith(f"{name}.")}
