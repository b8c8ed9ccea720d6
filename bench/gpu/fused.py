"""Two other ways to fill a GPU, tried beside captured rounds in lanes: kernels fused by torch.compile, and several networks in one by vmap.

Neither is part of the training: the figures say whether it would be worth it.
"""

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, replace_all_batch_norm_modules_, stack_module_state, vmap
from torch.nn.functional import softplus

from bench.gpu.cases import DEVICE, SPEED, Settings, make, stepper
from bench.gpu.speed import per_second, replayed


def compiled(cases: tuple[str, ...], seconds: float = 1.0) -> Iterator[dict[str, Any]]:
    """Yield rounds per second of captured trials, with networks as they are and compiled, and the seconds until the compiled one trained."""
    for case in cases:
        settings, shape = SPEED[case]
        row: dict[str, Any] = {"case": case}
        for how in ("captured", "compiled and captured"):
            try:
                with torch.cuda.stream(torch.cuda.Stream()):
                    run = make(settings, shape, captured=True)
                    start = time.perf_counter()
                    if how != "captured":
                        run.nets.g.compile()
                        run.nets.d.compile()
                    step = stepper(run)
                    for _ in range(8):
                        step()
                    row[f"start of {how}"] = round(time.perf_counter() - start, 1)
                    row[how] = round(per_second(step, seconds), 1)
                    row["reason"] = run.rounds.reason if run.rounds else ""
            except Exception as error:
                row[how] = f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"
        yield row


def packs(cases: tuple[str, ...], sizes: tuple[int, ...] = (1, 4, 8, 16), seconds: float = 1.0) -> Iterator[dict[str, Any]]:
    """Yield rounds per second of all networks of a pack together: a bare loop of networks stacked by vmap, as one CUDA graph.

    Batch norm keeps no running statistics here, and all networks are of one shape, which trials of a study are not.
    """
    for case in cases:
        settings, shape = SPEED[case]
        for n in sizes:
            try:
                yield {"case": case, "pack": n, "rounds_per_s": round(n * per_second(_pack(settings, shape, n), seconds), 1)}
            except Exception as error:
                yield {"case": case, "pack": n, "error": f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"}


def _pack(settings: Settings, shape: tuple[int, ...], n: int) -> Callable[[], None]:
    """Return the replay of a graph in which n pairs of networks train one round of the minimax loss with a generator that does not saturate."""
    runs = [make({**settings, "seed": seed}, shape, captured=False) for seed in range(n)]
    g, g_weights = _stacked([run.nets.g for run in runs])
    d, d_weights = _stacked([run.nets.d for run in runs])
    batch, latents, kept = runs[0].config.batch_size, runs[0].config.latent.dim, torch.from_numpy(runs[0].source.train).to(DEVICE)
    opts = [
        torch.optim.Adam(list(weights.values()), lr=2e-4, betas=(0.5, 0.999), fused=True, capturable=True)
        for weights in (g_weights, d_weights)
    ]
    rows = torch.zeros(n * batch, dtype=torch.int64, device=DEVICE)

    def step() -> None:
        rows.random_(0, len(kept))
        picked = kept[rows].view(n, batch, *shape)
        real = picked if picked.is_floating_point() else picked.float().div_(127.5).sub_(1)
        opts[1].zero_grad(set_to_none=True)
        with torch.no_grad():
            fake = g(g_weights, torch.randn(n, batch, latents, device=DEVICE))
        _sum_of_means(softplus(-d(d_weights, real)) + softplus(d(d_weights, fake))).backward()
        opts[1].step()
        opts[0].zero_grad(set_to_none=True)
        frozen = {name: weight.detach() for name, weight in d_weights.items()}
        _sum_of_means(softplus(-d(frozen, g(g_weights, torch.randn(n, batch, latents, device=DEVICE))))).backward()
        opts[0].step()

    return replayed(step)


def _stacked(nets: list[nn.Module]) -> tuple[Callable[[dict[str, Tensor], Tensor], Tensor], dict[str, Tensor]]:
    """Return a function that computes all networks at once, and their stacked weights."""
    for net in nets:
        replace_all_batch_norm_modules_(net)
    weights, buffers = stack_module_state(nets)
    base = copy.deepcopy(nets[0]).to("meta")

    def compute(of: dict[str, Tensor], x: Tensor) -> Tensor:
        outputs: Tensor = vmap(lambda w, b, each: functional_call(base, (w, b), (each,)))(of, buffers, x)
        return outputs

    return compute, weights


def _sum_of_means(losses: Tensor) -> Tensor:
    """[n, batch, ...] -> the sum over networks, whose gradient is that of each network's mean."""
    return losses.flatten(1).mean(1).sum()
