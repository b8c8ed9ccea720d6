"""`launch --extend`: a search goes on in a larger space. Its earlier trials stay what they are, and the sampler learns from them."""

from dataclasses import replace

from analysis.words import listed, plural
from ganstudy import UserError
from ganstudy.command import command
from study.engine.unproposed import Unproposed
from study.spec.design import config_of
from study.spec.extended import in_space, lost
from study.spec.planned import phases_of
from study.spec.space import read_space
from study.spec.study_spec import StudySpec
from study.store.layout import shown
from study.store.records import Earlier, StudyRecord
from study.store.store import Store


def refuse_unextended(store: Store, spec: StudySpec) -> None:
    """Raise UserError if the study of a folder cannot go on in the space of `spec`: a design, an unfinished one before the search, or a smaller space."""
    assert store.study
    known, there = store.study.spec, shown(store.folder)
    phases, now = phases_of(known), phases_of(spec.as_dict())
    if "optimise" not in phases or "optimise" not in now:
        raise UserError(
            f"only a search can get a larger space; {there} is a design, whose settings were randomised together. Launch the new space as a study of its own, "
            f"and compare the effects: {command('compare', there, 'runs/NEW')}"
        )
    if missing := lost(read_space(known["space"]), spec.space):
        raise UserError(
            f"a space that is extended must keep all settings and values; {listed(missing)}. Put them back, or launch a new study (--folder)"
        )
    if design := phases.get("explore"):
        ended = sum(trial.phase == "explore" and not trial.needs_run(spec.max_failures) for trial in store.trials.values())
        if any(now["explore"][key] != design[key] for key in ("n_configs", "seeds")) or ended < design["n_configs"] * design["seeds"]:
            raise UserError(
                f"the phase explore must have ended and stay as it is before the space grows, since its settings were randomised together; {ended} of its "
                f"{design['n_configs'] * design['seeds']} trials have ended. Finish it with {command('resume', there)}"
            )
    # by their seeds, since a sampler may propose a config twice
    begun = len({config_of(spec.design_seed, trial.flat["seed"]) for trial in store.trials.values() if trial.phase == "optimise"})
    if now["optimise"]["n_configs"] <= begun:
        key = "phases.optimise.n_configs" if spec.phases else "n_configs"
        raise UserError(
            f"{key} must be more than the {begun} configs that {there} has, so that some come from the larger space; given {now['optimise']['n_configs']}"
        )


def learned_again(store: Store, spec: StudySpec) -> list[str]:
    """Return a sentence on how much of a search in a smaller space its sampler can learn from; nothing without one."""
    unproposed = Unproposed(spec, store)
    trials = [trial for trial in store.trials.values() if trial.phase == "optimise" and trial in unproposed]
    if not trials:
        return []
    outside = sum(unproposed.values(trial) is None for trial in trials)
    return [
        f"the search goes on in a larger space, and learns from {len(trials) - outside} of its {plural(len(trials), 'trial')} so far"
        + (f"; {outside} have a value outside of it" if outside else "")
    ]


def of_space(known: StudyRecord, spec: StudySpec) -> tuple[Earlier, ...]:
    """Return what warm_start took when the study began, with values for the settings that vary now. Those outside the space are left out."""
    if known.spec["space"] == spec.as_dict()["space"]:
        return known.earlier
    before, base = read_space(known.spec["space"]), known.spec["base"]
    values = [in_space(each.values, before, base, spec) for each in known.earlier]
    return tuple(replace(each, values=found) for each, found in zip(known.earlier, values, strict=True) if found is not None)
