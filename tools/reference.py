"""The reference pages of the documentation site, as Markdown, generated from the tables, models and commands that they describe."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError
from pydantic.fields import FieldInfo

from analysis.metrics import METRICS
from analysis.outcomes import OUTCOMES
from ganstudy.written import written
from study.cli import app
from study.show.catalogue import catalogue
from study.spec.objectives import Objective
from study.spec.ranges import NO_RANGE, RANGES
from study.spec.schedulers import SCHEDULERS
from study.spec.sections import EvaluationConfig, Resources
from study.spec.study_spec import StudySpec
from study.spec.tracking import MlflowConfig, TensorboardConfig, Tracking, WandbConfig
from tools.public import extending_page, python_page
from trainables.config import need_of, settings
from trainables.fields import meaning_of, schema_of, types_of
from trainables.tricks import TRICKS
from trainables.updates import UPDATES

_NETWORKS = {
    "g": "G, the generator",
    "d": "D, the discriminator",
    "latent": "Latents",
    "data": "Data",
}  # headings of the sections of TrialConfig


def pages() -> dict[str, str]:
    """Return every generated page of reference/: its path -> Markdown."""
    return {
        "reference/study_file.md": _study_file(),
        "reference/settings.md": _settings(),
        "reference/names.md": _names(),
        "reference/metrics.md": _metrics(),
        "reference/outcomes.md": _outcomes(),
        "reference/commands.md": _commands(),
        "reference/python.md": python_page(),
        "reference/extending.md": extending_page(),
    }


# Study files -----------------------------------------------------------------------------------------


def _study_file() -> str:
    parts = [
        "# Keys of a study file",
        "[Write a study file](../study_file.md) explains them with examples. A key that is not listed here is refused.",
        _keys(StudySpec),
    ]
    sections: dict[str, type[BaseModel]] = {
        "objective": Objective,
        **{f"scheduler: {{name: {name}}}": scheduler for name, scheduler in SCHEDULERS.items()},
        "evaluation": EvaluationConfig,
        "resources": Resources,
        "tracking": Tracking,
        "tracking.wandb": WandbConfig,
        "tracking.tensorboard": TensorboardConfig,
        "tracking.mlflow": MlflowConfig,
    }
    for name, model in sections.items():
        parts += [f"## `{name}`", _keys(model)]
    return _page(parts)


def _keys(model: type[BaseModel]) -> str:
    rows = [(f"`{name}`", _allowed(info), _default(info), info.description or "") for name, info in model.model_fields.items()]
    return _table(("key", "allowed", "default", "meaning"), rows)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    return "" if isinstance(value, BaseModel) or value in ({}, ()) else f"`{written(value)}`"


# Settings --------------------------------------------------------------------------------------------


def _settings() -> str:
    lists = catalogue()
    ranges = dict(lists["ranges"])
    parts = [
        "# Settings",
        "All settings of a trial by their dotted names, the same in study files, recipes, records, tables and plots. *Range* is what "
        "the word `range` takes in a study file, with its source. A setting that needs another one has no meaning without it.",
    ]
    for heading, names in _groups().items():
        parts.append(f"## {heading}")
        for name in names:
            facts = [f"Default `{written(settings()[name])}`."]
            if (allowed := _in_words(schema_of(name), {})) and "boolean" not in types_of(name):
                facts.append(f"Allowed: {allowed}.")
            if need := need_of(name):
                facts.append(f"Needs `{need}`.")
            if name in RANGES:
                facts.append(f"Range: {_cell(ranges[name])}.")
            elif name in NO_RANGE:
                facts.append(f"No range: {_cell(NO_RANGE[name].reason)}.")
            # of a trick as in the list, with its settings and source
            meaning = dict(lists["tricks"])[name] if name in TRICKS else f"{meaning_of(name)[0].upper()}{meaning_of(name)[1:]}."
            parts += [f"### `{name}` {{ #{name} }}", "  \n".join(filter(None, (_cell(meaning), " ".join(facts))))]
    return _page(parts)


def _groups() -> dict[str, list[str]]:
    """Return heading -> names of settings, each setting once."""
    groups: dict[str, list[str]] = {heading: [] for heading in ("Training", *_NETWORKS.values(), "Update rules", "Tricks")}
    for name in settings():
        head = name.partition(".")[0]
        heading = "Tricks" if head in TRICKS else "Update rules" if name != head and head in UPDATES else _NETWORKS.get(head, "Training")
        groups[heading].append(name)
    return groups | {"Tricks": sorted(groups["Tricks"])}


# Names, metrics, outcomes ----------------------------------------------------------------------------


def _names() -> str:
    parts = ["# Names", "What a study file can name, with its settings in brackets and its source. `ganstudy list` prints the same."]
    for kind, entries in catalogue().items():
        if kind not in ("settings", "ranges", "metrics", "signals"):  # these have pages of their own
            parts += [f"## {kind.capitalize()}", _table(("name", "what it is"), [(f"`{name}`", _cell(text)) for name, text in entries])]
    return _page(parts)


def _metrics() -> str:
    metrics = [
        (
            f"`{name}`",
            _cell(metric.description),
            metric.direction.phrase if metric.direction else "best at the real-data baseline",
            metric.source,
        )
        for name, metric in METRICS.items()
    ]
    return _page(
        [
            "# Metrics and signals",
            "[What is measured](../metrics.md) explains how. A metric compares samples with real data at a tick.",
            _table(("metric", "what it is", "better", "source"), metrics),
            "## Signals",
            "A signal is a number that training itself gives. As an objective it needs a direction: "
            "`objective: {metric: d/image_grad_real, direction: minimize}`.",
            _table(("signal", "what it is"), [(f"`{name}`", text) for name, text in catalogue()["signals"]]),
        ]
    )


def _outcomes() -> str:
    rows = [(f"`{each.name}`", each.label, "yes" if each.failure else "no") for each in OUTCOMES.values() if each.name]
    return _page(
        [
            "# Outcomes",
            "The outcome of a trial, from its curves; [Diagnosis](../diagnosis.md) has the rules. `completed` and `failed` are the outcomes of "
            "[other programs' runs](../other_runs.md). A trial that has not ended, or ended in an error, has no outcome.",
            _table(("outcome", "in words", "a failure"), rows),
        ]
    )


# Commands --------------------------------------------------------------------------------------------


def _commands() -> str:
    group: Any = typer.main.get_command(app)
    parts = ["# Commands", group.help]
    for name, command in group.commands.items():
        arguments = [_name(each) if each.required else f"[{_name(each)}]" for each in command.params if not each.opts[0].startswith("-")]
        usage = " ".join(["ganstudy", name, *arguments, "[OPTIONS]"])
        rows = [(f"`{_name(each)}`", _cell(each.help or ""), _shown(each)) for each in command.params if each.name != "help"]
        parts += [f"## `ganstudy {name}`", command.help, f"`{usage}`", _table(("argument", "what it does", "default"), rows)]
    return _page(parts)


def _name(parameter: Any) -> str:
    """Return how a parameter is written: "-o, --out" or "FOLDER"."""
    return ", ".join(parameter.opts) if parameter.opts[0].startswith("-") else parameter.metavar or parameter.name.upper()


def _shown(parameter: Any) -> str:
    """Return the default of an argument as a cell; "" where the help says it or there is nothing to say."""
    if parameter.required:
        return "required"
    return "" if parameter.default in (None, False) else f"`{parameter.default}`"


# Markdown --------------------------------------------------------------------------------------------


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *rows))


def _cell(text: str) -> str:
    """Return plain text as Markdown in one line: what would end a cell or start an emphasis is escaped."""
    for character in "\\|*_<[":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def _allowed(info: FieldInfo) -> str:
    """Return the allowed values of a field in words; "" for a type of ours, which has a section of its own."""
    try:
        kind: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
        schema = TypeAdapter(kind).json_schema()
    except PydanticSchemaGenerationError:
        return ""
    return _in_words(schema, schema.get("$defs", {}))


def _in_words(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _in_words(known[schema["$ref"].rpartition("/")[2]], known)
    if "anyOf" in schema:
        return " or ".join(filter(None, (_in_words(each, known) for each in schema["anyOf"])))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    bounds = [
        f"{sign} {schema[key]:g}".replace("e+0", "e")
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "\\<"))
        if key in schema
    ]
    words = {
        "number": "a number",
        "integer": "a whole number",
        "string": "a text",
        "boolean": "`true`, `false`",
        "null": "`null`",
        "array": "a list",
        "object": "keys",
    }
    return " ".join([words.get(schema.get("type", ""), ""), " and ".join(bounds)]).strip()
