"""scatter_reduce, index_reduce, put and segment_reduce: values and gradients against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")
HOW = ["sum", "prod", "mean", "amax", "amin"]


def run(library, function, *arrays, back=True):
    """The result, and the gradients of its weighted sum for the floating inputs."""
    tensors = [library.tensor(a) for a in arrays]
    leaves = [t.requires_grad_() for t in tensors if t.is_floating_point()]
    out = function(library, *tensors)
    weights = library.tensor(np.linspace(1, 2, out.numel()).reshape(out.shape))
    grads = library.autograd.grad((out * weights).sum(), leaves) if back else []
    return [t.detach().numpy() for t in (out, *grads)]


def same(function, *arrays, back=True):
    for ours, theirs in zip(
        *(run(library, function, *arrays, back=back) for library in (rushlight, torch)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-12)


X = np.array([[2.0, 0.0, 3.0], [1.0, -2.0, 0.5]])
SRC = np.array([[4.0, 0.0, -1.0, 3.0], [2.0, 5.0, 0.0, 1.0]])  # zeros alone and in pairs, and a tie with X
INDEX = np.array([[0, 1, 1, 2], [0, 0, 1, 1]])


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce(how, include_self):
    def along_rows(_, x, index, src):
        return x.scatter_reduce(1, index, src, how, include_self=include_self)

    x = X if include_self else X + 0.1  # PyTorch lets a tied value of x take a share though it is left out
    same(along_rows, x, INDEX, SRC)
    same(along_rows, X, INDEX[:1, :2], SRC, back=False)  # an index smaller than src

    def along_columns(_, x, index, src):
        return x.scatter_reduce(0, index[:, :3] % 2, src[:, :3], how, include_self=include_self)

    same(along_columns, x, INDEX, SRC)
    same(lambda _, x, index, src: x.scatter_reduce(0, index, src, how), *map(np.array, (2.0, 0, 3.0)))


def test_what_src_holds_beyond_index_has_no_gradient():
    src = rushlight.tensor(SRC, requires_grad=True)
    rushlight.tensor(X).scatter_reduce(1, rushlight.tensor(INDEX[:1, :2]), src, "prod").sum().backward()
    assert src.grad.tolist() == [[2.0, 0.0, 0.0, 0.0], [0.0] * 4]


@pytest.mark.parametrize("how", HOW)
def test_scatter_reduce_of_integers_in_place(how):
    x, src = (X * 4).astype(np.int64), (SRC * 7).astype(np.int64)
    same(lambda _, x, index, src: x.scatter_reduce_(1, index, src, how, include_self=True), x, INDEX, src, back=False)
    same(lambda _, x, index, src: x.scatter_reduce(1, index, src, how, include_self=False), x, INDEX, src, back=False)


@pytest.mark.parametrize("how", HOW[1:])
@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.filterwarnings("ignore:index_reduce")
def test_index_reduce(how, include_self):
    rows = np.array([0, 1, 0, 0])
    x = X if include_self else X + 0.1
    same(
        lambda _, x, i, s: x.index_reduce(0, i, s, how, include_self=include_self), x, rows, np.tile(SRC[:, :3], (2, 1))
    )
    same(lambda _, x, i, s: x.clone().index_reduce_(1, i[:2], s[:, :2], how, include_self=include_self), x, rows, SRC)


@pytest.mark.parametrize("accumulate", [True, False])
def test_put(accumulate):
    at, values = np.array([[0, 5], [-2, 1]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    same(lambda _, x, i, v: x.put(i, v, accumulate), X, at, values)
    same(lambda _, x, i, v: x.clone().put_(i, v, accumulate), X, at, values)


@pytest.mark.parametrize("how", ["sum", "prod", "mean", "max", "min"])
@pytest.mark.parametrize("initial", [None, 2.0])
def test_segment_reduce(how, initial):
    data = np.random.default_rng(1).normal(size=(5, 2))
    same(
        lambda lib, x, n: lib.segment_reduce(x, how, lengths=n, initial=initial),
        data,
        np.array([2, 0, 3]),
        back=how != "mean",
    )
    same(lambda lib, x, n: lib.segment_reduce(x, how, offsets=n, initial=initial), data, np.array([0, 2, 5]))
    inner = np.array([[1, 1], [2, 0]])
    same(lambda lib, x, n: lib.segment_reduce(x, how, lengths=n, axis=1, unsafe=True, initial=1.0), data[:2], inner)


def test_bad_input():
    x, index, src = rushlight.zeros(3), rushlight.tensor([0]), rushlight.ones(1)
    with pytest.raises(RuntimeError, match="reduce='foo'"):
        x.scatter_reduce(0, index, src, "foo")
    for how in HOW:
        with pytest.raises(RuntimeError, match="out of bounds"):
            x.scatter_reduce(0, index + 5, src, how).tolist()
    with pytest.raises(RuntimeError, match="reduce='sum'"):
        x.index_reduce(0, index, src, "sum")
    with pytest.raises(IndexError, match="source of shape"):
        x.index_reduce(0, index, rushlight.ones(2), "prod")
    with pytest.raises(IndexError, match="same number"):
        x.put(index, rushlight.ones(2))
    with pytest.raises(IndexError, match="out of bounds"):
        x.put(index + 7, src).tolist()
    with pytest.raises(RuntimeError, match="same dtype"):
        x.put(index, src.double())
    with pytest.raises(RuntimeError, match="sum to"):
        rushlight.segment_reduce(x, "sum", lengths=rushlight.tensor([1, 1]))
    with pytest.raises(RuntimeError, match="got neither"):
        rushlight.segment_reduce(x, "sum")
