"""Why a trial ended in an error, from the text that Ray gives: what it means, and what the user can do."""

_GPU_FULL = ("OutOfMemoryError", "CUDA error: out of memory")  # in a traceback: PyTorch's exception, and what CUDA itself says
_DIED = "worker process has died"  # in what Ray says about an actor whose process ended without an exception
_TRACEBACK = "Traceback (most recent call last)"

TOO_LARGE = (
    "the trial ran out of a GPU's memory, also when no other trial shared the GPU, so it is not tried again. "
    "Lower batch_size or the widths of its networks, or use a GPU with more memory"
)
SPARE_MEMORY = "set resources.memory_gb, so that fewer trials run at a time, or lower batch_size or the widths of the networks"
_WANT_OF_MEMORY = f"its process ended without an error of its own, as when the system ends it for want of memory (the node's `dmesg` tells). If so, {SPARE_MEMORY}"


def gpu_is_full(reason: str) -> bool:
    """Whether the trial ran out of a GPU's memory."""
    return any(text in reason for text in _GPU_FULL)


def explained(reason: str, *, overdue: str) -> str:
    """Return the reason with a last line that says what it means, if the process of the trial died without an exception.

    overdue: that the trial exceeded the time limit of a tick, so that its process ended itself; "" if it has not. Of trials that share a process,
    the reason is the exception of their lane, which says this itself.
    """
    if _DIED not in reason:
        return reason
    return f"{reason.rstrip()}\n{(_TRACEBACK not in reason and overdue) or _WANT_OF_MEMORY}"
