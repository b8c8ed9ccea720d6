"""The `sampler:` of a study with `goal: optimise`: its name and arguments, checked, and what it cannot do.

| form in the study file                                           | sampler                                                        |
|------------------------------------------------------------------|----------------------------------------------------------------|
| `gp`, or `{name: tpe, n_startup_trials: 20}`                     | of SAMPLERS                                                    |
| `{name: optuna.samplers.CmaEsSampler, popsize: 8}`               | of Optuna, by its path                                         |
| `optunahub:samplers/auto_sampler`                                | of OptunaHub, which downloads it once                          |
"""

import builtins
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from types import UnionType
from typing import Any, Union, get_args, get_origin

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ganstudy import UserError
from ganstudy.registry import nearest
from ganstudy.written import shown
from study.spec.errors import SpecError
from study.spec.planned import name_of
from study.spec.samplers import GIVEN, SAMPLERS
from trainables.messages import yaml_hint

HUB = "optunahub:"
LIBRARIES = ("optuna", "optuna_integration")  # a path into any module could run any code when a folder of others is opened

Sampling = str | dict[str, Any]  # a name, or {"name": …, argument: value}
Maker = Callable[..., BaseSampler]


def read_sampler(given: Any) -> Sampling:
    """Return the `sampler:` of a study file, its name alone if it has no arguments. Raises SpecError unless it is a name or a mapping with one."""
    if isinstance(given, str):
        return given
    if not isinstance(given, Mapping) or not isinstance(name := given.get("name"), str) or not all(isinstance(key, str) for key in given):
        raise SpecError(
            ("sampler",), f"sampler must be a name, or a mapping such as {{name: tpe, n_startup_trials: 20}}; given {shown(given)}"
        )
    return dict(given) if len(given) > 1 else name


def arguments_of(sampler: Sampling) -> dict[str, Any]:
    return {} if isinstance(sampler, str) else {key: value for key, value in sampler.items() if key != "name"}


def make_sampler(
    sampler: Sampling, *, seed: int, domains: Mapping[str, BaseDistribution], source_trials: list[FrozenTrial] | None = None
) -> BaseSampler:
    """Return a new sampler. seed: below 2^32. source_trials: finished trials of other studies, for those that start from them.

    Raises UserError for an unknown name, a sampler that cannot be downloaded, or wrong arguments.
    """
    make, arguments = maker(name_of(sampler)), arguments_of(sampler)
    parameters = inspect.signature(make).parameters
    given = {"seed": seed, "domains": domains, "source_trials": source_trials or None}
    given = {name: value for name, value in given.items() if name in parameters and value is not None}
    if arguments.keys() & {"x0", "sigma0", "use_separable_cma"}:
        given.pop("source_trials", None)  # CMA-ES accepts either
    if (quiet := parameters.get("warn_independent_sampling")) and quiet.default is True:
        given["warn_independent_sampling"] = False  # it would warn at each trial of what the study file says
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that an argument is experimental or will be removed: at each trial, of a version that is pinned
        return make(**{**given, **arguments})


def check_arguments(sampler: Sampling, *, domains: Mapping[str, BaseDistribution]) -> BaseSampler:
    """Return a sampler made with the arguments. Raises SpecError for an unknown name, an unknown argument, or a value that the sampler refuses."""
    name = name_of(sampler)
    try:
        make = maker(name)
    except UserError as error:
        raise SpecError(("sampler",) if isinstance(sampler, str) else ("sampler", "name"), str(error)) from None
    parameters = inspect.signature(make).parameters
    own = [key for key, parameter in parameters.items() if key not in GIVEN and parameter.kind is not parameter.VAR_KEYWORD]
    for key, value in arguments_of(sampler).items():
        if key in GIVEN:
            raise SpecError(("sampler", key), f"sampler.{key} must be left out: {GIVEN[key]}")
        if key not in own and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            has = f"{nearest(key, own)}it has {own}" if own else "it has none"
            raise SpecError(("sampler", key), f"the sampler {name} has no argument {key!r}; {has}")
        if key in own:
            _check_type(make, key, value)
    if missing := [key for key in own if key not in arguments_of(sampler) and _is_required(parameters[key])]:
        raise SpecError(("sampler",), f"the sampler {name} needs {', '.join(missing)}, as in {{name: {name}, {missing[0]}: …}}")
    try:
        return make_sampler(sampler, seed=0, domains=domains)
    except Exception as error:  # a sampler checks its arguments as it likes
        raise SpecError(("sampler",), f"the sampler {name} refuses its arguments {shown(arguments_of(sampler))}: {error}") from None


