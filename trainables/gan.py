"""Gan: two networks, their optimisers, and one training step of each. Update rules call these steps; Run loops over them."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from ganstudy.errors import UserError
from ganstudy.numbers import finite
from ganstudy.units import to_images
from trainables.batches import Batches
from trainables.building import BUILDING
from trainables.clock import Clock
from trainables.config import TrialConfig
from trainables.data import Source
from trainables.latents import draw_classes, draw_latent
from trainables.losses import LOSSES
from trainables.models import conditional
from trainables.models.conditional import AuxiliaryDiscriminator, ConditionalDiscriminator, apply, classes_of
from trainables.models.layers import Dropout
from trainables.optimisers import make_optimiser
from trainables.precision import in_its_format, train_in_bf16, widened
from trainables.signals import differentiable, scalar
from trainables.tricks import TRICKS
from trainables.tricks.base import Nets, Step, Trick, make_trick

_LabelPair = tuple[Tensor | None, Tensor | None]  # classes [N] of the real images and of the fake images
_NO_LABELS: _LabelPair = (None, None)


class Gan:
    """Networks, optimisers, tricks and batches of one trial, with the training step of D and of G.

    Each step reads top-down: `d_step` = `d_gradient` (batch -> `d_forward` -> `d_terms` -> `differentiate`), then `d_move`. G's is alike.
    """

    def __init__(self, config: TrialConfig, source: Source, *, device: torch.device | str = "cpu"):
        self.config, self.source, self.device = config, source, torch.device(device)
        with BUILDING:
            torch.manual_seed(config.seed)
            self._build()

    def _build(self) -> None:
        config, source = self.config, self.source
        self.loss = LOSSES.pick(config.loss)
        if config.margin is not None:
            assert self.loss.with_margin
            self.loss = self.loss.with_margin(config.margin)
        self.tricks = {name: make_trick(name, config.tricks[name]) for name in TRICKS if name in config.tricks}
        classes, d_shape = classes_of(config, source), source.shape
        for trick in self.tricks.values():
            d_shape = trick.d_shape(d_shape)
        g = conditional.build_generator(config, source.shape, classes=classes)
        d = conditional.build_discriminator(config, d_shape, classes=classes)
        self.nets = Nets(g.to(self.device), d.to(self.device))
        self.tf32 = config.precision != "fp32"
        if config.precision == "bf16":
            if len(source.shape) == 1:
                raise UserError("precision must be fp32 or tf32 with points, whose positions bfloat16 rounds too much; given bf16")
            train_in_bf16(g)
            train_in_bf16(d)
        labels = None if classes is None else source.train_labels
        self.batches = Batches(source.train, config.batch_size, seed=config.seed, device=self.device, size=config.data.size, labels=labels)
        self.budget = to_images(config.budget_kimg)
        self.clock = self.batches.clock = Clock(budget=self.budget, epoch_size=self.batches.size, device=self.device)
        for trick in self.tricks.values():
            trick.clock = self.clock
            trick.build(self.nets, config)
        self.features = any(trick.features for trick in self.tricks.values()) or isinstance(d, AuxiliaryDiscriminator)
        self.real_in_g = self.loss.paired or any(trick.real_in_g for trick in self.tricks.values())
        self.clipping = [trick for trick in self.tricks.values() if type(trick).on_gradients is not Trick.on_gradients]
        self.rated = [trick for trick in self.tricks.values() if type(trick).rate is not Trick.rate]
        g_optimiser, d_optimiser = config.optimisers
        self.g_opt = make_optimiser(g_optimiser, self.nets.g.parameters(), config.g.lr, config)
        self.d_opt = make_optimiser(d_optimiser, self.nets.d.parameters(), config.d.lr, config)
        # [K]: how often each class occurs; labels for G are drawn from it
        self.shares = None if classes is None else self.batches.shares(classes)
        self.rng = torch.Generator(self.device).manual_seed(config.seed)
        for module in (*g.modules(), *d.modules()):
            if isinstance(module, Dropout):
                module.rng = self.rng
        self.reported: set[str] = set()  # signals of tricks that enter no loss
        self.move: Callable[[Optimizer], None] = lambda opt: opt.step()  # applies one optimiser; an update rule may replace it

    @property
    def images(self) -> int:
        """Real images shown to D so far."""
        return self.clock.images

    @property
    def d_updates(self) -> int:
        """Updates of D so far."""
        return self.clock.d_updates

    @property
    def g_updates(self) -> int:
        """Updates of G so far."""
        return self.clock.g_updates

    # The step of D -------------------------------------------------------------------------------

    def d_step(self) -> dict[str, Tensor]:
        """Update D once. Returns scalars to report."""
        signals = self.d_gradient()
        self.d_move()
        return signals

    def d_gradient(self) -> dict[str, Tensor]:
        """Compute D's loss on a new batch and its gradient; moves nothing. Returns the loss terms and other scalars to report."""
        real, real_labels = self.batches.next_labelled()
        with torch.no_grad():
            z, fake_labels = self.noise(), self.draw_labels(real_labels)
            fake = apply(self.nets.g, z, fake_labels)
            for trick in self.tricks.values():
                fake, fake_labels = trick.fakes(fake, fake_labels, self.rng)
        step = self.d_forward(real, fake, labels=(real_labels, fake_labels))
        terms = self.d_terms(step)
        norm = self.differentiate(self.d_opt, terms)
        self.clock.advance(images=len(real))
        return {
            **terms,
            **step.signals,
            "d/grad_norm": norm,
            "d/real_logit": step.reals()[1].mean(),
            "d/fake_logit": step.fake_logits.mean(),
            **self.accuracy(step),
        }

    def d_terms(self, step: Step) -> dict[str, Tensor]:
        """Compute the scalars whose sum D minimises: the loss, the class loss and the terms of tricks."""
        for trick in self.tricks.values():
            trick.before_d(step)
        adversarial = differentiable(self.loss.d(*step.loss_logits), f"d of the loss {self.config.loss}")
        terms = {"d/adv": adversarial, **self.class_terms(step, side="d")}
        return terms | self.trick_terms(step, side="d")

    def d_move(self) -> None:
        """Update D's weights with the current gradients, then call the hooks that follow an update of D."""
        self.move(self.d_opt)
        self.clock.advance(d_updates=1)
        for trick in self.tricks.values():
            trick.constrain(self.nets)
            trick.after_d(self.nets)

    # The step of G -------------------------------------------------------------------------------

    def g_step(self) -> dict[str, Tensor]:
        """Update G once. Returns scalars to report."""
        signals = self.g_gradient()
        self.g_move()
        return signals

    def g_gradient(self) -> dict[str, Tensor]:
        """Compute G's loss on new samples and its gradient; moves nothing. Returns the loss terms and other scalars to report."""
        real, real_labels = self.batches.next_labelled() if self.real_in_g else (None, None)
        self.nets.d.requires_grad_(False)
        z, fake_labels = self.noise(), self.g_labels(real_labels)
        step = self.forward(real, apply(self.nets.g, z, fake_labels), labels=(real_labels, fake_labels), latents=z)
        terms = self.g_terms(step)
        norm = self.differentiate(self.g_opt, terms)
        self.nets.d.requires_grad_(True)
        return terms | step.signals | {"g/grad_norm": norm}

    def g_terms(self, step: Step) -> dict[str, Tensor]:
        """Compute the scalars whose sum G minimises: the loss, the class loss and the terms of tricks."""
        for name, trick in self.tricks.items():
            trick.before_g(step)
            step.keep = finite(step.keep, f"step.keep after before_g of the trick {name}")
        adversarial = differentiable(self.loss.g(*step.loss_logits), f"g of the loss {self.config.loss}")
        terms = {"g/adv": adversarial if step.keep == 1 else step.keep * adversarial, **self.class_terms(step, side="g")}
        return terms | self.trick_terms(step, side="g")

    def g_move(self) -> None:
        """Update G's weights with the current gradients, then call the hooks that follow an update of G."""
        self.move(self.g_opt)
        self.clock.advance(g_updates=1)
        for trick in self.tricks.values():
            trick.after_g(self.nets)

    # Parts of both steps -------------------------------------------------------------------------

    def d_forward(self, real: Tensor, fake: Tensor, *, labels: _LabelPair = _NO_LABELS) -> Step:
        """`forward` for a step of D: the images require gradients if a trick differentiates D's logits by them."""
        grad = any(trick.needs_image_grad() for trick in self.tricks.values())
        return self.forward(real.requires_grad_(grad), fake.requires_grad_(grad or fake.requires_grad), labels=labels)

    def forward(self, real: Tensor | None, fake: Tensor, *, labels: _LabelPair = _NO_LABELS, latents: Tensor | None = None) -> Step:
        """Run D on real and fake images [N, *shape], after the tricks' views. labels: the classes [N] of each, in a conditional trial."""
        made, real, fake = fake, None if real is None else self.view(real, self.rng), self.view(fake, self.rng)
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
        )

    def view(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return images [N, *shape] as D sees them, after noise, augmentation and packing by tricks."""
        for trick in self.tricks.values():
            images = trick.view(images, rng)
        return images

    def discriminate(self, images: Tensor, labels: Tensor | None) -> tuple[Tensor | None, Tensor]:
        """Return D's features [N, C, ...], or None if no term reads them, and its logits [N]."""
        if not self.features:
            return None, apply(self.nets.d, images, labels)
        with in_its_format(self.nets.d, self.device):
            if isinstance(self.nets.d, ConditionalDiscriminator):
                assert labels is not None
                features = self.nets.d.features(images, labels)
                logits = self.nets.d.logits(features, labels)
            else:
                features = self.nets.d.body(images)  # type: ignore[operator]  # D is a Discriminator
                logits = self.nets.d.head(features).flatten()  # type: ignore[operator]
        return widened(features), widened(logits)

    def class_terms(self, step: Step, *, side: Literal["d", "g"]) -> dict[str, Tensor]:
        """Return {"d/class": …} or {"g/class": …} if D has an auxiliary head, else {}. D learns from real and fake images, G from fake ones.

        Odena et al. 2017, eq. 3.
        """
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

    def trick_terms(self, step: Step, *, side: Literal["d", "g"]) -> dict[str, Tensor]:
        """Return the terms that tricks add to the loss of D or of G. Raises UserError for a term that is no scalar."""
        self.reported |= step.signals.keys()
        terms = {name: trick.d_term(step) if side == "d" else trick.g_term(step) for name, trick in self.tricks.items()}
        return {f"{side}/{name}": scalar(term, f"{side}_term of the trick {name}") for name, term in terms.items() if term is not None}

    def differentiate(self, opt: Optimizer, terms: dict[str, Tensor]) -> Tensor:
        """Differentiate the sum of `terms` by the optimiser's parameters. Returns the gradient's norm, taken before clipping.

        A non-finite norm sets `opt.found_inf` on the device, and the optimiser skips its step.
        """
        opt.zero_grad(set_to_none=True)
        (next(iter(terms.values())) if len(terms) == 1 else torch.stack(list(terms.values())).sum()).backward()
        norm = get_total_norm([p.grad for group in opt.param_groups for p in group["params"] if p.grad is not None], foreach=True)
        for trick in self.clipping:
            trick.on_gradients([p for group in opt.param_groups for p in group["params"]], norm)
        # 1 if infinite or NaN; `out` converts in the same operation
        opt.found_inf = torch.logical_not(norm < math.inf, out=torch.empty((), device=norm.device))  # type: ignore[attr-defined]
        return norm

    def accuracy(self, step: Step) -> dict[str, Tensor]:
        """Return the shares of real and of fake images that D classifies correctly; {} for a loss without a decision boundary."""
        if self.loss.boundary is None:
            return {}
        real, fake = step.reals()[1] > self.loss.boundary, step.fake_logits < self.loss.boundary
        return {"d/real_accuracy": real.mean(dtype=torch.float32), "d/fake_accuracy": fake.mean(dtype=torch.float32)}

    # Latents and classes -------------------------------------------------------------------------

    def noise(self) -> Tensor:
        """Draw latents [batch_size, latent.dim]."""
        return draw_latent(self.config.batch_size, self.config.latent, self.rng)

    def draw_labels(self, of_real: Tensor | None) -> Tensor | None:
        """Draw the classes [N] that G generates; None in an unconditional trial. of_real: the classes [N] of the real batch.

        Classes follow their shares in the training set. A paired loss compares images of one class, so it takes the classes of the real batch
        (Huang et al. 2024, R3GAN).
        """
        if self.shares is None:
            return None
        if self.loss.paired and of_real is not None:
            return of_real
        return draw_classes(self.config.batch_size, self.shares, self.rng)

    def g_labels(self, of_real: Tensor | None) -> Tensor | None:
        """`draw_labels` for a step of G, in which tricks may change the classes."""
        labels = self.draw_labels(of_real)
        if labels is not None:
            for trick in self.tricks.values():
                labels = trick.classes(labels)
        return labels
