"""Scalar expressions run by NumPy: what a node means, for the tests of what `lower` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.backend.numpy import special
from rushlight.ir.scalar import BINARY, UNARY, Expr

STORAGE = {
    "b1": np.bool_, "u8": np.uint8, "i8": np.int8, "i16": np.int16, "u16": np.uint16, "i32": np.int32, "u32": np.uint32,
    "i64": np.int64, "u64": np.uint64, "f32": np.float32, "f64": np.float64,
}  # fmt: skip
KINDS = {np.dtype(storage): kind for kind, storage in STORAGE.items()}
_NUMPY_NAMES = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "atan2": "arctan2", "pow": "power",
}  # fmt: skip
_LOGIC = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert}
_ORDER = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip


class Fault(Exception):
    """A requirement does not hold for some element."""


def evaluate(expr: Expr, leaves: dict[str, np.ndarray]) -> np.ndarray:
    """The expression's value; `leaves` by the name that a leaf carries. Equal nodes are computed once."""
    done: dict[int, np.ndarray] = {}

    def value(e: Expr) -> np.ndarray:
        if id(e) not in done:
            found = _node(e, value, leaves)
            assert found.dtype == STORAGE[e.kind], f"{e.op} of kind {e.kind} gave {found.dtype}"
            done[id(e)] = found
        return done[id(e)]

    with np.errstate(all="ignore"):
        return value(expr)


def _node(e: Expr, value: Callable[[Expr], np.ndarray], leaves: dict[str, np.ndarray]) -> np.ndarray:
    kind = np.dtype(STORAGE[e.kind])
    if e.op == "const":
        assert kind.kind == "f" or e.value == int(e.value), f"constant {e.value} of kind {e.kind}"
        return np.asarray(e.value, kind)
    if e.op == "leaf":
        return leaves[e.value]
    args = [value(a) for a in e.args]
    if e.op == "require":
        if not np.all(args[0]):
            raise Fault
        return args[1]
    if e.op == "select":
        return np.where(*args)
    if e.op == "cast":
        return args[0] != 0 if e.kind == "b1" else _converted(args[0], kind)
    if e.op == "bits":
        return args[0].view(kind)
    if e.op in _ORDER:
        return _ORDER[e.op](*args)
    if e.op in _LOGIC:
        return _LOGIC[e.op](*args)
    assert e.kind != "b1", f"{e.op}: b1 has no arithmetic"
    if e.op in UNARY + BINARY:
        return _function(e.op, args).astype(kind)
    return np.asarray(_arithmetic(e.op, args, kind), kind)


def _converted(x: np.ndarray, kind: np.dtype) -> np.ndarray:
    if x.dtype.kind == "f" and kind.kind in "iu" and kind.itemsize < 8:
        return x.astype(np.int64).astype(kind)
    return x.astype(kind)


def _arithmetic(op: str, args: list[np.ndarray], kind: np.dtype) -> Any:
    if op == "neg":
        return np.negative(args[0])
    a, b = args
    if op in ("add", "sub", "mul"):
        return {"add": np.add, "sub": np.subtract, "mul": np.multiply}[op](a, b)
    if op in ("shl", "shr"):
        return (np.left_shift if op == "shl" else np.right_shift)(a, b)
    if kind.kind == "f":
        return {"div": np.true_divide, "rem": np.fmod}[op](a, b)
    safe = np.where(b == 0, 1, b).astype(kind)
    rest = np.fmod(a, safe)
    return rest if op == "rem" else np.floor_divide(a - rest, safe)


def _function(op: str, args: list[np.ndarray]) -> np.ndarray:
    """Functions of UNARY and BINARY, in float64: float32 results are the exact ones rounded."""
    if op == "abs":
        return np.abs(args[0])
    wide = [a.astype(np.float64) for a in args]
    assert all(a.dtype.kind == "f" for a in args), f"{op}: a function of floats, got {args[0].dtype}"
    if op in ("erf", "erfc", "erfinv", "lgamma", "digamma"):
        return getattr(special, op)(*wide)
    return getattr(np, _NUMPY_NAMES.get(op, op))(*wide)
