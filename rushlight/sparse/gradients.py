"""Sparse gradients of embeddings: the rows that were looked up collect a gradient of their own, which becomes the table's.

The rows are a leaf of the graph. What backward() adds to that leaf's `.grad` goes to the table's, as a sparse tensor, so that
nothing as large as the table is made.
"""

from __future__ import annotations

from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.overriding import disabled_torch_function
from rushlight.functional.registry import FUNCTIONS, METHODS
from rushlight.ir.op import TABLE
from rushlight.lazy.record import local, record, switch_grad_mode
from rushlight.lazy.views import record_inplace
from rushlight.sparse import structure
from rushlight.sparse.coo import CooTensor, added_up, coo
from rushlight.sparse.dispatch import install, is_sparse
from rushlight.sparse.tensor import refusal
from rushlight.tensor import Tensor


class _Rows(Tensor):
    """Rows of a table. Its gradient is never its own."""

    __torch_function__ = classmethod(disabled_torch_function)
    _table: Any
    _index: Any
    _padding: int

    def _for_table(self, grad: Any) -> tuple[Any, Any]:
        """The table, and the gradient of these rows as one of the table's."""
        return self._table, RowGradient.of(
            self._index.reshape(-1), grad.reshape(-1, grad.shape[-1]), self._table.shape, self._padding
        )

    def _receive(self, grad: Any) -> None:
        if grad is None:
            return
        table, found = self._for_table(grad)
        for hook in list((table._backward_hooks or {}).values()):
            changed = hook(found)
            found = found if changed is None else changed
        old = table._grad
        if old is None or is_sparse(old):
            table._grad = found if old is None else old + found
        else:
            METHODS["add_"](old, found)
        for hook in list((table._accumulate_hooks or {}).values()):
            hook(table)

    _grad = property(lambda self: None, _receive)  # type: ignore[assignment]


class RowGradient(CooTensor):
    """The gradient of a table's rows. Those of the padding row are left out when somebody looks at it."""

    _every: tuple[Any, Any]  # indices and values, the padding row's among them
    _padding: int
    _kept: tuple[Any, Any] | None = None

    @classmethod
    def of(cls, index: Any, values: Any, shape: Any, padding: int) -> CooTensor:
        """A gradient of `shape` from values at rows; sparse COO without more ado if no row is left out."""
        index = index.to(FUNCTIONS["arange"](1).dtype)
        if padding < 0:
            plain = coo(index.unsqueeze(0), values, shape, False)
            plain._in_range = True
            return plain
        made = object.__new__(cls)
        made._every, made._padding = (index, values), padding
        made._fill(shape, values)
        return made

    def _parts(self) -> tuple[Any, Any]:
        if self._kept is None:
            index, values = self._every
            keep = FUNCTIONS["nonzero"](index != self._padding).reshape(-1)
            self._kept = index.index_select(0, keep).unsqueeze(0), values.index_select(0, keep)
        return self._kept

    def _set_values(self, values: Any) -> None:
        if values is not self._every[1]:
            self._kept = self._parts()[0], values

    _indices_part = property(lambda self: self._parts()[0])  # type: ignore[assignment]
    _values_part = property(lambda self: self._parts()[1], _set_values)  # type: ignore[assignment]


def looked_up(weight: Any, index: Any, padding: int = -1) -> Any:
    """weight[index], whose gradient reaches the leaf `weight` as a sparse tensor."""
    install()
    switch_grad_mode(False)
    try:
        rows = record(TABLE["embedding_op"], (weight, index), (padding, False))
    finally:
        switch_grad_mode(True)
    rows.requires_grad_()
    rows.__class__ = _Rows
    rows._table, rows._index, rows._padding = weight, index, padding
    local.trace.contexts[rows._slot] = rows  # traces know tensors weakly: this one lives as long as the graph
    return record(TABLE["embedding_rows_part"], (rows,), ())


def wants_rows(name: str, weight: Any, by_frequency: bool) -> bool:
    """Whether a sparse gradient is asked for and can be had: of a leaf, outside of functions that are transformed.

    Elsewhere the same gradient is dense: it has to pass other operations.
    """
    if not (
        local.grad_mode and weight.requires_grad and weight.is_leaf and local.trace.expandable and not local.transforms
    ):
        return False
    if by_frequency:
        raise RuntimeError(explain_error(name, got="sparse=True with scale_grad_by_freq=True", expected="one of them"))
    return True


def rows_of(grad: CooTensor) -> tuple[Any, Any]:
    """Which rows a gradient has, with repeats, and their values; -1 for those of a padding row.

    Errors: NotImplementedError for a gradient with another number of sparse dimensions than one; IndexError for rows that the
    parameter does not have.
    """
    if grad.sparse_dim() != 1:
        raise refusal("an update from a sparse gradient", grad, "give it one sparse dimension, or .to_dense()")
    if isinstance(grad, RowGradient) and grad._kept is None:
        index, values = grad._every
        return FUNCTIONS["where"](index == grad._padding, -1, index), values
    if not grad._in_range:
        problem = structure.outside(structure.host(grad._indices_part), grad.shape[:1])
        if problem:
            raise IndexError(
                explain_error("an update from a sparse gradient", got=problem, expected="rows that the parameter has")
            )
    return grad.rows()[0], grad._values_part


def distinct(grad: CooTensor) -> tuple[Any, Any]:
    """As `rows_of`, with the sum of the values of each row.

    There are as many as the gradient has values, whatever is in it, so that a step is the same program for every batch;
    those that are too many have the row -1.
    """
    index, values = rows_of(grad)
    count = index.shape[0]
    if grad._coalesced or not count:
        return index, values
    ordered, order = index.sort(stable=True)
    new = FUNCTIONS["cat"]([ordered[:1] * 0 + 1, (ordered[1:] != ordered[:-1]).to(ordered.dtype)])
    group = new.cumsum(0) - 1
    total = added_up(values.index_select(0, order), group, count)
    rows = (ordered * 0).index_put((group,), ordered)
    return FUNCTIONS["where"](FUNCTIONS["arange"](count) > group[-1], -1, rows), total


def take_rows(x: Any, index: Any) -> Any:
    """x[index], of rows that are known to be there, or -1."""
    return record(TABLE["rows_take_part"], (x, index))


def add_rows_(x: Any, index: Any, values: Any) -> None:
    """x[index[i]] += values[i], in place and nowhere else; nothing for the row -1."""
    record_inplace(TABLE["rows_add_op_"], (x, index, values))
