"""Captured rounds give the same training as plain ones, bit for bit, for every table entry and every pair of entries; what cannot be captured says why."""

import gc
import weakref
from typing import Any

import pairs
import pytest
import torch
from replaying import OnCpu
from tiny import equal, source_of, through_a_file, tiny, tiny_config
from torch import Tensor

from trainables.run import Run
from trainables.trial import Trial
from trainables.tricks.base import Nets, Step, Trick, trick
from trainables.updates import UPDATES

LONG = {"budget_kimg": 0.6, "tick_kimg": 0.12}  # 50 rounds: every kind of round is replayed


def captured(settings: dict[str, Any]) -> Run:
    run = tiny(settings)
    run.capture(OnCpu())
    return run


def replayed(run: Run) -> int:
    """Return how many rounds were replays. Fails if rounds could not be recorded."""
    assert run.rounds is not None
    assert run.rounds.reason == ""
    return run.rounds.replayed


def assert_the_same(settings: dict[str, Any], *, at_least: int) -> None:
    plain, fast = tiny(settings), captured(settings)
    assert list(fast.ticks()) == list(plain.ticks())
    assert replayed(fast) >= at_least
    assert torch.equal(fast.generator().sample(20), plain.generator().sample(20))
    assert equal(fast.state_dict(), plain.state_dict())


def named(row: dict[str, Any]) -> str:
    return "-".join(name if on is True else str(on) for name, on in row.items() if on)


def of_any_kind() -> list[Any]:
    """Return each entry alone and rows that cover every pair; only architectures and update rules are fast."""
    others = ("loss", "optimiser")
    fast = [row for row in pairs.alone() if row.keys() == pairs.PLAIN.keys() and all(row[name] == pairs.PLAIN[name] for name in others)]
    return [*fast, *(pytest.param(row, marks=pytest.mark.slow) for row in (*pairs.alone(), *pairs.rows()) if row not in fast)]


@pytest.mark.parametrize("entries", of_any_kind(), ids=named)
def test_captured_rounds_are_the_plain_ones(entries: dict[str, Any]) -> None:
    full_soon = {"experience_replay.images": 24} if entries.get("experience_replay") else {}
    rare = entries["update"] == "extragradient"  # needs more rounds before one is replayed
    long = LONG if rare else LONG | {"budget_kimg": 0.36}
    assert_the_same(pairs.asked(entries) | long | full_soon, at_least=5 if rare else 10)


