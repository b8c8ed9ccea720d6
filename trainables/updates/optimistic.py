"""Optimistic updates: each step assumes that the next gradient equals the last one."""

from typing import Any

import torch
from torch.optim import Optimizer

from trainables.gan import Gan
from trainables.updates.alternating import Alternating
from trainables.updates.base import copies, update, weights


@update("optimistic")
class Optimistic(Alternating):
    """theta += 2 s_t - s_(t-1), where s_t is the optimiser's step: optimistic Adam. Daskalakis et al. 2018, algorithm 1 (D and G alternate).

    The paper uses the steps of Adam; s_0 = 0.
    """

    def build(self, gan: Gan) -> None:
        self.weights = {opt: weights(net) for opt, net in ((gan.d_opt, gan.nets.d), (gan.g_opt, gan.nets.g))}
        self.last = {opt: [torch.zeros_like(w) for w in own] for opt, own in self.weights.items()}

    def move(self, opt: Optimizer) -> None:
        own, last = self.weights[opt], self.last[opt]
        before = copies(own)
        opt.step()
        more = torch._foreach_sub(own, before)
        torch._foreach_sub_(more, last)
        torch._foreach_mul_(more, 1 - opt.found_inf)  # type: ignore[attr-defined]  # a skipped step changes neither the weights nor the state
        torch._foreach_add_(own, more)
        torch._foreach_add_(last, more)

    def state_dict(self) -> dict[str, Any]:
        return {"last": list(self.last.values())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for ours, saved in zip(self.last.values(), state["last"], strict=True):
            torch._foreach_copy_(ours, saved)
