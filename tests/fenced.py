"""The fenced blocks of the Markdown files of the repository, and the commands in them and in the texts around them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "studies").rglob("*.md")])
_FENCE = re.compile(r"^(?P<indent> *)```(?P<head>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_SNIPPET = re.compile(r'^--8<-- "(.*)"$', re.MULTILINE)
_INLINE = re.compile(r"`((?:ganstudy|make) [^`]+)`")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: str  # path in the repository
    line: int
    language: str
    text: str

    @property
    def file(self) -> str:
        """The module that a reader saves it as, which its first line names; "" if there is none."""
        name = re.match(r"# (\w+\.py)\n", self.text)
        return name[1] if name else ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def blocks(language: str | None = None) -> list[Block]:
    """Return the blocks of all pages in a language, or all blocks if it is None."""
    return [block for page in PAGES for block in _of(page) if language in (None, block.language)]


def _of(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for fence in _FENCE.finditer(text):
        body = _SNIPPET.sub(lambda name: (ROOT / name[1]).read_text(), fence["text"])
        yield Block(str(page.relative_to(ROOT)), text.count("\n", 0, fence.start()) + 1, fence["head"], body)


def shell_lines() -> list[tuple[str, str]]:
    """Return (place, command) for each command in the blocks of shell commands, without comments."""
    lines = [(str(block), re.sub(r"(^|\s)#.*", "", line)) for block in blocks("sh") for line in block.text.splitlines()]
    return [(place, command.strip()) for place, line in lines for command in line.split("&&") if command.strip()]


def words_of(line: str) -> list[str]:
    """Return the program and the arguments of a line, without the file that its output goes to."""
    return list(takewhile(lambda word: word != ">", shlex.split(line)))


def inline_commands() -> list[tuple[str, str]]:
    """Return (place, command) for each `ganstudy …` and `make …` within a text."""
    texts = {page: _FENCE.sub("", page.read_text()) for page in PAGES}
    return [(str(page.relative_to(ROOT)), " ".join(found.split())) for page, text in texts.items() for found in _INLINE.findall(text)]
