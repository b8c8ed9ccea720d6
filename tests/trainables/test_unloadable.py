"""A trial is refused whose generator could not be loaded from its file, before anything is trained."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import source_of, tiny_config
from torch import Tensor, nn

from ganstudy import UserError
from trainables.building import BUILDING
from trainables.generators import Generator, load_generator
from trainables.models.conditional import build_generator
from trainables.run import LOOPS, Run
from trainables.sections import DataConfig
from trainables.trial import Trial
from trainables.tricks import TRICKS
from trainables.tricks.base import Nets, Trick, trick

RING = source_of(DataConfig(name="ring8"))


class Doubled(nn.Module):
    """G, twice as large. Its tensors have other names."""

    def __init__(self, g: nn.Module):
        super().__init__()
        self.g = g

    def forward(self, z: Tensor) -> Tensor:
        return 2 * self.g(z)  # type: ignore[no-any-return]


def other_latents(generator: Generator) -> Generator:
    return Generator(generator.net, generator.latent.model_copy(update={"distribution": "uniform"}))


def negated(generator: Generator) -> Generator:
    net = copy.deepcopy(generator.net)
    net.register_forward_hook(lambda module, given, out: -out)  # the same tensors
    return generator.of(net)


OTHERS: dict[str, Callable[[Generator], Generator]] = {
    "names": lambda generator: generator.of(Doubled(generator.net)),
    "shapes": lambda generator: generator.of(nn.Linear(6, 2)),
    "function": negated,
    "latents": other_latents,
}


@pytest.fixture(params=OTHERS)
def other(request: pytest.FixtureRequest) -> Iterator[Callable[[Generator], Generator]]:
    """A trick whose generator is another one than G."""
    change = OTHERS[request.param]

    @trick("other_generator")
    class Other(Trick):
        """Evaluate another network. Nobody 2026"""

        def generator(self, generator: Generator) -> Generator:
            return change(generator)

    yield change
    del TRICKS["other_generator"]


def test_a_trick_with_another_network_is_refused_at_once(other: Callable[[Generator], Generator]) -> None:
    trial = Trial(tiny_config({"other_generator": True}), RING, lambda generator: pytest.fail("it was evaluated"))
    with pytest.raises(
        UserError, match="so that its file can be loaded; other_generator or loop: gan returned another network or other latents"
    ):
        trial.advance()


def test_a_trick_that_changes_its_mind_is_refused_then(tmp_path: Path) -> None:
    @trick("late_generator")
    class Late(Trick):
        """Evaluate another network, later. Nobody 2026"""

        def generator(self, generator: Generator) -> Generator:
            return generator.of(Doubled(generator.net)) if self.clock.images else generator

    try:
        trial = Trial(tiny_config({"late_generator": True}), RING, lambda generator: {"fd": 1.0})
        trial.advance()
        with pytest.raises(UserError, match="late_generator or loop: gan returned another network"):
            trial.advance()
    finally:
        del TRICKS["late_generator"]


def test_a_loop_with_another_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(Run):
        def generator(self) -> Generator:
            return super().generator().of(Doubled(self.nets.g))

    monkeypatch.setitem(LOOPS, "other", Other)
    with pytest.raises(UserError, match="; loop: other returned another network"):
        Trial(tiny_config({"loop": "other"}), RING, lambda generator: {"fd": 1.0}).advance()


def test_a_copy_of_g_is_trained_saved_and_loaded(tmp_path: Path) -> None:
    @trick("half")
    class Half(Trick):
        """Evaluate half of G's weights. Nobody 2026"""

        def build(self, nets: Nets, config: object) -> None:
            self.copy = copy.deepcopy(nets.g)

        @torch.no_grad()
        def generator(self, generator: Generator) -> Generator:
            for mine, p in zip(self.copy.parameters(), generator.net.parameters(), strict=True):
                mine.copy_(p / 2)
            return generator.of(self.copy)

    try:
        trial = Trial(tiny_config({"half": True}), RING, lambda generator: {"fd": 1.0})
        trial.advance()
        trial.save(tmp_path)
        loaded = load_generator(tmp_path / "generator.safetensors")
        torch.testing.assert_close(loaded.sample(5), trial.run.generator().sample(5))
    finally:
        del TRICKS["half"]


def test_the_check_moves_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def last(trial: Trial) -> dict[str, float]:
        trial.advance()
        return {name: value for name, value in trial.advance().values.items() if name != "images_per_second"}

    config = tiny_config({"g.dropout": 0.2, "ema": True})
    checked = last(Trial(config, RING, lambda generator: {"fd": 1.0}))
    monkeypatch.setattr("trainables.trial.refuse_unloadable", lambda *args: None)
    assert last(Trial(config, RING, lambda generator: {"fd": 1.0})) == checked


def test_the_check_builds_while_no_other_lane_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes share PyTorch's global random state, from which initial weights come."""
    locked = []

    def building(*args: Any, **settings: Any) -> nn.Module:
        locked.append(BUILDING.locked())
        return build_generator(*args, **settings)

    monkeypatch.setattr("trainables.generators.build_generator", building)
    Trial(tiny_config(), RING, lambda generator: {"fd": 1.0}).advance()
    assert locked == [True]
