"""Tricks whose loss depends on earlier steps: averages of weights and logits, and a buffer of fake images."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import relu

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.sections import Count, Positive, Share
from trainables.tricks.averages import move_towards
from trainables.tricks.base import Nets, Step, Trick, trick


@trick("historical_averaging")
class HistoricalAveraging(Trick):
    """weight |w - mean of w over all updates so far|^2 in the losses of both networks. Salimans et al. 2016, section 3.3.

    The initial weights count as one update.
    """

    weight: Positive = 1.0
    """weight of the penalty"""

    def build(self, nets: Nets, config: TrialConfig) -> None:
        self.averages = {side: [p.detach().clone() for p in getattr(nets, side).parameters()] for side in ("g", "d")}
        self.times = {"g": 1, "d": 1}

    def d_term(self, step: Step) -> Tensor:
        return self.distance("d", step.nets.d)

    def g_term(self, step: Step) -> Tensor:
        return self.distance("g", step.nets.g)

    def after_d(self, nets: Nets) -> None:
        self.remember("d", nets.d)

    def after_g(self, nets: Nets) -> None:
        self.remember("g", nets.g)

    def distance(self, side: str, net: nn.Module) -> Tensor:
        """Return the term, a scalar."""
        differences = torch._foreach_sub(list(net.parameters()), self.averages[side])
        return self.weight * torch.stack([difference.square().sum() for difference in differences]).sum()

    def remember(self, side: str, net: nn.Module) -> None:
        """Add the current weights to the mean."""
        move_towards(self.averages[side], list(net.parameters()), self.clock.number(lambda: self._share_of_new(side)))

    def _share_of_new(self, side: str) -> float:
        """Return the share of the newest weights in the mean, and count this update."""
        self.times[side] += 1
        return 1 / self.times[side]

    def state_dict(self) -> dict[str, Any]:
        return {"averages": self.averages, "times": dict(self.times)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.times = dict(state["times"])
        for side, averages in self.averages.items():
            for average, saved in zip(averages, state["averages"][side], strict=True):
                average.copy_(saved)


@trick("experience_replay")
class ExperienceReplay(Trick):
    """D gets a `share` of its fake images from a buffer of earlier ones. Shrivastava et al. 2017, section 2.3; Pfau & Vinyals 2016.

    As many new images are added to the buffer in each step; once it is full, they replace random ones. Replay starts when the buffer holds enough for
    a step. `images` is the size of the buffer, which Shrivastava et al. do not state; 1024 is 16 batches of 64.
    """

    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """share of each fake batch that is replaced by earlier images"""
    images: Count = 1024
    """number of earlier images that are kept"""

    def check(self, config: TrialConfig) -> None:
        replayed = self.replayed(config.batch_size)
        if not 1 <= replayed <= self.images:
            raise UserError(
                f"experience_replay.share times batch_size must be from 1 to experience_replay.images = {self.images} samples; "
                f"given {self.share} times {config.batch_size}, {replayed}"
            )

    def replayed(self, batch_size: int) -> int:
        """Return how many images of a batch come from the buffer."""
        return round(self.share * batch_size)

    def build(self, nets: Nets, config: TrialConfig) -> None:
        self.device = next(nets.d.parameters()).device
        self.buffer: Tensor | None = None  # [images, *shape], allocated at the first step, when the shape is known
        self.labels: Tensor | None = None  # [images], their classes, in a conditional trial
        self.held = 0

    def fakes(self, fake: Tensor, labels: Tensor | None, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        n = self.replayed(len(fake))
        if self.buffer is None:
            self.buffer = fake.new_zeros(self.images, *fake.shape[1:])
            self.labels = None if labels is None else labels.new_zeros(self.images)
        shown, of_shown = fake, labels
        held = self.clock.choice(lambda: self.held)
        if held >= n:
            picks = torch.randint(held, (n,), generator=rng, device=fake.device)
            shown = torch.cat([fake[n:], self.buffer[picks]])
            if labels is not None and self.labels is not None:
                of_shown = torch.cat([labels[n:], self.labels[picks]])
        if held < self.images:
            n = min(n, self.images - held)
            places = torch.arange(held, held + n, device=fake.device)
            self.clock.each(lambda: self._hold(n))
        else:
            places = torch.randperm(self.images, generator=rng, device=fake.device)[:n]
        self.buffer[places] = fake[:n]
        if labels is not None and self.labels is not None:
            self.labels[places] = labels[:n]
        return shown, of_shown

    def _hold(self, more: int) -> None:
        self.held += more

    def state_dict(self) -> dict[str, Any]:
        return {"buffer": self.buffer, "labels": self.labels, "held": self.held}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.buffer, self.labels = (
            None if state.get(part) is None else state[part].to(self.device, copy=True) for part in ("buffer", "labels")
        )
        self.held = state["held"]


@trick("lecam")
class Lecam(Trick):
    """weight (E (D(real) - a_fake)^2 + E (D(fake) - a_real)^2), where a_* are moving averages of D's logits. Tseng et al. 2021.

    As in the authors' code, only logits on the correct side of the average count (real above a_fake, fake below a_real), and the averages are corrected
    for their bias towards 0 (as in their code for StyleGAN2). Their weight is .3 for BigGAN on CIFAR, and 3e-7 for StyleGAN2 on FFHQ.
    """

    counts_steps = True
    weight: Positive = 0.3
    """weight of the term"""
    decay: Share = 0.99
    """decay of the moving averages of D's logits"""

    def build(self, nets: Nets, config: TrialConfig) -> None:
        self.sums = torch.zeros(2, device=next(nets.d.parameters()).device)  # moving sums of real and fake logits
        self.times = 0

    def d_term(self, step: Step) -> Tensor:
        (_, real), fake = step.reals(), step.fake_logits
        self.sums.mul_(self.decay).add_((1 - self.decay) * torch.stack([real.mean(), fake.mean()]).detach())
        of_real, of_fake = self.sums / self.clock.number(self._seen)
        return self.weight * (relu(real - of_fake).square().mean() + relu(of_real - fake).square().mean())

    def _seen(self) -> float:
        """Count this step; return the weight of all steps so far in the sums, which start at 0."""
        self.times += 1
        return 1.0 - self.decay**self.times

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self.sums.clone(), "times": self.times}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.sums.copy_(state["sums"])
        self.times = state["times"]
