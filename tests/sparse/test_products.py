"""Products with sparse matrices, and gradients through sparse tensors, against PyTorch and against dense results."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl
from tests.sparse.common import INDICES, VALUES, agree, dense, described, matrix, run, same, torch

PRODUCTS = {
    "dense": lambda m: [matrix(m) @ dense(m, 3, 2), m.mm(matrix(m), dense(m, 3, 2)), m.sparse.mm(matrix(m), dense(m, 3, 2)), m.spmm(matrix(m), dense(m, 3, 2))],
    "one column": lambda m: [matrix(m) @ dense(m, 3, 1), m.mv(matrix(m), dense(m, 3)), matrix(m) @ dense(m, 3)],
    "no column": lambda m: matrix(m) @ m.ones(3, 0),
    "dense first": lambda m: [dense(m, 4, 2) @ matrix(m), m.nn.Parameter(dense(m, 4, 2)) @ matrix(m), m.matmul(dense(m, 2, 4, 2), matrix(m))],
    "transposed": lambda m: [matrix(m).t() @ dense(m, 2, 5), m.mm(matrix(m).t(), dense(m, 5, 2).t())],
    "addmm": lambda m: [m.addmm(dense(m, 2, 2), matrix(m), dense(m, 3, 2), beta=2, alpha=3), m.sparse.addmm(dense(m, 2, 2), matrix(m), dense(m, 3, 2))],
    "both sparse": lambda m: [m.sparse.mm(matrix(m), matrix(m).t()), matrix(m).t() @ matrix(m)],
    "bmm": lambda m: m.bmm(m.stack([matrix(m), matrix(m) * 2]), dense(m, 2, 3, 4)),
    "older": lambda m: [m.smm(matrix(m), dense(m, 3, 2)), m.hspmm(matrix(m).coalesce(), dense(m, 3, 2)), m.dsmm(matrix(m), dense(m, 3, 2))],
    "linear": lambda m: m.nn.functional.linear(dense(m, 4, 3), matrix(m)),
    "double": lambda m: matrix(m).double() @ dense(m, 3, 2).double(),
    "half": lambda m: (matrix(m).double() @ dense(m, 3, 2).double()).half(),
    "empty": lambda m: m.sparse_coo_tensor((2, 3)) @ dense(m, 3, 2),
    "column-major": lambda m: matrix(m) @ dense(m, 2, 3).t(),
}  # fmt: skip


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name):
    agree(PRODUCTS[name], name)


LOSSES = {
    "mm": lambda m, s: (m.sparse.mm(s, dense(m, 3, 2)) ** 2).sum(),
    "mv": lambda m, s: (s @ dense(m, 3)).sum(),
    "to_dense": lambda m, s: (s.to_dense() ** 2).sum(),
    "t": lambda m, s: (s.t() @ dense(m, 2, 2)).sum(),
    "sum": lambda m, s: m.sparse.sum(s * s),
    "sum 0": lambda m, s: (m.sparse.sum(s, 0).to_dense() ** 2).sum(),
    "values": lambda m, s: (s.coalesce().values() ** 2).sum(),
    "softmax": lambda m, s: (m.sparse.softmax(s, 1).to_dense() ** 2).sum(),
    "log_softmax": lambda m, s: (m.sparse.log_softmax(s, 1).to_dense() ** 2).sum(),
    "add": lambda m, s: ((s + s * 2).to_dense() ** 2).sum(),
    "both sparse": lambda m, s: (m.sparse.mm(s, s.t()).to_dense() ** 2).sum(),
    "times dense": lambda m, s: ((s * dense(m, 2, 3)).to_dense() ** 2).sum(),
    "relu": lambda m, s: (s.relu().to_dense() ** 2).sum(),
    "csr": lambda m, s: (s.to_sparse_csr() @ dense(m, 3, 2)).pow(2).sum(),
}  # fmt: skip


@pytest.mark.parametrize("coalesced", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_values(name, coalesced):
    def code(m):
        values = m.tensor(VALUES, requires_grad=True)
        x = m.sparse_coo_tensor(INDICES, values, (2, 3))
        LOSSES[name](m, x.coalesce() if coalesced else x).backward()
        return values.grad

    agree(code, name)


@pytest.mark.parametrize("coalesced", [False, True])
@pytest.mark.parametrize("name", ["mm", "to_dense", "sum 0", "values", "softmax", "add", "times dense"])
def test_gradients_of_leaves_are_sparse(name, coalesced):
    def code(m):
        x = matrix(m)
        x = (x.coalesce() if coalesced else x).requires_grad_()
        LOSSES[name](m, x).backward()
        found = x.grad.coalesce()
        return [x.is_leaf, x.grad.layout == m.sparse_coo, found.indices(), found.values()]

    agree(code, name)


def test_gradients_of_both_operands_and_of_what_is_not_a_leaf():
    def code(m):
        values, x = m.tensor(VALUES, requires_grad=True), dense(m, 3, 2).requires_grad_()
        sparse = m.sparse_coo_tensor(INDICES, values, (2, 3)) * 2
        product = m.sparse.mm(sparse, x)
        seen = []
        product.register_hook(lambda g: seen.append(g))
        (product**2).sum().backward()
        return [values.grad, x.grad, seen, sparse.is_leaf, sparse.requires_grad]

    agree(code)


def test_detached_and_without_gradients():
    x = matrix(rl, requires_grad=True)
    assert not x.detach().requires_grad and x.detach().grad_fn is None and x.grad_fn is None
    with rl.no_grad():
        assert not (x @ rl.ones(3, 1)).requires_grad
    assert (x * 2).grad_fn.name() == "MulBackward0"
    x.sum().backward()
    x.grad = None
    assert x.grad is None
    values = rl.tensor(VALUES, dtype=rl.float64, requires_grad=True)
    assert rl.autograd.gradcheck(
        lambda v: rl.sparse.softmax(rl.sparse_coo_tensor(INDICES, v, (2, 3)), 1).to_dense(), (values,)
    )


@pytest.mark.parametrize("width", [1, 3, 64, 70])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_a_large_matrix_against_numpy(width, kind):
    rng = np.random.RandomState(0)
    rows, columns, count = 301, 170, 4000
    indices = np.stack([rng.randint(0, rows - 20, count), rng.randint(0, columns, count)])
    values, x = rng.randn(count).astype(kind), rng.randn(columns, width).astype(kind)
    whole = np.zeros((rows, columns), np.float64)
    np.add.at(whole, tuple(indices), values)
    a = rl.sparse_coo_tensor(rl.tensor(indices), rl.tensor(values), (rows, columns))
    dense_x = rl.tensor(x, requires_grad=True)
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if kind == "float32" else {"rtol": 1e-10, "atol": 1e-10}
    g = rng.randn(rows, width)
    for matrix_ in (a, a.coalesce(), a.coalesce().to_sparse_csr(), a.to_sparse_csc()):
        dense_x.grad = None
        found = matrix_ @ dense_x
        found.backward(rl.tensor(g.astype(kind)))
        np.testing.assert_allclose(found.detach().numpy(), whole @ x, **tolerance)
        np.testing.assert_allclose(dense_x.grad.numpy(), whole.T @ g, **tolerance)
    y = rng.randn(width, rows).astype(kind)
    np.testing.assert_allclose((rl.tensor(y) @ a).numpy(), y @ whole, **tolerance)


def test_the_structure_is_found_once():
    a = matrix(rl)
    assert a.by_row() is a.by_row() and (a * 2).by_row() is a.by_row()
    assert a.t().by_row()[:3] == a.by_row()[3:]
    expanded = rl.sparse_coo_tensor([[0, 1], [1, 0]], rl.tensor(2.0).expand(2), (2, 2))
    np.testing.assert_array_equal((expanded @ rl.eye(2)).numpy(), [[0, 2], [2, 0]])


def test_functions_before_and_after_the_first_sparse_tensor_are_the_same_objects():
    assert rl.mm is rl.mm and rl.mm(rl.eye(2), rl.ones(2, 2)).sum().item() == 4
    same(
        described(run(lambda m: m.add(m.ones(2), 1, alpha=2), rl)),
        described(run(lambda m: m.add(m.ones(2), 1, alpha=2), torch)),
        "add",
    )


def test_autograd_grad_of_sparse_tensors():
    def code(m):
        x, d = matrix(m).coalesce().requires_grad_(), dense(m, 3, 2).requires_grad_()
        found = m.autograd.grad((m.sparse.mm(x, d) ** 2).sum(), [x, d])
        return [found[0].coalesce(), found[1]]

    agree(code)
