"""All settings that there are, as plain values: a process that has them needs no tables of entries, and so no torch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Self


@dataclass(frozen=True, eq=False)
class KnownSettings:
    """Settings by their dotted names, and which of them apply beside which others."""

    defaults: Mapping[str, Any]
    needs: Mapping[
        str, tuple[Sequence[str], Sequence[Any]]
    ]  # a setting -> others, one of which must have one of these values; without an entry, it always applies
    tricks: Collection[str]  # switches; a missing one is off
    unidentified: Collection[str]  # settings that config_id leaves out

    def applies(self, name: str, flat: Mapping[str, Any]) -> bool:
        """Return whether a setting applies, given the others: its need is met by settings that apply themselves. Missing settings have their defaults."""
        if name not in self.needs:
            return True
        others, values = self.needs[name]
        return any((flat.get(other, self.defaults[other]) if self.applies(other, flat) else None) in values for other in others)

    def live(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that apply: no `r1.gamma` if r1 is off, no `g.slope` unless g.activation is leaky_relu."""
        return {name: value for name, value in flat.items() if self.applies(name, flat)}

    def completed(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings with the defaults of those others that apply, except switches of tricks: a missing one is off.

        Which ones apply depends on a few settings only, so it is found once for each combination of their values.
        """
        return {**_defaults_beside(self, tuple((name, flat[name]) for name in self._deciding if name in flat)), **flat}

    @cached_property
    def _deciding(self) -> tuple[str, ...]:
        """The settings that others need."""
        return tuple(sorted({other for others, _ in self.needs.values() for other in others}))

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON takes them."""
        return {
            "defaults": dict(self.defaults),
            "needs": {name: [list(others), list(values)] for name, (others, values) in self.needs.items()},
            "tricks": list(self.tricks),
            "unidentified": sorted(self.unidentified),
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Return what `as_dict` has written."""
        return cls(**given)


@lru_cache(maxsize=4096)
def _defaults_beside(known: KnownSettings, chosen: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
    """Return the defaults that apply beside the chosen values of the deciding settings."""
    defaults = {name: value for name, value in known.defaults.items() if name not in known.tricks}
    return {name: defaults[name] for name in known.live({**defaults, **dict(chosen)}) if name in defaults}
