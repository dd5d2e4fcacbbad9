"""torch.futures: values to come."""

from __future__ import annotations

import threading

import pytest

import rushlight as torch
from rushlight.futures import Future, collect_all, wait_all


def test_a_value_from_another_thread():
    future = torch.futures.Future()
    seen = []
    future.add_done_callback(lambda done: seen.append(done.value()))
    following = future.then(lambda done: done.wait() + 1)
    assert not future.done()
    with pytest.raises(RuntimeError, match="wait()"):
        future.value()
    threading.Timer(0.02, future.set_result, [41]).start()
    assert future.wait() == 41 and following.wait() == 42 and seen == [41]
    with pytest.raises(RuntimeError, match="set once"):
        future.set_result(1)


def test_exceptions_travel():
    future = Future()
    following = future.then(lambda done: done.value())
    future.set_exception(KeyError("gone"))
    for one in (future, following):
        with pytest.raises(KeyError, match="gone"):
            one.wait()
    with pytest.raises(AssertionError, match="exception"):
        Future().set_exception("text")


def test_all_of_several():
    futures = [Future() for _ in range(3)]
    together = collect_all(futures)
    for n, future in enumerate(futures):
        assert not together.done()
        future.set_result(n)
    assert together.wait() == futures and wait_all(futures) == [0, 1, 2] and wait_all([]) == []
