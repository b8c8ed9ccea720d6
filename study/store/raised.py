"""What the text of an error says: its line, whether the config was refused, which line of a plugin raised it, and whose fault it is if many trials end in it."""

import builtins
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_OURS = tuple(f"{Path(__file__).parents[2] / top}/" for top in ("analysis", "ganstudy", "study", "trainables"))
_FRAME = re.compile(r'^ *File "(?P<file>.+)", line (?P<line>\d+), in .*\n(?: {4,}.*(?:\n|$))*', re.MULTILINE)
_REFUSED = "trainables.tune.Refused: "  # how a traceback names the exception, whose module imports torch
_CAUSE = "\nThe above exception was the direct cause of the following exception:\n"
_USER_ERROR = re.compile(r"^(?:ganstudy\.|study\.spec\.)?errors\.\w+: ")
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # ECMA-48's control sequences, such as the colours of Ray's messages
_POINTERS = re.compile(r"^[ ~^]*\^[ ~^]*(?:\n|$)", re.MULTILINE)  # what Python prints below a line of code
_LIBRARY = re.compile(r"/(?:site|dist)-packages/(?!(?:analysis|ganstudy|study|trainables)/)|/lib/python3\.\d+/(?!(?:site|dist)-packages/)")
_CHANGING = re.compile(r"'[^']*'|\"[^\"]*\"|(?<!\w)/\S+|\b(?=\w*\d)\w+")  # quoted parts, paths, words with digits


@dataclass(frozen=True, kw_only=True)
class Raised:
    """An error as its text tells it."""

    line: str  # the error in a line
    refused: bool  # whether it is a UserError of the config, which a further try would raise again
    plugin: str  # "my_plugin (/here/my_plugin.py, line 3)": the plugin that raised it, or ""
    frames: str  # the plugin's own lines of the traceback
    led: str  # the lines of the traceback that are not of libraries
    ours: bool  # whether code of ours raised it, neither on purpose nor because a file or the memory failed

    @property
    def told(self) -> str:
        """The error in a line, with the plugin that raised it."""
        return f"{self.line} in the plugin {self.plugin}" if self.plugin else self.line

    @property
    def kind(self) -> str:
        """What two texts of the same error have in common."""
        return kind_of(self.line)


def raised(text: str, plugins: Sequence[str] = (), folders: Sequence[str] = ()) -> Raised:
    """Return what a traceback says, or the text of an error without one. plugins: the names of modules; folders: where they are."""
    text = without_escapes(text).rstrip()
    _, refused, message = text.rpartition(_REFUSED)
    lines = (message if refused else text).splitlines()
    line = " ".join(lines) if refused else lines[-1] if lines else "without a message"
    cause = text.rpartition(_CAUSE)[0] if refused else ""  # where the UserError was raised
    named = [(frame, _plugin_of(frame["file"], plugins, folders)) for frame in _FRAME.finditer(cause or text)]
    # what a library raises belongs to who called it
    last = next(((frame, plugin) for frame, plugin in reversed(named) if plugin or frame["file"].startswith(_OURS)), None)
    plugin = f"{last[1]} ({last[0]['file']}, line {last[0]['line']})" if last and last[1] else ""
    return Raised(
        line=line,
        refused=bool(refused),
        plugin=plugin,
        frames="".join(frame.group().rstrip("\n") + "\n" for frame, of in named if of),
        led="".join(
            _POINTERS.sub("", frame.group()).rstrip("\n") + "\n" for frame, of in named if of or not _LIBRARY.search(frame["file"])
        ),
        ours=bool(last) and not plugin and not refused and not _is_of_the_machine(line) and not _USER_ERROR.match(line),
    )


def without_escapes(text: str) -> str:
    """Return a text without what sets colours in a terminal."""
    return _ESCAPES.sub("", text)


def at_fault(error: Raised) -> str:
    """Return what must be at fault if the same error ends trials of configs that have nothing in common."""
    if error.refused:
        return "a setting that all configs share (base) must be wrong"
    return "the machine, the code, or a setting that all configs share (base) must be at fault"


def kind_of(line: str) -> str:
    """Return what the last lines of the same error have in common."""
    return _CHANGING.sub("…", line)


def _plugin_of(file: str, plugins: Sequence[str], folders: Sequence[str]) -> str:
    """Return the plugin that a file belongs to, or ""."""
    for plugin in plugins:
        top = plugin.partition(".")[0]
        if any(file == f"{folder}/{top}.py" or file.startswith(f"{folder}/{top}/") for folder in folders):
            return plugin
    return ""


def _is_of_the_machine(line: str) -> bool:
    """Whether the last line of a traceback names an error of the system, such as a full disk, or of workers with other versions."""
    name = line.partition(":")[0]
    known = getattr(builtins, name, None)
    return (isinstance(known, type) and issubclass(known, OSError | MemoryError)) or name.endswith(
        ("WrongVersions", "NoGpu", "OutOfMemoryError")
    )
