"""Tensors of layout `torch.sparse_coo`: a column of indices for each value, or for each block of values (hybrid tensors)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS
from rushlight.ir.op import TABLE
from rushlight.layout import LAYOUTS
from rushlight.lazy.record import record
from rushlight.sparse import structure
from rushlight.sparse.tensor import SparseTensor


class CooTensor(SparseTensor):
    """`indices` of shape (sparse_dim, nnz) and `values` of shape (nnz, *dense sizes); values of equal places add up.

    >>> import rushlight as torch
    >>> a = torch.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3))
    >>> a.to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 0.]])
    """

    layout = LAYOUTS["sparse_coo"]
    _indices_part: Any
    _coalesced = False
    _in_range = False  # the indices are known to fit: they were used before
    _grouped: tuple[Any, Any, np.ndarray] | None = None  # `groups()`, once it was asked for
    _rows: list[Any] | None = None  # `rows()`, likewise
    _by_row: tuple | None = None  # `by_row()`, likewise
    _transposed: CooTensor | None = None  # the matrix that this one is the transposed of

    # --- parts ----------------------------------------------------------------------------------------------------

    def _with_values(self, values: Any, made_by: str | None = None) -> Any:
        made = coo(self._indices_part, values, self._meta.shape, self._coalesced, made_by)
        made._in_range = self._in_range
        made._grouped, made._rows, made._by_row = self._grouped, self._rows, self._by_row
        return made

    def _as_gradient(self, values: Any) -> Any:
        """Values of one place have one gradient."""
        if self._coalesced:
            return self._with_values(values)
        indices, _, first = self.groups()
        return coo(indices, values.index_select(0, structure.tensor_of(first)), self._meta.shape, True)

    def rows(self) -> list[Any]:
        """The indices of each sparse dimension, as tensors of their own."""
        if self._rows is None:
            self._rows = list(self._indices_part.unbind(0))
        return self._rows

    def groups(self) -> tuple[Any, Any, np.ndarray]:
        """The places in order, without repeats; for each value the number of its place; and the first value of each place."""
        if self._grouped is None:
            sizes = self._meta.shape[: self.sparse_dim()]
            numbers = structure.keys("coalesce", structure.host(self._indices_part), sizes)
            unique, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
            self._grouped = (
                structure.tensor_of(structure.places(unique, sizes)),
                structure.tensor_of(inverse.ravel()),
                first,
            )
        return self._grouped

    def by_row(self) -> tuple:
        """A matrix's structure by rows, then by columns: pointers, the values in that order, and the other index of each."""
        if self._by_row is None and self._transposed is not None:
            parts = self._transposed.by_row()
            self._by_row = (*parts[3:], *parts[:3])
        if self._by_row is None:
            indices = structure.host(self._indices_part)
            structure.keys("mm", indices, self._meta.shape)
            found: list[Any] = []
            for d in (0, 1):
                order = np.argsort(indices[d], kind="stable")
                found += [structure.compress(indices[d], self._meta.shape[d]), order, indices[1 - d][order]]
            self._by_row = tuple(structure.tensor_of(part) for part in found)
        return self._by_row

    def sparse_dim(self) -> int:
        """How many dimensions have indices."""
        return self._indices_part.shape[0]

    def dense_dim(self) -> int:
        """How many dimensions each value has."""
        return self._values_part.ndim - 1

    def _nnz(self) -> int:
        """How many places have values, repeats counted."""
        return self._indices_part.shape[1]

    def _indices(self) -> Any:
        """The indices, whether coalesced or not."""
        return self._indices_part

    def _values(self) -> Any:
        """The values without history, whether coalesced or not."""
        return self._values_part.detach()

    def indices(self) -> Any:
        """The indices, of a coalesced tensor."""
        self._check_coalesced("indices")
        return self._indices_part

    def values(self) -> Any:
        """The values, of a coalesced tensor; gradients flow through."""
        self._check_coalesced("values")
        return record(TABLE["alias"], (self._values_part,), ()) if self.requires_grad else self._values_part.detach()

    def _check_coalesced(self, name: str) -> None:
        if not self._coalesced:
            raise RuntimeError(
                explain_error(
                    name, got="an uncoalesced tensor, where a place may occur more than once", expected="a coalesced one",
                    fix=f".coalesce().{name}(), or ._{name}() as they are",
                )
            )  # fmt: skip

    def is_coalesced(self) -> bool:
        """Whether the indices are known to be in order and without repeats."""
        return self._coalesced

    def _coalesced_(self, coalesced: bool) -> Any:
        """Declare the tensor coalesced, or not, in place."""
        self._coalesced = coalesced
        return self

    def coalesce(self) -> Any:
        """The same tensor with its indices in order, and the values of equal places added up.

        >>> import rushlight as torch
        >>> torch.sparse_coo_tensor([[2, 0, 2]], [1.0, 2.0, 3.0], (3,)).coalesce().values()
        tensor([2., 4.])
        """
        if self._coalesced:
            return self
        indices, inverse, _ = self.groups()
        return coo(
            indices, added_up(self._values_part, inverse, indices.shape[1]), self._meta.shape, True, "CoalesceBackward0"
        )

    def __reduce_ex__(self, protocol: Any) -> tuple:
        if not self.is_leaf:
            raise RuntimeError("only graph leaves can be pickled. Fix: pickle tensor.detach().")
        parts = (self._indices_part, self._values(), tuple(self._meta.shape), self._coalesced, self.requires_grad)
        return _unpickle, parts

    # --- to other layouts -----------------------------------------------------------------------------------------

    def to_dense(self, dtype: Any = None, *, masked_grad: bool | None = None) -> Any:
        """The values at their places, zeros elsewhere."""
        values = self._values_part if dtype is None else self._values_part.to(dtype)
        if not self.sparse_dim():
            return values.sum(0)
        zeros = FUNCTIONS["zeros"](self._meta.shape, dtype=values.dtype)
        return (
            zeros.index_put(tuple(self.rows()), values, not self._coalesced)
            if self._nnz()
            else zeros + values.sum() * 0
        )

    def to_sparse(self, *args: Any, **kwargs: Any) -> Any:
        """The tensor in a sparse layout; itself without arguments, or with as many sparse dimensions as it has."""
        from rushlight.sparse.convert import to_sparse

        return to_sparse(self, *args, **kwargs)