def _is_required(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL


def maker(name: str) -> Maker:
    """Return what makes the sampler of this name. Raises UserError if there is none."""
    if name in SAMPLERS:
        return SAMPLERS[name]
    if name.startswith(HUB):
        return _of_hub(name.removeprefix(HUB))
    return _of_library(name) if "." in name else SAMPLERS.pick(name)


def _of_library(path: str) -> Maker:
    module, _, name = path.rpartition(".")
    if module.partition(".")[0] not in LIBRARIES:
        raise UserError(
            f"the path of a sampler must begin with one of {', '.join(LIBRARIES)}; given {path!r}. Give another sampler a name in a plugin, with @SAMPLERS.register"
        )
    try:
        found = getattr(import_module(module), name, None)
    except ImportError as error:
        raise UserError(f"the sampler {path!r} must be in an installed module: {error}") from None
    if not (inspect.isclass(found) and issubclass(found, BaseSampler)) or inspect.isabstract(found):
        near = nearest(name, _samplers_in(import_module(module)))
        raise UserError(f"{path!r} must be a sampler of Optuna, such as optuna.samplers.CmaEsSampler; {near or 'it is none'}".rstrip())
    return found


@cache  # it executes the package
def _of_hub(package: str) -> Maker:
    """package: samplers/auto_sampler, or samplers/auto_sampler.AutoSampler if it has several samplers."""
    path, _, name = package.partition(".")
    try:
        import optunahub  # here, since it is optional
    except ImportError as error:
        raise UserError(f"a sampler of OptunaHub needs `pip install 'ganstudy[hub]'`: {error}") from None
    try:
        module = optunahub.load_module(path)
    except Exception as error:  # of git, of the network, of the package
        raise UserError(
            f"the package {path} of OptunaHub must be one that can be downloaded from GitHub or is in OptunaHub's cache: {error}"
        ) from None
    found = _samplers_in(module)
    if not name and len(found) == 1:
        return next(iter(found.values()))
    if name not in found:
        raise UserError(f"{HUB}{path}.NAME must name one sampler of the package; given {package!r}, and it has {sorted(found)}")
    return found[name]


def _samplers_in(module: Any) -> dict[str, type[BaseSampler]]:
    """Return the samplers that a module offers: those of its own package."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, BaseSampler)
        and value is not BaseSampler
        and value.__module__.startswith(module.__name__)
    }


_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    dict: "a mapping",
    Mapping: "a mapping",
    list: "a list",
    Sequence: "a list",
}


class _Object:
    """Stands for a type that is only known to type checkers, and so is no plain value."""

    def __class_getitem__(cls, of: Any) -> type["_Object"]:
        return cls


class _Names(dict[str, Any]):
    """The names of a module, for its annotations."""

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            raise KeyError(name)  # then they are looked up
        return _Object


def _check_type(make: Maker, key: str, value: Any) -> None:
    """Raise SpecError if a value does not have the annotated type of an argument."""
    kind = inspect.signature(make).parameters[key].annotation
    if isinstance(kind, str):
        function = inspect.unwrap(make.__init__ if inspect.isclass(make) else make)
        kind = eval(kind, {}, _Names(vars(inspect.getmodule(function))))  # an annotation of an installed module, as typing evaluates it
    if kind is inspect.Parameter.empty:
        return
    kinds = get_args(kind) if isinstance(kind, UnionType) or get_origin(kind) is Union else (kind,)
    plain = [words for each in kinds if (words := _WORDS.get(get_origin(each) or each))]
    if not plain and kind is not Any:
        raise SpecError(
            ("sampler", key),
            f"sampler.{key} cannot be given in a study file, since it is a Python object; make the sampler in a plugin, with @SAMPLERS.register",
        )
    try:
        TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True, strict=True)).validate_python(value)
    except ValidationError:
        raise SpecError(("sampler", key), f"sampler.{key} must be {' or '.join(plain)}; given {shown(value)}{yaml_hint(value)}") from None
