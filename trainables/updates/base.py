"""Update, the base class of update rules: how D and G are updated, given their gradients.

The dataclass fields of a rule are its settings.
"""

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

Signals = dict[str, Tensor]  # scalars to report, by name


@plain_dataclass(kw_only=True)
class Update:
    """The base class of update rules. A subclass must override `step`, and may override the other methods.

    Decorate a subclass with `@update("name")`. Its annotated fields become settings; its docstring must name the source, and `ganstudy list` shows
    the first line.
    """

    takes: ClassVar[tuple[str, ...]] = ()  # which of the settings d_steps and g_steps it reads

    def check(self, config: TrialConfig) -> None:
        """Raise UserError if the rule cannot work with the other settings. Called when a config is made, before any data are loaded."""

    def build(self, gan: Gan) -> None:
        """Prepare the rule. Called once, after networks, tricks and optimisers are built."""

    def step(self, gan: Gan) -> Signals:
        """Update D, and G if it is due. Returns scalars to report.

        A tick can only come between two steps, so the rule needs to save no state from within a step. What changes from step to step comes from
        `gan.clock`, as in a trick, or the steps cannot be captured on a GPU.
        """
        raise NotImplementedError  # not an abstract class: ruff forbids empty methods in those (B027)

    def move(self, opt: Optimizer) -> None:
        """Update one network, whose gradients are computed. Called by Gan.d_move and Gan.g_move.

        Must leave the weights unchanged if opt.found_inf is 1, that is if the gradient is not finite.
        """
        opt.step()

    def state_dict(self) -> dict[str, Any]:
        """Return all that the rule remembers from step to step, for a checkpoint."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint, given what `state_dict` returned. Called after `build`."""


UPDATES: Registry[type[Update]] = tables.UPDATES

T = TypeVar("T", bound=type[Update])


@dataclass_transform(kw_only_default=True)
def update(name: str) -> Callable[[T], T]:
    """Decorator: register a subclass of Update under `name`.

    Its annotated fields become settings "name.field", checked against their types; each needs a default, that of the paper. Raises UserError if a
    field has no default, if the class has no docstring, or if the name is taken.
    """
    return with_settings(UPDATES, name)


def weights(*nets: nn.Module) -> list[Tensor]:
    """Return all parameters as tensors that share their memory and can be changed in place without autograd."""
    return [p.detach() for net in nets for p in net.parameters()]


def copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return a copy of each tensor."""
    return [tensor.clone() for tensor in tensors]


def means(steps: Sequence[Signals]) -> Signals:
    """Return the mean of each scalar over steps; those of a single step are returned unchanged."""
    if len(steps) == 1:
        return steps[0]
    return {name: torch.stack([step[name].detach() for step in steps]).mean() for name in steps[0]}


def make_update(name: str, settings: Mapping[str, Any]) -> Update:
    """Return an update rule with these settings. Raises UserError for an unknown rule or setting, or a value out of bounds."""
    return make_entry(UPDATES, name, settings)
