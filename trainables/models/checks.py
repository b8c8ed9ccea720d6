"""Checks that architectures share: each raises UserError for settings that cannot be built."""

from collections.abc import Mapping, Sequence
from typing import Any

from ganstudy.errors import UserError
from trainables.config import TrialConfig

_RESIDUAL = ("resnet", "r3")  # architectures with residual blocks


def _setting(config: TrialConfig, name: str) -> Any:
    """Return the value of a setting of one network, as "g.kernel"."""
    network, _, setting = name.partition(".")
    return getattr(getattr(config, network), setting)


def allow(config: TrialConfig, choices: Mapping[str, Sequence[Any]], reason: str) -> None:
    """Raise UserError if a setting is given and is not one of its choices.

    choices: setting -> values that the architecture can build. reason: a clause of the error message.
    """
    for name, allowed in choices.items():
        if (given := _setting(config, name)) not in (None, *allowed):
            raise UserError(f"{name} must be one of {sorted(allowed)} with arch: {config.arch}, {reason}; given {given!r}")


def check_kernels(config: TrialConfig, *, strided: bool) -> None:
    """Raise UserError for an even kernel if any convolution keeps the size of its map.

    strided: by default, all convolutions of the architecture change the size; only depth and the resampling settings add others.
    """
    free = {
        "g.kernel": strided and config.g.upsampling in (None, "transposed") and config.g.depth in (None, 1),
        "d.kernel": strided and config.d.downsampling in (None, "strided") and config.d.depth in (None, 1),
    }
    for name, even in free.items():
        if (given := _setting(config, name)) is not None and given % 2 == 0 and not even:
            raise UserError(
                f"{name} must be odd if convolutions keep the size of the map (only strided and transposed ones may be even); given {given}"
            )


def check_init(config: TrialConfig, *, starts_at_zero: bool = False) -> None:
    """Raise UserError for fixup without residual blocks or with a norm, and for spectral norm of weights initialised to 0.

    starts_at_zero: the default initialisation of the architecture sets some weights of D to 0.
    """
    for name, init, norm in (("g", config.g.init, config.g.norm), ("d", config.d.init, config.d.norm)):
        if init == "fixup" and config.arch not in _RESIDUAL:
            raise UserError(f"{name}.init: fixup needs residual blocks, which {' and '.join(_RESIDUAL)} have; given arch: {config.arch}")
        if init == "fixup" and norm != "none":
            raise UserError(f"{name}.init: fixup replaces norms, so {name}.norm must be none (Zhang et al. 2019); given {norm!r}")
    if "spectral_norm" in config.tricks and (config.d.init == "fixup" or (starts_at_zero and config.d.init is None)):
        raise UserError(
            f"spectral_norm divides weights by their largest singular value, and some weights of D are initialised to 0 with arch: {config.arch}, "
            f"d.init: {config.d.init or 'the default'}; set d.init: kaiming or another"
        )
