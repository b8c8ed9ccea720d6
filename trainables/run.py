"""Run: one trial in progress, and the loop that advances it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Adam

from trainables.batches import Batches
from trainables.config import TrialConfig, make_trick
from trainables.data import Source
from trainables.losses import LOSSES
from trainables.models import ARCHS
from trainables.registry import Registry
from trainables.sampler import Sampler, draw_latent
from trainables.signals import Signals, image_gradient
from trainables.tricks import TRICKS
from trainables.tricks.base import Nets, Step, Trick


class Diverged(Exception):
    """Training left the finite numbers: a result of the study, not a fault of the program."""


@dataclass(frozen=True)
class Tick:
    images: int  # real images shown to D so far
    signals: dict[str, float]  # means since the last tick, and the totals of g/updates


class Loop(Protocol):
    """What a training loop is to a study. A plugin registers its own in LOOPS."""

    def __init__(self, config: TrialConfig, source: Source, *, device: torch.device | str = "cpu") -> None: ...

    def ticks(self) -> Iterator[Tick]:
        """Train to the end of the budget, pausing at each tick; the first shows the untrained nets. Raises Diverged at the tick that shows it."""

    def sampler(self) -> Sampler:
        """The generator to judge."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values: all that going on from here needs."""

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


LOOPS: Registry[type[Loop]] = Registry("training loop")


