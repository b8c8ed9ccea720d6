"""The CUDA stream of a thread. Trials of one process work side by side on a GPU if each has a stream of its own."""

import threading

import torch

_MINE = threading.local()


def own_stream(device: torch.device) -> torch.cuda.Stream | None:
    """Return the stream of this thread: the current one, or if that is the default stream, on which nothing runs side by side, one that is made once.

    None on a CPU. All trials of a thread share the stream, and so the memory of those before them: cuBLAS keeps 64 MB for each stream that it has met.
    """
    if device.type != "cuda":
        return None
    current, default = torch.cuda.current_stream(device), torch.cuda.default_stream(device)
    if current != default:
        return current
    streams: dict[torch.device, torch.cuda.Stream] = vars(_MINE).setdefault("streams", {})
    if device not in streams:
        streams[device] = torch.cuda.Stream(device)
    streams[device].wait_stream(default)  # the evaluator's networks may still be on their way
    return streams[device]
