"""What entries of plugins hand over: networks, losses, optimisers, data, and of tricks numbers that change, the weight of G's loss, and state."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from replaying import OnCpu
from tiny import equal, source_of, tiny, tiny_config
from torch import nn

from analysis.metrics.measures import Metric
from ganstudy import UserError
from ganstudy.registry import Registry
from trainables.data import DATA, Source, load
from trainables.losses import LOSSES, Loss
from trainables.models import ARCHS
from trainables.models.base import Architecture, Discriminator, plain_generator
from trainables.optimisers import OPTIMISERS, optimiser
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


# Entries that return something of another kind ------------------------------------------------------


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> Callable[[Registry[Any], Any], str]:
    """entered(LOSSES, loss): adds an entry to a table for this test, and returns its name."""

    def enter(table: Registry[Any], entry: Any) -> str:
        monkeypatch.setitem(table, "entered", entry)
        return "entered"

    return enter


def mean(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    return fake.mean()


def architecture(*, g: Any = None, d: Any = None) -> Architecture:
    return Architecture(
        source="Nobody 2026",
        generator=lambda config, shape: nn.Linear(config.latent.dim, shape[0]) if g is None else g,
        discriminator=lambda config, shape: Discriminator(nn.Tanh(), nn.Linear(shape[0], 1)) if d is None else d,
        check=lambda config: None,
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"g": 1}, r"the generator of arch: entered must be a torch\.nn\.Module; given int"),
        ({"d": 1}, r"the discriminator of arch: entered must be a torch\.nn\.Module; given int"),
        ({"g": nn.Linear(6, 7)}, r"generator of arch: entered must map .* \[2, 6\] to one of shape \[2, 2\]; it returns .* \[2, 7\]"),
        ({"g": nn.Linear(5, 2)}, r"generator of arch: entered must map .* \[2, 6\] .*; it raises: .*shapes cannot be multiplied"),
        ({"g": nn.LSTM(6, 2)}, r"generator of arch: entered must map .*; it returns tuple"),
        ({"d": Discriminator(nn.Tanh(), nn.Linear(2, 3))}, r"discriminator of arch: entered must map .* \[2\]; it returns .* \[6\]"),
        ({"d": nn.Linear(2, 1)}, r"discriminator of arch: entered must map .* \[2\]; it returns .* \[2, 1\]"),
    ],
)
def test_networks_must_map_latents_to_samples_and_samples_to_logits(entered: Callable[..., str], given: Any, words: str) -> None:
    config = tiny_config({"arch": entered(ARCHS, architecture(**given)), "data": "ring8"})
    with pytest.raises(UserError, match=words):
        Run(config, source_of(DataConfig(name="ring8")))


def test_a_network_that_is_checked_is_as_it_was_built(entered: Callable[..., str]) -> None:
    class Noisy(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) + torch.randn(len(x), 2)

    made = nn.Sequential(Noisy(6, 2), nn.BatchNorm1d(2))
    config = tiny_config({"arch": entered(ARCHS, architecture(g=made)), "data": "ring8"})
    before, drawn = {name: tensor.clone() for name, tensor in made.state_dict().items()}, torch.get_rng_state()
    assert plain_generator(config, (2,)) is made
    assert made[1].training
    assert torch.equal(torch.get_rng_state(), drawn)
    assert equal(dict(made.state_dict()), before)


def test_a_network_whose_samples_do_not_fit_into_memory_is_refused_for_that(entered: Callable[..., str]) -> None:
    class Large(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros(2**59).sum() * x

    config = tiny_config({"arch": entered(ARCHS, architecture(g=Large(6, 2))), "data": "ring8"})
    with pytest.raises(UserError, match="networks must fit into memory"):
        Run(config, source_of(DataConfig(name="ring8")))


@pytest.mark.parametrize("side", ["d", "g"])
def test_a_loss_must_depend_on_the_logits(entered: Callable[..., str], side: str) -> None:
    def detached(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        return fake.mean().detach()

    loss = Loss(source="Nobody 2026", d=detached if side == "d" else mean, g=detached if side == "g" else mean)
    run = tiny({"loss": entered(LOSSES, loss)})
    with pytest.raises(UserError, match=f"{side} of the loss entered must depend on the logits"):
        list(run.ticks())


def test_functions_of_an_entry_must_take_what_they_are_given() -> None:
    def one(x: Any) -> Any:
        return x

    with pytest.raises(
        UserError, match=r"g of the loss 'Nobody 2026' must be a function of \(real_logits, fake_logits\); given one of \(x"
    ):
        Loss(source="Nobody 2026", d=mean, g=one)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"d of the loss 'Nobody 2026' must be a function of \(real_logits, fake_logits\); given 1\.0"):
        Loss(source="Nobody 2026", d=1.0, g=mean)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"generator of the architecture 'Nobody 2026' must be a function of \(config, shape\)"):
        Architecture(source="Nobody 2026", generator=one, discriminator=mean, check=one)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"`of` of the metric 'spread' must be a function of \(comparison\); given one of \(real"):
        Metric(of=mean, description="spread", direction=None, source="Nobody 2026")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"the optimiser 'one' must be a function of \(parameters, lr, config\); given one of \(x"):
        optimiser("one")(one)  # type: ignore[type-var]


def test_an_optimiser_must_return_an_optimiser(entered: Callable[..., str]) -> None:
    with pytest.raises(UserError, match=r"the optimiser 'entered' must return a torch\.optim\.Optimizer; given NoneType"):
        tiny({"optimiser": entered(OPTIMISERS, lambda parameters, lr, config: None)})


def test_an_update_rule_must_return_scalars_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny()
    monkeypatch.setattr(run.rule, "step", lambda gan: None)
    with pytest.raises(UserError, match="step of the update rule alternating must return a dict of scalars; given NoneType"):
        list(run.ticks())


def test_a_trick_must_return_a_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny({"ema": True})
    monkeypatch.setattr(run.tricks["ema"], "generator", lambda generator: None)
    with pytest.raises(UserError, match="generator of the trick ema must return a Generator; given NoneType"):
        run.generator()


def test_a_data_set_must_be_a_function_that_returns_a_source(entered: Callable[..., str]) -> None:
    config = DataConfig(name=entered(DATA, lambda config: None))
    with pytest.raises(UserError, match="the data set 'entered' must return a Source; given NoneType"):
        load(config)
    entered(DATA, lambda: None)
    with pytest.raises(UserError, match=r"the data set 'entered' must be a function of \(config\); given one of \(\)"):
        load(config)
    rows = np.zeros((4, 2), dtype=np.float32)
    with pytest.raises(UserError, match=r"odd\.heldout must be a NumPy array; given Tensor"):
        Source(name="odd", train=rows, heldout=torch.zeros(4, 2))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"odd\.train_labels must be a NumPy array; given list"):
        Source(name="odd", train=rows, heldout=rows, train_labels=[0, 0, 0, 0], classes=("a",))  # type: ignore[arg-type]
