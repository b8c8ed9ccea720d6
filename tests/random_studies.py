"""Random study files, valid and invalid."""

import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ganstudy import UserError
from study.spec.design import DESIGNS
from study.spec.published import SPACES
from study.spec.samplers import SAMPLERS
from study.spec.study_spec import StudySpec
from trainables.config import settings as all_settings
from trainables.fields import schema_of

NAMES = sorted(all_settings())
NUMBERS = st.one_of(
    st.integers(-3, 40),
    st.integers(-(10**30), 10**30),
    st.floats(1e-5, 2.0),
    st.floats(),
    st.sampled_from([0, 1, 2, 16, 16.0, 0.1, 0.3, 2.5, 1e-3, 2**53, 2**53 + 1, 10**400, 1e308, 5e-324]),
)
WORDS = st.sampled_from(
    ["range", "on", "None", "", "1e-3", "2026-01-01", "~", "wandb", "asha", "coverage", "d/adv", "g.lr", "r1", "é" * 300, "a\nb"]
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS, st.text(max_size=8))
KEYS = st.one_of(
    st.sampled_from([*NAMES, "low", "high", "log", "step", "name", "metric", "scientific"]), st.text(max_size=5), st.integers(0, 3)
)
JUNK = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6)


@st.composite
def values(draw: st.DrawFn, name: str) -> Any:
    """A value of a setting, more often a fitting one than not."""
    schema = schema_of(name)
    words = [word for each in schema.get("anyOf", [schema]) for word in each.get("enum", [])]
    fitting = [all_settings()[name], *words, True, False, 1, 2, 0.5, 1.0, "adam", "mlp", "hinge", "lookahead"]
    return draw(st.one_of(st.sampled_from(fitting), st.sampled_from(fitting), JUNK))


@st.composite
def domains(draw: st.DrawFn, name: str) -> Any:
    """A list of choices, a range, the word range, variants, or anything."""
    choices = st.lists(values(name), min_size=0, max_size=4)
    log: st.SearchStrategy[Any] = st.sampled_from([None, True, False, 1])
    step: st.SearchStrategy[Any] = st.one_of(st.none(), NUMBERS, st.sampled_from([0.1, 1, 2, 4]))
    ranges = st.fixed_dictionaries({}, optional={"low": NUMBERS, "high": NUMBERS, "log": log, "step": step, "size": NUMBERS})
    return draw(st.one_of(st.just("range"), choices, ranges, ranges, JUNK))


@st.composite
def some_of(draw: st.DrawFn, of: Any, most: int) -> dict[Any, Any]:
    names = draw(st.lists(st.one_of(st.sampled_from(NAMES), KEYS), max_size=most, unique=True))
    return {name: draw(of(name) if name in NAMES else JUNK) for name in names}


@st.composite
def variants(draw: st.DrawFn) -> dict[Any, Any]:
    bundles = st.one_of(some_of(values, 2), st.just({}), JUNK)
    return {
        draw(st.sampled_from(["method", "loss", "fd", "a b", ""])): draw(
            st.dictionaries(st.sampled_from(["a", "b", "r1", 1, ""]), bundles, max_size=3)
        )
    }


@st.composite
def spaces(draw: st.DrawFn) -> Any:
    part = st.one_of(
        some_of(domains, 3),
        some_of(domains, 3),
        variants(),
        st.sampled_from(sorted(SPACES)),
        st.lists(st.one_of(some_of(domains, 2), st.sampled_from(sorted(SPACES)), JUNK), max_size=2),
        JUNK,
    )
    return draw(
        st.one_of(
            st.fixed_dictionaries({"scientific": part}, optional={"nuisance": part, "other": part}), st.sampled_from(sorted(SPACES)), JUNK
        )
    )


