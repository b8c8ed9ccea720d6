"""Parse YAML 1.2, with errors in our words."""

import re
import warnings
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode

_MOST = 1_000_000  # values of a file: more than a study needs; a few aliases within aliases stand for billions


class NotYaml(Exception):
    """A text is not YAML, or not YAML that can be used. The message says why; `line` is where, from 1, if it is known."""

    def __init__(self, message: str, line: int | None = None):
        super().__init__(message)
        self.line = line


# What is wrong, by what ruamel.yaml says; the first that it contains. {0} is the first group.
_WORDS = {
    r'duplicate key "([^"]*)"': "the key {0!r} is there twice; remove one",
    r"found character '\\t'": "a tab is used as indentation; use spaces",
    r"found character '(.)' that cannot start": "text that begins with {0} must be quoted",
    r"expected ',' or": "a bracket is opened and not closed",
    r"expected alphabetic or numeric": "text that begins with * or & must be quoted",
    r"quoted scalar.*(?:unexpected end|document separator)": "a quotation mark is opened and not closed",
    r"(?:mapping values|sequence entries|block mapping entries) are not allowed": "a colon or a dash is where none can be; "
    "check the indentation, and quote text that has ': ' in it",
    r"expected the node content": "a value is missing, or a bracket is opened and not closed",
    r"could not find expected ':'": "a key needs a colon and a space after it",
    r"expected <block end>": "the indentation differs from that of the lines above",
    r"undefined alias '([^']*)'": "the alias *{0} needs an anchor &{0} before it",
    r"constructor for the tag '(?:tag:yaml.org,2002:|!)?([^']*)'": "values cannot have the tag {0!r}; remove the tag",
    r"but found another document": "it must be one document; remove the line --- before the second",
    r"unknown escape character '(.)'": "\\{0} is no escape in double quotes; use single quotes",
    r"incompatible YAML document": "it must be YAML 1.2; remove the line %YAML",
    r"unhashable key": "a key must be text; it is a list or a mapping",
    r"for merging, but found": "the value of << must be a mapping",
    r"unacceptable character|special characters": "it must be text in UTF-8 without control characters",
    r"not a value of its kind: (.*)": "{0} is not a value of the kind that it looks like; quote it if it is text",
}


class _Constructor(SafeConstructor):
    """Makes the values. A date is text, as in YAML 1.2; what is no number or text of its tag is an error with its line.

    Raises NotYaml for aliases that stand for too many values, before it makes any.
    """

    def construct_document(self, node: Any) -> Any:
        if (size := _size(node, {})) > _MOST:
            raise NotYaml(f"it must hold at most {_MOST:,} values; with all that its aliases stand for, it holds {size:,}")
        return super().construct_document(node)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except ValueError:
            raise ConstructorError(None, None, f"not a value of its kind: {str(node.value)[:40]}", node.start_mark) from None


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_scalar)


def loaded(text: bytes) -> Any:
    """Return what a YAML text in UTF-8 holds. Raises NotYaml."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)  # YAML 1.2 allows it
            given = yaml.load(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise NotYaml("it must be text in UTF-8", text[: error.start].count(b"\n") + 1) from None
    except YAMLError as error:
        words = _in_our_words(error)
        raise NotYaml(words, _line_of(error, opened="opened and not closed" in words)) from None
    except RecursionError:
        raise NotYaml("it is nested too deeply") from None
    return given


def _size(node: Node, known: dict[Node, int]) -> int:
    """Return how many values a node stands for, those of aliases each time. known: the sizes so far, 0 of those that are being counted.

    Raises NotYaml for a node that holds itself.
    """
    if isinstance(node, ScalarNode):
        return 1
    if node not in known:
        known[node] = 0
        inside = node.value if isinstance(node, SequenceNode) else [each for pair in node.value for each in pair]
        known[node] = 1 + sum(_size(each, known) for each in inside)
    if not known[node]:
        raise NotYaml("an alias must not be inside the value that it stands for")
    return known[node]


def _in_our_words(error: YAMLError) -> str:
    said = " ".join(str(part) for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part) or str(error)
    for pattern, words in _WORDS.items():
        if found := re.search(pattern, " ".join(said.split())):
            return words.format(*found.groups())
    return "this line cannot be read; check indentation, colons, quotes and brackets here and above"


def _line_of(error: YAMLError, *, opened: bool) -> int | None:
    """Return the line of the problem, or of where the thing was opened that is not closed."""
    if not isinstance(error, MarkedYAMLError):
        return None
    mark = (error.context_mark or error.problem_mark) if opened else (error.problem_mark or error.context_mark)
    return None if mark is None else mark.line + 1
