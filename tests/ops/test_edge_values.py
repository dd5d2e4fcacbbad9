"""Values, shapes and dtypes at the edges of what functions take, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")


def flat(value: Any) -> list[Any]:
    return [leaf for item in value for leaf in flat(item)] if isinstance(value, (tuple, list)) else [value]


def same(call: Callable[[Any], Any], tolerance: float = 1e-6) -> None:
    """One result of both libraries: the same shapes, dtypes and values."""
    ours, theirs = call(rushlight), call(torch)
    assert isinstance(ours, tuple) == isinstance(theirs, tuple)
    for a, b in zip(flat(ours), flat(theirs), strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        assert str(a.dtype) == str(b.dtype)
        np.testing.assert_allclose(np.array(a.tolist()), np.array(b.tolist()), rtol=tolerance, atol=tolerance)


def grid(t: Any, *shape: int, dtype: Any = None) -> Any:
    count = int(np.prod(shape))
    return ((t.arange(count) * 7 % 11).reshape(shape) - 4).to(dtype or t.float32)


EDGES: dict[str, Callable[[Any], Any]] = {
    "cov of one variable": lambda t: t.cov(grid(t, 1, 5)),
    "cov weighted": lambda t: t.cov(grid(t, 2, 4), fweights=t.tensor([1, 2, 1, 3]), aweights=t.tensor([0.5, 1.0, 2.0, 0.1])),
    "corrcoef of one variable": lambda t: t.corrcoef(grid(t, 1, 5)),
    "corrcoef": lambda t: t.corrcoef(grid(t, 3, 5)),
    "diff none": lambda t: t.diff(t.arange(4), 0, prepend=t.tensor([1])),
    "diff too often": lambda t: t.diff(t.arange(6).reshape(2, 3), 5),
    "meshgrid xy": lambda t: t.meshgrid(t.arange(3), t.tensor(1), indexing="xy"),
    "meshgrid xy of three": lambda t: t.meshgrid(t.arange(2), t.arange(3), t.arange(4), indexing="xy"),
    "unique of a number": lambda t: t.unique(t.tensor(3.0), return_inverse=True, return_counts=True),
    "unique_consecutive of a number": lambda t: t.unique_consecutive(t.tensor(3), return_inverse=True, return_counts=True),
    "unique_consecutive of nothing": lambda t: t.unique_consecutive(t.ones(0, 3), return_inverse=True, dim=0),
    "squeeze no dimension": lambda t: t.squeeze(t.ones(1, 1), ()),
    "vander of a number": lambda t: t.linalg.vander(t.tensor(2.0), N=3),
    "arange in integers": lambda t: t.arange(0.1, -7.9, -4.0, dtype=t.int64),
    "arange into out": lambda t: t.arange(0, 5.5, 2, out=t.empty(0, dtype=t.int64)),
    "linspace in integers": lambda t: t.linspace(4.3, -3, 50, dtype=t.int64),
    "logspace in integers": lambda t: t.logspace(0, 3.9, 4, dtype=t.int64),
    "logspace of base 2": lambda t: t.logspace(0, 5, 6, base=2, dtype=t.int32),
    "addr of bools": lambda t: t.addr(t.zeros(2, 2).bool(), t.tensor([True, False]), t.tensor([True, False]), beta=3, alpha=2),
    "addmv of integers": lambda t: t.addmv(t.ones(2).long(), t.ones(2, 2).long(), t.ones(2).long(), beta=0.2, alpha=1.6),
    "sum_to_size of a bool": lambda t: t.tensor(True).sum_to_size(()),
    "avg_pool1d of integers": lambda t: t.nn.functional.avg_pool1d(grid(t, 1, 2, 9, dtype=t.int64), 3),
    "avg_pool2d, negative divisor": lambda t: t.nn.functional.avg_pool2d(
        grid(t, 1, 4, 4, dtype=t.int64), 2, divisor_override=-3
    ),
    "gradient": lambda t: t.gradient(grid(t, 3, 4)),
    "gradient of second order": lambda t: t.gradient(grid(t, 4, 5), edge_order=2),
    "gradient of integers": lambda t: t.gradient(t.tensor([1, 4, 9, 20])),
    "gradient, spacings": lambda t: t.gradient(grid(t, 3, 4), spacing=[2.0, 0.5]),
    "gradient, coordinates": lambda t: t.gradient(grid(t, 4), spacing=(t.tensor([0.0, 1.0, 3.0, 3.5]),), edge_order=2),
    "gradient, one dimension": lambda t: t.gradient(grid(t, 3, 4), spacing=2, dim=-1),
    "flip by name": lambda t: t.flip(grid(t, 2, 3), dims=(0, 1)),
    "permute by name": lambda t: t.permute(grid(t, 2, 3), dims=(1, 0)),
    "tile by name": lambda t: t.tile(grid(t, 2), dims=(2, 2)),
    "masked_fill of bools": lambda t: t.tensor([True, False]).masked_fill(t.tensor([False, True]), 10),
    "masked_fill, fraction": lambda t: t.tensor([1, 2]).masked_fill(t.tensor([False, True]), t.tensor(3.7)),
    "group_norm of nothing": lambda t: t.nn.functional.group_norm(t.ones(0, 2), 1),
    "batch_norm of nothing": lambda t: t.nn.functional.batch_norm(t.ones(0), t.ones(0), t.ones(0), training=True),
    "reflect nothing": lambda t: t.nn.functional.pad(t.ones(0, 3, 3), (1, 2), "reflect"),
    "multi_margin_loss of a number": lambda t: t.nn.functional.multi_margin_loss(t.tensor(0.3), t.tensor(0)),
    "fractional_max_pool3d": lambda t: t.nn.functional.fractional_max_pool3d(t.ones(0, 1, 4, 5, 4), (2, 2, 1), output_size=2),
    "tensor_split, tensor": lambda t: t.tensor_split(grid(t, 5), t.tensor(2)),
    "tensor_split, places": lambda t: t.tensor_split(grid(t, 5), t.tensor([1, 3])),
    "gather nothing": lambda t: t.gather(grid(t, 5), 0, t.empty(0, dtype=t.uint8)),
    "index_fill, tensor": lambda t: t.index_fill(grid(t, 2, 3), 1, t.tensor([0, 2, 0]), t.tensor(9.0)),
    "index_fill_, tensor": lambda t: grid(t, 2, 3, dtype=t.int64).index_fill_(-1, t.tensor([1]), t.tensor(9.5)),
    "searchsorted in nothing": lambda t: t.searchsorted(t.ones(0, 0), t.ones(0, 0)),
    "take_along_dim from the end": lambda t: t.take_along_dim(grid(t, 2, 3), t.tensor([[-1, 4, -5]]), 1),
    "tensordot, sizes of one": lambda t: t.tensordot(grid(t, 1, 1, 2), grid(t, 2, 1, 2), dims=((0, 1), (2, 0))),
    "matrix_power of order 0": lambda t: t.linalg.matrix_power(grid(t, 2, 2), 0),
    "resize_ to less": lambda t: grid(t, 4, 3).clone().resize_(5),
    "div, rounded": lambda t: t.div(grid(t, 5), -2.5, rounding_mode="floor"),
    "div_, rounded": lambda t: grid(t, 5).div_(2, rounding_mode="floor"),
}  # fmt: skip


@pytest.mark.parametrize("what", EDGES)
def test_edges(what: str) -> None:
    same(EDGES[what])


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_polygamma_left_of_zero(n: int, dtype: str) -> None:
    if n == 0:
        points = [-0.7, -3.2, 1.5]
    else:
        points = [-0.7, -3.2, -0.001, 1.5, 0.3, -12.4] + [-1.0, 0.0] * (n > 1)
    same(lambda t: t.polygamma(n, t.tensor(points, dtype=getattr(t, dtype))), 3e-5 if dtype == "float32" else 1e-9)


def test_rrelu_draws_for_what_is_not_positive() -> None:
    def call(t: Any) -> Any:
        t.manual_seed(3)
        return t.nn.functional.rrelu(grid(t, 4, 5), 0.1, 0.9, training=True), t.rand(3)

    same(call)


def gradients(call: Callable[..., Any], *arrays: list, t: Any) -> list[Any]:
    leaves = [t.tensor(array, dtype=t.float64, requires_grad=True) for array in arrays]
    result = call(t, *leaves)
    assert result.requires_grad
    (result * t.arange(1, result.numel() + 1).reshape(result.shape)).sum().backward()
    return [leaf.grad for leaf in leaves]


A, B = [[1.5, -2.0, 3.0], [0.5, 1.0, -1.0]], [[0.7, 0.4, -0.9], [1.2, -0.3, 0.8]]
SLOPES: dict[str, tuple[Callable[..., Any], tuple]] = {
    "div floor": (lambda t, a, b: t.div(a, b, rounding_mode="floor"), (A, B)),
    "div trunc": (lambda t, a, b: t.div(a, b, rounding_mode="trunc"), (A, B)),
    "nextafter": (lambda t, a, b: t.nextafter(a, b), (A, B)),
    "matrix_power 0": (lambda t, a: t.linalg.matrix_power(a @ a.mT, 0), (A,)),
    "logcumsumexp": (lambda t, a: t.logcumsumexp(a * 400, 1), (A,)),
    "logcumsumexp negative": (lambda t, a: -t.logcumsumexp(a * 100, 0), (A,)),
    "index_fill": (lambda t, a, v: t.index_fill(a, 1, t.tensor([0, 0, 2]), v), (A, 2.0)),
    "conv_transpose": (
        lambda t, x, w: t.nn.functional.conv_transpose2d(
            x.reshape(1, 1, 2, 3), w.reshape(1, 1, 2, 3), stride=(3, 2), output_padding=(2, 3), dilation=(4, 4)
        ),
        (A, B),
    ),
    "gradient": (lambda t, a: t.gradient(a, dim=1, edge_order=2)[0], (A,)),
    "lstsq": (lambda t, a, b: t.linalg.lstsq(a, b).solution, (A, B)),
}


@pytest.mark.parametrize("what", SLOPES)
def test_gradients_at_edges(what: str) -> None:
    call, arrays = SLOPES[what]
    for ours, theirs in zip(gradients(call, *arrays, t=rushlight), gradients(call, *arrays, t=torch), strict=True):
        np.testing.assert_allclose(ours.tolist(), theirs.tolist(), rtol=1e-7, atol=1e-9)
