"""The base config of a study, which configs are compared with."""

from study.views import StudyView
from trainables.config import live, settings


def base_of(view: StudyView) -> dict[str, object]:
    """Return the settings of the base config that apply, those of the study file over the defaults, and the first variant of each choice of variants."""
    space = view.study.spec["space"]
    first = {name: next(iter(form)) for part in space.values() for name, form in part.items() if name not in settings() and form}
    return {**live({**settings(), **view.study.spec["base"]}), **first}
