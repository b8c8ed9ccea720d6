"""Converts pydantic validation errors to the messages of this project."""

from typing import Any

from pydantic import ValidationError

# what must hold, by pydantic's type of error, where its own message speaks of Python
_MUST = dict.fromkeys(("dict_type", "mapping_type", "model_type", "dataclass_type", "dataclass_exact_type", "is_instance_of"), "a mapping")
_MUST |= dict.fromkeys(("tuple_type", "list_type"), "a list") | dict.fromkeys(("string_type", "invalid_key"), "text")


def validation_message(error: ValidationError, *, prefix: str = "") -> str:
    """Return one clause per error: the dotted name, what must hold, what was given. `prefix` precedes each name, such as "r1."."""
    sentences = []
    for finding in error.errors():
        name = prefix + ".".join(str(part) for part in finding["loc"])
        if finding["type"] == "value_error":  # raised by this project: already a complete sentence
            sentence = str(finding["ctx"]["error"])
            sentences.append(f"{name}: {sentence}" if prefix else sentence)
        elif finding["type"] == "missing":
            sentences.append(f"{name} is missing")
        else:
            shown = name.replace("data.name", "data")
            sentences.append(f"{shown} must be {_must(finding)}; given {finding['input']!r}" + yaml_hint(finding["input"]))
    return "; ".join(sentences)


def unknown_key_first(error: ValidationError) -> Any:
    """Return the first finding about an unknown key, which may be a misspelt required key; else the first finding."""
    findings = error.errors()
    return next((finding for finding in findings if finding["type"] == "extra_forbidden"), findings[0])


def _must(finding: Any) -> str:
    if finding["type"] == "string_pattern_mismatch":
        return f"text that matches {finding['ctx']['pattern']}"
    return _MUST.get(finding["type"], str(finding["msg"]).removeprefix("Input should be "))


def yaml_hint(value: object) -> str:
    """Return a hint for words that YAML 1.1 reads as booleans and YAML 1.2 as text, else ""."""
    return " (YAML 1.2 reads on, off, yes and no as text: write true or false)" if str(value).lower() in {"on", "off", "yes", "no"} else ""
