"""`torch.masked`: reductions and normalisations over the elements that a mask keeps.

`mask` is a boolean tensor that broadcasts to the input: True keeps an element. Where nothing is kept, a reduction gives
its neutral element (0 for sum, 1 for prod, -inf for amax, ...), and nan where there is none, as for mean.

>>> import rushlight as torch
>>> x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
>>> mask = torch.tensor([[True, False, True], [False, False, False]])
>>> torch.masked.sum(x, 1, mask=mask), torch.masked.mean(x, 1, mask=mask)
(tensor([4., 0.]), tensor([2., nan]))
"""

from rushlight.masked.filling import _input_mask, _output_mask  # noqa: F401  as PyTorch's tests have them
from rushlight.masked.normalizing import log_softmax, normalize, softmax, softmin
from rushlight.masked.reducing import (
    amax,
    amin,
    argmax,
    argmin,
    logaddexp,
    logsumexp,
    mean,
    median,
    norm,
    prod,
    std,
    sum,
    var,
)  # fmt: skip
from rushlight.masked.running import cumprod, cumsum

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median",
    "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip
