"""Tensors of layout sparse_coo against PyTorch: creation, parts, conversions, what is computed element by element, shapes."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import rushlight as rl
from tests.sparse.common import INDICES, VALUES, agree, dense, hybrid, matrix, print_alike

CREATED = {
    "sizes inferred": lambda m: m.sparse_coo_tensor(INDICES, VALUES),
    "size alone": lambda m: m.sparse_coo_tensor((2, 3)),
    "dtype": lambda m: m.sparse_coo_tensor(INDICES, [1, 2, 3, 4], (2, 3), dtype=m.float64),
    "ints": lambda m: m.sparse_coo_tensor(INDICES, [1, 2, 3, 4], (2, 3)).coalesce(),
    "bools": lambda m: m.sparse_coo_tensor([[0, 0]], [True, False], (2,)).coalesce(),
    "complex": lambda m: m.sparse_coo_tensor([[0, 0]], [1 + 2j, 2j], (2,)).coalesce(),
    "half": lambda m: m.sparse_coo_tensor([[0, 0]], [1.5, 2.0], (2,), dtype=m.float16).to_dense(),
    "hybrid": hybrid,
    "nothing": lambda m: m.sparse_coo_tensor(m.empty(2, 0), m.empty(0), (2, 2)),
    "checked": lambda m: matrix(m, check_invariants=True),
    "declared": lambda m: m.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (2,), is_coalesced=True),
    "old type": lambda m: m.sparse.FloatTensor(m.tensor([[0, 1]]), m.ones(2), m.Size([3])),
    "old sizes": lambda m: m.sparse.DoubleTensor(2, 3),
    "zeros": lambda m: m.zeros(2, 3, layout=m.sparse_coo),
    "like": lambda m: [m.zeros_like(matrix(m)), m.empty_like(matrix(m)).shape, m.zeros_like(matrix(m), layout=m.strided)],
    "new": lambda m: matrix(m).new_zeros(2, 2),
    "of dense": lambda m: m.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse(),
    "of dense rows": lambda m: m.tensor([[0.0, 0.0], [3.0, 0.0]]).to_sparse(1),
    "of a number": lambda m: m.tensor(3.0).to_sparse(),
    "diagonals": lambda m: m.sparse.spdiags(m.arange(9.0).reshape(3, 3), m.tensor([0, -1, 2]), (3, 4)),
}  # fmt: skip
FACTS = {
    "dims": lambda m: [x.sparse_dim() for x in (matrix(m), hybrid(m))] + [x.dense_dim() for x in (matrix(m), hybrid(m), m.ones(2))],
    "flags": lambda m: [matrix(m).is_sparse, matrix(m).is_sparse_csr, m.ones(1).is_sparse, m.is_tensor(matrix(m))],
    "sizes": lambda m: [matrix(m)._nnz(), matrix(m).numel(), len(matrix(m)), matrix(m).stride(), matrix(m).is_contiguous()],
    "type": lambda m: [matrix(m).type(), isinstance(matrix(m), m.sparse.FloatTensor), isinstance(matrix(m), m.FloatTensor)],
    "parts": lambda m: [matrix(m)._indices(), matrix(m)._values(), matrix(m).coalesce().indices(), hybrid(m).coalesce().values()],
    "coalesced": lambda m: [matrix(m).is_coalesced(), matrix(m).coalesce(), hybrid(m).coalesce()],
    "dense": lambda m: [matrix(m).to_dense(), hybrid(m).to_dense(), m.ones(2).to_dense()],
    "kinds": lambda m: [matrix(m).double(), matrix(m).to(m.float16), matrix(m).long(), matrix(m).cpu()],
    "copies": lambda m: [copy.deepcopy(matrix(m)), matrix(m).clone(), matrix(m).detach(), pickle.loads(pickle.dumps(matrix(m)))],
    "text": lambda m: f"{matrix(m)}",
    "rows": lambda m: [row for row in matrix(m)],
}  # fmt: skip
KEEP_ZERO = "abs neg sin sinh tan tanh atan asinh ceil floor round sign sgn trunc expm1 log1p isnan isinf square erf frac".split()


def _method(name):
    return lambda m: [getattr(m, name)(matrix(m)), getattr(hybrid(m), name)()]


def _of_a_leaf(name):
    return lambda m: getattr(matrix(m, requires_grad=True), name)()


ELEMENTWISE = {
    **{name: _method(name) for name in KEEP_ZERO},
    "relu": lambda m: [m.relu(matrix(m)), m.nn.functional.relu(matrix(m))],
    "sqrt": lambda m: m.sqrt(matrix(m).abs()),
    "numbers": lambda m: [matrix(m) * 2, 2 * matrix(m), matrix(m) / 2, matrix(m) * m.tensor(3.0), -matrix(m), matrix(m) // 2, matrix(m) ** 2],
    "rounding": lambda m: [m.div(matrix(m), 2, rounding_mode="floor"), matrix(m).div(2, rounding_mode="trunc")],
    "sum of two": lambda m: [matrix(m).coalesce() + matrix(m).t().t().coalesce(), (matrix(m) + matrix(m).coalesce() * 2).to_dense()],
    "other places": lambda m: matrix(m).coalesce() + m.eye(2, 3).to_sparse(),
    "differences": lambda m: [matrix(m).coalesce() - m.eye(2, 3).to_sparse() * 3, m.sub(matrix(m).coalesce(), matrix(m).coalesce(), alpha=2)],
    "dense first": lambda m: [m.ones(2, 3) + matrix(m), m.ones(2, 3) - matrix(m), m.add(m.ones(2, 3), matrix(m), alpha=2)],
    "in place": lambda m: [m.ones(2, 3).add_(matrix(m), alpha=2), m.ones(2, 3).sub_(matrix(m))],
    "products": lambda m: [(matrix(m) * matrix(m)).to_dense(), (matrix(m) * m.eye(2, 3).to_sparse()).to_dense(), matrix(m) * dense(m, 2, 3), dense(m, 2, 3) * matrix(m)],
    "broadcast": lambda m: [matrix(m) * dense(m, 3), matrix(m) * dense(m, 2, 1)],
    "promoted": lambda m: [matrix(m).long() * 2.5, matrix(m).double() + matrix(m)],
    "hybrids": lambda m: [hybrid(m) * 2, (hybrid(m).coalesce() + hybrid(m).coalesce()), hybrid(m) * dense(m, 4, 2)],
}  # fmt: skip
SHAPES = {
    "transposed": lambda m: [matrix(m).t(), matrix(m).T, matrix(m).mT, matrix(m).transpose(0, 1), matrix(m).permute(1, 0)],
    "picked": lambda m: [matrix(m)[0], matrix(m)[1, 2], matrix(m)[:, 2], matrix(m).select(1, -1), hybrid(m)[2], hybrid(m).select(1, 0)],
    "index_select": lambda m: [matrix(m).coalesce().index_select(0, m.tensor([1, 1])), matrix(m).coalesce().index_select(1, m.tensor([2, 0, 2]))],
    "unsqueezed": lambda m: [matrix(m).unsqueeze(0), matrix(m).unsqueeze(-1), hybrid(m).unsqueeze(1)],
    "joined": lambda m: [m.cat([matrix(m), matrix(m)]), m.cat([matrix(m), matrix(m)], 1), m.cat([hybrid(m)] * 2, 1), m.stack([matrix(m)] * 2, 1)],
    "narrow_copy": lambda m: m.narrow_copy(matrix(m), 1, 1, 2).to_dense(),
    "sums": lambda m: [matrix(m).sum(), matrix(m).sum(0), matrix(m).sum(1, keepdim=True), m.sparse.sum(matrix(m)), m.sparse.sum(matrix(m), (0, 1))],
    "hybrid sums": lambda m: [m.sparse.sum(hybrid(m), 0), m.sparse.sum(hybrid(m), 1), m.sparse.sum(hybrid(m), dtype=m.float64)],
    "softmax": lambda m: [m.sparse.softmax(matrix(m), 1), m.sparse.log_softmax(matrix(m), 0), m.sparse.softmax(hybrid(m), 0), m.sparse.softmax(hybrid(m), 1)],
    "norm": lambda m: [matrix(m).norm(), m.norm(hybrid(m)), matrix(m).any()],
    "masks": lambda m: [dense(m, 2, 3).sparse_mask(matrix(m).coalesce()), matrix(m).sparse_mask(m.eye(2, 3).to_sparse())],
}  # fmt: skip


def _changed(m, change):
    x = matrix(m)
    change(x)
    return x


IN_PLACE = {
    "mul_": lambda m: _changed(m, lambda x: x.mul_(2)), "*=": lambda m: _changed(m, lambda x: x.__imul__(3)),
    "div_": lambda m: _changed(m, lambda x: x.div_(4)), "neg_": lambda m: _changed(m, lambda x: x.neg_()),
    "zero_": lambda m: _changed(m, lambda x: x.zero_()), "copy_": lambda m: _changed(m, lambda x: x.copy_(matrix(m) * 2)),
    "abs_": lambda m: matrix(m).coalesce().abs_(), "version": lambda m: matrix(m).mul_(2)._version,
    "resize": lambda m: _changed(m, lambda x: x.sparse_resize_((4, 5), 2, 0)),
    "clear": lambda m: _changed(m, lambda x: x.sparse_resize_and_clear_((4, 5), 2, 0)),
}  # fmt: skip


@pytest.mark.parametrize(
    "group",
    [CREATED, FACTS, ELEMENTWISE, SHAPES, IN_PLACE],
    ids=["created", "facts", "elementwise", "shapes", "in_place"],
)
def test_as_pytorch(group):
    for name, code in group.items():
        agree(code, name)


def test_printing():
    for name, code in CREATED.items():
        if name != "like":
            print_alike(code, name)
    for name, code in {
        "leaf": lambda m: matrix(m, requires_grad=True), "double": lambda m: matrix(m).double(),
        "long": lambda m: m.sparse_coo_tensor(m.arange(20).reshape(1, 20), m.arange(20.0) / 7, (30,)),
        **{name: _of_a_leaf(name) for name in ("coalesce", "clone", "t", "neg", "double", "detach")},
        "made of values": lambda m: m.sparse_coo_tensor(INDICES, m.tensor(VALUES, requires_grad=True), (2, 3)),
        "sum": lambda m: matrix(m, requires_grad=True).sum(0),
    }.items():  # fmt: skip
        print_alike(code, name)


def test_it_is_a_tensor():
    x = matrix(rl)
    assert isinstance(x, rl.Tensor) and x.layout is rl.sparse_coo and x.shape == (2, 3) and x.dtype is rl.float32
    module = rl.nn.Module()
    module.register_buffer("adjacency", x)
    assert module.to("cpu").adjacency is x and list(module.state_dict()) == ["adjacency"]
    assert {x: 1}[x] == 1


def test_values_are_shared_with_what_they_were_made_of():
    values = rl.tensor(VALUES)
    x = rl.sparse_coo_tensor(INDICES, values, (2, 3))
    values.mul_(2)
    np.testing.assert_array_equal(x.to_dense().numpy(), [[0, 0, 7], [-8, 0, 10]])
    x._values().zero_()
    assert x.to_dense().abs().sum().item() == 0


MISTAKES = {
    "nnz": lambda m: m.sparse_coo_tensor(INDICES, [1.0], (2, 3)),
    "dims": lambda m: m.sparse_coo_tensor(INDICES, VALUES, (2, 3, 4)),
    "vector": lambda m: m.sparse_coo_tensor(m.tensor([0, 1, 1, 0]), m.tensor(VALUES), (2, 3)),
    "outside": lambda m: m.sparse_coo_tensor(INDICES, VALUES, (2, 2), check_invariants=True),
    "negative": lambda m: m.sparse_coo_tensor([[-1]], [1.0], (2,), check_invariants=True),
    "not coalesced": lambda m: m.sparse_coo_tensor([[1, 0]], [1.0, 2.0], (2,), is_coalesced=True, check_invariants=True),
    "indices": lambda m: matrix(m).indices(),
    "values": lambda m: matrix(m).values(),
    "of dense": lambda m: m.ones(2).coalesce(),
    "sparse + dense": lambda m: matrix(m) + m.ones(2, 3),
    "sparse + number": lambda m: matrix(m) + 1,
    "sizes": lambda m: matrix(m) + matrix(m).t(),
    "quotient": lambda m: matrix(m) / m.ones(2, 3),
    "numpy": lambda m: matrix(m).numpy(),
    "tolist": lambda m: matrix(m).tolist(),
    "item": lambda m: matrix(m).item(),
    "truth": lambda m: bool(matrix(m)),
    "nbytes": lambda m: matrix(m).nbytes,
    "storage": lambda m: matrix(m).untyped_storage(),
    "exp": lambda m: m.exp(matrix(m)),
    "sigmoid": lambda m: matrix(m).sigmoid(),
    "softmax": lambda m: m.softmax(matrix(m), 1),
    "equal": lambda m: matrix(m) == matrix(m),
    "greater": lambda m: matrix(m) > 0,
    "slice": lambda m: matrix(m)[0:1],
    "narrow": lambda m: matrix(m).narrow(1, 0, 2),
    "mean": lambda m: matrix(m).mean(),
    "ones_like": lambda m: m.ones_like(matrix(m)),
    "rand_like": lambda m: m.rand_like(matrix(m)),
    "index": lambda m: matrix(m).select(0, 2),
    "leaf": lambda m: matrix(m, requires_grad=True).mul_(2),
    "mm": lambda m: matrix(m) @ m.ones(2, 2),
    "mm dtype": lambda m: m.sparse.mm(matrix(m), m.ones(3, 2, dtype=m.float64)),
    "mask": lambda m: m.ones(3, 3).sparse_mask(matrix(m)),
}  # fmt: skip


def test_mistakes_are_refused_as_pytorch_refuses_them():
    for name, code in MISTAKES.items():
        agree(code, name)


def test_messages_name_operation_layout_and_fix():
    for name, code in {"exp": rl.exp, "cumsum": lambda x: x.cumsum(0), "view": lambda x: x.view(6)}.items():
        with pytest.raises(
            NotImplementedError, match=rf"{name}: got a tensor of layout torch.sparse_coo.*Fix: .*to_dense"
        ):
            code(matrix(rl))
    with pytest.raises(NotImplementedError, match=r"maximum: got a tensor of layout torch.sparse_coo"):
        rl.maximum(rl.ones(2, 3), matrix(rl))
    with pytest.raises(RuntimeError, match=r"index 7 in dimension 0 of size 2"):
        rl.sparse_coo_tensor([[7, 0]], [1.0, 2.0], (2,)).coalesce()
    with pytest.raises(IndexError):
        rl.sparse_coo_tensor([[7]], [1.0], (2,)).to_dense().sum().item()


def test_checks_can_be_switched_on():
    check = rl.sparse.check_sparse_tensor_invariants
    assert not check.is_enabled()
    with check(), pytest.raises(RuntimeError, match="index 5"):
        rl.sparse_coo_tensor([[5]], [1.0], (2,))
    with check(), check(False):
        rl.sparse_coo_tensor([[5]], [1.0], (2,))

    @check()
    def make():
        return check.is_enabled()

    assert make() and not check.is_enabled()
    check.enable()
    assert check.is_enabled()
    check.disable()
