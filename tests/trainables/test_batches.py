"""Batches: epochs, subsets, and resuming bit for bit."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from trainables.batches import Batches

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]


def numbered(n: int) -> np.ndarray:
    """Return points whose value is their row number, read-only like arrays from Ray's object store."""
    rows = np.arange(n, dtype=np.float32)[:, None]
    rows.flags.writeable = False
    return rows


def drawn(batches: Batches, n: int) -> list[int]:
    """Return the row numbers of the next n batches, in order."""
    return [int(row) for _ in range(n) for row in batches.next_batch()[:, 0]]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("n", "batch_size"), [(12, 4), (12, 5), (12, 12), (12, 30), (3, 64), (1, 2)])
def test_every_epoch_is_a_permutation_and_every_batch_is_full(n: int, batch_size: int, device: str) -> None:
    batches = Batches(numbered(n), batch_size, seed=0, device=device)
    rows = drawn(batches, n)  # n batches are batch_size epochs
    assert len(rows) == n * batch_size
    epochs = np.reshape(rows, (batch_size, n))
    assert (np.sort(epochs, axis=1) == np.arange(n)).all()
    if n > 10:
        assert len({tuple(epoch) for epoch in epochs}) == batch_size  # all orders differ


def test_the_seed_determines_the_order() -> None:
    first, same, other = (drawn(Batches(numbered(50), 10, seed=seed), 5) for seed in (3, 3, 4))
    assert first == same != other


def test_global_random_state_is_neither_used_nor_changed() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = drawn(Batches(numbered(50), 10, seed=0), 5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert drawn(Batches(numbered(50), 10, seed=0), 5) == first


def test_smaller_subsets_are_nested_in_larger_ones_for_every_seed() -> None:
    def shown(size: int | None, seed: int) -> set[int]:
        return set(drawn(Batches(numbered(100), 10, seed=seed, size=size), 10))

    subsets = [shown(size, seed=0) for size in (10, 20, 50, 100)]
    assert [len(subset) for subset in subsets] == [10, 20, 50, 100]
    assert all(smaller < larger for smaller, larger in pairwise(subsets))
    assert subsets[0] == shown(10, seed=1)
    assert subsets[0] != set(range(10))
    assert drawn(Batches(numbered(100), 10, seed=0, size=100), 20) == drawn(Batches(numbered(100), 10, seed=0), 20)


@pytest.mark.parametrize("size", [0, -1, 13])
def test_a_size_outside_the_data_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"data.size must be from 1 to 12, the number of training images; given {size}"):
        Batches(numbered(12), 4, seed=0, size=size)


@pytest.mark.parametrize("spent", range(12))
@pytest.mark.parametrize("size", [None, 7])
def test_resuming_equals_never_stopping(spent: int, size: int | None) -> None:
    def fresh() -> Batches:
        return Batches(numbered(12), 5, seed=2, size=size)

    batches = fresh()
    drawn(batches, spent)
    state = batches.state_dict()
    expected = drawn(batches, 20)  # drawing more must not change the saved state
    resumed = fresh()
    drawn(resumed, 3)
    resumed.load_state_dict(state)
    assert drawn(resumed, 20) == expected


def test_a_state_survives_a_checkpoint(tmp_path: Path) -> None:
    batches = Batches(numbered(12), 5, seed=2)
    drawn(batches, 7)
    torch.save(batches.state_dict(), tmp_path / "state.pt")
    resumed = Batches(numbered(12), 5, seed=2)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert drawn(resumed, 9) == drawn(batches, 9)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kept", [True, False])
def test_bytes_are_scaled_to_minus_one_to_one_without_loss(device: str, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kept:
        monkeypatch.setattr("trainables.batches.KEPT_ON_DEVICE_BYTES", 0)
    images = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)
    batch = Batches(images, 4, seed=0, device=device).next_batch()
    assert batch.dtype == torch.float32
    assert batch.device.type == device
    assert batch.shape == (4, 1, 8, 8)
    assert (batch.min().item(), batch.max().item()) == (-1, 1)
    back = ((batch + 1) * 127.5).round().byte().cpu().numpy()
    assert np.array_equal(back[np.argsort(back[:, 0, 0, 0])], images)


def test_points_are_unchanged() -> None:
    batch = Batches(np.array([[-4.0, 4.0]], np.float32), 1, seed=0).next_batch()
    assert batch.tolist() == [[-4.0, 4.0]]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_caller_may_modify_a_batch(dtype: type) -> None:
    images: np.ndarray = np.ones((3, 1, 2, 2) if dtype == np.uint8 else (3, 2), dtype)
    batches = Batches(images, 3, seed=0)
    first = batches.next_batch()
    before = first.clone()
    first.zero_()
    assert (images == 1).all()
    assert torch.equal(batches.next_batch(), before)


def test_a_memory_mapped_file_gives_the_same_batches(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 4), np.uint8)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert torch.equal(Batches(mapped, 8, seed=0).next_batch(), Batches(images, 8, seed=0).next_batch())


def test_the_first_rows_do_not_depend_on_the_batches_drawn() -> None:
    batches = Batches(numbered(12), 5, seed=0, size=6)
    before = batches.first(4)
    order = drawn(Batches(numbered(12), 5, seed=0, size=6), 8)
    mixed = [row for _ in range(8) for row in (batches.first(4), *drawn(batches, 1))][1:]
    assert [row for row in mixed if isinstance(row, int)] == order  # `first` does not affect the batches
    assert torch.equal(batches.first(4), before)
    assert torch.equal(Batches(numbered(12), 5, seed=9, size=9).first(4), before)  # of the same nested subset
    assert torch.equal(
        batches.first(14), torch.cat([batches.first(6), batches.first(6), batches.first(2)])
    )  # repeated to the requested size
