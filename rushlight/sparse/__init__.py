"""`torch.sparse`: tensors that hold the values of some places, and functions of them.

>>> import rushlight as torch
>>> adjacency = torch.sparse_coo_tensor([[0, 1, 1], [1, 0, 1]], [1.0, 1.0, 1.0], (2, 2))
>>> torch.sparse.mm(adjacency, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
tensor([[3., 4.],
        [4., 6.]])
"""

from __future__ import annotations

from rushlight.sparse import convert as _convert  # noqa: F401
from rushlight.sparse import elementwise as _elementwise  # noqa: F401
from rushlight.sparse import methods as _methods
from rushlight.sparse.create import check_sparse_tensor_invariants
from rushlight.sparse.diagonals import spdiags
from rushlight.sparse.methods import FUNCTIONS as _functions
from rushlight.sparse.types import (
    BFloat16Tensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
)  # fmt: skip

mm, addmm, sampled_addmm, sum, softmax, log_softmax = (
    _functions[name] for name in ("mm", "addmm", "sampled_addmm", "sum", "softmax", "log_softmax")
)
_methods.attach()

__all__ = [
    "BFloat16Tensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor",
    "ShortTensor", "addmm", "check_sparse_tensor_invariants", "log_softmax", "mm", "sampled_addmm", "softmax", "spdiags", "sum",
]  # fmt: skip
