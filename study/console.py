"""The rich console of all terminal output, and streams whose reader may end. A terminal sets the width; files and pipes get a fixed one."""

import codecs
import errno
import io
import os
import sys
import unicodedata
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from ganstudy import UserError

PIPE_WIDTH = 160  # columns: room for whole tables
_REPLACED = "ganstudy"  # name of the error handler of encoders
_ASCII = {
    **dict.fromkeys("−–—‐‑", "-"),
    **{
        "×": "x",
        "·": "*",
        "…": "...",
        "±": "+-",
        "√": "sqrt ",
        "∞": "inf",
        "≤": "<=",
        "≥": ">=",
        "≠": "!=",
        "≈": "~",
        "→": "->",
        "←": "<-",
    },
    **{"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "°": " deg", "‖": "||", "ß": "ss", "ø": "o", "ł": "l"},
}
_SURROGATES = range(0xDC80, 0xDD00)  # what Python makes of the bytes of a path that are not UTF-8
_WIDEST = 10_000  # columns: more than any table needs
_GONE = (errno.EPIPE, errno.EIO)  # of a stream whose reader has ended, or a terminal that was closed


def terminal(*, stderr: bool = False) -> Console:
    """Return a console on standard output, or on standard error.

    Text is printed as it is: names, paths and messages of users may contain "[red]" or ":x:". What has a style is a rich Text. A character
    that the stream cannot encode is replaced; the stream keeps this rule.
    """
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_REPLACED)
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if stream and stream.isatty() else PIPE_WIDTH)


def outlive_readers() -> None:
    """Make the end of a reader, and a stream that was closed from the start, no error of this process.

    A study must not end because what showed its progress has ended. Streams that something else has replaced stay as they are. On a full
    disk, printing raises UserError.
    """
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell: >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # for as long as the process lives
        elif stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            stream.flush()
            raw = _Lasting(number, "w", closefd=False)
            lasting = io.TextIOWrapper(
                io.BufferedWriter(raw), encoding=stream.encoding, errors=stream.errors, line_buffering=stream.line_buffering or raw.isatty()
            )
            setattr(sys, name, lasting)


class _Lasting(io.FileIO):
    """A file descriptor that becomes the null device when its reader has ended, or when it cannot be written, which is an error once."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self.fileno())
            os.close(nothing)
            if error.errno not in _GONE:
                raise UserError(f"what is printed must be writable where the shell sends it; it is not: {error.strerror}") from None
            return len(data)


def print_table(console: Console, table: Table) -> None:
    """Print a table with all its words whole. Its lines are longer than the terminal is wide, where that is too narrow for them."""
    wide = console.options.update(width=_WIDEST)
    for column in table.columns:
        cells = [Measurement.get(console, wide, cell) for cell in (column.header, *column.cells)]
        column.min_width = max(cell.maximum if column.no_wrap else cell.minimum for cell in cells)
    least = Measurement.get(console, wide, table).minimum
    if least > console.width:
        table.width = least
    console.print(table, crop=False)


def in_ascii(character: str) -> str:
    """Return ASCII for a character: "-" for a minus or a dash, "e" for é, "tau" for τ; "?" if there is nothing like it."""
    if character in _ASCII:
        return _ASCII[character]
    name = unicodedata.name(character, "")
    if name.startswith("GREEK"):
        word = name.split()[-1]
        return word.title() if "CAPITAL" in name else word.lower()
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode() or "?"


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace the first character that a stream cannot encode. Bytes of a path that are not UTF-8 are printed as they are."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if ord(character) in _SURROGATES:
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return in_ascii(character), error.start + 1


codecs.register_error(_REPLACED, _replace)
