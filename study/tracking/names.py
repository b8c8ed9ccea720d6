"""What the run of a trial is called in W&B and in MLflow."""

from analysis.words import value_text
from ganstudy.forms import are_variants
from ganstudy.known_settings import KnownSettings
from study.store.records import StudyRecord, TrialRecord
from study.store.settings import base_of, settings_of

_NAME = 120  # characters; W&B takes 128


def run_name(trial: TrialRecord, study: StudyRecord, known: KnownSettings) -> str:
    """Return what a trial differs in from the study's base and the defaults, and its seed: "r1, g.lr=0.0003, seed=4". A name is cut after 120 characters."""
    of_trial, of_base, space = settings_of(trial, study, known), base_of(study.spec, known), study.spec["space"]
    varied = [name for part in space.values() for name in part]
    forms = [form for part in space.values() for form in part.values() if are_variants(form)]
    inside = {name for form in forms for variant in form.values() for name in variant}  # the name of a variant says these
    parts = []
    for name in dict.fromkeys([*varied, *trial.settings, *of_trial]):
        value = of_trial.get(name)
        if name in known.unidentified or name in inside or value is None or value == of_base.get(name, known.defaults.get(name)):
            continue
        parts.append(name if value is True else f"{name}={value_text(value)}")
    seed = f"seed={trial.flat['seed']}"
    text = ", ".join(parts) or "base"
    room = _NAME - len(seed) - 2
    return f"{text if len(text) <= room else text[: room - 1] + '…'}, {seed}"
