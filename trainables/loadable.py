"""Refuses a state that a checkpoint could save but not load: checkpoints are loaded without running code (torch.load, weights_only)."""

import io
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint

from ganstudy.errors import UserError


def saved(state: dict[str, Any]) -> io.BytesIO:
    """Return the bytes of `torch.save`. Raises UserError for a state that `torch.load` would refuse, with the part at fault, such as `tricks.name.key`."""
    data = io.BytesIO()
    torch.save(state, data)
    data.seek(0)
    if get_unsafe_globals_in_checkpoint(data):
        where, value = _at_fault(state)
        raise UserError(
            f"the state of a run must consist of tensors, numbers, strings, and dicts and lists of them, so that a checkpoint can be loaded; "
            f"{where} is a {type(value).__module__}.{type(value).__qualname__}. Convert it in state_dict, for example with float() or torch.as_tensor()"
        )
    return data


def _at_fault(state: Any, where: str = "") -> tuple[str, Any]:
    """Return the innermost part that cannot be loaded, and its name."""
    parts = state.items() if type(state) is dict else enumerate(state) if type(state) in (list, tuple) else ()
    for name, part in parts:
        data = io.BytesIO()
        torch.save(part, data)
        data.seek(0)
        if get_unsafe_globals_in_checkpoint(data):
            return _at_fault(part, f"{where}.{name}".removeprefix("."))
    return where, state
