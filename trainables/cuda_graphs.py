"""Records the work of a function as a CUDA graph."""

import gc
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch

from trainables.capture import Record
from trainables.tapes import NotCaptured

_CAPTURING = threading.Lock()  # one capture at a time in a process


class CudaGraph:
    """Work that was captured without being done."""

    done = False

    def __init__(self, graph: torch.cuda.CUDAGraph):
        self.replay = graph.replay


def cuda_recorder(generator: torch.Generator) -> Record:
    """Return a function that records CUDA graphs, all with one pool of memory. Needs a current stream that is not the default one.

    generator: the random numbers of the run. The graphs draw from it and from the device's own; each replay draws new ones.
    """
    pool = torch.cuda.graph_pool_handle()
    device = torch.cuda.current_device() if generator.device.index is None else generator.device.index

    def record(work: Callable[[], None]) -> CudaGraph:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(generator)
        generators = {each: each.clone_state() for each in (generator, torch.cuda.default_generators[device])}
        with _CAPTURING, _without_garbage_collection():
            graph.capture_begin(pool=pool, capture_error_mode="thread_local")
            try:
                work()
                graph.capture_end()
            except (RuntimeError, NotCaptured) as error:
                _abandon(graph, device, pool, generators)
                raise NotCaptured(_reason(error)) from error
        return CudaGraph(graph)

    return record


def _abandon(graph: torch.cuda.CUDAGraph, device: int, pool: Any, generators: Mapping[torch.Generator, torch.Generator]) -> None:
    """End a capture that failed. PyTorch then ends neither the use of the pool nor that of the generators, so both are ended here."""
    with suppress(RuntimeError):  # it reports the failure again
        graph.capture_end()
    with suppress(RuntimeError):
        torch._C._cuda_endAllocateToPool(device, pool)
    for generator, before in generators.items():
        generator.graphsafe_set_state(before)


def _reason(error: Exception) -> str:
    first = str(error).strip().partition("\n")[0]
    waits = "operation not permitted when stream is capturing" in first
    return f"a step waits for the GPU or does what else a CUDA graph cannot ({first})" if waits else first


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Turn off the garbage collector: it may free a graph, which CUDA does not allow during a capture."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
