"""The format of a study folder, and the upgrade of records in older formats.

New facts need no new format: a version that does not know a fact ignores it. A new format is for what older versions would misread.

| format | since | what changed |
|---|---|---|
| 1 | 0.1 | |
| 2 | 0.2 | score is objective, judge is evaluation, ruler is protocol, floors are baselines, judge_seconds is evaluation_seconds; another reason for hopeless trials |
| 3 | 0.2 | the sampler factorial draws nuisance settings in another way; factorial_sobol is the one of older records |
"""

from collections.abc import Mapping
from typing import Any

from ganstudy import UserError
from study.spec.renamed import RENAMED_KEYS
from study.store.records import HOPELESS

FORMAT = 3
_HOPELESS_1 = "nothing has come since"
RENAMED = {"ruler": "protocol", "floors": "baselines", "judge_seconds": "evaluation_seconds"}


def upgraded(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line of records.jsonl in the current format. Raises UserError for a newer format."""
    if (given := line.get("format", 1)) > FORMAT:
        raise UserError(f"the records must have a format up to {FORMAT}; given {given}, written by a newer ganstudy. Update ganstudy")
    new = {name: part for name, part in line.items() if name != "format"}
    for name in ("study", "measured"):
        if name in new and not RENAMED.keys().isdisjoint(new[name]):
            new[name] = renamed(new[name], RENAMED)
    if "study" in new:
        new["study"] = {**new["study"], "spec": renamed(new["study"]["spec"], RENAMED_KEYS)}
        if given < 3 and new["study"]["spec"]["sampler"] == "factorial":
            new["study"]["spec"]["sampler"] = "factorial_sobol"
    if (reason := new.get("closed", {}).get("reason", "")).startswith(_HOPELESS_1):
        new["closed"] = new["closed"] | {"reason": HOPELESS + reason.removeprefix(_HOPELESS_1)}
    return new


def renamed(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the mapping with its keys renamed by `names`, old name -> new name."""
    return {names.get(name, name): value for name, value in given.items()}
