"""What the driver hands over to the tracking process, so that it needs no torch: all settings with their defaults, and whose plugins are known."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganstudy.files import write_whole
from ganstudy.known_settings import KnownSettings
from study.store.layout import Layout
from study.store.records import StudyRecord


@dataclass(frozen=True)
class Handed:
    """settings: all that the driver knows. plugins: the modules that it has imported for this study."""

    settings: KnownSettings
    plugins: frozenset[str]

    def trusts(self, study: StudyRecord) -> bool:
        """Whether the driver was told to import all plugins of the study."""
        return self.plugins >= set(study.spec.get("plugins", ()))


def hand_over(folder: Path, plugins: Sequence[str] = ()) -> None:
    """Write what the tracking process of a study folder needs. plugins: those of the study, which this process has imported."""
    from trainables.config import known_settings  # here, since it imports torch, which only the driver may

    Layout(folder).handed.parent.mkdir(parents=True, exist_ok=True)
    write_whole(Layout(folder).handed, json.dumps({"settings": known_settings().as_dict(), "plugins": list(plugins)}))


def handed(folder: Path) -> Handed:
    """Return what was handed over."""
    found = json.loads(Layout(folder).handed.read_text())
    return Handed(KnownSettings.from_dict(found["settings"]), frozenset(found["plugins"]))
