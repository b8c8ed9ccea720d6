"""TF32's flag belongs to the threads that want it alike; the others wait, and none waits for ever."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ganstudy.tf32 import Flags, tf32


def flags() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = flags()
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def test_threads_never_see_the_other_value() -> None:
    owner, seen = Flags(), list[bool]()

    def work(i: int) -> None:
        wanted = bool(i % 3)
        with owner.held(wanted):
            for _ in range(3):
                seen.append(flags() == (wanted, wanted))
                time.sleep(random.Random(i).random() / 1000)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(400), timeout=60))
    assert seen == [True] * 1200


def test_threads_that_want_the_same_work_at_the_same_time() -> None:
    owner, inside = Flags(), threading.Barrier(4)

    def work() -> None:
        with owner.held(True):
            inside.wait(timeout=10)

    with ThreadPoolExecutor(4) as threads:
        for each in [threads.submit(work) for _ in range(4)]:
            each.result()


def test_a_thread_that_waits_is_not_overtaken_for_ever() -> None:
    """Two threads hold True without a gap, again and again; the one that wants False gets in nevertheless."""
    owner, done = Flags(), threading.Event()

    def again_and_again() -> None:
        while not done.is_set():
            with owner.held(True):
                time.sleep(0.002)

    with ThreadPoolExecutor(3) as threads:
        busy = [threads.submit(again_and_again) for _ in range(2)]

        def wanting() -> None:
            with owner.held(False):
                pass

        try:
            for _ in range(50):
                threads.submit(wanting).result(timeout=10)
        finally:
            done.set()
        for each in busy:
            each.result(timeout=10)


def test_blocks_nest_also_while_another_thread_waits() -> None:
    owner, waiting = Flags(), threading.Event()

    def wanting() -> None:
        waiting.set()
        with owner.held(False):
            pass

    with ThreadPoolExecutor(1) as threads, owner.held(True):
        other = threads.submit(wanting)
        waiting.wait(timeout=10)
        time.sleep(0.02)
        with owner.held(True):
            assert flags() == (True, True)
        assert not other.done()
        with pytest.raises(AssertionError, match="would wait for ever"), owner.held(False):
            pass
    other.result(timeout=10)


def test_a_block_that_raises_gives_the_flag_up() -> None:
    owner = Flags()
    with pytest.raises(KeyError), owner.held(True):
        raise KeyError
    with ThreadPoolExecutor(1) as threads:

        def other() -> tuple[bool, bool]:
            with owner.held(False):
                return flags()

        assert threads.submit(other).result(timeout=10) == (False, False)


def test_a_cpu_does_not_touch_the_flag() -> None:
    before = flags()
    with tf32(not before[0], torch.device("cpu")):
        assert flags() == before