def coo(indices: Any, values: Any, shape: Sequence[int], coalesced: bool, made_by: str | None = None) -> CooTensor:
    """A CooTensor of parts that are known to fit."""
    made = object.__new__(CooTensor)
    made._fill(shape, values)
    made._indices_part, made._coalesced, made._made_by = indices, coalesced or indices.shape[1] < 2, made_by
    return made


def _unpickle(indices: Any, values: Any, shape: tuple[int, ...], coalesced: bool, requires_grad: bool) -> CooTensor:
    return coo(indices, values, shape, coalesced).requires_grad_(requires_grad)


def added_up(values: Any, group: Any, count: int) -> Any:
    """Row i of the result: the sum of the values whose group is i."""
    if values.dtype.name == "bool":
        return added_up(values.to(FUNCTIONS["arange"](1).dtype), group, count) > 0
    return FUNCTIONS["zeros"](count, *values.shape[1:], dtype=values.dtype).index_add(0, group, values)


def empty(shape: Sequence[int], sparse_dim: int, dtype: Any) -> CooTensor:
    """A CooTensor without values."""
    zeros, shape = FUNCTIONS["zeros"], tuple(shape)
    indices = structure.tensor_of(np.zeros((sparse_dim, 0), np.int64))
    return coo(indices, zeros(0, *shape[sparse_dim:], dtype=dtype), shape, False)


def spread(values: Any, dense: int) -> Any:
    """A vector with a number for each value, shaped to be multiplied with blocks of `dense` dimensions."""
    return values.reshape(-1, *[1] * dense) if dense else values


def mapped(x: CooTensor, function: Callable[[Any], Any], made_by: str) -> CooTensor:
    """The function of each value; places stay."""
    return x._with_values(function(x._values_part), made_by)
