"""The text of a condition on trials as a tree, in which names may have dots and slashes. `analysis.where` says what a condition may contain."""

import ast
import re
from collections.abc import Collection
from difflib import get_close_matches

from ganstudy import UserError

_TOKEN = re.compile(
    r"""(?P<text>'[^']*'|"[^"]*")
    | `(?P<quoted>[^`]+)`
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<word>[^\W\d]\w*(?:[./][^\W\d]\w*)*)
    | (?P<sign><=|>=|==|!=|//|\*\*|[-+*/%<>()\[\],&|~])
    | (?P<space>\s+)""",
    re.VERBOSE,
)
_WORDS = {  # of the language, and Python's word for them
    **{word: word for word in ("and", "or", "not", "in", "is", "True", "False")},
    **{"&": "and", "|": "or", "~": "not", "true": "True", "false": "False"},
}
_SHOWN = 200  # characters of a condition in a message
_ALLOWED = "names of settings, metrics and signals, numbers, texts in quotes, < <= > >= == !=, in [1, 2], is missing, and, or, not, + - * / // % ** and ( )"


class Parsed:
    """A condition as Python's parser reads it. In `tree`, identifiers stand for names, since Python's have no dots and slashes."""

    def __init__(self, text: str, known: Collection[str]):
        """known: the names that a condition may use. Raises UserError for a text that cannot be read; unknown names are not checked."""
        self.text, self.known = text, known
        self._names: dict[str, str] = {}  # identifier -> name
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
        return re.sub(r"\b_\d+\b", lambda match: self._names.get(match.group(), match.group()), ast.unparse(node))

    def has_a_known_name(self, node: ast.expr) -> bool:
        """Whether a part of the condition contains a known name."""
        return any(isinstance(each, ast.Name) and self.name(each) in self.known for each in ast.walk(node))

    def wrong(self, problem: str) -> UserError:
        """Return the error for a condition."""
        shown = self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}…"
        return UserError(f"where must be a condition such as 'd.lr < 1e-3 and coverage > 0.8'; given {shown!r}: {problem}")

    def refused(self, problem: str) -> UserError:
        """Return the error for what no condition may contain."""
        return self.wrong(f"{problem}. Allowed are {_ALLOWED}")

    def unknown(self, name: str, hint: str = "") -> UserError:
        """Return the error for a name that is not known, with those that are near."""
        known = list(map(str, self.known))
        near = get_close_matches(name, known, n=3) or [each for each in known if name in each.split(".")][:3]
        advice = [f"Did you mean {' or '.join(near)}?"] * bool(near) + [hint] * bool(hint)
        return self.wrong(
            " ".join([f"no trial has a value called {name!r}.", *(advice or ["Names are those of settings, metrics and signals"])])
        )

    def too_deep(self) -> UserError:
        """Return the error for a condition with too many levels."""
        return self.wrong("it is nested too deeply")

    def _for_python(self) -> str:
        """Return the text with an identifier for each name."""
        parts, at = [], 0
        while at < len(self.text):
            if not (match := _TOKEN.match(self.text, at)):
                sign = self.text[at]
                raise self.wrong("write == instead of =") if sign == "=" else self.refused(f"{sign!r} cannot be read")
            kind, at = str(match.lastgroup), match.end()
            token = match.group(kind)
            if kind == "word" and token not in _WORDS:
                name = self._longest(token)
                at = match.start() + len(name)
                token = self._identifier(name)
            elif kind == "quoted":
                token = self._identifier(token)
            elif kind == "text":
                token = repr(token[1:-1])
            parts.append(" " if kind == "space" else _WORDS.get(token, token))
        return " ".join(parts).strip()  # apart, so that nothing joins: 1 and_ is not 1_

    def _longest(self, word: str) -> str:
        """Return the longest part of a word, up to a slash, that is a known name; else all of it."""
        ends = [len(word), *(at for at in range(len(word) - 1, 0, -1) if word[at] == "/")]
        return next((word[:end] for end in ends if word[:end] in self.known), word)

    def _identifier(self, name: str) -> str:
        self._names[identifier := f"_{len(self._names)}"] = name
        return identifier
