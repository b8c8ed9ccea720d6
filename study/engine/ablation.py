"""Phase ablate: each setting of the best confirmed configs back at its default, one at a time, with the seeds that confirmed them."""

import logging

from analysis.race import contenders
from ganstudy import UserError
from study.engine.samplers import Proposals
from study.spec.ablated import ablated
from study.spec.space import Proposal
from study.spec.study_spec import StudySpec
from study.store.columns import columns_of
from study.store.store import Store
from study.store.tables import trial_table
from trainables.config import TrialConfig

log = logging.getLogger(__name__)


class Ablation(Proposals):
    """All trials of the phase are known when it begins. What the records hold already, in any phase, is not trained again."""

    def __init__(self, spec: StudySpec, store: Store):
        assert spec.phases
        assert spec.phases.ablate
        assert store.study
        confirmed = [record for record in store.trials.values() if record.phase == "confirm"]
        table = trial_table(columns_of(confirmed, store.study), curves=False)
        self.remaining: list[Proposal] = []
        for config in contenders(table, [each.metric for each in spec.objectives], spec.phases.ablate.of, limits=spec.limits):
            trials = [record for record in confirmed if record.config_id == config]
            for name, values in ablated(spec, trials[0].settings).items():
                for record in trials:
                    proposal = spec.asked(values, record.flat["seed"])
                    try:
                        trial_id = TrialConfig.from_flat(proposal.flat).trial_id
                    except UserError as error:
                        log.warning("%s of config %s cannot go back to its default: %s", name, config, error)
                        break
                    if trial_id not in store.trials and proposal not in self.remaining:
                        self.remaining.append(proposal)

    def next(self, number: int) -> Proposal | None:
        return self.remaining.pop(0) if self.remaining else None
