"""What a dense tensor says of layouts, and how it becomes a sparse one. That room (`rushlight.sparse`) loads on first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.registry import public


@public(method=True, function=False)
def to_dense(input: Any, dtype: Any = None, *, masked_grad: bool | None = None) -> Any:
    """The tensor itself, which is dense already, in `dtype`."""
    return input if dtype is None else input.to(dtype)


@public(method=True, function=False)
def to_sparse(input: Any, *args: Any, **kwargs: Any) -> Any:
    """The tensor in a sparse layout: `to_sparse(sparse_dim)`, or `to_sparse(layout=torch.sparse_csr)`.

    >>> import rushlight as torch
    >>> torch.tensor([0.0, 2.0]).to_sparse()
    tensor(indices=tensor([[1]]),
           values=tensor([2.]),
           size=(2,), nnz=1, layout=torch.sparse_coo)
    """
    from rushlight.sparse.convert import to_sparse as convert

    return convert(input, *args, **kwargs)


@public(method=True, function=False)
def to_sparse_coo(input: Any) -> Any:
    """The tensor in layout `torch.sparse_coo`."""
    return input.to_sparse()


def _compressing(kind: str) -> Callable[..., Any]:
    def convert(input: Any, dense_dim: int | None = None) -> Any:
        from rushlight.sparse.compressed import compressed_from

        return compressed_from(input, kind, dense_dim=dense_dim)

    def convert_blocks(input: Any, blocksize: Any, dense_dim: int | None = None) -> Any:
        from rushlight.sparse.compressed import compressed_from

        return compressed_from(input, kind, blocksize, dense_dim)

    made = convert_blocks if kind.endswith(("bsr", "bsc")) else convert
    made.__name__ = made.__qualname__ = f"to_{kind}"
    made.__doc__ = f"The matrix in layout `torch.{kind}`."
    return made


for _kind in ("sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"):
    public(f"to_{_kind}", method=True, function=False)(_compressing(_kind))


@public(method=True, function=False)
def sparse_mask(input: Any, mask: Any) -> Any:
    """The values at the places of the sparse tensor `mask`, which the result has too."""
    from rushlight.sparse.convert import sparse_mask as masked

    return masked(input, mask)


@public(method=True, function=False)
def sparse_dim(input: Any) -> int:
    """How many dimensions have indices: none."""
    return 0


@public(method=True, function=False)
def dense_dim(input: Any) -> int:
    """How many dimensions have none: all."""
    return input.ndim


def _refusing(name: str, expected: str) -> Callable[..., Any]:
    def refuse(input: Any, *args: Any, **kwargs: Any) -> Any:
        fix = ".to_sparse_csr() makes one" if "compressed" in expected else ".to_sparse() makes one"
        raise RuntimeError(explain_error(name, got=f"a tensor of layout {input.layout}", expected=expected, fix=fix))

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = f"Of {expected}; RuntimeError for any other."
    return refuse


for _name in (
    "coalesce", "is_coalesced", "indices", "values", "_indices", "_values", "_nnz", "_coalesced_", "smm", "sspaddmm", "sparse_resize_",
    "sparse_resize_and_clear_", "resize_as_sparse_",
):  # fmt: skip
    public(_name, method=True, function=False)(_refusing(_name, "a sparse tensor"))
for _name in ("crow_indices", "col_indices", "ccol_indices", "row_indices"):
    public(_name, method=True, function=False)(_refusing(_name, "a tensor of a compressed layout"))
