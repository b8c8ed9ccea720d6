"""Rounds per second of one trial: eager, captured, and a bare loop as one graph; then of several trials in the threads of one process."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.functional import softplus
from torch.profiler import ProfilerActivity, profile

from bench.gpu.cases import DEVICE, SPEED, Settings, make, stepper
from trainables.run import Run

LANES = (1, 2, 4, 8, 16)


def alone(seconds: float = 1.0) -> Iterator[dict[str, Any]]:
    """Yield rounds per second of each case, eager and captured, and of a bare graph of the same networks and batches."""
    for case, (settings, shape) in SPEED.items():
        row: dict[str, Any] = {"case": case}
        for how, captured in (("eager", False), ("captured", True)):
            try:
                with torch.cuda.stream(torch.cuda.Stream()):
                    run = make(settings, shape, captured=captured)
                    row[how] = round(per_second(stepper(run), seconds), 1)
                    row["reason"] = run.rounds.reason if run.rounds else ""
            except Exception as error:
                row[how] = f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"
        try:
            row["bare graph"] = (
                round(per_second(_bare(make(settings, shape, captured=False), shape), seconds), 1) if _is_plain(settings) else None
            )
        except Exception as error:
            row["bare graph"] = f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"
        row["memory_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
        torch.cuda.reset_peak_memory_stats()
        yield row


def formats(cases: tuple[str, ...], seconds: float = 1.0) -> Iterator[dict[str, Any]]:
    """Yield rounds per second of captured trials in each number format."""
    for case in cases:
        settings, shape = SPEED[case]
        row: dict[str, Any] = {"case": case}
        for precision in ("fp32", "tf32", "bf16"):
            try:
                with torch.cuda.stream(torch.cuda.Stream()):
                    row[precision] = round(
                        per_second(stepper(make({**settings, "precision": precision}, shape, captured=True)), seconds), 1
                    )
            except Exception as error:
                row[precision] = f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"
        yield row


def layouts(cases: tuple[str, ...], seconds: float = 1.0) -> Iterator[dict[str, Any]]:
    """Yield rounds per second of captured trials whose networks keep their weights in either order of memory, by number format."""
    for case in cases:
        settings, shape = SPEED[case]
        row: dict[str, Any] = {"case": case}
        for precision in ("tf32", "bf16"):
            for order in (torch.contiguous_format, torch.channels_last):
                with torch.cuda.stream(torch.cuda.Stream()):
                    run = make({**settings, "precision": precision}, shape, captured=True)
                    for net in (run.nets.g, run.nets.d):
                        net.to(memory_format=order)
                    row[f"{precision}, {order}"] = round(per_second(stepper(run), seconds), 1)
        yield row


def lanes(cases: tuple[str, ...], seconds: float = 1.5) -> Iterator[dict[str, Any]]:
    """Yield rounds per second of all trials together, for 1 to 16 of them in threads, each on a stream of its own."""
    for case in cases:
        settings, shape = SPEED[case]
        for n in LANES:
            row: dict[str, Any] = {"case": case, "lanes": n}
            try:
                row["threads"] = round(_in_threads(settings, shape, n, seconds), 1)
                row["memory_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
                torch.cuda.reset_peak_memory_stats()
            except Exception as error:
                row["error"] = f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"
            yield row


def per_second(step: Callable[[], None], seconds: float) -> float:
    """Return calls per second, after a warm-up."""
    for _ in range(8):
        step()
    torch.cuda.synchronize()
    n, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(10):
            step()
        torch.cuda.current_stream().synchronize()
        n += 10
    return n / (time.perf_counter() - start)


def replayed(step: Callable[[], None]) -> Callable[[], None]:
    """Return the replay of a step as one CUDA graph."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(4):
            step()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            step()
    return graph.replay


def kernels(cases: tuple[str, ...], rounds: int = 20) -> Iterator[dict[str, Any]]:
    """Yield what the GPU does in a captured round: kernels, their milliseconds, and the share of the time of the most expensive ones."""
    for case in cases:
        settings, shape = SPEED[case]
        with torch.cuda.stream(torch.cuda.Stream()):
            step = stepper(make(settings, shape, captured=True))
            for _ in range(8):
                step()
            torch.cuda.synchronize()
            with profile(activities=[ProfilerActivity.CUDA]) as profiled:
                for _ in range(rounds):
                    step()
                torch.cuda.synchronize()
        found = [each for each in profiled.key_averages() if each.self_device_time_total > 0]
        total = sum(each.self_device_time_total for each in found)
        found.sort(key=lambda each: -each.self_device_time_total)
        yield {
            "case": case,
            "kernels": round(sum(each.count for each in found) / rounds),
            "busy_ms": round(total / rounds / 1000, 3),
            "largest": {each.key[:90]: round(each.self_device_time_total / total, 3) for each in found[:8]},
        }


def _in_threads(settings: Settings, shape: tuple[int, ...], n: int, seconds: float) -> float:
    ready, counts, errors = threading.Barrier(n), [0.0] * n, list[str]()

    def lane(i: int) -> None:
        try:
            with torch.cuda.stream(torch.cuda.Stream()):
                step = stepper(make({**settings, "seed": i}, shape, captured=True))
                for _ in range(8):
                    step()
                torch.cuda.current_stream().synchronize()
                ready.wait(60)
                counts[i] = per_second(step, seconds)
        except Exception as error:
            errors.append(f"{type(error).__name__}: {str(error).splitlines()[0]}")
            ready.abort()

    threads = [threading.Thread(target=lane, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise RuntimeError(min(errors))
    return sum(counts)


# The bare loop -------------------------------------------------------------------------------------------


def _is_plain(settings: Settings) -> bool:
    return settings.get("arch") != "r3"


def _bare(run: Run, shape: tuple[int, ...]) -> Callable[[], None]:
    """Return the replay of a graph of the least that such a round needs: no signals, no checks, one fixed order of the rows."""
    g, d, batch, latents = run.nets.g, run.nets.d, run.config.batch_size, run.config.latent.dim
    opts = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True, capturable=True) for net in (g, d)]
    rows = torch.zeros(batch, dtype=torch.int64, device=DEVICE)
    kept = torch.from_numpy(run.source.train).to(DEVICE)
    r1 = 10.0 if "r1" in run.config.tricks else 0.0

    def step() -> None:
        rows.random_(0, len(kept))
        picked = kept[rows]
        real = (picked if picked.is_floating_point() else picked.float().div_(127.5).sub_(1)).requires_grad_(bool(r1))
        opts[1].zero_grad(set_to_none=True)
        with torch.no_grad():
            fake = g(torch.randn(batch, latents, device=DEVICE))
        of_real = d(real)
        loss = softplus(-of_real).mean() + softplus(d(fake)).mean()
        if r1:
            (gradient,) = torch.autograd.grad(of_real.sum(), real, create_graph=True)
            loss = loss + r1 / 2 * gradient.square().flatten(1).sum(1).mean()
        loss.backward()
        opts[1].step()
        opts[0].zero_grad(set_to_none=True)
        _freeze(d, True)
        softplus(-d(g(torch.randn(batch, latents, device=DEVICE)))).mean().backward()
        _freeze(d, False)
        opts[0].step()

    return replayed(step)


def _freeze(net: nn.Module, frozen: bool) -> None:
    for p in net.parameters():
        p.requires_grad_(not frozen)
