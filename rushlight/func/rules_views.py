"""Batching rules of views and of the ops that write them back: their dimensions move up by one."""

from __future__ import annotations

from typing import Any

from rushlight.func.batch import Batch, one_by_one, rule, run
from rushlight.ir.meta import contiguous_stride
from rushlight.ir.op import TABLE


def _up(dim: int, ndim: int) -> int:
    return dim % ndim + 1 if ndim else 1


def _moved(
    name: str, static: dict[str, Any], size: int, ndim: int, out: tuple[int, ...], shape: tuple[int, ...]
) -> dict:
    """The static arguments of a view of the batch, for a view of a sample of rank `ndim`."""
    match name:
        case "permute":
            return {"dims": (0, *(_up(d, ndim) for d in static["dims"]))}
        case "transpose":
            return {k: _up(d, ndim) for k, d in static.items()}
        case "diagonal":
            return {**static, "dim1": _up(static["dim1"], ndim), "dim2": _up(static["dim2"], ndim)}
        case "unfold":
            return {**static, "dimension": _up(static["dimension"], ndim)}
        case "unsqueeze":
            return {"dim": static["dim"] % (ndim + 1) + 1}
        case "squeeze":
            dims = static["dim"]
            dims = range(ndim) if dims is None else (dims,) if isinstance(dims, int) else dims
            return {"dim": tuple(_up(d, ndim) for d in dims if ndim and shape[d] == 1)}
        case "view" | "expand":
            return {"size": (size, *out)}
        case "select" | "slice":
            return {**static, "dim": _up(static["dim"], ndim)}
    return static


_NAMES = (
    "alias", "view", "permute", "transpose", "expand", "unsqueeze", "squeeze", "view_dtype", "real_part", "imag_part",
    "view_as_real", "view_as_complex", "select", "slice", "diagonal", "unfold", "detach", "data",
)  # fmt: skip


@rule(*_NAMES)
def _view(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    x, out = given[0], tuple(metas[0].shape)
    if op.name == "view":
        return x.handle.reshape(batch.size, *out)  # as a batch it may lie in an order that no view can give
    if op.name == "expand":
        return batch.full(x, len(out)).expand(batch.size, *out)
    if x.ndim == 0 and op.name in ("permute", "transpose", "squeeze"):
        return x.handle
    if op.name in ("view_as_complex", "view_dtype"):
        return run(op, (x.handle.contiguous(),), static)
    return run(op, (x.handle,), _moved(op.name, static, batch.size, x.ndim, out, tuple(x.meta.shape)))


@rule(*(f"{name}_write" for name in _NAMES))
def _write(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    x, src = given
    name = op.name.removesuffix("_").removesuffix("_write")
    base = batch.full(x)
    if name in ("alias", "detach", "data") or x.ndim == 0:
        return batch.full(src).reshape(base.shape)
    if name == "view":
        return batch.full(src).reshape(base.shape)
    moved = _moved(name, static, batch.size, x.ndim, tuple(src.meta.shape), tuple(x.meta.shape))
    return run(TABLE[f"{name}_write"], (base, batch.full(src)), moved)


@rule("as_strided")
def _as_strided(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    x = given[0]
    if not x.meta.contiguous or x.meta.offset:
        return one_by_one(batch, op, given, static, metas)
    whole = x.handle.contiguous()
    step = contiguous_stride(whole.shape)[0]
    return run(op, (whole,), {
        "size": (batch.size, *static["size"]), "stride": (step, *static["stride"]), "storage_offset": static["storage_offset"] or 0,
    })  # fmt: skip
