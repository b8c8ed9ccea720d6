"""The `sampler:` of a study file: names, paths and arguments, what is refused, and what samplers learn from trials that died."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hub import fill_cache
from searches import CONDITIONAL, IMAGES, RANGES, asked, drive, ended

from study.engine.adaptive import Adaptive
from study.spec import sampling
from study.spec.able import refuse_unable, unlearned
from study.spec.errors import SpecError
from study.spec.samplers import SAMPLERS, Qmc
from study.spec.sampling import make_sampler
from study.spec.study_spec import StudySpec
from study.store.records import Closed, Ended, Measurement, TrialRecord

CHOICES = {"scientific": {"loss": ["hinge", "nonsaturating"]}, "nuisance": {"r1": [False, True], "r1.gamma": "range"}}


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_by_name_is_that_of_optuna(name: str) -> None:
    spec = asked(name, RANGES, n_configs=60)
    assert StudySpec.from_dict(spec.as_dict()) == spec
    made = make_sampler(spec.sampler, seed=1, domains=spec.space.domains)
    assert type(made).__mro__[1].__name__.lower().startswith({"nsga2": "nsgaii", "nsga3": "nsgaiii", "cmaes": "cmaes"}.get(name, name))


@pytest.mark.parametrize(
    "sampler",
    [
        {"name": "tpe", "n_startup_trials": 5, "multivariate": False},
        {"name": "optuna.samplers.TPESampler", "n_startup_trials": 5, "multivariate": False},
    ],
    ids=["name", "path"],
)
def test_arguments_reach_the_sampler(sampler: Any) -> None:
    spec = asked(sampler, RANGES)
    assert spec.sampler == sampler
    assert StudySpec.from_dict(spec.as_dict()) == spec
    made = make_sampler(spec.sampler, seed=1, domains=spec.space.domains)
    assert isinstance(made, optuna.samplers.TPESampler)
    assert (made._n_startup_trials, made._multivariate) == (5, False)


def test_a_name_alone_and_a_mapping_without_arguments_are_the_same() -> None:
    assert asked({"name": "gp"}, RANGES) == asked("gp", RANGES)


@pytest.mark.parametrize(
    ("sampler", "where", "says"),
    [
        ("tep", ("sampler",), "did you mean 'tpe'"),
        ({"name": "tpe", "n_startup_trails": 5}, ("sampler", "n_startup_trails"), "did you mean 'n_startup_trials'"),
        ({"name": "tpe", "n_startup_trials": "five"}, ("sampler", "n_startup_trials"), "must be a whole number; given 'five'"),
        ({"name": "tpe", "multivariate": "on"}, ("sampler", "multivariate"), "must be true or false; given 'on' .*write true or false"),
        ({"name": "tpe", "gamma": "default"}, ("sampler", "gamma"), "cannot be given in a study file, since it is a Python object"),
        ({"name": "gp", "seed": 1}, ("sampler", "seed"), "design_seed decides it"),
        ({"name": "gp", "constraints_func": 1}, ("sampler", "constraints_func"), "constraints of the study"),
        ({"name": "nsga2", "population_size": 1}, ("sampler",), "refuses its arguments .*greater than or equal to 2"),
        ({"name": "qmc", "qmc_type": "lattice"}, ("sampler",), "Choose either `halton` or `sobol`"),
        ({"name": "random", "n": 3}, ("sampler", "n"), "it has none"),
        ("optuna.samplers.CmaESSampler", ("sampler",), "did you mean 'CmaEsSampler'"),
        ("optuna.samplers.BaseSampler", ("sampler",), "must be a sampler of Optuna"),
        ("optuna.nosuch.TPESampler", ("sampler",), "must be in an installed module"),
        ("optuna.samplers.PartialFixedSampler", ("sampler",), "PartialFixedSampler needs fixed_params, base_sampler"),
        ("os.system", ("sampler",), "must begin with one of optuna"),
        ({"n_startup_trials": 5}, ("sampler",), "must be a name, or a mapping such as"),
        (["tpe"], ("sampler",), "must be a name, or a mapping such as"),
    ],
)
def test_a_wrong_sampler_is_refused_before_anything_runs(sampler: Any, where: tuple[str, ...], says: str) -> None:
    with pytest.raises(SpecError, match=says) as error:
        asked(sampler, RANGES)
    assert error.value.where == where


@pytest.mark.parametrize(
    ("sampler", "space", "more", "says"),
    [
        ("cmaes", CHOICES, {}, r"draws .* and choices at random, which are most of this space \(loss, r1, r1.gamma\).*tpe"),
        ("cmaes", RANGES, {"objectives": ["fd", "coverage"]}, "optimises one objective; the study has 2. Use one of .*'nsga2'"),
        (
            "cmaes",
            RANGES,
            {"constraints": {"coverage": ">= 0.5"}},
            "does not read constraints; the study limits coverage. Use one of .*'gp'",
        ),
        ("optuna.samplers.BruteForceSampler", RANGES, {}, "tries all combinations, for which goal: explain has sampler: factorial"),
        ("nsga2", RANGES, {}, r"population of 50 configs .* given 18. Use sampler: \{name: nsga2, population_size: 3\}"),
        ("nsga3", RANGES, {"n_configs": 50}, r"above that; given 50"),
        ({"name": "balanced"}, RANGES, {}, "no sampler of goal: optimise named 'balanced'"),
        ({"name": "balanced", "n": 3}, RANGES, {"goal": "explain"}, "sampler must be one of .* with goal: explain"),
    ],
)
def test_what_a_sampler_cannot_do_is_refused_with_the_reason(sampler: Any, space: Any, more: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says) as error:
        asked(sampler, space, **more)
    assert error.value.where == ("sampler",)


def test_what_a_sampler_draws_at_random_is_said() -> None:
    assert unlearned(asked("cmaes", CONDITIONAL)).startswith("sampler: cmaes draws r1, r1.gamma at random")
    assert unlearned(asked({"name": "nsga2", "population_size": 4}, CONDITIONAL)).startswith("sampler: nsga2 draws r1.gamma at random")
    assert not any(unlearned(asked(name, CONDITIONAL)) for name in ("tpe", "gp", "qmc", "random"))


@pytest.mark.parametrize(
    ("enqueue", "where", "says"),
    [
        ([{"d.lr": 1.0}], ("enqueue", "0", "d.lr"), "d.lr must be in the space, 1e-05 to 0.01; given 1.0"),
        (["defaults", {"dlr": 1e-3}], ("enqueue", "1", "dlr"), "did you mean 'd.lr'"),
        ([{"loss": "hinge"}], ("enqueue", "0", "loss"), "has only settings that vary"),
        (["defaults", {}], ("enqueue", "1"), "numbers 1 and 2 are equal"),
        (["dcgan_mnst"], ("enqueue", "0"), "did you mean 'dcgan_mnist'"),
        ([3], ("enqueue", "0"), "must be a mapping of settings, defaults, or a recipe; given 3"),
        ("defaults", ("enqueue",), "enqueue must be a list"),
        ([{"d.lr": 1e-3 + i * 1e-5} for i in range(19)], ("enqueue",), "at most n_configs configs, 18; it has 19"),
    ],
)
def test_a_wrong_config_to_try_first_is_refused(enqueue: Any, where: tuple[str, ...], says: str) -> None:
    with pytest.raises(SpecError, match=says) as error:
        asked("tpe", RANGES, enqueue=enqueue)
    assert error.value.where == where


def test_a_default_outside_the_space_must_be_given() -> None:
    space = {"scientific": {"d.lr": {"low": 1e-3, "high": 1e-2, "log": True}}}
    with pytest.raises(SpecError, match=r"d\.lr must be in the space, 0.001 to 0.01; its default is 0.0002. Give d.lr"):
        asked("tpe", space, enqueue=["defaults"])


def test_a_recipe_gives_the_settings_that_vary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.yaml").write_text("d.lr: 3e-3\ng.lr: 4e-4\nloss: wasserstein\nweight_clipping: true\nbatch_size: 16\n")
    monkeypatch.chdir(tmp_path)
    methods = {"plain": {}, "clipped": {"loss": "wasserstein", "weight_clipping": True}}
    space = {"scientific": {"method": methods}, "nuisance": {"d.lr": "range", "g.lr": "range"}}
    spec = asked("tpe", space, enqueue=["mine", "recipes/mine.yaml"][:1])
    assert spec.enqueue == ({"method": "clipped", "d.lr": 3e-3, "g.lr": 4e-4},)
    (tmp_path / "recipes" / "mine.yaml").unlink()  # the spec keeps the values
    assert StudySpec.from_dict(spec.as_dict()) == spec


def test_qmc_covers_the_whole_space_whatever_applies() -> None:
    """Of 16 points of a scrambled Sobol sequence, each sixteenth of each range has one; and half of the switches are on."""
    adaptive = Adaptive(asked("qmc", CONDITIONAL))
    proposals = [proposal.flat for number in range(16) if (proposal := adaptive.next(number))]
    places = sorted(int(16 * (np.log10(flat["d.lr"]) + 5) / 3) for flat in proposals)
    assert places == list(range(16))
    assert sum(flat["r1"] for flat in proposals) == 8
    assert len({flat["r1.gamma"] for flat in proposals if flat["r1"]}) == 8
    assert isinstance(make_sampler("qmc", seed=0, domains={}), Qmc)


def _search(sampler: Any, seed: int, **more: Any) -> list[bool]:
    """Whether each trial of a search died, where 1/3 of the space dies beside the optimum."""
    adaptive, died = Adaptive(asked(sampler, RANGES, design_seed=seed, n_configs=40, **more)), []
    for number in range(40):
        proposal, trial_id = adaptive.next(number), str(number)
        assert proposal
        adaptive.opened(trial_id)
        how, value = ended(proposal.flat)
        measured = Measurement(images=IMAGES, seconds=1.0, evaluation_seconds=0.1, values={"fd": value, "coverage": 1 / (1 + value)})
        adaptive.measured(trial_id, measured)
        record = TrialRecord(
            trial_id=trial_id, number=number, flat=proposal.flat, phase="optimise", measurements=(measured,), closed=Closed(ended=how)
        )
        adaptive.closed(record)
        died.append(how is Ended.DEAD)
    return died


@pytest.mark.parametrize("name", ["tpe", pytest.param("gp", marks=pytest.mark.slow), "cmaes", "nsga2", "nsga3"])
def test_a_sampler_leaves_the_region_where_trials_die(name: str) -> None:
    """A third of the space dies, beside the optimum. Where dead trials are told as FAIL, TPE and Gaussian processes go there: bench/samplers.py."""
    small: Any = {"name": name, "population_size": 8} if name.startswith("nsga") else name
    died = np.mean([_search(small, seed)[20:] for seed in range(2 if name == "gp" else 8)])
    assert died < 0.31


@pytest.mark.parametrize("name", ["tpe", pytest.param("gp", marks=pytest.mark.slow), "nsga2"])
@pytest.mark.parametrize(
    "more",
    [{"constraints": {"coverage": ">= 0.5", "failed": "<= 0.2"}}, {"objectives": ["fd", "coverage"], "constraints": {"fd": "<= 2"}}],
    ids=["constraints", "objectives"],
)
def test_constraints_and_several_objectives_go_with_trials_that_die(name: str, more: Any) -> None:
    """A Gaussian process must be told the same constraints of all trials."""
    small: Any = {"name": name, "population_size": 8} if name.startswith("nsga") else {"name": name, "n_startup_trials": 5}
    died = _search(small, 0, **more)
    assert 0 < sum(died) < 20


# OptunaHub ---------------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fill_cache(tmp_path / "cache", monkeypatch)
    yield
    sampling._of_hub.cache_clear()


@pytest.mark.usefixtures("hub")
def test_a_sampler_of_optunahub_proposes_and_resumes(tmp_path: Path) -> None:
    spec = asked({"name": "optunahub:samplers/fixed", "n": 3}, RANGES, n_configs=6)
    refuse_unable(spec, download=True)
    whole = drive(tmp_path / "whole", spec, range(60))
    assert [flat["d.lr"] == 1e-5 for flat in whole] == [False] * 3 + [True] * 3
    for events in (range(5), range(5, 60)):
        again = drive(tmp_path / "killed", spec, events)
    assert again == whole


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("sampler", "says"),
    [
        ({"name": "optunahub:samplers/fixed", "m": 3}, r"no argument 'm'; .*it has \['n'\]"),
        ({"name": "optunahub:samplers/fixed", "n": "three"}, "sampler.n must be a whole number"),
        ("optunahub:samplers/two", r"must name one sampler of the package; .* it has \['Fixed', 'Other'\]"),
        ("optunahub:samplers/two.Othr", r"must name one sampler of the package"),
    ],
)
def test_a_sampler_of_optunahub_is_checked_when_it_may_be_downloaded(sampler: Any, says: str) -> None:
    spec = asked(sampler, RANGES)  # reading a study downloads nothing
    with pytest.raises(SpecError, match=says):
        refuse_unable(spec, download=True)
    refuse_unable(asked("optunahub:samplers/two.Other", RANGES), download=True)


@pytest.mark.usefixtures("hub")
def test_a_package_that_cannot_be_downloaded_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    import optunahub

    def no_network(package: str) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(optunahub, "load_module", no_network)
    with pytest.raises(SpecError, match=r"samplers/none of OptunaHub must be one that can be downloaded .*no route to host"):
        refuse_unable(asked("optunahub:samplers/none", RANGES), download=True)
