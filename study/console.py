"""The rich console of all terminal output. A terminal sets the width; files and pipes get a fixed one."""

import codecs
import io
import sys
import unicodedata

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

PIPE_WIDTH = 160  # columns: room for whole tables
_REPLACED = "ganstudy"  # name of the error handler of encoders
_ASCII = {
    **dict.fromkeys("−–—‐‑", "-"),
    **{"×": "x", "·": "*", "…": "...", "±": "+-", "√": "sqrt ", "∞": "inf", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "→": "->"},
    **{"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "°": " deg", "‖": "||", "ß": "ss", "ø": "o", "ł": "l"},
}
_SURROGATES = range(0xDC80, 0xDD00)  # what Python makes of the bytes of a path that are not UTF-8
_WIDEST = 10_000  # columns: more than any table needs


def terminal(*, stderr: bool = False) -> Console:
    """Return a console on standard output, or on standard error.

    Text is printed as it is: names, paths and messages of users may contain "[red]" or ":x:". What has a style is a rich Text. A character
    that the stream cannot encode is replaced; the stream keeps this rule.
    """
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_REPLACED)
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if stream.isatty() else PIPE_WIDTH)


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
