"""What a trick hands over besides losses and signals: numbers that change, the weight of G's loss, and its state."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from replaying import OnCpu
from tiny import source_of, tiny_config

from ganstudy import UserError
from trainables.run import Run
from trainables.sections import DataConfig
from trainables.trial import Trial
from trainables.tricks.base import TRICKS, Nets, Step, Trick, trick


@pytest.fixture
def handing() -> Iterator[Callable[..., Trial]]:
    """handing(keep=math.nan): a trial with a trick that hands this over after 60 images."""

    def make(*, number: Any = 1.0, keep: Any = 1.0, state: Any = 0) -> Trial:
        TRICKS.pop("handing", None)

        @trick("handing")
        class Handing(Trick):
            """For tests."""

            def before_g(self, step: Step) -> None:
                step.keep = keep

            def after_g(self, nets: Nets) -> None:
                self.clock.number(lambda: number if self.clock.images > 60 else 1.0)

            def state_dict(self) -> dict[str, Any]:
                return {"seen": [1, {"last": state}]}

        config = tiny_config({"handing": True})
        return Trial(config, source_of(DataConfig(name=config.data.name)), lambda generator: {"spread": 1.0})

    yield make
    TRICKS.pop("handing", None)


@pytest.mark.parametrize("replayed", [False, True])
@pytest.mark.parametrize("bad", [math.nan, -math.inf, "text"])
def test_a_number_for_the_clock_that_is_none_names_the_function(handing: Callable[..., Trial], bad: Any, replayed: bool) -> None:
    trial = handing(number=bad)
    if replayed:
        assert isinstance(trial.run, Run)
        trial.run.capture(OnCpu())
    trial.advance()
    trial.advance()
    with pytest.raises(UserError, match=r"what test_plugin_values\.handing.*Handing\.after_g passes to clock\.number must be .* number"):
        trial.advance()


@pytest.mark.parametrize("bad", [math.nan, math.inf, "text"])
def test_a_weight_of_the_loss_that_is_no_finite_number_names_the_trick(handing: Callable[..., Trial], bad: Any) -> None:
    trial = handing(keep=bad)
    trial.advance()
    with pytest.raises(UserError, match=r"step\.keep after before_g of the trick handing must be .* number"):
        trial.advance()


@pytest.mark.parametrize("bad", [np.float64(1), np.zeros(2), Path("x"), torch.Generator()])
def test_a_state_that_cannot_be_loaded_is_not_saved(handing: Callable[..., Trial], tmp_path: Path, bad: Any) -> None:
    trial = handing(state=bad)
    trial.advance()
    kind = f"{type(bad).__module__}.{type(bad).__name__}"
    with pytest.raises(UserError, match=rf"run\.tricks\.handing\.seen\.1\.last is a {kind}\. Convert it in state_dict"):
        trial.save(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("good", [1.5, "text", None, (1, 2), {"a": torch.zeros(2)}, torch.float32])
def test_a_state_of_plain_values_is_saved_and_loaded(handing: Callable[..., Trial], tmp_path: Path, good: Any) -> None:
    trial = handing(state=good)
    trial.advance()
    trial.save(tmp_path)
    again = handing(state=good)
    again.load(tmp_path)
    assert again.advance().images > 0
