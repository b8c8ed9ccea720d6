"""Tricks that evaluate an average of G's weights over training."""

import copy
from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from ganstudy.errors import UserError
from ganstudy.tf32 import tf32
from ganstudy.units import KIMG
from trainables.config import TrialConfig
from trainables.generators import Generator
from trainables.sections import Positive
from trainables.tricks.base import Nets, Trick, trick

_STATISTICS_BATCHES = 32  # from which the statistics of batch norms are estimated


@torch.no_grad()
def move_towards(means: Sequence[Tensor], values: Sequence[Tensor], new: Tensor) -> None:
    """Set each mean to (1 - new) mean + new value, in place. new: a scalar on the device."""
    steps = torch._foreach_sub(list(values), list(means))
    torch._foreach_mul_(steps, new)
    torch._foreach_add_(list(means), steps)


@torch.no_grad()
def _update_average(average: nn.Module, g: nn.Module, new: Tensor) -> None:
    """Set the average to (1 - new) average + new g, in place: weights, and running statistics of norms."""
    move_towards(list(average.parameters()), list(g.parameters()), new)
    for mean, now in zip(average.buffers(), g.buffers(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, new)
        else:
            mean.copy_(now)


@torch.no_grad()
def _estimate_statistics(generator: Generator, batch_size: int) -> None:
    """Recompute the running statistics of batch norms, in place: their means over _STATISTICS_BATCHES batches of the generator's samples.

    The samples are drawn with a fixed seed.
    """
    generator.eval()
    norms = [module for module in generator.modules() if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))]
    for norm in norms:
        norm.train().reset_running_stats()
        norm.momentum = None  # None: PyTorch computes a plain mean
    device = next(generator.parameters()).device
    rng = torch.Generator(device).manual_seed(0)
    with tf32(False, device):
        for _ in range(_STATISTICS_BATCHES if norms else 0):
            generator(*generator.draw(batch_size, rng))
    generator.eval()


@trick("ema")
class Ema(Trick):
    """Evaluate an exponential moving average of G's weights; the half-life is in thousands of images. Yazici et al. 2019; Karras et al. 2020.

    The half-life is at most `rampup` times the images so far (Karras et al. 2020, ADA, ema_rampup).
    """

    halflife_kimg: Positive = 10.0
    """half-life of the average, in thousands of images"""
    rampup: Positive = 0.05
    """longest half-life as a share of the images so far"""

    def build(self, nets: Nets, config: TrialConfig) -> None:
        self.average = copy.deepcopy(nets.g).requires_grad_(False)
        self.g_steps = config.g_steps
        self.updates = 0  # not in the state: no checkpoint is saved within a turn of G
        self.images = 0.0  # images so far at the last update of the average

    def after_g(self, nets: Nets) -> None:
        _update_average(self.average, nets.g, self.clock.number(self._share_of_new))

    def _share_of_new(self) -> float:
        """Return the share of the newest weights in the average, and count this update."""
        self.updates += 1
        images = self.clock.images
        elapsed = (images - self.images) / (
            1 + -self.updates % self.g_steps
        )  # the images since the last turn of G are divided among its updates
        self.images += elapsed
        halflife = min(KIMG * self.halflife_kimg, self.rampup * images)
        return float(1 - 0.5 ** (elapsed / halflife))

    def generator(self, generator: Generator) -> Generator:
        return generator.of(self.average)

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average.state_dict(), "images": self.images}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.average.load_state_dict(state["average"])
        self.images = state["images"]


@trick("swa")
class Swa(Trick):
    """Evaluate the plain mean of G's weights over the last `share` of the budget; before that, G. Yazici et al. 2019 (MA); Izmailov et al. 2018: a quarter.

    The running statistics of batch norms are recomputed for the mean, as in Izmailov et al.; averaging those of G would give other values.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 0.25
    """share of the training, at its end, that is averaged"""

    def check(self, config: TrialConfig) -> None:
        if "ema" in config.tricks:
            raise UserError("swa and ema both replace the generator that is evaluated; only one of them can be on; leave one out")

    def build(self, nets: Nets, config: TrialConfig) -> None:
        self.average = copy.deepcopy(nets.g).requires_grad_(False)
        self.start = KIMG * config.budget_kimg * (1 - self.share)
        self.batch_size = config.batch_size
        self.times = 0

    def after_g(self, nets: Nets) -> None:
        if self.clock.choice(lambda: self.clock.images > self.start):
            _update_average(self.average, nets.g, self.clock.number(self._share_of_new))

    def _share_of_new(self) -> float:
        """Return the share of the newest weights in the mean, and count this update."""
        self.times += 1
        return 1 / self.times

    def generator(self, generator: Generator) -> Generator:
        if not self.times:
            return generator
        averaged = generator.of(copy.deepcopy(self.average))
        _estimate_statistics(averaged, self.batch_size)
        return averaged

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average.state_dict(), "times": self.times}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.average.load_state_dict(state["average"])
        self.times = state["times"]