CHANGING: dict[str, dict[str, Any]] = {  # what changes from round to round: branches, weights, rates, counts
    "lazy penalties": {"r1": True, "r1.interval": 4, "wgan_gp": True, "wgan_gp.interval": 3},
    "a penalty that ends": {"r1": True, "r1.end": 0.0, "r1.until": 0.5, "r1.warmup": 0.2},
    "penalties that change": {"gradient_penalty": True, "gradient_penalty.end": 0.1, "weight_penalty": True, "weight_penalty.warmup": 0.9},
    "rates that change": {"lr_schedule": True, "lr_schedule.warmup": 0.3, "lr_schedule.shape": "cosine"},
    "rates of RMSprop": {"lr_schedule": True, "optimiser": "rmsprop"},
    "rates of SGD": {"lr_schedule": True, "optimiser": "sgd", "g.lr": 1e-3, "d.lr": 1e-3},
    "noise that fades": {"instance_noise": True, "instance_noise.until": 0.7},
    "averages": {"ema": True, "historical_averaging": True},
    "a mean that starts late": {"swa": True, "swa.share": 0.4},
    "a controller": {"arch": "dcgan", "data": "digits", "ada": True, "ada.speed_kimg": 0.3, "ada.target": -0.9},
    "a buffer that fills": {"experience_replay": True, "experience_replay.images": 60, "lecam": True},
    "fewer and fewer samples": {"top_k": True, "top_k.decay": 0.8, "data.size": 100},
    "several updates": {"d_steps": 4, "g_steps": 3, "ema": True},
    "slow weights": {"update": "lookahead", "lookahead.k": 3, "d_steps": 2},
    "unrolled steps": {"update": "unrolled", "unrolled.steps": 2, "r1": True, "r1.interval": 2},
    "dropout": {"g.dropout": 0.3, "d.dropout": 0.5},
    "classes": {
        "arch": "dcgan",
        "data": "digits",
        "g.condition": "concat",
        "d.condition": "projection",
        "experience_replay": True,
        "experience_replay.images": 24,
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("settings", CHANGING.values(), ids=CHANGING)
def test_what_changes_from_round_to_round_changes_in_replays(settings: dict[str, Any]) -> None:
    assert_the_same({"budget_kimg": 1.2, "tick_kimg": 0.3, **settings}, at_least=40)


def test_a_run_resumes_from_a_captured_one_and_the_other_way_round() -> None:
    settings = {"ema": True, "lr_schedule": True, "r1": True, "r1.interval": 4, "g.dropout": 0.2, **LONG}
    whole = tiny(settings)
    expected = list(whole.ticks())
    for first, second in ((captured, tiny), (tiny, captured), (captured, captured)):
        before, after = first(settings), second(settings)
        ticks = before.ticks()
        assert [next(ticks) for _ in range(3)] == expected[:3]
        after.load_state_dict(through_a_file(before.state_dict()))
        assert list(after.ticks()) == expected[3:]
        assert equal(after.state_dict()["g"], whole.state_dict()["g"])


def test_a_captured_run_can_go_back_to_an_earlier_state() -> None:
    """Its graphs used tensors that are not those of the state."""
    settings = {"optimiser": "adam", "experience_replay": True, "experience_replay.images": 24, "lr_schedule": True, **LONG}
    run = captured(settings)
    ticks = run.ticks()
    next(ticks), next(ticks)
    state = through_a_file(run.state_dict())
    expected = list(ticks)
    assert replayed(run) >= 30
    run.load_state_dict(state)
    assert list(run.ticks()) == expected


def test_data_that_stay_in_host_memory_are_fed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU, large data sets do; on a CPU, all do. Rows that stay on the device are fed as indices."""
    rows = tiny(LONG)
    rows.batches._kept = torch.from_numpy(rows.source.train)
    rows.capture(OnCpu())
    assert list(rows.ticks()) == list(captured(LONG).ticks()) == list(tiny(LONG).ticks())
    assert replayed(rows) >= 40


def test_kinds_of_rounds_are_bounded() -> None:
    """A sample more or fewer in each epoch: 12 kinds, of which 8 are kept as graphs; the others are ordinary again."""
    settings = {"top_k": True, "top_k.decay": 0.93, "top_k.least": 0.05, "data.size": 60, "budget_kimg": 3.0, "tick_kimg": 1.0}
    plain, fast = tiny(settings), captured(settings)
    assert list(fast.ticks()) == list(plain.ticks())
    assert fast.rounds is not None
    assert len(fast.rounds.graphs) == 8


@pytest.mark.parametrize("update", UPDATES)
def test_a_released_trial_leaves_no_memory_behind(update: str) -> None:
    """Without a run of the garbage collector, which a GPU cannot wait for."""
    config = tiny_config({"update": update, "r1": True, "ema": True, "d.norm": "layer", **LONG})
    gc.collect()
    gc.disable()
    try:
        trial = Trial(config, source_of(config.data), lambda generator: {"fd": 0.0})
        assert isinstance(trial.run, Run)
        trial.run.capture(OnCpu())
        trial.advance(), trial.advance()
        assert replayed(trial.run)
        left = weakref.ref(trial.run), weakref.ref(trial.run.nets.g)
        trial.release()
        del trial
        assert [each() for each in left] == [None, None]
    finally:
        gc.enable()


# What cannot be captured -----------------------------------------------------------------------------


class Reading(Trick):
    """Noise that the number of images scales, read in the step. Nobody 2026."""

    def view(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return images * (1 + self.clock.t)


class Counting(Trick):
    """A penalty that grows with each step, counted in Python. Nobody 2026."""

    def build(self, nets: Nets, config: Any) -> None:
        self.times = 0

    def d_term(self, step: Step) -> Tensor:
        self.times += 1
        return step.fake_logits.square().mean() * self.times

    def state_dict(self) -> dict[str, Any]:
        return {"times": self.times}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.times = state["times"]


class Replacing(Trick):
    """A penalty on the distance from the last mean, a tensor that is replaced. Nobody 2026."""

    def build(self, nets: Nets, config: Any) -> None:
        self.last = torch.zeros(())

    def d_term(self, step: Step) -> Tensor:
        now = step.fake_logits.mean()
        term, self.last = (now - self.last).square(), now.detach()
        return term


class Waiting(Trick):
    """Images scaled by a number that the host waits for. Nobody 2026."""

    def view(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return images / images.abs().max().item()


class Masking(Trick):
    """A penalty on the positive logits only, picked by a mask. Nobody 2026."""

    def d_term(self, step: Step) -> Tensor:
        return torch.cat([step.fake_logits[step.fake_logits > 0], step.fake_logits[:1]]).square().mean()


class Branching(Trick):
    """A penalty in every second step, without telling the clock, which it asks for its weight. Nobody 2026."""

    def build(self, nets: Nets, config: Any) -> None:
        self.on = False

    def d_term(self, step: Step) -> Tensor | None:
        self.on = not self.on
        return self.clock.number(lambda: 0.5) * step.fake_logits.square().mean() if self.on else None


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (Reading, "a step reads clock.images; a number that changes needs clock.number, a branch clock.choice"),
        (Counting, "mine changes `times` in a step; tensors must be changed in place, and Python state in a function for clock.each"),
        (
            Replacing,
            "mine replaces the tensor `last` in a step; tensors must be changed in place, and Python state in a function for clock.each",
        ),
        (Waiting, "a step waits for a value of the GPU (_local_scalar_dense)"),
        (Masking, "a step waits for the number of elements that a mask selects (index); use torch.where"),
        (Branching, "rounds with the same choices ask the clock for different things; a branch needs clock.choice"),
    ],
)
def test_a_plugin_that_cannot_be_captured_trains_as_before_and_says_why(plugins: None, plugin: type[Trick], reason: str) -> None:
    trick("mine")(plugin)
    settings = {"mine": True, **LONG}
    plain, fast = tiny(settings), captured(settings)
    assert list(fast.ticks()) == list(plain.ticks())
    assert equal(fast.state_dict(), plain.state_dict())
    assert fast.rounds is not None
    assert (fast.rounds.reason, fast.rounds.replayed) == (reason, 0)
