"""The printed form of sparse tensors, as PyTorch prints them."""

from __future__ import annotations

from typing import Any

from rushlight import printing
from rushlight.dtype import bool_, get_default_dtype, int64

_INDENT = len("tensor(")


def _part(name: str, tensor: Any) -> str:
    """`name=tensor(...)` of a part, which shows no dtype: that of the whole is shown."""
    array = tensor.detach()._compute_array()
    prefix = f"{name}=tensor("
    if not array.size:
        return f"{prefix}[], size={tuple(array.shape)})"
    return f"{prefix}{printing._body(array, _INDENT + len(prefix))})"


def text(x: Any) -> str:
    """`tensor(indices=..., values=..., size=..., nnz=..., layout=...)`."""
    if x.is_sparse:
        parts = [_part("indices", x._indices_part)]
    else:
        first, second = x.part_names
        parts = [_part(first, x._compressed), _part(second, x._plain)]
    parts.append(_part("values", x._values_part))
    suffixes = [f"size={tuple(x.shape)}", f"nnz={x._nnz()}"]
    default = get_default_dtype()
    if x.dtype not in (default, default.to_complex(), int64, bool_):
        suffixes.append(f"dtype={x.dtype}")
    suffixes.append(f"layout={x.layout}")
    if not x.is_leaf:
        suffixes.append(f"grad_fn=<{x._made_by}>")
    elif x.requires_grad:
        suffixes.append("requires_grad=True")
    body = "tensor(" + (",\n" + " " * _INDENT).join(parts)
    return printing._with_suffixes(body, suffixes, _INDENT, newline=x.is_sparse)
