"""Update: a rule by which D and G move. Its dataclass fields are its settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from typing import Any, ClassVar, TypeVar, dataclass_transform

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganstudy.registry import Registry
from trainables import tables
from trainables.config import TrialConfig
from trainables.entries import make_entry, with_settings
from trainables.gan import Gan

Signals = dict[str, Tensor]


@plain_dataclass(kw_only=True)
class Update:
    """A subclass says what a step is; the rest it overrides where it must."""

    takes: ClassVar[tuple[str, ...]] = ()  # of d_steps and g_steps: those that it reads

    def check(self, config: TrialConfig) -> None:
        """UserError where the rule makes no sense beside the other settings."""

    def build(self, gan: Gan) -> None:
        """Once, when networks and optimisers exist."""

    def step(self, gan: Gan) -> Signals:
        """Move D, and G where it is due: the smallest part of training that a tick may follow. -> scalars to report."""
        raise NotImplementedError  # the one moment that every rule has; the others may stay empty, which an abstract class would forbid

    def move(self, opt: Optimizer) -> None:
        """Move one network, whose gradients are there."""
        opt.step()

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


UPDATES: Registry[type[Update]] = tables.UPDATES

T = TypeVar("T", bound=type[Update])


@dataclass_transform(kw_only_default=True)
def update(name: str) -> Callable[[T], T]:
    """Name an update rule. Its annotated fields become its settings, known everywhere as "name.field"; each needs a default, its paper's."""
    return with_settings(UPDATES, name)


def weights(*nets: nn.Module) -> list[Tensor]:
    """All parameters, as tensors that can be moved in place without a trace."""
    return [p.detach() for net in nets for p in net.parameters()]


def copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.clone() for tensor in tensors]


def means(steps: Sequence[Signals]) -> Signals:
    """Of scalars that each step has; a single step's as they are."""
    if len(steps) == 1:
        return steps[0]
    return {name: torch.stack([step[name].detach() for step in steps]).mean() for name in steps[0]}


def make_update(name: str, settings: Mapping[str, Any]) -> Update:
    """A checked update rule. Raises UserError for an unknown rule or setting, or a value out of its bounds."""
    return make_entry(UPDATES, name, settings)
