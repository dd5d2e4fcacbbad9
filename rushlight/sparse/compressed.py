"""CSR, CSC, BSR and BSC: one of the two indices is compressed to pointers, and values may be blocks.

What is computed with them is computed with their COO form, whose values are the same tensor; only the places are told
otherwise. Batches of matrices can be made and turned into dense tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.dtype import int32, int64
from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS
from rushlight.ir.op import TABLE
from rushlight.layout import LAYOUTS
from rushlight.lazy.record import record
from rushlight.sparse import structure
from rushlight.sparse.coo import CooTensor, coo
from rushlight.sparse.create import finish, value_tensor, wants_checks
from rushlight.sparse.dispatch import HANDLERS, is_sparse
from rushlight.sparse.shapes import get_item
from rushlight.sparse.tensor import SparseTensor, refusal

_BY_ROW = ("sparse_csr", "sparse_bsr")
_BLOCKS = ("sparse_bsr", "sparse_bsc")
_BACK = {"sparse_csr": "sparse_csc", "sparse_csc": "sparse_csr", "sparse_bsr": "sparse_bsc", "sparse_bsc": "sparse_bsr"}


class CompressedTensor(SparseTensor):
    """A matrix of one of the compressed layouts, or a batch of such matrices with equally many values.

    >>> import rushlight as torch
    >>> a = torch.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0], (2, 3))
    >>> a.to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 5.]])
    >>> a @ torch.ones(3)
    tensor([3., 9.])
    """

    _compressed: Any  # pointers
    _plain: Any  # indices
    _as_coo: CooTensor | None = None

    def _with_values(self, values: Any, made_by: str | None = None) -> Any:
        return compressed(self.layout, self._compressed, self._plain, values, self._meta.shape, made_by)

    @property
    def part_names(self) -> tuple[str, str]:
        """The names of the pointers and of the indices."""
        return ("crow_indices", "col_indices") if self.layout.name in _BY_ROW else ("ccol_indices", "row_indices")

    def _part(self, name: str) -> Any:
        if name not in self.part_names:
            raise RuntimeError(
                explain_error(
                    name, got=f"a tensor of layout {self.layout}", expected=f"{' and '.join(self.part_names)} of it"
                )
            )
        return self._compressed if name == self.part_names[0] else self._plain

    def crow_indices(self) -> Any:
        """Where the values of each row begin, and their number (CSR, BSR)."""
        return self._part("crow_indices")

    def col_indices(self) -> Any:
        """The column of each value or block (CSR, BSR)."""
        return self._part("col_indices")

    def ccol_indices(self) -> Any:
        """Where the values of each column begin, and their number (CSC, BSC)."""
        return self._part("ccol_indices")

    def row_indices(self) -> Any:
        """The row of each value or block (CSC, BSC)."""
        return self._part("row_indices")

    def values(self) -> Any:
        """The values; gradients flow through."""
        return record(TABLE["alias"], (self._values_part,), ()) if self.requires_grad else self._values_part.detach()

    def _nnz(self) -> int:
        """How many values or blocks a matrix has."""
        return self._plain.shape[-1]

    def sparse_dim(self) -> int:
        """2: rows and columns."""
        return 2

    def dense_dim(self) -> int:
        """How many dimensions each value has."""
        return self._values_part.ndim - self._plain.ndim - 2 * (self.layout.name in _BLOCKS)

    def _batched(self) -> bool:
        return self._plain.ndim > 1

    def __reduce_ex__(self, protocol: Any) -> tuple:
        if not self.is_leaf:
            raise RuntimeError("only graph leaves can be pickled. Fix: pickle tensor.detach().")
        values, shape = self._values_part.detach(), tuple(self._meta.shape)
        return _unpickle, (self.layout, self._compressed, self._plain, values, shape, self.requires_grad)

    def as_coo(self) -> CooTensor:
        """The same values with COO's indices; blocks are taken apart."""
        if self._batched():
            raise refusal("this operation", self, "take the matrices of the batch one by one, or .to_dense()")
        if self._as_coo is None or self._as_coo._values_part is not self._values_part:
            self._as_coo = self._to_coo()
        return self._as_coo

    def _to_coo(self) -> CooTensor:
        outer, inner = structure.decompress(structure.host(self._compressed)), structure.host(self._plain)
        by_row, shape, values = self.layout.name in _BY_ROW, self._meta.shape, self._values_part
        places = np.stack([outer, inner] if by_row else [inner, outer])
        if self.layout.name in _BLOCKS:
            height, width = values.shape[1:3]
            r, c = np.divmod(np.arange(height * width), width)
            places = np.stack(
                [(places[d][:, None] * n + at).ravel() for d, (n, at) in enumerate(((height, r), (width, c)))]
            )
            return coo(
                structure.tensor_of(places), values.reshape(-1, *values.shape[3:]), shape, False, "ToSparseBackward0"
            )
        return coo(structure.tensor_of(places), values, shape, by_row, "ToSparseBackward0")

    def to_dense(self, dtype: Any = None, *, masked_grad: bool | None = None) -> Any:
        """The values at their places, zeros elsewhere."""
        if not self._batched():
            return self.as_coo().to_dense(dtype)
        batch = self._plain.shape[:-1]
        pointers, plain = self._compressed.reshape(-1, self._compressed.shape[-1]), self._plain.reshape(-1, self._nnz())
        values, shape = self._values_part.flatten(0, len(batch) - 1), self._meta.shape[len(batch) :]
        found = [
            compressed(self.layout, p, i, v, shape).to_dense(dtype)
            for p, i, v in zip(pointers, plain, values, strict=True)
        ]
        return FUNCTIONS["stack"](found).reshape(self._meta.shape)

    def to_sparse(self, *args: Any, **kwargs: Any) -> Any:
        """The tensor in another sparse layout; in `torch.sparse_coo` without arguments."""
        from rushlight.sparse.convert import to_sparse

        return to_sparse(self, *args, **kwargs)

    def transpose(self, dim0: int, dim1: int) -> Any:
        """CSR becomes CSC and the other way round: the same parts, read by columns."""
        if self._batched() or self.dense_dim() or sorted((dim0 % 2, dim1 % 2)) != [0, 1]:
            raise refusal("transpose", self)
        values = self._values_part.transpose(1, 2) if self.layout.name in _BLOCKS else self._values_part
        shape = (self._meta.shape[1], self._meta.shape[0])
        return compressed(
            LAYOUTS[_BACK[self.layout.name]], self._compressed, self._plain, values, shape, "TransposeBackward0"
        )

    def t(self) -> Any:
        """The transposed matrix."""
        return self.transpose(0, 1)

    T = mT = property(t)

    def __getitem__(self, index: Any) -> Any:
        return get_item(self.as_coo(), index)


