"""A stored classifier that is damaged is refused by name, never loaded with other weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from ganstudy import UserError
from study.evaluation.classifiers import SHIPPED, load_classifier
from trainables.data import load
from trainables.sections import DataConfig


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


def incomplete(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        kept = {name: file.get_tensor(name) for name in list(file.keys())[1:]}
        header = file.metadata()
    save_file(kept, path, header)


@pytest.mark.parametrize("damage", [torn, empty, flipped, incomplete])
def test_a_damaged_classifier_is_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    source, path = load(DataConfig(name="digits")), tmp_path / "classifier.safetensors"
    path.write_bytes((SHIPPED / "digits.safetensors").read_bytes())
    assert load_classifier(path, source) is not None
    damage(path)
    with pytest.raises(UserError, match=rf"{path} must be the classifier of digits as it was saved; it is damaged: \w.* delete it"):
        load_classifier(path, source)
