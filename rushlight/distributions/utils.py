"""What the families share: broadcasting of parameters, probabilities and logits, properties computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as torch
from rushlight.errors import explain_error

euler_constant = 0.57721566490153286060

__all__ = [
    "broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits", "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]  # fmt: skip


def broadcast_all(*values: Any) -> tuple[Any, ...]:
    """Numbers and tensors as tensors of one shape; numbers take the dtype of the first tensor.

    >>> broadcast_all(1.0, torch.tensor([2.0, 3.0]))
    (tensor([1., 1.]), tensor([2., 3.]))
    """
    for value in values:
        if not isinstance(value, (torch.Tensor, int, float, bool)):
            got = f"a {type(value).__name__}"
            raise ValueError(
                explain_error("broadcast_all", got=got, expected="numbers or tensors", fix="torch.as_tensor(...)")
            )
    tensors = [v for v in values if isinstance(v, torch.Tensor)]
    dtype = tensors[0].dtype if tensors else torch.get_default_dtype()
    values = tuple(v if isinstance(v, torch.Tensor) else torch.tensor(v, dtype=dtype) for v in values)
    return tuple(torch.broadcast_tensors(*values))


def number_like(value: Any, like: Any) -> Any:
    """A number as a tensor beside `like`; a tensor as it is."""
    return value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=like.dtype)


def _standard_normal(shape: Any, dtype: Any, device: Any = None) -> Any:
    return torch.empty(tuple(shape), dtype=dtype, device=device).normal_()


def _sum_rightmost(value: Any, dim: int) -> Any:
    """The sum over the last `dim` dimensions."""
    return value if dim == 0 else value.flatten(value.dim() - dim).sum(-1)


def clamp_probs(probs: Any) -> Any:
    """Probabilities kept away from 0 and 1 by the dtype's epsilon."""
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """sigmoid of binary logits; softmax over the last dimension otherwise."""
    return torch.sigmoid(logits) if is_binary else torch.nn.functional.softmax(logits, dim=-1)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """log(p / (1 - p)) of binary probabilities; log(p) otherwise."""
    p = clamp_probs(probs)
    return torch.log(p) - torch.log1p(-p) if is_binary else torch.log(p)


def one_of(name: str, error: type[Exception] = ValueError, /, **given: Any) -> str:
    """The name of the one argument that is not None; an error unless there is exactly one."""
    found = [key for key, value in given.items() if value is not None]
    if len(found) != 1:
        got = " and ".join(found) or "none of them"
        raise error(explain_error(name, got=got, expected=f"exactly one of {', '.join(given)}", fix="pass one"))
    return found[0]


class lazy_property:
    """A property that is computed on first use and kept in the instance. On the class it is itself."""

    def __init__(self, wrapped: Callable[[Any], Any]):
        self.wrapped = wrapped
        self.__doc__, self.__name__ = wrapped.__doc__, wrapped.__name__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with torch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.__name__, value)
        return value


def tril_matrix_to_vec(mat: Any, diag: int = 0) -> Any:
    """The entries of (..., n, n) on and below diagonal `diag`, row by row, as (..., k)."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(explain_error("tril_matrix_to_vec", got=f"diag={diag}", expected=f"-{n} <= diag < {n}"))
    rows, columns = torch.tril_indices(n, n, offset=diag)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: Any, diag: int = 0) -> Any:
    """The lower triangular matrix (..., n, n) whose entries on and below diagonal `diag` are (..., k), row by row."""
    length, n = vec.shape[-1], 1

    def entries(n: int) -> int:
        """How many there are on and below the diagonal of an n x n matrix."""
        return sum(max(0, min(n, row + diag + 1)) for row in range(n))

    while entries(n) < length:
        n += 1
    if entries(n) != length:
        got = f"{length} entries"
        raise ValueError(
            explain_error("vec_to_tril_matrix", got=got, expected=f"{entries(n - 1)} or {entries(n)}, as a matrix has")
        )
    rows, columns = torch.tril_indices(n, n, offset=diag)
    # Position n * row + column of the matrix takes entry k, any other the zero that is put behind the entries.
    place = [length] * (n * n)
    for k, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        place[n * row + column] = k
    padded = torch.nn.functional.pad(vec, (0, 1))
    return padded[..., torch.tensor(place, dtype=torch.int64)].reshape(*vec.shape[:-1], n, n)


class BinaryOrLogits:
    """`probs` and `logits` of which one is given (`_given`), and the other one computed when asked for."""

    _binary = True
    _given: str

    def _take(self, probs: Any, logits: Any) -> Any:
        """Which one is given; that tensor."""
        self._given = one_of(type(self).__name__, probs=probs, logits=logits)
        return probs if probs is not None else logits

    @lazy_property
    def logits(self) -> Any:
        """log(p / (1 - p)), or log(p) of classes."""
        return probs_to_logits(self.probs, is_binary=self._binary)

    @lazy_property
    def probs(self) -> Any:
        """The probabilities."""
        return logits_to_probs(self.logits, is_binary=self._binary)

    @property
    def _param(self) -> Any:
        return getattr(self, self._given)

    @property
    def param_shape(self) -> Any:
        """The shape of the given one."""
        return self._param.size()
