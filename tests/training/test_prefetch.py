"""Items made in a thread, one ahead."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

import bpx
from bpx.training.streams import Prefetch

NUMPY = bpx.get_backend("numpy")


def soon():
    """Return what a wait calls that must not be long."""
    calls = []

    def poll():
        calls.append(1)
        assert len(calls) < 50, "an item was waited for in vain"

    return poll


def alive():
    return [thread for thread in threading.enumerate() if thread.name == "bpx-prefetch"]


def test_all_items_come_in_order():
    with Prefetch(NUMPY, lambda: iter(range(50)), soon()) as items:
        assert list(items) == list(range(50))
    assert not alive()


def test_one_item_is_made_ahead_and_never_two():
    made = []

    def make():
        for i in range(10):
            made.append(i)
            yield i

    with Prefetch(NUMPY, make, soon()) as items:
        time.sleep(0.05)
        assert made == [0]
        for i in items:
            time.sleep(0.02)
            assert made[-1] == min(i + 1, 9)


def test_nobody_keeps_an_item_but_its_user():
    class Item:
        pass

    seen = []

    def make():
        for _ in range(4):
            item = Item()
            seen.append(weakref.ref(item))
            yield item
            del item

    with Prefetch(NUMPY, make, soon()) as items:
        for item in items:
            time.sleep(0.02)
            del item
            gc.collect()
            assert sum(ref() is not None for ref in seen) <= 1  # the one that is ahead
    gc.collect()
    assert all(ref() is None for ref in seen)


def test_an_error_is_raised_where_the_item_is_wanted():
    def make():
        yield 1
        raise ValueError("no more")

    with Prefetch(NUMPY, make, soon()) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="no more"):
            next(items)
    assert not alive()


def test_an_error_before_the_first_item_is_raised_too():
    def make():
        raise ValueError("not even one")

    with Prefetch(NUMPY, make, soon()) as items, pytest.raises(ValueError, match="not even one"):
        next(items)


def test_leaving_in_the_middle_closes_the_iterator():
    closed = []

    def make():
        try:
            yield from range(1000)
        finally:
            closed.append(threading.current_thread().name)

    with Prefetch(NUMPY, make, soon()) as items:
        assert next(items) == 0
    assert closed == ["bpx-prefetch"]
    assert not alive()


def test_an_iterator_that_can_be_closed_is_closed_in_the_thread():
    class Closing:
        closed = ""

        def __iter__(self):
            return self

        def __next__(self):
            return 1

        def close(self):
            self.closed = threading.current_thread().name

    iterator = Closing()
    with Prefetch(NUMPY, lambda: iterator, soon()) as items:
        assert next(items) == 1
    assert iterator.closed == "bpx-prefetch"


def test_the_wait_can_be_ended():
    release = threading.Event()

    def make():
        release.wait(10.0)
        yield 1

    def poll():
        release.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Prefetch(NUMPY, make, poll) as items:
        next(items)
    assert not alive()


def test_the_thread_computes_in_the_context_of_the_backend(torch):
    def make():
        yield torch.is_grad_enabled()

    with Prefetch(bpx.get_backend("torch"), make, soon()) as items:
        assert next(items) is False
    assert torch.is_grad_enabled()
