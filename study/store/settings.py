"""All settings of a trial, and those of the base that configs are compared with: its settings that vary have their defaults."""

from collections.abc import Mapping
from typing import Any

from ganstudy.forms import are_variants
from ganstudy.known_settings import KnownSettings
from study.spec.variants import variant_of
from study.store.records import StudyRecord, TrialRecord


def base_of(spec: Mapping[str, Any], known: KnownSettings) -> dict[str, object]:
    """Return the settings of the base config that apply, those of the study file over the defaults, and the first variant of each choice of variants.

    spec: StudySpec.as_dict(). A setting of a plugin that was not imported is left out: nobody knows its default.
    """
    first = {name: next(iter(form)) for part in spec["space"].values() for name, form in part.items() if are_variants(form)}
    return {**known.live({**known.defaults, **spec["base"]}), **first}


def settings_of(record: TrialRecord, study: StudyRecord, known: KnownSettings) -> dict[str, Any]:
    """Return a trial's settings and variants, completed by the defaults of settings that apply.

    Defaults of plugin settings are left out if they are not known. What a smaller space did not have is as it was: a switch off, or a variant.
    """
    found = known.completed(record.settings)
    for name, form in (item for part in study.spec["space"].values() for item in part.items()):
        if name not in found and name in known.tricks:
            found[name] = False
        elif name not in found and are_variants(form):
            found[name] = variant_of(form, {**known.defaults, **found})
    return found
