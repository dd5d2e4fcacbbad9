"""What functions ask of their arguments before they record anything."""

from __future__ import annotations

from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.registry import write_out
from rushlight.lazy.handle import Handle, base_of
from rushlight.lazy.views import check_writable


def check_ndim(op: str, input: Any, least: int) -> None:
    """RuntimeError for a tensor of fewer dimensions."""
    if input.ndim < least:
        raise RuntimeError(
            explain_error(
                op,
                got=f"shape {list(input.shape)}",
                expected=f"{least} dimension{'s' * (least > 1)} or more",
                fix="x.unsqueeze(0) adds one",
            )
        )


def check_apart(op: str, out: Any, result: Any, *inputs: Any) -> None:
    """`out=` of an op that reads elements in another order than it writes them: memory that no input lies in."""
    check_writable(out, f"{op}(out=)")
    resized = out._meta if out.shape == result.shape else out._meta.variant(shape=(result.numel(),), stride=(1,))
    if any(
        isinstance(input, Handle)
        and base_of(out) is base_of(input)
        and _meet(resized, resized if input is out else input._meta)
        for input in inputs
    ):
        raise RuntimeError(
            explain_error(
                op, got="out that shares memory with an input", expected="memory of its own", fix="clone() the input, or leave out= away"
            )
        )  # fmt: skip


def check_out(op: str, out: Any, result: Any, *inputs: Any) -> None:
    """`check_apart`, and the result's dtype."""
    kind = result._meta.dtype
    if out._meta.dtype is not kind:
        raise RuntimeError(
            explain_error(
                op, got=f"out of {out._meta.dtype}", expected=str(kind), fix=f"out = torch.empty(0, dtype={kind})"
            )
        )
    check_apart(op, out, result, *inputs)


def _meet(a: Any, b: Any) -> bool:
    """Whether two values lie in overlapping stretches of the memory that they share."""
    if not a.numel or not b.numel:
        return False
    (first, end), (other, other_end) = _stretch(a), _stretch(b)
    return first < other_end and other < end


def _stretch(meta: Any) -> tuple[int, int]:
    """The first byte of a tensor in its storage, and the one after its last."""
    last = sum((n - 1) * s for n, s in zip(meta.shape, meta.stride, strict=True))
    return meta.offset * meta.dtype.itemsize, (meta.offset + last + 1) * meta.dtype.itemsize


def write_apart(op: str, out: Any, result: Any, *inputs: Any) -> Any:
    """The result, or `out` holding it, once `check_out` has passed."""
    if out is None:
        return result
    check_out(op, out, result, *inputs)
    return write_out(out, result)