def compressed(layout: Any, pointers: Any, plain: Any, values: Any, shape: Sequence[int], made_by: str | None = None) -> CompressedTensor:  # fmt: skip
    """A CompressedTensor of parts that are known to fit."""
    made = object.__new__(CompressedTensor)
    made._fill(shape, values)
    made.layout, made._compressed, made._plain, made._made_by = layout, pointers, plain, made_by
    return made


def _unpickle(
    layout: Any, pointers: Any, plain: Any, values: Any, shape: tuple[int, ...], requires_grad: bool
) -> CompressedTensor:
    return compressed(layout, pointers, plain, values, shape).requires_grad_(requires_grad)


def no_values_compressed(name: str, shape: tuple[int, ...], dtype: Any, layout: Any) -> CompressedTensor:
    """A matrix without values."""
    if len(shape) != 2 or layout.name in _BLOCKS:
        raise NotImplementedError(
            explain_error(name, got=f"layout={layout} and size {list(shape)}", expected="a matrix in CSR or CSC")
        )
    zeros, lines = FUNCTIONS["zeros"], shape[layout.name not in _BY_ROW]
    return compressed(layout, zeros(lines + 1, dtype=int64), zeros(0, dtype=int64), zeros(0, dtype=dtype), shape)


# --- made of parts ----------------------------------------------------------------------------------------------------


def _index_part(value: Any) -> Any:
    found = value if hasattr(value, "_meta") else FUNCTIONS["tensor"](value, dtype=int64)
    return found if found.dtype in (int32, int64) else found.to(int64)


def sparse_compressed_tensor(
    compressed_indices: Any, plain_indices: Any, values: Any, size: Any = None, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False, check_invariants: bool | None = None,
) -> CompressedTensor:  # fmt: skip
    """A matrix of a compressed layout: pointers, indices and values."""
    name = "sparse_compressed_tensor"
    if layout is None or layout.name not in _BACK:
        raise RuntimeError(explain_error(name, got=f"layout={layout}", expected=", ".join(f"torch.{n}" for n in _BACK)))
    pointers, plain, found = (
        _index_part(compressed_indices),
        _index_part(plain_indices),
        value_tensor(values, dtype, device),
    )
    blocks, batch = layout.name in _BLOCKS, plain.ndim - 1
    if (
        not plain.ndim
        or pointers.ndim != plain.ndim
        or found.ndim < plain.ndim + 2 * blocks
        or found.shape[: plain.ndim] != plain.shape
    ):
        raise RuntimeError(
            explain_error(
                name, got=f"pointers, indices and values of shapes {list(pointers.shape)}, {list(plain.shape)} and {list(found.shape)}",
                expected="(lines + 1), (nnz) and (nnz, *block sizes, *)" if blocks else "(lines + 1), (nnz) and (nnz, *)",
            )
        )  # fmt: skip
    height, width = found.shape[batch + 1 : batch + 3] if blocks else (1, 1)
    lines, by_row = pointers.shape[-1] - 1, layout.name in _BY_ROW
    if size is None:
        array = structure.host(plain)
        other = (int(array.max()) + 1 if array.size else 0) * (width if by_row else height)
        dense = found.shape[batch + 1 + 2 * blocks :]
        matrix = (lines * height, other) if by_row else (other, lines * width)
        size = (*plain.shape[:-1], *matrix, *dense)
    shape = tuple(int(n) for n in size)
    made = compressed(layout, pointers, plain, found, shape, "SparseCompressedTensorBackward0")
    if len(shape) != batch + 2 + made.dense_dim():
        raise RuntimeError(explain_error(name, got=f"size {list(shape)}", expected=f"{batch} batch, 2 sparse and {made.dense_dim()} dense dimensions"))  # fmt: skip
    if wants_checks(check_invariants):
        _check(name, made, lines, height, width)
    return finish(made, requires_grad)


def _check(name: str, x: CompressedTensor, lines: int, height: int, width: int) -> None:
    by_row, batch = x.layout.name in _BY_ROW, x._plain.ndim - 1
    rows, columns = x.shape[batch] // height, x.shape[batch + 1] // width
    wanted, limit = (rows, columns) if by_row else (columns, rows)
    pointers, plain = structure.host(x._compressed), structure.host(x._plain)
    steps = np.diff(pointers, axis=-1)
    first, second = x.part_names
    if lines != wanted or (pointers[..., 0] != 0).any() or (pointers[..., -1] != x._nnz()).any() or (steps < 0).any():
        raise RuntimeError(explain_error(name, got=f"{first} {pointers.tolist()}", expected=f"{wanted + 1} pointers that rise from 0 to the nnz {x._nnz()}"))  # fmt: skip
    if plain.size and (plain.min() < 0 or plain.max() >= limit):
        raise RuntimeError(
            explain_error(name, got=f"{second} from {plain.min()} to {plain.max()}", expected=f"0 to {limit - 1}")
        )
    for p, i in zip(pointers.reshape(-1, lines + 1), plain.reshape(-1, x._nnz()), strict=True):
        line = structure.decompress(p)
        if ((np.diff(i) <= 0) & (np.diff(line) == 0)).any():
            raise RuntimeError(
                explain_error(name, got=f"{second} {i.tolist()}", expected="rising and distinct ones within each line")
            )


def _of_layout(kind: str, first: str, second: str) -> Any:
    def make(pointers: Any, plain: Any, values: Any, size: Any = None, **options: Any) -> CompressedTensor:
        layout = options.pop("layout", None) or LAYOUTS[kind]
        if layout.name != kind:
            raise RuntimeError(explain_error(f"{kind}_tensor", got=f"layout={layout}", expected=f"torch.{kind}"))
        return sparse_compressed_tensor(pointers, plain, values, size, layout=layout, **options)

    make.__name__ = make.__qualname__ = f"{kind}_tensor"
    make.__doc__ = f"A matrix of layout `torch.{kind}` of {first}, {second} and values; `sparse_compressed_tensor` has the options."
    return make


sparse_csr_tensor = _of_layout("sparse_csr", "crow_indices", "col_indices")
sparse_csc_tensor = _of_layout("sparse_csc", "ccol_indices", "row_indices")
sparse_bsr_tensor = _of_layout("sparse_bsr", "crow_indices", "col_indices")
sparse_bsc_tensor = _of_layout("sparse_bsc", "ccol_indices", "row_indices")


# --- made of another tensor -------------------------------------------------------------------------------------------


