"""Batches to the one device and back."""

from __future__ import annotations

import pytest

import rushlight
from rushlight.nn import parallel


def test_one_device():
    x = rushlight.ones(2)
    assert parallel.scatter((x, 1), [0]) == [(x, 1)] and parallel.gather([x], 0) is x
    assert parallel.scatter_gather.scatter_kwargs((x,), {"a": 1}, ["cpu"]) == (((x,),), ({"a": 1},))
    for call in (lambda: parallel.scatter(x, [0, 1]), lambda: parallel.gather([x, x], 0)):
        with pytest.raises(NotImplementedError, match="2 devices"):
            call()
