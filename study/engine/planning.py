"""What a design will be able to show: its plan for each setting, and how often its trials fail, from trials that there are."""

from pathlib import Path

import numpy as np
from optuna.distributions import CategoricalDistribution

from analysis.model.units import is_complete
from analysis.power import Plan, Variation
from ganstudy import UserError
from study.engine.separation import designed
from study.spec.study_spec import StudySpec
from study.store.columns import columns_of
from study.store.layout import Layout
from study.store.store import Store
from study.store.tables import trial_table
from trainables.config import TrialConfig

_HOUR_S = 3600


def plans(spec: StudySpec) -> dict[str, Plan]:
    """Return what a design has for each scientific setting. If every combination of choices is run, trials are independent; else configs are."""
    rows = designed(spec, spec.n_configs)
    distinct = rows.drop_duplicates()
    domains = spec.space.domains
    complete = not spec.space.nuisance and all(isinstance(d, CategoricalDistribution) for d in domains.values()) and is_complete(distinct)
    found = {}
    for name, domain in spec.space.scientific.items():
        levels = len(domain.choices) if isinstance(domain, CategoricalDistribution) else None
        share = float(distinct[name].notna().mean())  # a conditional setting applies in part of the configs
        units, trials = (spec.n_trials, 1) if complete else (len(distinct), spec.n_trials // len(distinct))
        found[name] = Plan(levels, round(units * share), trials)
    return found


def variation(spec: StudySpec, folder: Path) -> Variation:
    """Return how often trials of a study fail, and how alike those of a config are: from its own trials so far, or else from those with the
    settings of its base alone in the studies beside its folder that define failure alike; assumed where these are too few. A study beside it that cannot be read is passed over.
    """
    own = _counted(folder, None)
    if own and (found := Variation.of(*own, source="this study")).rate_from:
        return found
    try:
        base = TrialConfig.from_flat(spec.base)
    except UserError:  # the base alone needs what the space gives
        return Variation()
    failed, judged, names = 0, 0, []
    for records in sorted(folder.parent.glob(f"*/{Layout(folder).records.name}")):
        if records.parent == folder:
            continue
        try:
            counts = _counted(records.parent, base.config_id, failure=spec.failure)
        except (UserError, OSError):  # damaged, of a newer format, or another user's: no matter of this study
            continue
        if counts:
            failed += sum(counts[0])
            judged += sum(counts[1])
            names.append(records.parent.name)
    return Variation.of([failed], [judged], source=f"the base in {', '.join(names)}")


def _counted(folder: Path, config: str | None, *, failure: str | None = None) -> tuple[list[int], list[int]] | None:
    """Return the numbers of failed and of judged trials of each config of a study, or of one config; None without any."""
    path = Layout(folder).records
    if not path.exists() or (config and f"{config}-s".encode() not in path.read_bytes()):  # reading all studies would take long
        return None
    store = Store(folder)
    if not store.study or (config and store.study.spec.get("failure") != failure):
        return None
    table = trial_table(columns_of([each for each in store.trials.values() if config in (None, each.config_id)], store.study), curves=False)
    rows = table.evidence & ~table.censored
    if not rows.any():
        return None
    of = np.unique(table.config_id[rows], return_inverse=True)[1]
    return np.bincount(of, table.failed[rows]).astype(int).tolist(), np.bincount(of).tolist()


def more_trials(n_trials: int, *, slots: int, seconds: float, kind: str) -> dict[str, float]:
    """Return how many more trials an hour would train, and one more slot (or GPU) in the time of the study. seconds: those of a trial."""
    return {"one more hour": _HOUR_S * slots / seconds, f"one more {kind} in the same time": n_trials / slots}
