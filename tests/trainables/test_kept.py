"""Trials of one process share the copy of their data on a device."""

import gc
import threading
import weakref
from pathlib import Path

import numpy as np
import torch

from trainables.kept import kept_on

CPU = torch.device("cpu")


def images(value: int = 0) -> np.ndarray:
    found = np.full((6, 1, 2, 2), value, np.uint8)
    found.flags.writeable = False  # as from Ray's object store
    return found


def test_one_array_is_copied_once() -> None:
    array = images(3)
    copy = kept_on(CPU, array)
    assert copy.tolist() == array.tolist()
    assert kept_on(CPU, array) is copy
    assert kept_on(CPU, np.asarray(array)) is copy


def test_threads_get_the_same_copy() -> None:
    array, found = images(), list[torch.Tensor]()
    threads = [threading.Thread(target=lambda: found.append(kept_on(CPU, array))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(copy) for copy in found}) == 1


def test_other_arrays_and_other_views_have_their_own(tmp_path: Path) -> None:
    array = images(1)
    np.save(tmp_path / "images.npy", array)
    others = [images(1), array[:3], array[::2], array.view(np.int8), np.asarray(np.load(tmp_path / "images.npy", mmap_mode="r"))]
    copies = [kept_on(CPU, each) for each in (array, *others)]
    assert len({id(copy) for copy in copies}) == 6
    assert [copy.tolist() for copy in copies] == [each.tolist() for each in (array, *others)]


def test_a_copy_goes_with_its_last_user() -> None:
    array = images()
    copy = weakref.ref(kept_on(CPU, array))
    gc.collect()
    assert copy() is None
    array = images(9)
    assert kept_on(CPU, array).unique().tolist() == [9]
