"""The tables of recorded runs that come with the package. Imports nothing that takes time, since `--help` names them."""

from pathlib import Path

TABLES = Path(__file__).parent / "tables"


def shipped() -> list[str]:
    """Return the names of the tables."""
    return sorted(path.stem for path in TABLES.glob("*.parquet"))
