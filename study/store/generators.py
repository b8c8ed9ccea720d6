"""Stored generators, as files: whether one is whole can be seen without its network, and so without torch and plugins."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from ganstudy import UserError
from ganstudy.checksums import damage


def whole_generator(path: Path) -> bytes:
    """Return the content of a generator file. Raises UserError if it is damaged, incomplete or not saved by ganstudy."""
    if problem := generator_damage(path):
        raise UserError(f"{path} must be a complete generator file saved by ganstudy; it cannot be used: {problem}")
    return path.read_bytes()


def generator_damage(path: Path) -> str:
    """Return in a clause why a generator file cannot be used; "" if it can. Without checksums beside it, changed weights are not seen."""
    if problem := damage(path):
        return problem
    try:
        with safe_open(path, framework="np") as file:  # also compares the size of the file with its header
            return "" if "config" in (file.metadata() or {}) else "its header holds no config"
    except (SafetensorError, OSError) as error:
        return str(error)
