"""Orders of memory that PyTorch names: rows, channels innermost, or as the input lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushlight.errors import explain_error
from rushlight.ir.meta import Meta, contiguous_stride


class memory_format:
    """One of `contiguous_format`, `preserve_format`, `channels_last` (N, C, H, W) and `channels_last_3d` (N, C, D, H, W).

    >>> import rushlight as torch
    >>> torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last).stride()
    (60, 1, 15, 3)
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _named, (self.name,)


def _named(name: str) -> memory_format:
    return FORMATS[name]


FORMATS = {
    name: memory_format(name) for name in ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")
}
_NDIM = {"channels_last": 4, "channels_last_3d": 5}


def format_name(op: str, given: Any) -> str:
    """The name of a `memory_format` argument; None is `preserve_format`."""
    if given is None:
        return "preserve_format"
    if not isinstance(given, memory_format):
        raise TypeError(
            explain_error(
                op,
                got=f"memory_format={given!r}",
                expected="a torch.memory_format",
                fix=f"one of {', '.join(f'torch.{name}' for name in FORMATS)}",
            )
        )
    return given.name


def channels_stride(name: str, shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a dense tensor whose channels are innermost."""
    if len(shape) != _NDIM[name]:
        raise RuntimeError(
            explain_error(
                f"memory_format=torch.{name}", got=f"shape {list(shape)}", expected=f"{_NDIM[name]} dimensions (batch, channels, …)"
            )
        )  # fmt: skip
    found, step = [0] * len(shape), 1
    for d in (1, *range(len(shape) - 1, 1, -1), 0):
        found[d] = step
        step *= max(shape[d], 1)
    return tuple(found)


def stride_of(name: str, shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a dense tensor in this format."""
    return channels_stride(name, shape) if name in _NDIM else contiguous_stride(shape)


def lies_in(name: str, meta: Meta) -> bool:
    """Whether the elements lie in this order, whatever the strides of dimensions of size 1 are."""
    if name not in _NDIM:
        return meta.contiguous
    if meta.ndim != _NDIM[name]:
        return False
    wanted = channels_stride(name, meta.shape)
    return all(n == 1 or s == w for n, s, w in zip(meta.shape, meta.stride, wanted, strict=True))


def suggested(meta: Meta) -> str:
    """The format that the strides speak of: gaps are allowed, and dimensions of size 1 must agree."""
    for name, ndim in _NDIM.items():
        if meta.ndim == ndim and meta.numel and meta.stride[1]:
            least = 0
            for d in (1, *range(ndim - 1, 1, -1), 0):
                if meta.stride[d] < least or d == 0 and least == meta.stride[1]:
                    break
                least = meta.stride[d] * meta.shape[d]
            else:
                return name
    return "contiguous_format"
