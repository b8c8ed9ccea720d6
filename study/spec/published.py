"""SPACES: search spaces of published studies, by name. A study file takes one by `space: NAME`, or by a name for a part of its space."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ganstudy import UserError
from ganstudy.registry import Registry
from ganstudy.written import shown
from study.spec.errors import SpecError
from trainables.config import need_of, settings


@dataclass(frozen=True)
class Published:
    settings: Mapping[str, Any]  # in the form of a study file
    source: str  # the publication, and how this space differs from it


def _log(low: float, high: float) -> dict[str, Any]:
    return {"low": low, "high": high, "log": True}


def _both(of: str, values: Any) -> dict[str, Any]:
    return {f"g.{of}": values, f"d.{of}": values}


def _of_penalties(values: Any) -> dict[str, Any]:
    return {f"{penalty}.weight": values for penalty in ("wgan_gp", "dragan", "gradient_penalty")}


_LUCIC = "Lucic et al. 2018, section 5 and compare_gan v1.0, params.py"
_KURACH = "Kurach et al. 2019, section 2"

SPACES: Registry[Published] = Registry("published space")
SPACES |= {
    "lucic2018_wide": Published(
        _both("lr", _log(1e-5, 1e-2))
        | {"beta1": {"low": 0.0, "high": 0.99}, "d_steps": [1, 5], "d.norm": ["none", "batch"]}
        | {"weight_clipping.limit": _log(1e-3, 1.0)}
        | _of_penalties(_log(0.1, 100.0)),
        f"{_LUCIC}, wide: 100 configs of each GAN. They use one learning rate for both networks, here each has its own; their beta1 goes up to 1",
    ),
    "lucic2018_narrow": Published(
        _both("lr", _log(1e-4, 1e-3))
        | {"d.norm": ["none", "batch"], "weight_clipping.limit": _log(1e-2, 1.0)}
        | _of_penalties(_log(0.1, 10.0)),
        f"{_LUCIC}, narrow: 50 configs. They fix beta1 .5 and one D step: set these in base. They use one learning rate for both networks, and no batch norm in D with a gradient penalty",
    ),
    "kurach2019": Published(
        _both("lr", _log(1e-5, 1e-2))
        | {"beta1": {"low": 0.0, "high": 0.99}, "beta2": {"low": 0.0, "high": 0.999}, "d_steps": [1, 5]}
        | _of_penalties(_log(0.1, 100.0))
        | {"weight_penalty.weight": _log(1e-4, 10.0)},
        f"{_KURACH}, the search: 12 rounds of 10 configs for each of 1 and 5 D steps. They use one learning rate for both networks and betas up to 1; their L2 is a mean over layers, here a sum",
    ),
    "kurach2019_grid": Published(
        {
            "rate": {f"lr{lr:g}": _both("lr", lr) for lr in (2e-4, 1e-4, 1e-3)},
            "adam": {
                f"beta{beta1:g}_{beta2:g}_steps{d_steps}": {"beta1": beta1, "beta2": beta2, "d_steps": d_steps}
                for beta1, beta2, d_steps in ((0.5, 0.9, 5), (0.5, 0.999, 1), (0.5, 0.999, 5), (0.9, 0.999, 5))
            },
        }
        | _of_penalties([1.0, 10.0]),
        f"{_KURACH}, the fixed grid: 3 learning rates × 4 of (beta1, beta2, D steps) × 2 weights of the gradient penalty. Use it in space.scientific, since it has variants",
    ),
}


def with_published(space: Any, base: Mapping[str, Any]) -> Any:
    """Replace each name of a published space in a study file's space by the settings of that space.

    A part of the space may be a name, a mapping of settings, or a list of both. In a list, later entries override earlier ones.
    Settings of a published space are left out if the study never turns their trick on, or if they are nuisance here and scientific in the study.
    Raises SpecError for an unknown name.
    """
    if isinstance(space, str):
        space = {"scientific": space}
    if not isinstance(space, Mapping):
        return space
    parts = dict(space)
    for part in sorted(space, key=lambda part: part != "scientific"):  # scientific first, since nuisance leaves out what it names
        entries = space[part] if isinstance(space[part], list) else [space[part]]
        if not any(isinstance(entry, str) for entry in entries):
            continue
        on = set(_mentioned(base)) | set(_mentioned(parts))
        scientific = {name for name, _ in _mentioned(parts.get("scientific"))} if part == "nuisance" else set()
        merged: dict[str, Any] = {}
        for entry in entries:
            merged |= (
                entry
                if isinstance(entry, Mapping)
                else {n: v for n, v in _pick(entry, part).items() if n not in scientific and _can_apply(n, on)}
            )
        parts[part] = merged
    return parts


def _pick(name: Any, part: str) -> Mapping[str, Any]:
    """Return the settings of a published space. Raises SpecError for an unknown name."""
    if not isinstance(name, str):
        raise SpecError(
            ("space", part),
            f"space.{part} must be a mapping of settings, the name of a published space, or a list of these; given {shown(name)}",
        )
    try:
        return SPACES.pick(name).settings
    except UserError as error:
        raise SpecError(("space", part), str(error)) from None


def _can_apply(name: str, mentioned: set[tuple[str, Any]]) -> bool:
    """Whether a setting can apply in a study that mentions these settings and values. Settings that are not mentioned have their defaults."""
    if (need := need_of(name)) is None:
        return True
    names = {setting for setting, _ in mentioned}
    return any((other, value) in mentioned for other in need.names for value in need.values()) or need.met(
        lambda other: settings()[other] if other not in names else None
    )


def _mentioned(given: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (setting, value) for each setting in a base, a space or its variants. The value is None for a range and for what cannot be a value, and True for a switch with `range`."""
    bundle = isinstance(given, Mapping) and not {"low", "high"} & given.keys()  # a variant may have the name of a trick
    if name in settings() and not bundle:
        for value in given if isinstance(given, list) else [given]:
            yield name, True if value == "range" else None if isinstance(value, (Mapping, list)) else value
    elif isinstance(given, Mapping):
        for key, value in given.items():
            yield from _mentioned(value, key)
    elif isinstance(given, list):
        for value in given:
            yield from _mentioned(value)
