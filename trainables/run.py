"""Run: the standard training loop of one trial, and its state."""

import math
from collections.abc import Iterator
from typing import Any

import torch

from ganstudy.errors import UserError
from ganstudy.numbers import finite
from ganstudy.registry import Registry
from ganstudy.tf32 import tf32
from ganstudy.units import to_images
from trainables import tables
from trainables.capture import Record, Rounds
from trainables.config import TrialConfig
from trainables.data import Source
from trainables.gan import Gan
from trainables.generators import Generator
from trainables.latents import draw_classes, draw_latent
from trainables.loop import Diverged, Loop, Tick
from trainables.losses import LOSSES
from trainables.models.conditional import apply
from trainables.signals import Signals, image_gradient
from trainables.tricks.base import TRICKS, Trick
from trainables.updates.base import make_update

LOOPS: Registry[type[Loop]] = tables.LOOPS


@LOOPS.register("gan")
class Run(Gan):
    """Trains D and G with the update rule, loss, tricks and optimisers of a config."""

    conditional = True  # draws classes if the config sets g.condition

    def __init__(self, config: TrialConfig, source: Source, *, device: torch.device | str = "cpu"):
        super().__init__(config, source, device=device)
        self.tick = to_images(config.tick_kimg)
        self.rule = make_update(config.update, config.update_settings)
        self.move = self.rule.move
        self.rule.build(self)
        self.signals = Signals(self.clock, self.device)
        self.rounds: Rounds | None = None  # None: not captured
        self._prepare_optimisers()

    @classmethod
    def check(cls, config: TrialConfig) -> None:
        """Raise UserError if a paired loss would compare images of different classes."""
        if config.g.condition is not None and LOSSES.pick(config.loss).paired:
            for name in config.tricks:
                if (trick := TRICKS.pick(name)).fakes is not Trick.fakes or trick.classes is not Trick.classes:
                    raise UserError(
                        f"{name} must be off with g.condition and loss: {config.loss}: both images of a pair have one class, but {name} changes the classes of fake images"
                    )

    # The loop ------------------------------------------------------------------------------------

    def ticks(self) -> Iterator[Tick]:
        """Train to the end of the budget; yield a Tick for the untrained networks and one every tick_kimg. Raises Diverged."""
        if self.images == 0:
            yield Tick(0, {})
        self.signals.clear()
        while self.images < self.budget:
            before = self.images
            (self.rounds or self.round)()
            if self.images // self.tick > before // self.tick or self.images >= self.budget:
                self.refuse_not_finite()
                yield Tick(self.images, self.signals.means() | self.tick_signals())
                self.signals.clear()

    def refuse_not_finite(self) -> None:
        """Raise Diverged if the training left the finite numbers, and UserError if only what a trick reports did: that is a fault of the trick."""
        names, since = self.signals.not_finite()
        if names and self.reported.issuperset(names):
            raise UserError(
                f"what a trick reports must be finite where losses, logits and gradients are; {', '.join(names)} is not after {since} images. "
                "Mend the trick"
            )
        if names:
            raise Diverged(f"{', '.join(names)} not finite after {since} images")

    def round(self) -> None:
        """Train one step of the update rule, with its learning rates and signals. On the device this is always the same work (trainables.clock)."""
        with tf32(self.tf32, self.device):
            self.set_rates()
            if not isinstance(signals := self.rule.step(self), dict):
                raise UserError(
                    f"step of the update rule {self.config.update} must return a dict of scalars; given {type(signals).__name__}"
                )
            self.signals.add(signals)

    @torch.no_grad()
    def set_rates(self) -> None:
        """Set the current learning rates, if a trick has a schedule."""
        if self.rated:
            factor = self.clock.number(self._rate)
            for group in (*self.g_opt.param_groups, *self.d_opt.param_groups):
                group["lr"].copy_(factor * group["initial_lr"])

    def _rate(self) -> float:
        """Return the product of all schedules."""
        return math.prod(
            finite(trick.rate(self.clock.t), f"the rate of the trick {name}") for name, trick in self.tricks.items() if trick in self.rated
        )

    def capture(self, record: Record) -> None:
        """Record rounds and replay them from now on; `self.rounds` tells what came of it. See trainables.capture."""
        self.rounds = Rounds(self.round, self.clock, record, {f"update: {self.config.update}": self.rule, **self.tricks})
        self._prepare_optimisers()

    def _prepare_optimisers(self) -> None:
        """Keep scheduled learning rates in scalars on the device, which can change in place; let PyTorch capture the steps."""
        for group in (*self.g_opt.param_groups, *self.d_opt.param_groups):
            group["capturable"] = self.rounds is not None and self.device.type == "cuda"
        if self.rated:
            for opt, lr in ((self.g_opt, self.config.g.lr), (self.d_opt, self.config.d.lr)):
                for group in opt.param_groups:
                    group["initial_lr"] = lr  # PyTorch's schedulers use this name too
                    group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=self.device).clone()

    def tick_signals(self) -> dict[str, float]:
        """Compute the signals that are too expensive for every step: mean |grad D| on a real and a fake batch; also G's number of updates."""
        with tf32(self.tf32, self.device):
            return {**self._image_gradients(), "g/updates": float(self.g_updates)}

    def _image_gradients(self) -> dict[str, float]:
        n = self.config.batch_size
        rng = torch.Generator(self.device).manual_seed(0)  # a separate generator, so that measuring does not affect training
        with torch.no_grad():
            z = draw_latent(n, self.config.latent, rng)
            labels = None if self.shares is None else draw_classes(n, self.shares, rng)
            fake = apply(self.nets.g.eval(), z, labels)
        self.nets.g.train()
        batches = {"real": self.batches.first_labelled(n), "fake": (fake, labels)}
        return {
            f"d/image_grad_{side}": image_gradient(self.nets.d, self.view(images, rng), labels)
            for side, (images, labels) in batches.items()
        }

    def generator(self) -> Generator:
        """Return the generator to evaluate: the current G, or the one that a trick averages."""
        generator = Generator(
            self.nets.g, self.config.latent, shares=self.shares, classes=() if self.shares is None else self.source.classes
        )
        for name, trick in self.tricks.items():
            if not isinstance(generator := trick.generator(generator), Generator):
                raise UserError(f"generator of the trick {name} must return a Generator; given {type(generator).__name__}")
        return generator

    # Saving and resuming --------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return all state needed to resume bit for bit."""
        return {
            "images": self.images,
            "d_updates": self.d_updates,
            "g_updates": self.g_updates,
            "batches": self.batches.state_dict(),
            "rng": self.rng.get_state(),
            "torch_rng": torch.get_rng_state(),  # dropout draws from this one or from the device's
            "device_rng": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "g": self.nets.g.state_dict(),
            "d": self.nets.d.state_dict(),
            "g_opt": self.g_opt.state_dict(),
            "d_opt": self.d_opt.state_dict(),
            "rule": self.rule.state_dict(),
            "tricks": {name: trick.state_dict() for name, trick in self.tricks.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of a run with the same config and data."""
        self.clock.set(images=state["images"], d_updates=state["d_updates"], g_updates=state["g_updates"])
        self.batches.load_state_dict(state["batches"])
        self.rng.set_state(state["rng"])
        torch.set_rng_state(state["torch_rng"])
        if self.device.type == "cuda" and state.get("device_rng") is not None:  # older checkpoints lack it
            torch.cuda.set_rng_state(state["device_rng"], self.device)
        self.nets.g.load_state_dict(state["g"])
        self.nets.d.load_state_dict(state["d"])
        self.g_opt.load_state_dict(state["g_opt"])
        self.d_opt.load_state_dict(state["d_opt"])
        self._prepare_optimisers()
        self.rule.load_state_dict(state["rule"])
        for name, trick in self.tricks.items():
            trick.load_state_dict(state["tricks"][name])
        if self.rounds is not None:
            self.capture(self.rounds.record)  # graphs use the tensors that were there before
