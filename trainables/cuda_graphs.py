"""Records the work of a function as a CUDA graph."""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

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

    def record(work: Callable[[], None]) -> CudaGraph:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(generator)
        with _CAPTURING, _without_garbage_collection():
            graph.capture_begin(pool=pool, capture_error_mode="thread_local")
            try:
                work()
            except (RuntimeError, NotCaptured) as error:
                with suppress(RuntimeError):  # PyTorch reports the failed capture again
                    graph.capture_end()
                raise NotCaptured(str(error).strip().partition("\n")[0]) from error
            graph.capture_end()
        return CudaGraph(graph)

    return record


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
