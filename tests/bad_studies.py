"""A small study file, and study files that are wrong in one place each, with what is said of them."""

from typing import Any

GOOD: dict[str, Any] = {
    "name": "toy",
    "question": "Does R1 keep it from failing?",
    "base": {"data": "ring8", "arch": "mlp", "budget_kimg": 1.0, "tick_kimg": 0.5},
    "space": {"scientific": {"r1": [False, True]}, "nuisance": {"g.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "r1.gamma": "range"}},
    "n_configs": 8,
}


def good(**changes: Any) -> dict[str, Any]:
    return {**GOOD, **changes}


def space(**changes: Any) -> dict[str, Any]:
    return {**GOOD["space"], **changes}


METHODS: dict[str, Any] = {"plain": {}, "clipped": {"loss": "wasserstein", "weight_clipping": True, "weight_clipping.limit": 0.02}}


def methods(**changes: Any) -> dict[str, Any]:
    return good(space={"scientific": {"method": {**METHODS, **changes}}, "nuisance": {"d.lr": {"low": 1e-4, "high": 1e-3}}})


BAD = {
    "a variant that is not a mapping": (
        methods(r1=True),
        "each variant of method must be a mapping of settings, or {} for the base alone; r1 is true",
    ),
    "one variant": (good(space={"scientific": {"method": {"plain": {}}}}), "method must have at least two variants; given ['plain']"),
    "misspelt setting in a variant": (methods(big={"g.widht": 8}), "no setting named 'g.widht'; did you mean 'g.width'"),
    "a setting of a trick that a variant does not turn on": (
        methods(r={"r1.gamma": 1.0}),
        "r1.gamma needs r1: true, which the variant r does not have; add `r1: true` to it",
    ),
    "two equal variants": (methods(same={}), "the variants of method must differ; plain and same are equal"),
    "a variant of other data": (methods(d={"data": "digits"}), "data cannot vary"),
    "an invalid variant": (
        methods(bad={"margin": 1.0}),
        "margin needs loss: energy, which the variant bad does not have; add `loss: energy` to it",
    ),
    "a setting that a variant sets too": (
        methods(slow={"d.lr": 1e-5}),
        "d.lr must be set in one place; variants of method set it, and so do its own values in the space",
    ),
    "variants that are nuisance": (
        good(space=space(nuisance={"method": METHODS})),
        "variants must be in space.scientific; method is in space.nuisance",
    ),
    "misspelt key": (good(n_config=8), "a study has no key 'n_config'; did you mean 'n_configs'"),
    "misspelt key of the scheduler": (
        good(goal="optimise", sampler="tpe", scheduler={"grce_kimg": 1}),
        "there is no 'scheduler.grce_kimg'; did you mean 'grace_kimg'",
    ),
    "a number as a setting": (good(space=space(scientific={3: [False, True]})), "no setting named 3"),
    "no base": (good(base=None), "base must be a mapping; given null"),
    "no space": (good(space=None), "space must be a mapping; given null"),
    "one plugin": (good(plugins="mine"), "plugins must be a list; given 'mine'"),
    "a word as a section": (good(tracking="wandb"), "tracking must be a mapping; given 'wandb'"),
    "a setting outside base": ({**GOOD, "g.lr": 1e-3}, "it is a setting: put it into base"),
    "missing key": ({k: v for k, v in GOOD.items() if k != "question"}, "a study must have the key question; it is missing"),
    "empty question": (good(question=""), "question must"),
    "bad name": (
        good(name="a/b"),
        "name must be a name of letters, digits and the characters . _ -, which begins with a letter or a digit; given 'a/b'",
    ),
    "misspelt setting in base": (good(base={"g.lrr": 1e-3}), "no setting named 'g.lrr'; did you mean 'g.lr'"),
    "misspelt setting in the space": (good(space=space(scientific={"r11": [False, True]})), "no setting named 'r11'; did you mean 'r1'"),
    "misspelt part": (good(space={"scientifc": {"r1": [False, True]}}), "the parts of space are scientific"),
    "no scientific setting": (good(space={"nuisance": {"g.lr": "range"}}), "space.scientific must name at least one"),
    "nested base": (good(base={"g": {"lr": 1e-3}}), "settings must be written with dots, as g.lr"),
    "wrong type": (good(base={"batch_size": "many"}), "batch_size must be a whole number; given 'many'"),
    "YAML 1.1 habits": (good(base={"r1": "on"}, space=space(scientific={"r2": [False, True]}, nuisance={})), "write true or false"),
    "reversed range": (
        good(space=space(nuisance={"g.lr": {"low": 1e-2, "high": 1e-4}})),
        "g.lr must have low < high; given low 0.01, high 0.0001",
    ),
    "log from zero": (
        good(space=space(nuisance={"g.lr": {"low": 0, "high": 1, "log": True}})),
        "g.lr must have low above 0 on a log scale; given 0",
    ),
    "half a range": (good(space=space(nuisance={"g.lr": {"low": 1e-4}})), "high is missing"),
    "unknown word in a range": (
        good(space=space(nuisance={"g.lr": {"min": 1, "max": 2}})),
        "accepts the keys low, high, log and step; given 'min'",
    ),
    "range out of bounds": (good(space=space(nuisance={"beta1": {"low": 0.5, "high": 1.5}})), "beta1 must be below 1; given 1.5"),
    "one choice": (good(space=space(scientific={"loss": ["hinge"]}, nuisance={})), "must have at least two choices, all different"),
    "a plain value": (good(space=space(scientific={"loss": "hinge"}, nuisance={})), "must be a list of choices"),
    "no range of its own": (good(space=space(nuisance={"data.size": "range"})), "`range` is not available for data.size"),
    "unknown trick": (good(base={"spectral_nrm": True}), "did you mean 'spectral_norm'"),
    "unknown data": (good(base={"data": "digit"}), "no data set named 'digit'; did you mean 'digits'"),
    "unknown choice": (
        good(space=space(scientific={"loss": ["hing", "wasserstein"]}, nuisance={})),
        "no loss named 'hing'; did you mean 'hinge'",
    ),
    "setting of a trick that is never on, in the space": (
        good(space=space(nuisance={"r2.gamma": "range"})),
        "r2.gamma needs r2: true, which this study never has; add `r2: true` to base, or `r2: [false, true]` to the space",
    ),
    "setting of an update rule that is never chosen": (
        good(space=space(nuisance={"lookahead.k": "range"})),
        "lookahead.k needs update: lookahead, which this study never has; add `update: lookahead` to base, or `update: [alternating, lookahead]`",
    ),
    "d_steps of an update rule without them": (
        good(base={"update": "simultaneous", "d_steps": 5}),
        "d_steps needs update: one of alternating, lookahead, optimistic, unrolled, which this study never has",
    ),
    "setting of a trick that is never on, in base": (
        good(base={"ema.halflife_kimg": 1.0}),
        "ema.halflife_kimg needs ema: true, which this study never has",
    ),
    "in base and space": (good(base={"r1": True}), "r1 must be in base or in the space; it is in both"),
    "in both parts": (good(space=space(nuisance={"r1": [False, True]})), "r1 must be scientific or nuisance; it is both"),
    "seed in base": (good(base={"seed": 3}), "seed must not be in base"),
    "data varies": (good(space=space(scientific={"data": ["ring8", "grid25"]}, nuisance={})), "data cannot vary"),
    "budget varies": (good(space=space(scientific={"budget_kimg": [1.0, 2.0]}, nuisance={})), "budget_kimg cannot vary"),
    "impossible pair": (
        good(space=space(scientific={"loss": ["hinge", "nonsaturating"], "label_smoothing": [False, True]}, nuisance={})),
        "label_smoothing needs a loss with labels",
    ),
    "a name that is like no signal's": (
        good(objective={"metric": "d/loss"}),
        "`ganstudy list metrics` and `ganstudy list signals` print all",
    ),
    "unknown metric": (good(objective="fdd"), "no metric or signal named 'fdd'; did you mean 'fd'"),
    "unknown goal": (good(goal="explore"), "goal must be 'explain' or 'optimise'"),
    "sampler of the other goal": (
        good(sampler="tpe"),
        "sampler must be one of ['balanced', 'sobol', 'factorial', 'random', 'factorial_sobol'] with goal: explain",
    ),
    "the wrong way": (
        good(objective={"metric": "fd", "direction": "maximize"}),
        "objective.direction must be minimize for fd (less is better); given maximize",
    ),
    "the wrong way up": (
        good(objective={"metric": "coverage", "direction": "minimize"}),
        "objective.direction must be maximize for coverage (more is better); given minimize",
    ),
    "objective and objectives": (good(objective="fd", objectives=["fd", "coverage"]), "must have objective or objectives; it has both"),
    "objectives that are no list": (good(objectives="fd"), "objectives must be a list such as [fd, coverage]; given 'fd'"),
    "no objective": (good(objectives=[]), "objectives must be a list such as [fd, coverage]; given []"),
    "one objective twice": (good(objectives=["fd", {"fd": "minimize"}]), "objectives must be different metrics; fd is given twice"),
    "an unknown second objective": (good(objectives=["fd", "coverag"]), "no metric or signal named 'coverag'; did you mean 'coverage'"),
    "a second objective the wrong way": (
        good(objectives=["fd", {"coverage": "minimize"}]),
        "objective.direction must be maximize for coverage (more is better); given minimize",
    ),
    "a signal without a direction": (good(objectives=["fd", "d/adv"]), "the objective d/adv is a signal, which needs a direction"),
    "constraints that are no mapping": (good(constraints=["failed <= 0.2"]), 'constraints must be a mapping such as {coverage: ">= 0.5"}'),
    "a constraint on an unknown name": (
        good(constraints={"covrage": ">= 0.5"}),
        "no metric or signal named 'covrage'; did you mean 'coverage'",
    ),
    "a constraint without a limit": (good(constraints={"coverage": 0.5}), "coverage must be limited by <= or >= and a number"),
    "a constraint that leaves out its limit": (
        good(constraints={"coverage": "> 0.5"}),
        "coverage must be limited by <= or >= and a number",
    ),
    "a risk limited from below": (
        good(constraints={"failed": ">= 0.2"}),
        "failed is the risk of failure, which must be limited from above",
    ),
    "a risk of 1": (good(constraints={"failed": "<= 1"}), "failed is the risk of failure, which must be limited from above"),
    "a scheduler without its objective": (
        good(goal="optimise", objectives=["fd", "coverage"], scheduler={"grace_kimg": 0.2}),
        "scheduler.objective must name the objective by which trials are stopped, one of ['fd', 'coverage']",
    ),
    "a scheduler with another objective": (
        good(goal="optimise", scheduler={"grace_kimg": 0.2, "objective": "coverage"}),
        "scheduler.objective must be one of ['fd']; given 'coverage'",
    ),
    "grace as long as the budget": (
        good(goal="optimise", scheduler={"grace_kimg": 1.0}),
        "scheduler.grace_kimg must be at most 0.5, the last tick before the budget of 1 kimg, or no trial is ever stopped; given 1",
    ),
    "no tick before the end": (
        good(goal="optimise", base={**GOOD["base"], "tick_kimg": 1.0}, scheduler={"grace_kimg": 0.5}),
        "a scheduler needs a tick before the end, to stop trials there; tick_kimg is 1 and budget_kimg 1. Lower tick_kimg",
    ),
    "grace after the last tick that can stop a trial": (
        good(goal="optimise", base={**GOOD["base"], "budget_kimg": 10.0, "tick_kimg": 4.0}, scheduler={"grace_kimg": 8.5}),
        "scheduler.grace_kimg must be at most 8, the last tick before the budget of 10 kimg, or no trial is ever stopped; given 8.5",
    ),
    "grace at the last of the ticks": (
        good(goal="optimise", base={**GOOD["base"], "budget_kimg": 8.0, "tick_kimg": 4.0}, scheduler={"grace_kimg": 8.0}),
        "scheduler.grace_kimg must be at most 4, the last tick before the budget of 8 kimg",
    ),
    "stopping while explaining": (good(scheduler={"grace_kimg": 1}), "scheduler must be left out with goal: explain"),
    "pbt": (good(scheduler="pbt"), "population-based training is not supported"),
    "factorial of a range": (good(sampler="factorial", space={"scientific": {"g.lr": "range"}}), "sampler: factorial needs choices"),
    "factorial cells": (good(sampler="factorial", n_configs=3), "must be a multiple of the 2 combinations"),
    "no configs": (good(n_configs=0), "n_configs must be at least 1; given 0"),
    "share of GPUs": (good(resources={"gpu": 1.5}), "resources.gpu must be auto, a share of one GPU, or a whole number of them; given 1.5"),
    "a gpu in words": (
        good(resources={"gpu": "lots"}),
        "resources.gpu must be auto, a share of one GPU, or a whole number of them; given 'lots'",
    ),
    "a gpu beyond the floats": (
        good(resources={"gpu": 10**400}),
        "resources.gpu must be auto, a share of one GPU, or a whole number of them; given 1000",
    ),
    "a negative gpu": (good(resources={"gpu": -1}), "resources.gpu must be auto, a share of one GPU, or a whole number of them; given -1"),
    "a gpu that is no number": (good(resources={"gpu": float("nan")}), "a whole number of them; given .nan"),
    "a gpu that is on": (good(resources={"gpu": True}), "a whole number of them; given true"),
    "unknown resource": (good(resources={"gpus": 1}), "no key 'resources.gpus'"),
    "unknown tracking": (
        good(tracking={"wandb": {"projct": "x"}}),
        "no key 'tracking.wandb.projct'; did you mean 'project'? tracking.wandb has ['entity', 'project'",
    ),
    "a key of mlflow": (
        good(tracking={"mlflow": {"url": "http://host"}}),
        "no key 'tracking.mlflow.url'; did you mean 'uri'? tracking.mlflow has",
    ),
    "mlflow without an address": (good(tracking={"mlflow": {}}), "tracking.mlflow.uri"),
    "a number as a folder": (
        good(tracking={"tensorboard": 3}),
        "tracking.tensorboard must be text, which is its folder, or a mapping; given 3",
    ),
    "missing plugin": (good(plugins=["no_such_module_here"]), "the plugin 'no_such_module_here' must be importable"),
}
