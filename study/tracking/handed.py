"""What the driver hands over to the tracking process, so that it needs no torch: all settings with their defaults, and whose plugins are known.

It goes through the pipe and not through a file, since a full disk must not stop the trackers that write elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganstudy.known_settings import KnownSettings
from study.store.records import StudyRecord


@dataclass(frozen=True)
class Handed:
    """settings: all that the driver knows. plugins: the modules that it has imported for this study."""

    settings: KnownSettings
    plugins: frozenset[str]

    def trusts(self, study: StudyRecord) -> bool:
        """Whether the driver was told to import all plugins of the study."""
        return self.plugins >= set(study.spec.get("plugins", ()))


def handing_over(plugins: Sequence[str] = ()) -> dict[str, Any]:
    """Return what the tracking process needs, as JSON takes it. plugins: those of the study, which this process has imported."""
    from trainables.config import known_settings  # here, since it imports torch, which only the driver may

    return {"settings": known_settings().as_dict(), "plugins": list(plugins)}


_HERE: list[Handed] = []


def receive(given: Mapping[str, Any]) -> None:
    """Keep what was handed over to this process."""
    _HERE[:] = [Handed(KnownSettings.from_dict(given["settings"]), frozenset(given["plugins"]))]


def handed() -> Handed:
    """Return what was handed over to this process."""
    return _HERE[0]
