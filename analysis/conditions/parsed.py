"""The text of a condition as a tree, in which names may have dots and slashes. `analysis.conditions.condition` says what a condition may contain."""

import ast
import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches

from ganstudy import UserError

_WORD = r"[^\W\d]\w*(?:[./][^\W\d]\w*)*"
_TOKEN = re.compile(
    rf"""(?P<text>'[^']*'|"[^"]*")
    | `(?P<quoted>[^`]+)`
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<word>{_WORD})
    | (?P<sign><=|>=|==|!=|//|\*\*|[-+*/%<>()\[\],&|~])
    | (?P<space>\s+)""",
    re.VERBOSE,
)
_ODD = re.compile(r"""\w[^\s<>=!`"',]*""")  # names that may stand as they are although they hold signs, such as val-loss
_NUMBER = re.compile(r"\d[\d_.eE+-]*")
_WORDS = {  # of the language, in any case of their letters, and Python's word for them
    **{word: word for word in ("and", "or", "not", "in", "is")},
    **{"&": "and", "|": "or", "~": "not", "true": "True", "false": "False"},
}
_SHOWN = 200  # characters of a condition in a message
_LISTED = 20  # known names in a message
_ALLOWED = "numbers, texts in quotes, < <= > >= == !=, in [1, 2], is missing, and, or, not, + - * / // % ** and ( )"


@dataclass(frozen=True)
class Place:
    """Where conditions stand, for messages."""

    key: str  # the option or key that holds the condition
    example: str
    names: str  # whose names a condition may use, such as "settings, metrics and signals"
    unknown: str = "no trial has a value called"  # before a name that is not known
    listed: str = ""  # what prints them


class Parsed:
    """A condition as Python's parser reads it. In `tree`, identifiers stand for names, since Python's have no dots and slashes."""

    def __init__(self, text: str, known: Collection[str], place: Place):
        """known: the names that a condition may use. Raises UserError for a text that cannot be read; unknown names are not checked."""
        if not isinstance(text, str):
            raise UserError(f"{place.key} must be a text, a condition such as '{place.example}'; given {text!r}")
        self.text, self.known, self.place = text, dict.fromkeys(map(str, known)), place
        self._names: dict[str, str] = {}  # identifier -> name
        odd = [name for name in self.known if not re.fullmatch(_WORD, name) and _ODD.fullmatch(name) and not _NUMBER.fullmatch(name)]
        self._odd = re.compile(f"(?:{'|'.join(map(re.escape, sorted(odd, key=len, reverse=True)))})(?!\\w)") if odd else None
        for_python = self._for_python()
        try:
            self.tree = ast.parse(for_python, mode="eval").body
        except (SyntaxError, ValueError, MemoryError):
            raise self.refused("it cannot be read" if text.strip() else "it is empty") from None
        except RecursionError:
            raise self.too_deep() from None

    @property
    def names(self) -> list[str]:
        """All names and words of the text, in its order."""
        return list(dict.fromkeys(self._names.values()))

    def name(self, node: ast.Name) -> str:
        """Return the name that an identifier of the tree stands for."""
        return self._names[node.id]

    def given(self, node: ast.expr) -> str:
        """Return a part of the condition as text."""
        shown = {**self._names, "None": "missing"}
        return re.sub(r"\b(_\d+|None)\b", lambda match: shown.get(match.group(), match.group()), ast.unparse(node))

    def has_a_known_name(self, node: ast.expr) -> bool:
        """Whether a part of the condition contains a known name."""
        return any(isinstance(each, ast.Name) and self.name(each) in self.known for each in ast.walk(node))

    def wrong(self, problem: str) -> UserError:
        """Return the error for a condition."""
        shown = self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}…"
        return UserError(f"{self.place.key} must be a condition such as '{self.place.example}'; given {shown!r}: {problem}")

    def refused(self, problem: str) -> UserError:
        """Return the error for what no condition may contain."""
        return self.wrong(f"{problem}. Allowed are names of {self.place.names}, {_ALLOWED}")

    def unknown(self, name: str, hint: str = "") -> UserError:
        """Return the error for a name that is not known, with those that are near."""
        near = get_close_matches(name, self.known, n=3) or [each for each in self.known if name in each.split(".")][:3]
        names = (
            f"The names are {', '.join(self.known)}"
            if len(self.known) <= _LISTED
            else f"Names are those of {self.place.names}{self.place.listed}"
        )
        advice = [f"Did you mean {' or '.join(near)}?"] * bool(near) + [hint] * bool(hint)
        return self.wrong(" ".join([f"{self.place.unknown} {name!r}.", *(advice or [names])]))

    def too_deep(self) -> UserError:
        """Return the error for a condition with too many levels."""
        return self.wrong("it is nested too deeply")

    def _for_python(self) -> str:
        """Return the text with an identifier for each name, and None for `missing` after `is`."""
        parts: list[str] = []
        at = 0
        while at < len(self.text):
            if not (match := _TOKEN.match(self.text, at)):
                sign = self.text[at]
                raise self.wrong("write == instead of =") if sign == "=" else self.refused(f"{sign!r} cannot be read")
            kind = str(match.lastgroup)
            token, end = match.group(kind), match.end()
            odd = self._odd.match(self.text, at) if self._odd and kind in ("word", "number") else None
            if kind == "word":
                name = self._longest(token)
                end = at + len(name)
                if odd is None or len(odd.group()) <= len(name):
                    token, odd = self._word(name, parts[-1:] == ["is"] or parts[-2:] == ["is", "not"]), None
            elif kind == "quoted":
                token = self._identifier(token)
            elif kind == "text":
                token = repr(token[1:-1])
            elif kind == "sign":
                token = _WORDS.get(token, token)
            if odd is not None:
                token, end = self._identifier(odd.group()), odd.end()
            at = end
            if kind != "space":
                parts.append(token)
        return " ".join(parts)  # apart, so that nothing joins: 1 and_ is not 1_

    def _word(self, name: str, after_is: bool) -> str:
        """Return Python's word for a name or word of the text."""
        if after_is and name.lower() == "missing":
            return "None"
        return _WORDS.get(name.lower()) or self._identifier(name)

    def _longest(self, word: str) -> str:
        """Return the longest part of a word, up to a slash, that is a known name; else all of it."""
        ends = [len(word), *(at for at in range(len(word) - 1, 0, -1) if word[at] == "/")]
        return next((word[:end] for end in ends if word[:end] in self.known), word)

    def _identifier(self, name: str) -> str:
        self._names[identifier := f"_{len(self._names)}"] = name
        return identifier


def as_name(name: str) -> str:
    """Return a name as it stands in a condition: in backticks unless it is a plain word."""
    return name if re.fullmatch(_WORD, name) and name.lower() not in _WORDS else f"`{name}`"


def as_text(text: str, known: Collection[str]) -> str:
    """Return a text as it stands in a condition on known names: in quotes unless it is a plain word that has no other meaning."""
    if re.fullmatch(_WORD, text) and text.lower() not in {*_WORDS, "inf", "nan", "none", "null", "na", "missing"} and text not in known:
        return text
    return f"'{text}'" if '"' in text else f'"{text}"'
