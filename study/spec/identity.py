"""What makes a study the same study when it is launched again."""

from collections.abc import Mapping
from typing import Any

from trainables.config import PLACES_OF_DATA


def identity(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a StudySpec.as_dict() that must stay the same when a study resumes.

    The question, the definition of a failure, which only changes how records are read, the resources, the tracking and the places of files
    may change; the numbers of configs and seeds may grow.
    """
    free = {"question", "failure", "n_configs", "seeds", "resources", "tracking", "max_failures"}
    spec = {"stop_hopeless": True, **spec}  # older studies do not have it
    base = {name: value for name, value in spec["base"].items() if name not in PLACES_OF_DATA}
    # without the path of the weights, since the evaluation protocol has their hash
    evaluator = {name: value for name, value in spec["evaluation"].items() if name != "weights"}
    return {key: value for key, value in {**spec, "base": base, "evaluation": evaluator}.items() if key not in free}
