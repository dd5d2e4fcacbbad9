"""Sparse tensors in files, as PyTorch writes them: a layout, and the parts. What a file says of places is checked."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight.serialization.refusal import Refusal, shown, unsafe

_COMPRESSED = ("sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc")


def parts(tensor: Any) -> tuple:
    """What a file holds of a sparse tensor beside its layout."""
    size = rushlight.Size(tensor.shape)
    if tensor.is_sparse:
        return tensor._indices(), tensor._values(), size, tensor.is_coalesced()
    by_row = tensor.layout in (rushlight.sparse_csr, rushlight.sparse_bsr)
    places = (tensor.crow_indices(), tensor.col_indices()) if by_row else (tensor.ccol_indices(), tensor.row_indices())
    return (*places, tensor.values().detach(), size)


def layout_named(name: Any) -> Any:
    """The layout that prints as `name`."""
    known = {f"torch.{n}": getattr(rushlight, n) for n in ("strided", "sparse_coo", *_COMPRESSED)}
    if type(name) is not str or name not in known:
        raise Refusal(f"the layout {shown(name)}", ", ".join(known))
    return known[name]


def rebuild(layout: Any, data: Any) -> Any:
    """The sparse tensor of a layout and its parts."""
    if not isinstance(layout, rushlight.layout) or type(data) not in (tuple, list) or len(data) not in (3, 4):
        raise unsafe(f"a sparse tensor of {shown(layout)}", "a layout and three or four parts")
    *tensors, size = data[:3] if layout is rushlight.sparse_coo else data
    if not all(isinstance(part, rushlight.Tensor) and part.layout is rushlight.strided for part in tensors):
        raise unsafe("a sparse tensor whose parts are no tensors", "indices and values")
    if not isinstance(size, tuple) or not all(type(n) is int for n in size):
        raise unsafe(f"a sparse tensor of size {shown(size)}", "a tuple of integers")
    try:
        if layout is rushlight.sparse_coo:
            coalesced = data[3] is True if len(data) == 4 else False
            return rushlight.sparse_coo_tensor(*tensors, size, check_invariants=True, is_coalesced=coalesced)
        return rushlight.sparse_compressed_tensor(*tensors, size, layout=layout, check_invariants=True)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise Refusal(f"a sparse tensor that is none ({error})", "indices and values that fit") from None
