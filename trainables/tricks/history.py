"""History: what was before takes part in what is learned now."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import relu

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.sections import Count, Positive, Share
from trainables.tricks.base import Nets, Step, Trick, trick


@trick("historical_averaging")
class HistoricalAveraging(Trick):
    """weight |w - mean of w at all times so far|^2 in the losses of both networks. Salimans et al. 2016, section 3.3. The initial weights count as one time."""

    weight: Positive = 1.0

    def build(self, nets: Nets, config: TrialConfig) -> None:
        self.averages = {side: [p.detach().clone() for p in getattr(nets, side).parameters()] for side in ("g", "d")}
        self.times = {"g": 1, "d": 1}

    def d_term(self, step: Step) -> Tensor:
        return self.away("d", step.nets.d)

    def g_term(self, step: Step) -> Tensor:
        return self.away("g", step.nets.g)

    def after_d(self, nets: Nets) -> None:
        self.remember("d", nets.d)

    def after_g(self, nets: Nets, images: int) -> None:
        self.remember("g", nets.g)

    def away(self, side: str, net: nn.Module) -> Tensor:
        differences = torch._foreach_sub(list(net.parameters()), self.averages[side])
        return self.weight * torch.stack([difference.square().sum() for difference in differences]).sum()

    @torch.no_grad()
    def remember(self, side: str, net: nn.Module) -> None:
        self.times[side] += 1
        torch._foreach_lerp_(self.averages[side], list(net.parameters()), 1 / self.times[side])

    def state_dict(self) -> dict[str, Any]:
        return {"averages": self.averages, "times": dict(self.times)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.times = dict(state["times"])
        for side, averages in self.averages.items():
            for average, saved in zip(averages, state["averages"][side], strict=True):
                average.copy_(saved)


@trick("experience_replay")
class ExperienceReplay(Trick):
    """A share of the fakes that D learns from are old ones, from a buffer. Shrivastava et al. 2017, section 2.3; Pfau & Vinyals 2016.

    As many of the newest take the places of random ones in the buffer, once it is full. Replay begins when the buffer holds enough for a step.
    `images` is the size of the buffer, which Shrivastava et al. do not state; 1024 is 16 batches of 64.
    """

    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    images: Count = 1024

    def check(self, config: TrialConfig) -> None:
        replayed = self.replayed(config.batch_size)
        if not 1 <= replayed <= self.images:
            raise UserError(
                f"experience_replay.share of batch_size must be from 1 to experience_replay.images = {self.images} samples; "
                f"given {self.share} of {config.batch_size}, {replayed}"
            )

    def replayed(self, batch_size: int) -> int:
        return round(self.share * batch_size)

    def build(self, nets: Nets, config: TrialConfig) -> None:
        self.device = next(nets.d.parameters()).device
        self.buffer: Tensor | None = None  # [images, *shape], made when the first samples come
        self.labels: Tensor | None = None  # [images], their classes, in a conditional run
        self.held = 0

    def fakes(self, fake: Tensor, labels: Tensor | None, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        n = self.replayed(len(fake))
        if self.buffer is None:
            self.buffer = fake.new_zeros(self.images, *fake.shape[1:])
            self.labels = None if labels is None else labels.new_zeros(self.images)
        shown, of_shown = fake, labels
        if self.held >= n:
            picks = torch.randint(self.held, (n,), generator=rng, device=fake.device)
            shown = torch.cat([fake[n:], self.buffer[picks]])
            if labels is not None and self.labels is not None:
                of_shown = torch.cat([labels[n:], self.labels[picks]])
        if self.held < self.images:
            n = min(n, self.images - self.held)
            places = torch.arange(self.held, self.held + n, device=fake.device)
            self.held += n
        else:
            places = torch.randperm(self.images, generator=rng, device=fake.device)[:n]
        self.buffer[places] = fake[:n]
        if labels is not None and self.labels is not None:
            self.labels[places] = labels[:n]
        return shown, of_shown

    def state_dict(self) -> dict[str, Any]:
        return {"buffer": self.buffer, "labels": self.labels, "held": self.held}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.buffer, self.labels = (
            None if state.get(part) is None else state[part].to(self.device, copy=True) for part in ("buffer", "labels")
        )
        self.held = state["held"]


@trick("lecam")
class Lecam(Trick):
    """weight (E (D(real) - a_fake)^2 + E (D(fake) - a_real)^2), a_* running means of the other side's logits. Tseng et al. 2021.

    As in the authors' code, only logits on the right side of the mean count (real above a_fake, fake below a_real), and the means begin
    without a bias towards 0 (that of StyleGAN2). .3 is its weight for BigGAN on CIFAR; for StyleGAN2 on FFHQ it is 3e-7.
    """

    counts_steps = True
    weight: Positive = 0.3
    decay: Share = 0.99

    def build(self, nets: Nets, config: TrialConfig) -> None:
        self.sums = torch.zeros(2, device=next(nets.d.parameters()).device)  # of real and fake logits, older ones counting less
        self.times = 0

    def d_term(self, step: Step) -> Tensor:
        (_, real), fake = step.reals(), step.fake_logits
        self.times += 1
        self.sums = self.decay * self.sums + (1 - self.decay) * torch.stack([real.mean(), fake.mean()]).detach()
        of_real, of_fake = self.sums / (1 - self.decay**self.times)
        return self.weight * (relu(real - of_fake).square().mean() + relu(of_real - fake).square().mean())

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self.sums, "times": self.times}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.sums, self.times = state["sums"].to(self.sums.device), state["times"]
