"""Gan: two networks, their optimisers, and one step of each. Update rules call these steps; Run loops over them."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from ganstudy.units import to_images
from trainables.batches import Batches
from trainables.config import TrialConfig
from trainables.data import Source
from trainables.latents import draw_classes, draw_latent
from trainables.losses import LOSSES
from trainables.models import conditional
from trainables.models.conditional import AuxiliaryDiscriminator, ConditionalDiscriminator, apply, classes_of
from trainables.optimisers import OPTIMISERS
from trainables.tricks import TRICKS
from trainables.tricks.base import Nets, Step, Trick, make_trick

LabelPair = tuple[Tensor | None, Tensor | None]  # classes [N] of the real images, of the fake ones
NO_LABELS: LabelPair = (None, None)


class Gan:
    """Networks, optimisers, tricks and batches of one trial, and what a step of D and of G computes."""

    def __init__(self, config: TrialConfig, source: Source, *, device: torch.device | str = "cpu"):
        torch.manual_seed(config.seed)
        self.config, self.source, self.device = config, source, torch.device(device)
        self.loss = LOSSES.pick(config.loss)
        if config.margin is not None:
            assert self.loss.with_margin
            self.loss = self.loss.with_margin(config.margin)
        self.tricks = {name: make_trick(name, config.tricks[name]) for name in TRICKS if name in config.tricks}
        classes, d_shape = classes_of(config, source), source.shape
        for trick in self.tricks.values():
            d_shape = trick.d_shape(d_shape)
        g, d = (
            conditional.build_generator(config, source.shape, classes=classes),
            conditional.build_discriminator(config, d_shape, classes=classes),
        )
        self.nets = Nets(g.to(self.device), d.to(self.device))
        for trick in self.tricks.values():
            trick.build(self.nets, config)
        self.features = any(trick.features for trick in self.tricks.values()) or isinstance(d, AuxiliaryDiscriminator)
        self.real_in_g = self.loss.paired or any(trick.real_in_g for trick in self.tricks.values())
        self.clipping = [trick for trick in self.tricks.values() if type(trick).on_gradients is not Trick.on_gradients]
        self.rated = [trick for trick in self.tricks.values() if type(trick).rate is not Trick.rate]
        g_optimiser, d_optimiser = (OPTIMISERS.pick(name) for name in config.optimisers)
        self.g_opt = g_optimiser(self.nets.g.parameters(), config.g.lr, config)
        self.d_opt = d_optimiser(self.nets.d.parameters(), config.d.lr, config)
        labels = None if classes is None else source.train_labels
        self.batches = Batches(source.train, config.batch_size, seed=config.seed, device=self.device, size=config.data.size, labels=labels)
        self.shares = None if classes is None else self.batches.shares(classes)  # [K], of the classes that G is told
        self.rng = torch.Generator(self.device).manual_seed(config.seed)
        self.images = self.d_updates = self.g_updates = 0
        self.budget = to_images(config.budget_kimg)
        self.move: Callable[[Optimizer], None] = lambda opt: opt.step()  # an update rule may replace it

    # The algorithm -------------------------------------------------------------------------------

    def d_step(self) -> dict[str, Tensor]:
        signals = self.d_gradient()
        self.d_move()
        return signals

    def g_step(self) -> dict[str, Tensor]:
        signals = self.g_gradient()
        self.g_move()
        return signals

    def d_gradient(self) -> dict[str, Tensor]:
        """The gradient of D's loss on a new batch, into D's parameters. Nothing moves yet."""
        real, real_labels = self.batches.next_labelled()
        with torch.no_grad():
            z, fake_labels = self.noise(), self.draw_labels(real_labels)
            fake = apply(self.nets.g, z, fake_labels)
            for trick in self.tricks.values():
                fake, fake_labels = trick.fakes(fake, fake_labels, self.rng)
        step = self.d_look(real, fake, labels=(real_labels, fake_labels), updates=self.d_updates)
        terms = self.d_terms(step)
        norm = self.differentiate(self.d_opt, terms)
        self.images += len(real)
        return {
            **terms,
            **step.signals,
            "d/grad_norm": norm,
            "d/real_logit": step.reals()[1].mean(),
            "d/fake_logit": step.fake_logits.mean(),
            **self.accuracy(step),
        }

    def g_gradient(self) -> dict[str, Tensor]:
        """The gradient of G's loss, into G's parameters. Nothing moves yet."""
        real, real_labels = self.batches.next_labelled() if self.real_in_g else (None, None)
        self.nets.d.requires_grad_(False)
        z, fake_labels = self.noise(), self.g_labels(real_labels)
        labels = real_labels, fake_labels
        step = self.look(real, apply(self.nets.g, z, fake_labels), labels=labels, updates=self.g_updates, latents=z)
        terms = self.g_terms(step)
        norm = self.differentiate(self.g_opt, terms)
        self.nets.d.requires_grad_(True)
        return terms | step.signals | {"g/grad_norm": norm}

    def d_move(self) -> None:
        self.move(self.d_opt)
        self.d_updates += 1
        for trick in self.tricks.values():
            trick.constrain(self.nets)
            trick.after_d(self.nets)

    def g_move(self) -> None:
        self.move(self.g_opt)
        self.g_updates += 1
        for trick in self.tricks.values():
            trick.after_g(self.nets, self.images)

    def d_look(self, real: Tensor, fake: Tensor, *, labels: LabelPair = NO_LABELS, updates: int) -> Step:
        """What D's loss looks at: images by which it can be differentiated, where a trick asks for it."""
        grad = any(trick.needs_image_grad(updates) for trick in self.tricks.values())
        return self.look(real.requires_grad_(grad), fake.requires_grad_(grad or fake.requires_grad), labels=labels, updates=updates)

    def d_terms(self, step: Step) -> dict[str, Tensor]:
        """The scalars whose sum D minimises."""
        for trick in self.tricks.values():
            trick.before_d(step)
        terms = {"d/adv": self.loss.d(*step.loss_logits), **self.class_terms(step, side="d")}
        return terms | {f"d/{name}": term for name, trick in self.tricks.items() if (term := trick.d_term(step)) is not None}

    def g_terms(self, step: Step) -> dict[str, Tensor]:
        """The scalars whose sum G minimises."""
        for trick in self.tricks.values():
            trick.before_g(step)
        adversarial = self.loss.g(*step.loss_logits)
        terms = {"g/adv": adversarial if step.keep == 1 else step.keep * adversarial, **self.class_terms(step, side="g")}
        return terms | {f"g/{name}": term for name, trick in self.tricks.items() if (term := trick.g_term(step)) is not None}

    def look(
        self, real: Tensor | None, fake: Tensor, *, labels: LabelPair = NO_LABELS, updates: int = 0, latents: Tensor | None = None
    ) -> Step:
        """What D makes of both sides. labels: the classes of both in a conditional run."""
        made = fake
        real, fake = None if real is None else self.view(real, self.rng), self.view(fake, self.rng)
        real_features, real_logits = (None, None) if real is None else self.discriminate(real, labels[0])
        fake_features, fake_logits = self.discriminate(fake, labels[1])
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
            real_labels=labels[0],
            fake_labels=labels[1],
            updates=updates,
            t=self.images / self.budget,
            epoch=self.images / self.batches.size,
        )

    def discriminate(self, images: Tensor, labels: Tensor | None) -> tuple[Tensor | None, Tensor]:
        """D's features, where a term asks for them, and its logits."""
        if not self.features:
            return None, apply(self.nets.d, images, labels)
        if isinstance(self.nets.d, ConditionalDiscriminator):
            assert labels is not None
            features = self.nets.d.features(images, labels)
            return features, self.nets.d.logits(features, labels)
        features = self.nets.d.body(images)  # type: ignore[operator]  # D is a Discriminator
        return features, self.nets.d.head(features).flatten()  # type: ignore[operator]

    def view(self, images: Tensor, rng: torch.Generator) -> Tensor:
        for trick in self.tricks.values():
            images = trick.view(images, self.images / self.budget, rng)
        return images

    def differentiate(self, opt: Optimizer, terms: dict[str, Tensor]) -> Tensor:
        """Gradients by the optimiser's parameters -> their norm. Where it is not finite the optimiser is told so on the device, and will not move."""
        opt.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        norm = get_total_norm([p.grad for group in opt.param_groups for p in group["params"] if p.grad is not None], foreach=True)
        for trick in self.clipping:
            trick.on_gradients([p for group in opt.param_groups for p in group["params"]], norm)
        opt.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]
        return norm

    def accuracy(self, step: Step) -> dict[str, Tensor]:
        """Shares of real and of fake that D judges rightly, where the loss has a boundary between the two."""
        if self.loss.boundary is None:
            return {}
        real = (step.reals()[1] > self.loss.boundary).float().mean()
        return {"d/real_accuracy": real, "d/fake_accuracy": (step.fake_logits < self.loss.boundary).float().mean()}

    def class_terms(self, step: Step, *, side: Literal["d", "g"]) -> dict[str, Tensor]:
        """{"d/class": …} or {"g/class": …} with an auxiliary head: D learns from real and fake images, G from its own. Odena et al. 2017, eq. 3."""
        d = self.nets.d
        if not isinstance(d, AuxiliaryDiscriminator):
            return {}
        seen = [(step.fake_features, step.fake_labels)]
        if side == "d":
            seen.append((step.real_features, step.real_labels))
        losses = []
        for features, labels in seen:
            assert features is not None
            assert labels is not None
            losses.append(d.class_loss(features, labels))
        return {f"{side}/class": d.class_weight * torch.stack(losses).sum()}

    # Latents and classes -------------------------------------------------------------------------

    def noise(self) -> Tensor:
        return draw_latent(self.config.batch_size, self.config.latent, self.rng)

    def draw_labels(self, of_real: Tensor | None) -> Tensor | None:
        """[N]: the classes of which G is to make; None without conditions.

        By the shares of the training set; but a loss of pairs compares like with like: the classes of the real batch (Huang et al. 2024, R3GAN).
        """
        if self.shares is None:
            return None
        if self.loss.paired and of_real is not None:
            return of_real
        return draw_classes(self.config.batch_size, self.shares, self.rng)

    def g_labels(self, of_real: Tensor | None) -> Tensor | None:
        """The same for a step of G, in which tricks have a say."""
        labels = self.draw_labels(of_real)
        if labels is not None:
            for trick in self.tricks.values():
                labels = trick.classes(labels)
        return labels
