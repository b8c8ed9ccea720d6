"""Converts pydantic validation errors to the messages of this project."""

from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

from pydantic import ValidationError

from ganstudy.written import shown

_LONG = 700  # characters of a message
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"  # of what becomes a folder
_IN_WORDS = {NAME: "a name of letters, digits and the characters . _ -, which begins with a letter or a digit"}

# What must hold, by pydantic's type of error, from the context of the error. The table has every error that the models and entries of this project
# can raise (tests/study/test_pydantic_words.py); for the types of a plugin's settings that are not here, pydantic's own words are used.
_MUST: dict[str, Callable[[Mapping[str, Any]], str]] = {
    **dict.fromkeys(
        ("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type", "dataclass_exact_type", "is_instance_of"),
        lambda context: "a mapping",
    ),
    **dict.fromkeys(("tuple_type", "list_type"), lambda context: "a list"),
    **dict.fromkeys(("string_type", "string_unicode", "invalid_key"), lambda context: "text"),
    **dict.fromkeys(("int_type", "int_from_float", "int_parsing", "int_parsing_size"), lambda context: "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), lambda context: "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), lambda context: "true or false"),
    "finite_number": lambda context: "a finite number",
    "greater_than": lambda context: f"above {_number(context['gt'])}",
    "greater_than_equal": lambda context: f"at least {_number(context['ge'])}",
    "less_than": lambda context: f"below {_number(context['lt'])}",
    "less_than_equal": lambda context: f"at most {_number(context['le'])}",
    **dict.fromkeys(("literal_error", "enum"), lambda context: context["expected"]),
    "string_too_short": lambda context: f"text of at least {_characters(context['min_length'])}",
    "string_too_long": lambda context: f"text of at most {_characters(context['max_length'])}",
    "string_pattern_mismatch": lambda context: _IN_WORDS.get(context["pattern"], f"text that matches {context['pattern']}"),
    "recursion_loop": lambda context: "without a reference to itself",
}
_BOUNDS = (
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
)  # which pydantic checks before it finds that a number is NaN


def validation_message(error: ValidationError, *, prefix: str = "") -> str:
    """Return one clause per error: the dotted name, what must hold, what was given. `prefix` precedes each name, such as "r1.".

    Of very many or long ones only the first, and how many more there are.
    """
    sentences = []
    for finding in error.errors():
        name = (prefix + ".".join(str(part) for part in finding["loc"])).removesuffix(".")
        if finding["type"] in ("value_error", "assertion_error"):  # raised by this project or a plugin: already a complete sentence
            sentence = str(finding["ctx"]["error"])
            sentences.append(f"{name}: {sentence}" if prefix else sentence)
        elif finding["type"] == "missing":
            sentences.append(f"{name} is missing")
        elif finding["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            sentences.append(f"there is no {name}; remove it")
        else:
            kind = "finite_number" if finding["type"] in _BOUNDS and finding["input"] != finding["input"] else finding["type"]
            must = _MUST.get(kind, lambda context, words=finding["msg"]: words.removeprefix("Input should be "))
            name = name.replace("data.name", "data")
            if finding["loc"][-1:] == ("[key]",):
                name = f"a key of {'.'.join(str(part) for part in finding['loc'][:-2]) or prefix.removesuffix('.')}"
            sentences.append(
                f"{name} must be {must(finding.get('ctx', {}))}; given {shown(finding['input'])}" + yaml_hint(finding["input"])
            )
    told = list(accumulate(sentences, "{}; {}".format))
    n = max(1, sum(len(text) <= _LONG for text in told))
    return told[n - 1] + (f"; and {rest} more" if (rest := len(told) - n) else "")


def unknown_key_first(error: ValidationError) -> Any:
    """Return the first finding about an unknown key, which may be a misspelt required key; else the first finding."""
    findings = error.errors()
    return next((finding for finding in findings if finding["type"] == "extra_forbidden"), findings[0])


def _number(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def _characters(n: int) -> str:
    return "1 character" if n == 1 else f"{n} characters"


def yaml_hint(value: object) -> str:
    """Return a hint for words that YAML 1.1 reads as booleans and YAML 1.2 as text, else ""."""
    return " (YAML 1.2 reads on, off, yes and no as text: write true or false)" if str(value).lower() in {"on", "off", "yes", "no"} else ""
