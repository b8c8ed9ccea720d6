"""Stored generators, as files: whether one is whole can be seen without its network, and so without torch and plugins."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from ganstudy import UserError
from ganstudy.checksums import damage


def whole_generator(path: Path) -> bytes:
    """Return the content of a generator file. Raises UserError if it is damaged, incomplete or not saved by ganstudy."""
    reason = "its header holds no config"
    try:
        if problem := damage(path):
            raise UserError(f"{path} must be as it was saved; {problem}. Choose another trial or tick")
        with safe_open(path, framework="np") as file:  # also compares the size of the file with its header
            if "config" in (file.metadata() or {}):
                return path.read_bytes()
    except (SafetensorError, OSError) as error:
        reason = str(error)
    raise UserError(f"{path} must be a complete generator file saved by ganstudy; it cannot be used: {reason}")