OTHER_KEYS: dict[str, Any] = {
    "goal": st.sampled_from(["explain", "optimise"]),
    "sampler": st.one_of(
        st.sampled_from([*DESIGNS, *SAMPLERS, "optuna.samplers.TPESampler", "optuna.nosuch", "os.system", "optunahub:samplers/x"]),
        st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from([*SAMPLERS, 3]),
                "n_startup_trials": SCALARS,
                "population_size": NUMBERS,
                "seed": NUMBERS,
                "x": JUNK,
            },
        ),
    ),
    "enqueue": st.lists(
        st.one_of(st.sampled_from(["defaults", "dcgan_mnist", "nosuch"]), st.dictionaries(WORDS, SCALARS, max_size=2), JUNK), max_size=3
    ),
    "warm_start": st.one_of(st.lists(WORDS, max_size=2), JUNK),
    "n_configs": st.integers(0, 12),
    "seeds": st.integers(0, 3),
    "design_seed": st.integers(0, 3),
    "plugins": st.lists(st.sampled_from(["math", "nosuch", "", ".x"]), max_size=2),
    "objective": st.sampled_from(
        ["fd", "coverage", {"metric": "d/adv", "direction": "minimize"}, {"direction": []}, {"metric": "fd", "direction": {}}]
    ),
    "objectives": st.lists(
        st.sampled_from(["fd", "coverage", {"d/adv": "maximize"}, {"fd": "minimize"}, {"metric": "recall"}, 3]), max_size=3
    ),
    "constraints": st.dictionaries(
        st.sampled_from(["fd", "coverage", "failed", "d/adv", "onset_kimg", ""]),
        st.sampled_from(["<= 0.2", ">= 0.5", " <=1e-3 ", "<= nan", "< 1", 0.5, ""]),
        max_size=2,
    ),
    "scheduler": st.fixed_dictionaries({}, optional={"name": WORDS, "grace_kimg": NUMBERS, "reduction_factor": NUMBERS}),
    "evaluation": st.fixed_dictionaries({}, optional={"features": WORDS, "samples": NUMBERS, "weights": SCALARS}),
    "resources": st.fixed_dictionaries(
        {}, optional={"cpu": NUMBERS, "gpu": SCALARS, "lanes": SCALARS, "concurrent": NUMBERS, "timeout_min": NUMBERS}
    ),
    "failure": st.sampled_from(["coverage < 0.5", "coverage <", "fd > nan", "fd > 1 or d/adv < -2 and coverage <= 1e3"]),
    "stop_hopeless": st.booleans(),
    "max_failures": NUMBERS,
    "tracking": st.fixed_dictionaries({}, optional={"wandb": JUNK, "optuna": SCALARS, "other": JUNK}),
}


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    """The mapping of a study file. Most keys are nearly valid, so that errors are deep."""
    given: dict[str, Any] = {
        "name": "toy",
        "question": "why",
        "base": {"data": "ring8", "arch": "mlp"},
        "n_configs": 4,
        "space": {"scientific": {"r1": [False, True]}},
    }
    if draw(st.booleans()):
        given["space"] = draw(spaces())
    if draw(st.booleans()):
        given["base"] = given["base"] | draw(some_of(values, 3))
    for key in draw(st.lists(st.sampled_from(sorted(OTHER_KEYS)), max_size=2, unique=True)):
        given[key] = draw(st.one_of(OTHER_KEYS[key], OTHER_KEYS[key], JUNK))
    for key in draw(st.lists(st.one_of(st.sampled_from(sorted(given)), st.text(max_size=5)), max_size=1)):
        given[key] = draw(JUNK)
    return given


def said(error: UserError) -> str:
    """The message, which must be one short sentence or a few, without words of the libraries."""
    text = str(error)
    assert 10 < len(text) < 1_000, text
    assert not any(word in text for word in ("pydantic", "Input should", "valid dictionary", "ruamel", "<class", "object at 0x")), text
    return text


def same(a: Any, b: Any) -> bool:
    """Whether values are equal and of the same kind: 1 and 1.0 are, 1 and True are not."""
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def check(study: dict[str, Any]) -> str:
    """Return the message with which the study is refused, or check that the study keeps what was given, and return ""."""
    try:
        spec = StudySpec.from_dict(study)
    except UserError as error:
        return said(error)
    form = spec.as_dict()
    assert StudySpec.from_dict(form) == spec
    assert StudySpec.from_dict(json.loads(json.dumps(form, allow_nan=False))) == spec
    text, yaml = io.StringIO(), YAML(typ="safe", pure=True)
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # the first variant is the reference
    yaml.dump(form, text)
    with TemporaryDirectory() as folder:
        (Path(folder) / "s.yaml").write_text(text.getvalue(), encoding="utf-8")
        assert StudySpec.load(Path(folder) / "s.yaml") == spec
    for key, value in study.items():
        if not isinstance(value, (list, dict)) and key not in ("space", "objective", "objectives"):
            assert same(form[key], value), key
    for name, value in study.get("base", {}).items():
        assert name == "data.classes" or same(spec.base[name], value)
    for part, given_part in study["space"].items() if isinstance(study["space"], dict) else ():
        for name, value in given_part.items() if isinstance(given_part, dict) else ():
            kept = form["space"][part][name]
            if isinstance(value, list):
                assert len(kept) == len(value)
                assert all(same(a, b) for a, b in zip(kept, value, strict=True))
            elif isinstance(value, dict) and "low" in value:
                assert {"log": False, "step": None, **kept} == {"log": False, "step": None, **value} or value.get("step") == 1
    for proposal in spec.designed() if spec.goal == "explain" else []:
        spec.config(proposal.flat)
    return ""


QUICK = settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
