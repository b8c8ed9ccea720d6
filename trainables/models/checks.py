"""Checks that architectures share: values that they cannot build."""

from collections.abc import Mapping, Sequence
from typing import Any

from ganstudy.errors import UserError
from trainables.config import TrialConfig

RESIDUAL = ("resnet", "r3")  # have residual blocks


def setting(config: TrialConfig, name: str) -> Any:
    side, _, setting = name.partition(".")
    return getattr(getattr(config, side), setting)


def allow(config: TrialConfig, choices: Mapping[str, Sequence[Any]], reason: str) -> None:
    """Raises UserError where a setting is given and not one of its choices here."""
    for name, allowed in choices.items():
        if (given := setting(config, name)) not in (None, *allowed):
            raise UserError(f"{name} must be one of {sorted(allowed)} with arch: {config.arch}, {reason}; given {given!r}")


def check_kernels(config: TrialConfig, *, strided: bool) -> None:
    """Raises UserError for an even kernel where convolutions keep the size. `strided`: the architecture has none of these, unless the settings ask for them."""
    free = {
        "g.kernel": strided and config.g.upsampling in (None, "transposed") and config.g.depth in (None, 1),
        "d.kernel": strided and config.d.downsampling in (None, "strided") and config.d.depth in (None, 1),
    }
    for name, even in free.items():
        if (given := setting(config, name)) is not None and given % 2 == 0 and not even:
            raise UserError(
                f"{name} must be odd where convolutions keep the size of the map (only strided and transposed ones may be even); given {given}"
            )


def check_init(config: TrialConfig, *, starts_at_zero: bool = False) -> None:
    """Raises UserError for fixup without residual blocks or beside a norm, and for spectral norm of weights that begin at 0.

    `starts_at_zero`: some do unless d.init says otherwise.
    """
    for name, init, norm in (("g", config.g.init, config.g.norm), ("d", config.d.init, config.d.norm)):
        if init == "fixup" and config.arch not in RESIDUAL:
            raise UserError(f"{name}.init: fixup needs residual blocks, which {' and '.join(RESIDUAL)} have; given arch: {config.arch}")
        if init == "fixup" and norm != "none":
            raise UserError(f"{name}.init: fixup takes the place of norms: {name}.norm must be none (Zhang et al. 2019); given {norm!r}")
    if "spectral_norm" in config.tricks and (config.d.init == "fixup" or (starts_at_zero and config.d.init is None)):
        raise UserError(
            f"spectral_norm divides weights by their largest singular value, and some of D begin at 0 with arch: {config.arch}, "
            f"d.init: {config.d.init or 'its own'}; give d.init: kaiming or another"
        )
