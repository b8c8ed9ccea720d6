"""JSON Schemas (draft 2020-12) of study files and recipes, for editors. Made from the models and tables, so they have the entries of plugins too."""

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from analysis import Direction
from analysis.metrics import METRICS
from ganstudy.limits import FAILED
from ganstudy.registry import first_line
from study.spec.design import DESIGNS, FACTORIAL
from study.spec.features import known_features
from study.spec.planned import OF_A_PHASE
from study.spec.published import SPACES
from study.spec.ranges import NEVER_VARIES, RANGES
from study.spec.samplers import SAMPLERS
from study.spec.sampling import HUB, LIBRARIES
from study.spec.schedulers import SCHEDULERS
from study.spec.study_spec import StudySpec
from study.spec.tracking import TRACKERS
from trainables.config import settings
from trainables.fields import meaning_of, schema_of, types_of
from trainables.signal_names import signal_names
from trainables.tricks import TRICKS

Schema = dict[str, Any]

_LIMIT: Schema = {"type": "string", "pattern": r"^\s*(<=|>=)\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?\s*$"}
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


class _WithoutTitles(GenerateJsonSchema):
    """A title of a field only repeats its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema_text(kind: Literal["study", "recipe"]) -> str:
    """Return the JSON Schema of study files or of recipes as text."""
    return json.dumps({"study": study_schema, "recipe": recipe_schema}[kind](), indent=1, ensure_ascii=False) + "\n"


def study_schema() -> Schema:
    """Return the JSON Schema of study files."""
    definitions: Schema = {f"value.{name}": _value(name) for name in settings()}
    varying = [name for name in settings() if name not in NEVER_VARIES]
    definitions["direction"] = {"enum": [str(direction) for direction in Direction]}
    definitions["objective"], definitions["limit"] = _objective(), _LIMIT
    definitions["base"] = _settings(name for name in settings() if name != "seed")
    definitions["variant"] = _settings(varying)
    domains = {name: {"$ref": f"#/$defs/domain.{name}"} for name in varying}
    definitions |= {f"domain.{name}": _domain(name) for name in varying}
    definitions["variants"] = {
        "description": "a name for bundles of settings that are compared; the first bundle is the reference",
        "type": "object",
        "minProperties": 2,
        "additionalProperties": {"$ref": "#/$defs/variant"},
    }
    definitions["scientific"] = {"type": "object", "properties": domains, "additionalProperties": {"$ref": "#/$defs/variants"}}
    definitions["nuisance"] = {"type": "object", "properties": domains, "additionalProperties": False}
    definitions["first"] = {
        "description": "a config that a search tries first: values of settings or variants that vary",
        "type": "object",
        "properties": {name: {"$ref": f"#/$defs/value.{name}"} for name in varying},
        "additionalProperties": {"type": "string"},
    }
    own = {
        "base": {"$ref": "#/$defs/base"},
        "space": _space(),
        "sampler": {"anyOf": [{"enum": sorted(DESIGNS)}, _sampler()]},
        "enqueue": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/first"}]}},
        "objective": {"$ref": "#/$defs/objective"},
        "objectives": {"type": "array", "items": {"$ref": "#/$defs/objective"}, "minItems": 1, "uniqueItems": True},
        "constraints": {
            "type": "object",
            "properties": {key: {"$ref": "#/$defs/limit"} for key in [*METRICS, *signal_names(), FAILED]},
            "additionalProperties": False,
        },
        "scheduler": {"anyOf": [{"type": "null"}, *(_scheduler(name) for name in SCHEDULERS)]},
    }
    properties: Schema = {}
    for key, field in StudySpec.model_fields.items():
        schema = own.get(key) or _of_type(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation, definitions)
        default = {} if field.is_required() or key in own else {"default": schema.pop("default", field.default)}
        properties[key] = {
            "description": field.description,
            **schema,
            **({} if key in ("evaluation", "resources", "tracking") else default),
        }
    definitions["EvaluationConfig"]["properties"]["features"]["enum"] = list(known_features())
    definitions["Resources"]["properties"]["gpu"]["anyOf"].append({"type": "null"})  # as in older studies
    definitions["Tracking"]["properties"] |= {
        name: {"description": entry.description} for name, entry in TRACKERS.items() if name not in definitions["Tracking"]["properties"]
    }
    definitions["Tracking"]["additionalProperties"] = False
    definitions["Explore"]["properties"]["sampler"]["enum"] = sorted(DESIGNS)
    definitions["Optimise"]["properties"]["sampler"] |= _sampler()
    definitions["Optimise"]["properties"]["scheduler"] = own["scheduler"]
    optimise = {"properties": {"goal": {"const": "optimise"}}, "required": ["goal"]}
    return {
        "$schema": _DRAFT,
        "title": "Study file of ganstudy",
        "type": "object",
        "properties": properties,
        "required": ["name", "question", "space"],
        "additionalProperties": False,
        "allOf": [
            {
                "if": {"required": ["phases"]},
                "then": {"properties": dict.fromkeys(OF_A_PHASE, False)},
            },
            {
                "if": optimise,
                "then": {"properties": {"sampler": _sampler()}},
                "else": {"properties": {"sampler": {"enum": sorted(DESIGNS)}, "scheduler": {"type": "null"}}},
            },
            {"not": {"required": ["objective", "objectives"]}},
            {
                "if": {
                    "anyOf": [{"properties": {"sampler": {"enum": list(FACTORIAL)}}, "required": ["sampler"]}, {"required": ["phases"]}]
                },
                "else": {"required": ["n_configs"]},
            },
        ],
        "$defs": definitions,
    }


def recipe_schema() -> Schema:
    """Return the JSON Schema of recipes."""
    return {
        "$schema": _DRAFT,
        "title": "Recipe of ganstudy",
        **_settings(settings()),
        "$defs": {f"value.{name}": _value(name) for name in settings()},
    }


def _settings(names: Iterable[str]) -> Schema:
    """Return the schema of a mapping of settings to values."""
    return {"type": "object", "properties": {name: {"$ref": f"#/$defs/value.{name}"} for name in names}, "additionalProperties": False}


def _value(name: str) -> Schema:
    schema = schema_of(name)
    if name == "data.classes":
        item = {"type": ["string", "integer"]}
        schema = {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}, {"type": "null"}]}
    return {"description": meaning_of(name), **schema, "default": settings()[name]}


def _domain(name: str) -> Schema:
    """Return the schema of what a study file may say of a setting that varies: the word range, choices, or a range."""
    value = {"$ref": f"#/$defs/value.{name}"}
    kinds: list[Schema] = [{"type": "array", "items": value, "minItems": 2, "uniqueItems": True}]
    if name in RANGES or name in TRICKS:
        kinds.insert(0, {"const": "range", "description": RANGES[name].source if name in RANGES else "off and on"})
    if types_of(name) & {"number", "integer"}:
        end = {"type": "number", **value}
        kinds.append(
            {
                "type": "object",
                "properties": {
                    "low": end,
                    "high": end,
                    "log": {"type": "boolean"},
                    "step": {"type": ["number", "null"], "exclusiveMinimum": 0},
                },
                "required": ["low", "high"],
                "additionalProperties": False,
            }
        )
    return {"description": meaning_of(name), "anyOf": kinds}


def _space() -> Schema:
    published = {"enum": sorted(SPACES)}

    def part(name: str) -> Schema:
        mapping = {"$ref": f"#/$defs/{name}"}
        return {"anyOf": [mapping, published, {"type": "array", "items": {"anyOf": [mapping, published]}}]}

    parts = {name: part(name) for name in ("scientific", "nuisance")}
    return {
        "anyOf": [published, {"type": "object", "properties": parts, "required": ["scientific"], "additionalProperties": False}],
    }


def _sampler() -> Schema:
    name = {"anyOf": [{"enum": sorted(SAMPLERS)}, {"type": "string", "pattern": f"^({'|'.join(LIBRARIES)})[.]|^{HUB}"}]}
    return {"anyOf": [*name["anyOf"], {"type": "object", "properties": {"name": name}, "required": ["name"]}]}


def _objective() -> Schema:
    directed = [name for name, metric in METRICS.items() if metric.direction]
    metric = {"enum": [*directed, *signal_names()]}
    keys = {"metric": metric, "direction": {"$ref": "#/$defs/direction"}}
    short = {
        "type": "object",
        "properties": {key: {"$ref": "#/$defs/direction"} for key in metric["enum"]},
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {
        "anyOf": [
            {"enum": directed},
            {"type": "object", "properties": keys, "additionalProperties": False},
            {**short, "additionalProperties": False},
        ]
    }


def _scheduler(name: str) -> Schema:
    found = SCHEDULERS[name].model_json_schema(schema_generator=_WithoutTitles)
    found["properties"]["name"] = {"const": name, "default": name}
    required = [*found.get("required", []), *([] if name == "asha" else ["name"])]
    return {**found, "description": first_line(SCHEDULERS[name]), "required": required}


def _of_type(kind: Any, definitions: Schema) -> Schema:
    """Return the schema of a type; the models inside it are added to `definitions`."""
    schema = TypeAdapter(kind).json_schema(schema_generator=_WithoutTitles)
    inner: Mapping[str, Any] = schema.pop("$defs", {})
    definitions |= inner
    if "title" not in schema:
        return schema
    name = schema.pop("title")
    definitions[name] = schema
    return {"$ref": f"#/$defs/{name}"}
