"""Converts pydantic validation errors to the messages of this project."""

from pydantic import ValidationError


def validation_message(error: ValidationError, *, prefix: str = "") -> str:
    """Return one clause per error: the dotted name, what must hold, what was given. `prefix` precedes each name, such as "r1."."""
    sentences = []
    for finding in error.errors():
        name = prefix + ".".join(str(part) for part in finding["loc"])
        if finding["type"] == "value_error":  # raised by this project: already a complete sentence
            sentence = str(finding["ctx"]["error"])
            sentences.append(f"{name}: {sentence}" if prefix else sentence)
        else:
            must = finding["msg"].removeprefix("Input should be ")
            shown = name.replace("data.name", "data")
            sentences.append(f"{shown} must be {must}; given {finding['input']!r}" + yaml_hint(finding["input"]))
    return "; ".join(sentences)


def yaml_hint(value: object) -> str:
    """Return a hint for words that YAML 1.1 reads as booleans and YAML 1.2 as text, else ""."""
    return " (YAML 1.2 reads on, off, yes and no as text: write true or false)" if str(value).lower() in {"on", "off", "yes", "no"} else ""