def compressed_from(x: Any, kind: str, blocksize: Any = None, dense_dim: int | None = None) -> CompressedTensor:
    """A matrix, dense or sparse, in a compressed layout."""
    name = f"to_{kind}"
    if dense_dim or x.ndim != 2 or is_sparse(x) and x.dense_dim() and kind in _BLOCKS:
        raise NotImplementedError(explain_error(name, got=f"a tensor of shape {list(x.shape)}, dense_dim={dense_dim}", expected="a matrix without dense dimensions"))  # fmt: skip
    if kind in _BLOCKS:
        return _blocks_from(name, x, kind, blocksize)
    if is_sparse(x) and x.layout.name == kind:
        return x
    made_by = "ToSparseCsrBackward0" if kind == "sparse_csr" else "ToSparseCscBackward0"
    matrix = (x.as_coo() if is_sparse(x) and not x.is_sparse else x.to_sparse()).coalesce()
    indices, values = structure.host(matrix._indices_part), matrix._values_part
    outer, inner = (0, 1) if kind == "sparse_csr" else (1, 0)
    if kind == "sparse_csc":
        order = np.lexsort((indices[0], indices[1]))
        indices, values = indices[:, order], values.index_select(0, structure.tensor_of(order))
    pointers = structure.tensor_of(structure.compress(indices[outer], x.shape[outer]))
    return compressed(LAYOUTS[kind], pointers, structure.tensor_of(indices[inner]), values, x.shape, made_by)


def _blocks_from(name: str, x: Any, kind: str, blocksize: Any) -> CompressedTensor:
    if blocksize is None or len(blocksize) != 2 or any(n <= 0 for n in blocksize):
        raise RuntimeError(explain_error(name, got=f"blocksize={blocksize}", expected="two sizes above 0"))
    (height, width), dense = blocksize, x.to_dense() if is_sparse(x) else x
    if x.shape[0] % height or x.shape[1] % width:
        raise RuntimeError(explain_error(name, got=f"blocks of {tuple(blocksize)} in a matrix of {list(x.shape)}", expected="sizes that the blocks divide"))  # fmt: skip
    rows, columns = x.shape[0] // height, x.shape[1] // width
    blocks = dense.reshape(rows, height, columns, width).permute(0, 2, 1, 3)
    full = (blocks.detach()._compute_array() != 0).any((2, 3))
    outer, inner = np.nonzero(full) if kind == "sparse_bsr" else np.nonzero(full.T)
    row, column = (outer, inner) if kind == "sparse_bsr" else (inner, outer)
    values = blocks.reshape(-1, height, width).index_select(0, structure.tensor_of(row * columns + column))
    pointers = structure.compress(outer, rows if kind == "sparse_bsr" else columns)
    made_by = f"ToSparse{kind[-3:].capitalize()}Backward0"
    return compressed(
        LAYOUTS[kind], structure.tensor_of(pointers), structure.tensor_of(inner), values, x.shape, made_by
    )


# --- operations: those of COO -------------------------------------------------------------------------------------------

# What keeps the layout of the first compressed operand, where the result is sparse.
_SHAPES = ("permute", "transpose", "swapaxes", "swapdims", "t", "unsqueeze", "cat", "concat", "concatenate", "stack", "narrow_copy", "index_select", "unbind")  # fmt: skip
_OWN = ("zeros_like", "empty_like", "new_zeros", "new_empty", "sparse_mask")  # look at layouts themselves


def through_coo(name: str, handler: Any) -> Any:
    """A handler for COO tensors that takes compressed ones too."""
    if name in _OWN:
        return handler

    def apply(*args: Any, **kwargs: Any) -> Any:
        listed = args[0] if args and isinstance(args[0], (list, tuple)) else ()
        first = next((x for x in (*args, *listed, *kwargs.values()) if isinstance(x, CompressedTensor)), None)
        if first is None:
            return handler(*args, **kwargs)
        if name in _SHAPES:
            raise refusal(handler.__name__, first, ".to_sparse() (COO), or .to_dense()")
        if name.endswith("_") and args[0] is first:
            return first._become(HANDLERS[name[:-1]](*args, **kwargs))
        args = tuple(x.as_coo() if isinstance(x, CompressedTensor) else x for x in args)
        kwargs = {n: x.as_coo() if isinstance(x, CompressedTensor) else x for n, x in kwargs.items()}
        return _back(handler(*args, **kwargs), first)

    apply.__name__, apply.__doc__ = name, handler.__doc__
    return apply


def _back(found: Any, like: CompressedTensor) -> Any:
    if not isinstance(found, CooTensor) or found.ndim != 2:
        return found
    if found._indices_part is like.as_coo()._indices_part and like.layout.name not in _BLOCKS:
        return like._with_values(found._values_part, found._made_by)
    blocksize = tuple(like._values_part.shape[1:3]) if like.layout.name in _BLOCKS else None
    made = compressed_from(found, like.layout.name, blocksize)
    made._made_by = found._made_by
    return made
