"""Sparse tensors in `.pth` files, exchanged with PyTorch, and files that lie about places."""

from __future__ import annotations

import io

import numpy as np
import pytest

import rushlight as rl
from tests.sparse.common import described, hybrid, matrix, same, torch
from tests.sparse.test_compressed import csr, square

CODES = {
    "coo": matrix, "coalesced": lambda m: matrix(m).coalesce(), "hybrid": hybrid, "empty": lambda m: m.sparse_coo_tensor((2, 3)),
    "csr": csr, "csc": lambda m: csr(m).to_sparse_csc(), "bsr": lambda m: square(m).to_sparse_bsr((2, 2)),
    "state": lambda m: [{"adjacency": matrix(m)}["adjacency"], m.ones(2)],
}  # fmt: skip


@pytest.mark.parametrize("name", CODES)
@pytest.mark.filterwarnings("ignore")
def test_files_are_exchanged(name):
    for writer, reader in ((rl, rl), (rl, torch), (torch, rl)):
        file = io.BytesIO()
        writer.save(CODES[name](writer), file)
        file.seek(0)
        same(
            described(reader.load(file)),
            described(CODES[name](torch)),
            f"{name}: {writer.__name__} to {reader.__name__}",
        )


def test_a_file_whose_indices_do_not_fit_is_refused():
    for bad in (
        rl.sparse_coo_tensor([[5, 0]], [1.0, 2.0], (2,)),
        rl.sparse_csr_tensor([0, 2], [0, 9], [1.0, 2.0], (1, 2)),
    ):
        file = io.BytesIO()
        rl.save(bad, file)
        file.seek(0)
        with pytest.raises(Exception, match="a sparse tensor that is none"):
            rl.load(file)


def test_copies_by_pickle_keep_what_they_are():
    import pickle

    x = matrix(rl, requires_grad=True)
    again = pickle.loads(pickle.dumps(x))
    assert again.requires_grad and again.is_leaf and not again.is_coalesced()
    np.testing.assert_array_equal(again.detach().to_dense().numpy(), x.detach().to_dense().numpy())
    assert pickle.loads(pickle.dumps(csr(rl))).layout is rl.sparse_csr
    with pytest.raises(RuntimeError, match="graph leaves"):
        pickle.dumps(x * 2)
