"""SPACES: the search spaces of published studies, by name. `space: NAME`, or a name in place of a part of the space, takes one from here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ganstudy import UserError
from ganstudy.registry import Registry
from study.spec.errors import SpecError
from trainables.config import need_of, settings


@dataclass(frozen=True)
class Published:
    settings: Mapping[str, Any]  # as a study file writes them; settings live where the study turns their trick on
    source: str  # who says so, and how it is written here


def log(low: float, high: float) -> dict[str, Any]:
    return {"low": low, "high": high, "log": True}


def both(of: str, values: Any) -> dict[str, Any]:
    return {f"g.{of}": values, f"d.{of}": values}


def of_penalties(values: Any) -> dict[str, Any]:
    return {f"{penalty}.weight": values for penalty in ("wgan_gp", "dragan", "gradient_penalty")}


LUCIC = "Lucic et al. 2018, section 5 and compare_gan v1.0, params.py"
KURACH = "Kurach et al. 2019, section 2"

SPACES: Registry[Published] = Registry("published space")
SPACES |= {
    "lucic2018_wide": Published(
        both("lr", log(1e-5, 1e-2))
        | {"beta1": {"low": 0.0, "high": 0.99}, "d_steps": [1, 5], "d.norm": ["none", "batch"]}
        | {"weight_clipping.limit": log(1e-3, 1.0)}
        | of_penalties(log(0.1, 100.0)),
        f"{LUCIC}, wide: 100 configurations of each GAN. One rate for both networks there, one each here; beta1 up to 1 there",
    ),
    "lucic2018_narrow": Published(
        both("lr", log(1e-4, 1e-3)) | {"d.norm": ["none", "batch"], "weight_clipping.limit": log(1e-2, 1.0)} | of_penalties(log(0.1, 10.0)),
        f"{LUCIC}, narrow: 50 configurations; beta1 .5 and one D step, which a base gives. One rate for both networks there; no batch norm in D with a gradient penalty",
    ),
    "kurach2019": Published(
        both("lr", log(1e-5, 1e-2))
        | {"beta1": {"low": 0.0, "high": 0.99}, "beta2": {"low": 0.0, "high": 0.999}, "d_steps": [1, 5]}
        | of_penalties(log(0.1, 100.0))
        | {"weight_penalty.weight": log(1e-4, 10.0)},
        f"{KURACH}, the search: 12 rounds of 10 configurations for each of 1 and 5 D steps. One rate for both networks there; betas up to 1 there; L2 there of a mean over layers, here of the sum",
    ),
    "kurach2019_grid": Published(
        {
            "rate": {f"lr{lr:g}": both("lr", lr) for lr in (2e-4, 1e-4, 1e-3)},
            "adam": {
                f"beta{beta1:g}_{beta2:g}_steps{d_steps}": {"beta1": beta1, "beta2": beta2, "d_steps": d_steps}
                for beta1, beta2, d_steps in ((0.5, 0.9, 5), (0.5, 0.999, 1), (0.5, 0.999, 5), (0.9, 0.999, 5))
            },
        }
        | of_penalties([1.0, 10.0]),
        f"{KURACH}, the fixed grid: 3 rates × 4 of (beta1, beta2, D steps) × 2 weights of the gradient penalty. For space.scientific: it has variants",
    ),
}


def with_published(space: Any, base: Mapping[str, Any]) -> Any:
    """A study file's space, each name of a published one replaced by its settings. SpecError for a name that is none.

    A part of the space may be a name, a mapping of settings, or a list of both, in which a later one has the say over an earlier one. Of a
    published space are left out: the settings of what the study never turns on, and, of the nuisance settings, what the study asks about.
    """
    if isinstance(space, str):
        space = {"scientific": space}
    if not isinstance(space, Mapping):
        return space
    parts = dict(space)
    for part in sorted(space, key=lambda part: part != "scientific"):  # what is asked about first
        entries = space[part] if isinstance(space[part], list) else [space[part]]
        if not any(isinstance(entry, str) for entry in entries):
            continue
        on = set(mentioned(base)) | set(mentioned(parts))
        asked = {name for name, _ in mentioned(parts.get("scientific"))} if part == "nuisance" else set()
        merged: dict[str, Any] = {}
        for entry in entries:
            merged |= (
                entry if isinstance(entry, Mapping) else {n: v for n, v in pick(entry, part).items() if n not in asked and can_live(n, on)}
            )
        parts[part] = merged
    return parts


def pick(name: Any, part: str) -> Mapping[str, Any]:
    if not isinstance(name, str):
        raise SpecError(
            ("space", part),
            f"space.{part} must be settings and their domains, the name of a published space, or a list of these; given {name!r}",
        )
    try:
        return SPACES.pick(name).settings
    except UserError as error:
        raise SpecError(("space", part), str(error)) from None


def can_live(name: str, mentioned: set[tuple[str, Any]]) -> bool:
    """Whether the study, of which these settings and values are mentioned, ever meets what a setting needs. What is not mentioned has its default."""
    if (need := need_of(name)) is None:
        return True
    names = {setting for setting, _ in mentioned}
    return any((other, value) in mentioned for other in need.names for value in need.values()) or need.met(
        lambda other: settings()[other] if other not in names else None
    )


def mentioned(given: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting in a base, a space or its variants, with each value that it can have there: None for those of a range, True for that of a switch."""
    bundle = isinstance(given, Mapping) and not {"low", "high"} & given.keys()  # of a variant, which may be called as a trick is
    if name in settings() and not bundle:
        for value in given if isinstance(given, list) else [given]:
            yield name, True if value == "range" else None if isinstance(value, Mapping) else value
    elif isinstance(given, Mapping):
        for key, value in given.items():
            yield from mentioned(value, key)
    elif isinstance(given, list):
        for value in given:
            yield from mentioned(value)
