"""The same code under both libraries, compared: what is returned, how it prints, and which exception is raised."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")


def described(value: Any) -> Any:
    """A result as plain values: tensors as (layout, dtype, shape, parts)."""
    if isinstance(value, (tuple, list)):
        return [described(item) for item in value]
    if isinstance(value, (rl.Tensor, torch.Tensor)):
        kind = (str(value.layout), str(value.dtype), tuple(value.shape))
        value = value.detach()
        if value.layout in (rl.sparse_coo, torch.sparse_coo):
            return [*kind, value.is_coalesced(), value._indices().numpy(), value._values().numpy()]
        if value.layout in (rl.strided, torch.strided):
            return [*kind, value.numpy()]
        by_row = str(value.layout).endswith(("csr", "bsr"))
        parts = (value.crow_indices(), value.col_indices()) if by_row else (value.ccol_indices(), value.row_indices())
        return [*kind, *[part.numpy() for part in (*parts, value.values())]]
    return value


def same(ours: Any, theirs: Any, place: str) -> None:
    if isinstance(ours, list):
        assert isinstance(theirs, list) and len(ours) == len(theirs), f"{place}: {ours} and {theirs}"
        for one, other in zip(ours, theirs, strict=True):
            same(one, other, place)
    elif isinstance(ours, np.ndarray):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, f"{place}: {ours} and {theirs}"
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-7, err_msg=place)
    else:
        assert ours == theirs, f"{place}: {ours} and {theirs}"


def run(code: Callable[[Any], Any], library: Any) -> Any:
    """What the code returns, or the exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return code(library)
        except Exception as error:
            return error


def agree(code: Callable[[Any], Any], place: str = "") -> None:
    """Both libraries return the same, or raise exceptions of one class."""
    ours, theirs = run(code, rl), run(code, torch)
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        assert isinstance(ours, Exception), f"{place}: PyTorch raises {theirs!r}, here it is {ours!r}"
        assert isinstance(theirs, Exception), f"{place}: PyTorch returns {theirs!r}, here it is {ours!r}"
        assert type(ours) is type(theirs), f"{place}: {ours!r} and {theirs!r}"
        return
    same(described(ours), described(theirs), place)


def print_alike(code: Callable[[Any], Any], place: str = "") -> None:
    """What is returned prints the same."""
    assert repr(run(code, rl)) == repr(run(code, torch)), place


INDICES, VALUES = [[0, 1, 1, 0], [2, 0, 2, 2]], [3.0, -4.0, 5.0, 0.5]


def matrix(m: Any, **options: Any) -> Any:
    """A (2, 3) matrix with a place that occurs twice."""
    return m.sparse_coo_tensor(m.tensor(INDICES), m.tensor(VALUES), (2, 3), **options)


def hybrid(m: Any) -> Any:
    """(4, 2) with one sparse dimension, row 2 twice."""
    return m.sparse_coo_tensor(m.tensor([[2, 0, 2]]), m.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), (4, 2))


def dense(m: Any, *shape: int) -> Any:
    return (m.arange(1.0, 1.0 + float(np.prod(shape))) / 4).reshape(shape)
