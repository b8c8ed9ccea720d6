"""Every error that pydantic can raise for the models and entries of this project has words of ours."""

import re
from typing import Annotated, Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core.core_schema import ErrorType
from tiny import needs

from ganstudy import UserError
from study.spec.objectives import Objective
from study.spec.schedulers import SCHEDULERS
from study.spec.sections import EvaluationConfig, Resources
from study.spec.space import Space
from study.spec.study_spec import StudySpec
from study.spec.tracking import WandbConfig
from trainables import messages
from trainables.config import TrialConfig, settings
from trainables.messages import validation_message
from trainables.tables import TRICKS, UPDATES

# Errors of each kind of pydantic's core schemas, and of each constraint.
KINDS: dict[str, set[str]] = {
    "str": {"string_type", "string_unicode"},
    "int": {"int_type", "int_from_float", "int_parsing", "int_parsing_size"},
    "float": {"float_type", "float_parsing"},
    "bool": {"bool_type", "bool_parsing"},
    "literal": {"literal_error"},
    "enum": {"enum"},
    "dict": {"dict_type", "mapping_type"},
    "list": {"list_type"},
    "tuple": {"tuple_type"},
    "model": {"model_type", "model_attributes_type"},
    "model-fields": {"extra_forbidden", "missing", "invalid_key"},
    "dataclass": {"dataclass_type", "dataclass_exact_type"},
    "dataclass-args": {"unexpected_keyword_argument"},
    "is-instance": {"is_instance_of"},
    "gt": {"greater_than"},
    "ge": {"greater_than_equal"},
    "lt": {"less_than"},
    "le": {"less_than_equal"},
    "allow_inf_nan": {"finite_number"},
    "min_length": {"string_too_short"},
    "max_length": {"string_too_long"},
    "pattern": {"string_pattern_mismatch"},
    "function-before": {"value_error", "assertion_error"},
    "function-after": {"value_error", "assertion_error"},
    "function-plain": {"value_error", "assertion_error"},
    "function-wrap": {"value_error", "assertion_error"},
    "definitions": {"recursion_loop"},
}
# Kinds that raise no error of their own.
QUIET = {
    "no-info",
    "with-info",
    "nullable",
    "default",
    "any",
    "union",
    "model-field",
    "dataclass-field",
    "definition-ref",
    "lax-or-strict",
    "chain",
    "json-or-python",
}
HANDLED = {"value_error", "assertion_error", "missing", "extra_forbidden", "unexpected_keyword_argument"}
SECTIONS = [EvaluationConfig, Objective, Resources, WandbConfig]
MODELS = [TrialConfig, StudySpec, WandbConfig, *SCHEDULERS.values(), *TRICKS.values(), *UPDATES.values()]


def parts(schema: Any) -> set[str]:
    """Return the kinds of core schemas inside one, and their constraints."""
    found: set[str] = set()
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            found.add(schema["type"])
        found |= {key for key in schema if key in KINDS and key != schema.get("type")}
        for key, value in schema.items():
            if key not in ("metadata", "serialization", "config", "ref"):
                found |= parts(value)
    elif isinstance(schema, (list, tuple)):
        for value in schema:
            found |= parts(value)
    return found


def test_every_error_that_the_models_can_raise_has_words() -> None:
    found = set().union(*(parts(model.__pydantic_core_schema__) for model in MODELS))
    assert found - KINDS.keys() - QUIET == set()
    possible = set().union(*(KINDS[kind] for kind in found & KINDS.keys()))
    assert possible - HANDLED - messages._MUST.keys() == set()
    assert {"str", "int", "float", "bool", "literal", "dict", "model", "ge", "pattern"} <= found


def test_the_table_has_no_unknown_type() -> None:
    assert messages._MUST.keys() <= set(get_args(ErrorType))


VALUES = [None, True, 3, -1, 2.5, float("nan"), float("inf"), 10**30, "x", "", "x" * 200, [], [1], {}, {"a": 1}, {1: 2}, b"x", object()]


@pytest.mark.parametrize(
    "model", [TrialConfig, *(type(section) for section in (TrialConfig().data, TrialConfig().g, TrialConfig().d)), StudySpec, *SECTIONS]
)
def test_no_message_has_the_words_of_pydantic(model: type[BaseModel]) -> None:
    said = []
    for name, field in model.model_fields.items():
        if field.annotation is Space:
            continue
        kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        for value in VALUES:
            try:
                TypeAdapter(kind, config=None if is_model(kind) else {"strict": True}).validate_python(value)
            except ValidationError as error:
                said.append(validation_message(error, prefix=f"{name}."))
    assert len(said) > 10
    words = r"Input should|valid (dictionary|list|integer|string|number|boolean|tuple)|instance of|pydantic"
    assert [message for message in said if re.search(words, message)] == []


def is_model(kind: Any) -> bool:
    """Whether a type is a model, or has one among its choices; a model has a configuration of its own."""
    inner = [kind, *(part for each in get_args(kind) for part in (each, *get_args(each)))]
    return any(isinstance(each, type) and issubclass(each, BaseModel) for each in inner)


NUMBERS = [name for name, value in settings().items() if isinstance(value, int | float) and not isinstance(value, bool) and name != "seed"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_refused_for_that_or_for_a_bound_that_it_breaks(name: str, value: float) -> None:
    with pytest.raises(UserError) as error:
        TrialConfig.from_flat({**needs(name), name: value})
    said = str(error.value)
    broken = {float("inf"): ("must be at most", "must be below"), float("-inf"): ("must be at least", "must be above")}.get(value, ())
    assert any(words in said for words in ("must be a finite number", "must be a whole number", *broken)), said


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("key", ["low", "high", "step"])
def test_an_end_of_a_range_that_is_not_finite_is_refused_for_that(key: str, value: float) -> None:
    form = {"low": 1e-4, "high": 1e-2, key: value}
    with pytest.raises(UserError, match=f"g.lr must have a finite {key}; given "):
        StudySpec.from_dict({"name": "n", "question": "q", "base": {}, "space": {"scientific": {"g.lr": form}}, "n_configs": 4})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), -1.0, 0.0, 10**400])
def test_a_number_of_enqueue_that_no_range_has_is_not_in_the_space(value: float) -> None:
    space = {"scientific": {"g.lr": {"low": 1e-4, "high": 1e-2, "log": True}}}
    with pytest.raises(UserError, match=r"g.lr must be in the space, 0.0001 to 0.01; given "):
        StudySpec.from_dict(
            {"name": "n", "question": "q", "goal": "optimise", "base": {}, "space": space, "n_configs": 4, "enqueue": [{"g.lr": value}]}
        )


def test_a_message_on_very_many_errors_names_the_first_and_their_number() -> None:
    wrong = dict.fromkeys(("cpu", "memory_gb", "concurrent", "capture", "deterministic", "timeout_min", "lanes"), 10**300)
    with pytest.raises(ValidationError) as refused:
        Resources(**wrong)  # type: ignore[arg-type]
    said = validation_message(refused.value)
    assert len(refused.value.errors()) == 4
    assert said.startswith("concurrent must be ")
    assert len(said) < 800
    named = said.count(" must be ")
    assert said.endswith(f"; and {4 - named} more")
