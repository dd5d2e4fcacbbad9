"""CSR, CSC, BSR and BSC against PyTorch."""

from __future__ import annotations

import pytest

import rushlight as rl
from tests.sparse.common import agree, dense, print_alike


def csr(m, **options):
    return m.sparse_csr_tensor(m.tensor([0, 1, 3]), m.tensor([2, 0, 2]), m.tensor([3.0, 4.0, 5.0]), (2, 3), **options)


def square(m):
    return m.arange(16.0).reshape(4, 4)


CODES = {
    "made": csr,
    "of lists": lambda m: m.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0]),
    "int32": lambda m: m.sparse_csr_tensor(m.tensor([0, 1, 3], dtype=m.int32), m.tensor([2, 0, 2], dtype=m.int32), m.ones(3)).crow_indices(),
    "by layout": lambda m: m.sparse_compressed_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0], (3, 2), layout=m.sparse_csc),
    "csc": lambda m: m.sparse_csc_tensor([0, 1, 1, 3], [1, 0, 1], [4.0, 3.0, 5.0], (2, 3)).to_dense(),
    "facts": lambda m: [csr(m)._nnz(), csr(m).sparse_dim(), csr(m).dense_dim(), csr(m).is_sparse, csr(m).is_sparse_csr, csr(m).numel()],
    "parts": lambda m: [csr(m).crow_indices(), csr(m).col_indices(), csr(m).values()],
    "zeros": lambda m: m.zeros(2, 3, layout=m.sparse_csr),
    "to others": lambda m: [csr(m).to_dense(), csr(m).to_sparse(), csr(m).to_sparse_csc(), csr(m).to_sparse_coo(), csr(m).to_sparse_csc().to_sparse_csr()],
    "of dense": lambda m: [dense(m, 2, 3).to_sparse_csr(), dense(m, 2, 3).to_sparse_csc(), m.eye(3).to_sparse(layout=m.sparse_csr)],
    "blocks": lambda m: [square(m).to_sparse_bsr((2, 2)), square(m).to_sparse_bsc((2, 2)), m.eye(4).to_sparse_bsr((2, 1)).to_dense()],
    "made of blocks": lambda m: m.sparse_bsr_tensor([0, 1, 2], [1, 0], m.arange(8.0).reshape(2, 2, 2), (4, 4)).to_dense(),
    "batches": lambda m: m.sparse_csr_tensor([[0, 1, 2], [0, 1, 2]], [[0, 1], [1, 0]], [[1.0, 2.0], [3.0, 4.0]], (2, 2, 2)).to_dense(),
    "products": lambda m: [csr(m) @ dense(m, 3, 2), csr(m) @ dense(m, 3), dense(m, 4, 2) @ csr(m), m.sparse.mm(csr(m), dense(m, 3, 2))],
    "addmm": lambda m: m.addmm(dense(m, 2, 2), csr(m), dense(m, 3, 2), beta=2),
    "other layouts": lambda m: [csr(m).to_sparse_csc() @ dense(m, 3, 2), square(m).to_sparse_bsr((2, 2)) @ dense(m, 4, 2)],
    "both": lambda m: (csr(m) @ csr(m).t().to_sparse_csr()).to_dense(),
    "elementwise": lambda m: [csr(m) * 2, csr(m) * csr(m), csr(m) + csr(m), -csr(m), csr(m).relu(), csr(m).sqrt(), csr(m).double()],
    "transposed": lambda m: [csr(m).t(), csr(m).transpose(0, 1)],
    "sums": lambda m: csr(m).sum(),
    "masked": lambda m: dense(m, 2, 3).sparse_mask(csr(m)),
    "row": lambda m: csr(m)[0],
    "sampled": lambda m: m.sparse.sampled_addmm(csr(m), m.ones(2, 4), dense(m, 4, 3), beta=2.0, alpha=3.0),
    "in place": lambda m: csr(m).mul_(2),
    "gradients": lambda m: _gradients(m),
    "too many pointers": lambda m: m.sparse_csr_tensor([0, 1], [0], [1.0], (2, 2), check_invariants=True),
    "falling pointers": lambda m: m.sparse_csr_tensor([0, 2, 1], [0, 1], [1.0, 2.0], (2, 2), check_invariants=True),
    "column outside": lambda m: m.sparse_csr_tensor([0, 1, 2], [0, 7], [1.0, 2.0], (2, 2), check_invariants=True),
    "columns out of order": lambda m: m.sparse_csr_tensor([0, 2, 2], [1, 0], [1.0, 2.0], (2, 2), check_invariants=True),
    "indices": lambda m: csr(m).indices(),
    "csc of csr": lambda m: csr(m).ccol_indices(),
    "of a dense one": lambda m: m.ones(2, 2).crow_indices(),
    "no layout": lambda m: m.sparse_compressed_tensor([0, 1], [0], [1.0], (1, 1)),
    "blocks that do not fit": lambda m: square(m).to_sparse_bsr((3, 2)),
}  # fmt: skip


def _gradients(m):
    values = m.tensor([3.0, 4.0, 5.0], requires_grad=True)
    x = dense(m, 3, 2).requires_grad_()
    ((m.sparse_csr_tensor([0, 1, 3], [2, 0, 2], values, (2, 3)) @ x) ** 2).sum().backward()
    return [values.grad, x.grad]


@pytest.mark.parametrize("name", CODES)
def test_as_pytorch(name):
    agree(CODES[name], name)


def test_printing():
    for code in (
        csr,
        lambda m: csr(m).double(),
        lambda m: csr(m).t(),
        lambda m: square(m).to_sparse_bsr((2, 2)),
        lambda m: csr(m, requires_grad=True),
    ):
        print_alike(code)


def test_what_is_not_here_says_so():
    batch = rl.sparse_csr_tensor([[0, 1, 2], [0, 1, 2]], [[0, 1], [1, 0]], [[1.0, 2.0], [3.0, 4.0]], (2, 2, 2))
    with pytest.raises(NotImplementedError, match=r"layout torch.sparse_csr.*to_dense"):
        batch @ rl.ones(2, 2)
    with pytest.raises(NotImplementedError, match=r"cat: got a tensor of layout torch.sparse_csr"):
        rl.cat([csr(rl), csr(rl)])
    with pytest.raises(NotImplementedError, match="matrix"):
        rl.ones(2, 2, 2).to_sparse_csr()