@LOOPS.register("gan")
class Run:
    """Alternating updates of D and G (Goodfellow et al. 2014, algorithm 1), with the config's loss and tricks."""

    def __init__(self, config: TrialConfig, source: Source, *, device: torch.device | str = "cpu"):
        torch.manual_seed(config.seed)
        self.config, self.source, self.device = config, source, torch.device(device)
        self.loss = LOSSES.pick(config.loss)
        self.tricks = {name: make_trick(name, config.tricks[name]) for name in TRICKS if name in config.tricks}
        arch, d_shape = ARCHS.pick(config.arch), source.shape
        for trick in self.tricks.values():
            d_shape = trick.d_shape(d_shape)
        self.nets = Nets(arch.generator(config, source.shape).to(self.device), arch.discriminator(config, d_shape).to(self.device))
        for trick in self.tricks.values():
            trick.build(self.nets, config)
        self.features = any(trick.features for trick in self.tricks.values())
        self.real_in_g = self.loss.paired or any(trick.real_in_g for trick in self.tricks.values())
        self.clipping = [trick for trick in self.tricks.values() if type(trick).on_gradients is not Trick.on_gradients]
        self.rated = [trick for trick in self.tricks.values() if type(trick).rate is not Trick.rate]
        betas = (config.beta1, config.beta2)
        self.g_opt = Adam(self.nets.g.parameters(), config.g.lr, betas, fused=True)
        self.d_opt = Adam(self.nets.d.parameters(), config.d.lr, betas, fused=True)
        self.batches = Batches(source.train, config.batch_size, seed=config.seed, device=self.device, size=config.data.size)
        self.rng = torch.Generator(self.device).manual_seed(config.seed)
        self.images = self.d_updates = self.g_updates = 0

    # The algorithm -------------------------------------------------------------------------------

    def d_step(self) -> dict[str, Tensor]:
        real = self.batches.next_batch()
        with torch.no_grad():
            fake = self.nets.g(self.noise())
            for trick in self.tricks.values():
                fake = trick.fakes(fake, self.rng)
        grad = any(trick.needs_image_grad(self.d_updates) for trick in self.tricks.values())
        step = self.look(real.requires_grad_(grad), fake.requires_grad_(grad), updates=self.d_updates)
        for trick in self.tricks.values():
            trick.before_d(step)
        _, real_logits = step.reals()
        terms = {"d/adv": self.loss.d(*step.judged)}
        terms |= {f"d/{name}": term for name, trick in self.tricks.items() if (term := trick.d_term(step)) is not None}
        norm = self.update(self.d_opt, terms)
        for trick in self.tricks.values():
            trick.after_d(self.nets)
        self.images += len(real)
        self.d_updates += 1
        return {
            **terms,
            **step.signals,
            "d/grad_norm": norm,
            "d/real_logit": real_logits.mean(),
            "d/fake_logit": step.fake_logits.mean(),
            **self.accuracy(step),
        }

    def g_step(self) -> dict[str, Tensor]:
        real = self.batches.next_batch() if self.real_in_g else None
        self.nets.d.requires_grad_(False)
        z = self.noise()
        step = self.look(real, self.nets.g(z), updates=self.g_updates, latents=z)
        for trick in self.tricks.values():
            trick.before_g(step)
        adversarial = self.loss.g(*step.judged)
        terms = {"g/adv": adversarial if step.keep == 1 else step.keep * adversarial}
        terms |= {f"g/{name}": term for name, trick in self.tricks.items() if (term := trick.g_term(step)) is not None}
        norm = self.update(self.g_opt, terms)
        self.nets.d.requires_grad_(True)
        self.g_updates += 1
        for trick in self.tricks.values():
            trick.after_g(self.nets, self.images)
        return terms | step.signals | {"g/grad_norm": norm}

    def look(self, real: Tensor | None, fake: Tensor, *, updates: int = 0, latents: Tensor | None = None) -> Step:
        made = fake
        real, fake = None if real is None else self.view(real, self.rng), self.view(fake, self.rng)
        real_features, real_logits = (None, None) if real is None else self.judge(real)
        fake_features, fake_logits = self.judge(fake)
        return Step(
            nets=self.nets,
            real=real,
            fake=fake,
            real_logits=real_logits,
            fake_logits=fake_logits,
            rng=self.rng,
            made=made,
            latents=latents,
            real_features=real_features,
            fake_features=fake_features,
            updates=updates,
            t=self.images / self.budget,
            epoch=self.images / self.batches.size,
        )

    def judge(self, images: Tensor) -> tuple[Tensor | None, Tensor]:
        """D's features, where a trick asks for them, and its logits."""
        if not self.features:
            return None, self.nets.d(images)
        features = self.nets.d.body(images)  # type: ignore[operator]  # D is a Discriminator
        return features, self.nets.d.head(features).flatten()  # type: ignore[operator]

    def view(self, images: Tensor, rng: torch.Generator) -> Tensor:
        for trick in self.tricks.values():
            images = trick.view(images, self.images / self.budget, rng)
        return images

    def update(self, opt: Adam, terms: dict[str, Tensor]) -> Tensor:
        """One step of the optimiser, left out where the gradient is not finite: Adam takes found_inf on the device, so nothing waits."""
        opt.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        norm = get_total_norm([p.grad for group in opt.param_groups for p in group["params"] if p.grad is not None], foreach=True)
        for trick in self.clipping:
            trick.on_gradients([p for group in opt.param_groups for p in group["params"]], norm)
        opt.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]
        opt.step()
        return norm

    def accuracy(self, step: Step) -> dict[str, Tensor]:
        """Shares of real and of fake that D judges rightly, where the loss has a boundary between the two."""
        if self.loss.boundary is None:
            return {}
        real = (step.reals()[1] > self.loss.boundary).float().mean()
        return {"d/real_accuracy": real, "d/fake_accuracy": (step.fake_logits < self.loss.boundary).float().mean()}

    # The loop ------------------------------------------------------------------------------------

    def ticks(self) -> Iterator[Tick]:
        if self.images == 0:
            yield Tick(0, {})
        signals = Signals(self.device)
        while self.images < self.budget:
            self.set_rates()
            values = self.d_step()
            if self.d_updates % self.config.d_steps == 0:
                values |= self.g_step()
            signals.add(values, self.images)
            if self.images % self.tick < self.config.batch_size or self.images >= self.budget:
                if found := signals.not_finite():
                    raise Diverged(found)
                yield Tick(self.images, signals.means() | self.closer_look())
                signals.clear()

    def set_rates(self) -> None:
        """The learning rates of now, where a trick changes them."""
        for trick in self.rated:
            factor = trick.rate(self.images / self.budget)
            for opt, lr in ((self.g_opt, self.config.g.lr), (self.d_opt, self.config.d.lr)):
                for group in opt.param_groups:
                    group["lr"] = factor * lr

    def closer_look(self) -> dict[str, float]:
        """What is too dear to look at in every step: |grad D| on one batch of each side, and the count of G's updates."""
        rng = torch.Generator(self.device).manual_seed(0)  # of its own: looking never moves the training
        with torch.no_grad():
            fake = self.nets.g.eval()(draw_latent(self.config.batch_size, self.config.latent, rng))
        self.nets.g.train()
        looks = {"real": self.batches.first(self.config.batch_size), "fake": fake}
        gradients = {f"d/image_grad_{side}": image_gradient(self.nets.d, self.view(images, rng)) for side, images in looks.items()}
        return {**gradients, "g/updates": float(self.g_updates)}

    @property
    def budget(self) -> int:
        return round(self.config.budget_kimg * 1000)

    @property
    def tick(self) -> int:
        return round(self.config.tick_kimg * 1000)

    def noise(self) -> Tensor:
        return draw_latent(self.config.batch_size, self.config.latent, self.rng)

    def sampler(self) -> Sampler:
        g = self.nets.g
        for trick in self.tricks.values():
            g = trick.sampler(g)
        return Sampler(g, self.config.latent)

    # Stopping and going on -----------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        return {
            "images": self.images,
            "d_updates": self.d_updates,
            "g_updates": self.g_updates,
            "batches": self.batches.state_dict(),
            "rng": self.rng.get_state(),
            "torch_rng": torch.get_rng_state(),  # a plugin's dropout draws from it
            "g": self.nets.g.state_dict(),
            "d": self.nets.d.state_dict(),
            "g_opt": self.g_opt.state_dict(),
            "d_opt": self.d_opt.state_dict(),
            "tricks": {name: trick.state_dict() for name, trick in self.tricks.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.images, self.d_updates, self.g_updates = state["images"], state["d_updates"], state["g_updates"]
        self.batches.load_state_dict(state["batches"])
        self.rng.set_state(state["rng"])
        torch.set_rng_state(state["torch_rng"])
        self.nets.g.load_state_dict(state["g"])
        self.nets.d.load_state_dict(state["d"])
        self.g_opt.load_state_dict(state["g_opt"])
        self.d_opt.load_state_dict(state["d_opt"])
        for name, trick in self.tricks.items():
            trick.load_state_dict(state["tricks"][name])
