"""Matrix products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rushlight.dtype import FLOATING
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.lessons import say
from rushlight.ops import compositions
from rushlight.ops.reduce import expand_reduced
from rushlight.ops.rules import broadcast_shapes, like, reduced_shape, wrap_dims
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T, conj


def _matmul_infer(a: Meta, b: Meta) -> Meta:
    if not a.ndim or not b.ndim:
        raise RuntimeError(
            f"matmul: both arguments to matmul need to be at least 1D, but they are {a.ndim}D and {b.ndim}D. Fix: use * for scalars."
        )
    inner_a, inner_b = a.shape[-1], b.shape[-2] if b.ndim > 1 else b.shape[0]
    if inner_a != inner_b:
        raise RuntimeError(mismatch("matmul", a, b))
    if a.dtype is not b.dtype:
        raise RuntimeError(dtype_mismatch("matmul", a, b))
    batch = broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2])
    shape = (*batch, *(a.shape[-2:-1] if a.ndim > 1 else ()), *(b.shape[-1:] if b.ndim > 1 else ()))
    return like(a, shape=shape)


def mismatch(op: str, a: Meta, b: Meta) -> str:
    """M1: the two shapes, the dimension that differs, and what to write."""
    inner_a, inner_b = a.shape[-1], b.shape[-2] if b.ndim > 1 else b.shape[0]
    rows = "x".join(map(str, a.shape))
    columns = "x".join(map(str, b.shape))
    return say(
        "matmul-shapes", op=op, rows=rows, columns=columns, a=list(a.shape), b=list(b.shape), inner_a=inner_a, inner_b=inner_b,
        outputs=b.shape[-1],
    )  # fmt: skip


def dtype_mismatch(op: str, a: Meta, b: Meta) -> str:
    """M17: two dtypes in one product."""
    from rushlight.ops.reduce import dtype_name

    convert = say("dtypes-differ/to", a=a.dtype, b=b.dtype)
    if b.dtype.name == "float32":
        convert = say("dtypes-differ/float", a=a.dtype.name, b=b.dtype.name)
    names = {"a_name": dtype_name(a.dtype), "b_name": dtype_name(b.dtype)}
    return say("dtypes-differ", op=op, a=a.dtype, b=b.dtype, fix=convert, **names)


def _matmul(a: np.ndarray, b: np.ndarray) -> Any:
    if a.dtype == bool:
        return np.matmul(a.astype(np.int64), b.astype(np.int64)) != 0
    return np.matmul(a, b)


def _t(x: Any) -> Any:
    return conj(x.transpose(-2, -1))


def _matmul_vjp(g: Any, out: Any, a: Any, b: Any, *, needs: tuple[bool, ...]) -> tuple:
    wide_a = a.unsqueeze(0) if a.ndim == 1 else a
    wide_b = b.unsqueeze(1) if b.ndim == 1 else b
    if a.ndim == 1:
        g = g.unsqueeze(-1 if b.ndim == 1 else -2)
    if b.ndim == 1:
        g = g.unsqueeze(-1)
    if a.ndim == 1 and b.ndim == 1:
        g = g.reshape(1, 1)
    grad_a = grad_b = None
    if needs[0]:
        grad_a = T.matmul(g, _t(wide_b)).sum_to_size(wide_a.shape).reshape(a.shape)
    if needs[1]:
        grad_b = T.matmul(_t(wide_a), g).sum_to_size(wide_b.shape).reshape(b.shape)
    return grad_a, grad_b


matmul = declare(
    "matmul(Tensor input, Tensor other)", infer=_matmul_infer, reference=_matmul, vjp=_matmul_vjp, grad_name="MmBackward0",
    samples=lambda: [
        ((values(2, 3), values(3, 4, seed=1)), {}), ((values(5, 2, 3), values(3, 4, seed=1)), {}),
        ((values(2, 1, 2, 3), values(3, 3, 4, seed=1)), {}), ((values(3), values(3, 4)), {}), ((values(2, 3), values(3)), {}),
        ((values(3), values(3, seed=1)), {}), ((values(5, 2, 3), values(3)), {}),
    ],
    expand=compositions.matmul, doc="the matrix product, over leading batch dimensions",
)  # fmt: skip


def _linear_infer(x: Meta, weight: Meta, bias: Meta | None) -> Meta:
    if weight.ndim not in (1, 2):
        raise RuntimeError(
            explain_error(
                "linear",
                got=f"a weight of shape {list(weight.shape)}",
                expected="(out_features, in_features) or (in_features,)",
            )
        )
    turned = weight.variant(shape=tuple(reversed(weight.shape)))
    if not x.ndim or x.shape[-1] != weight.shape[-1]:
        if not x.ndim:
            raise RuntimeError(
                explain_error(
                    "linear",
                    got="a 0-d input",
                    expected=f"a last dimension of {weight.shape[-1]} features",
                    fix="unsqueeze it",
                )
            )
        raise RuntimeError(mismatch("linear", x, turned))
    if x.dtype is not weight.dtype:
        raise RuntimeError(dtype_mismatch("linear", x, weight))
    shape = (*x.shape[:-1], *weight.shape[:-1])
    if bias is not None:
        if bias.dtype is not x.dtype:
            raise RuntimeError(dtype_mismatch("linear (bias)", x, bias))
        if broadcast_shapes("linear (bias)", shape, bias.shape) != shape:
            raise RuntimeError(
                explain_error(
                    "linear", got=f"a bias of shape {list(bias.shape)}", expected=f"{list(weight.shape[:-1])}"
                )
            )
    return like(x, shape=shape)


def _linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> Any:
    out = np.matmul(x.reshape(math.prod(x.shape[:-1]), x.shape[-1]), weight.T).reshape(x.shape[:-1] + weight.shape[:-1])
    return out if bias is None else np.add(out, bias, out=out) if out.ndim else out + bias


def _linear_vjp(g: Any, out: Any, x: Any, weight: Any, bias: Any, *, needs: tuple[bool, ...]) -> tuple:
    vector = weight.ndim == 1
    spread = g.unsqueeze(-1) if vector else g  # (..., out_features)
    grad_x = grad_weight = None
    if needs[0]:
        grad_x = T.matmul(spread, conj(weight.unsqueeze(0) if vector else weight))
    if needs[1]:
        count = math.prod(x.shape[:-1])
        rows = x if x.ndim == 2 else x.reshape(count, x.shape[-1])
        spread = spread if spread.ndim == 2 else spread.reshape(count, spread.shape[-1])
        grad_weight = T.matmul(spread.transpose(0, 1), conj(rows)).reshape(weight.shape)
    return grad_x, grad_weight, g if needs[2] else None


linear = declare(
    "linear(Tensor input, Tensor weight, Tensor? bias=None)", public="", infer=_linear_infer, reference=_linear, vjp=_linear_vjp,
    grad_name="AddmmBackward0",
    samples=lambda: [
        ((values(4, 3), values(5, 3, seed=1), values(5, seed=2)), {}), ((values(2, 4, 3), values(5, 3, seed=1)), {}),
        ((values(3), values(5, 3, seed=1), values(5, seed=2)), {}), ((values(4, 3), values(3, seed=1)), {}),
    ],
    expand=compositions.linear, doc="input @ weight.T + bias over the last dimension; weight is (out_features, in_features)",
)  # fmt: skip


# --- norms --------------------------------------------------------------------------------------------------------


def _norm_infer(x: Meta, ord: Any, dim: Any, keepdim: bool) -> Meta:
    from rushlight.ops.reduce import dtype_name

    if x.dtype.category < FLOATING:
        raise RuntimeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {dtype_name(x.dtype)}: the tensor is of "
            f"{x.dtype}. Fix: convert it with .float()."
        )
    dims = wrap_dims(dim, x.ndim, "linalg.vector_norm")
    if any(x.shape[d] == 0 for d in dims) and (ord < 0 or ord == float("inf")):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the operation does not have an identity: "
            f"got shape {list(x.shape)}. Fix: check numel() first."
        )
    return like(x, shape=reduced_shape(x.shape, dims, keepdim), dtype=x.dtype.to_real())


def _norm(x: np.ndarray, ord: Any, dim: Any, keepdim: bool) -> Any:
    axis = None if dim is None or dim == () or not x.ndim else dim
    size = np.abs(x)
    if ord == 2:
        return np.sqrt(np.sum(size * size, axis=axis, keepdims=keepdim))
    if ord == float("inf"):
        return np.max(size, axis=axis, keepdims=keepdim)
    if ord == float("-inf"):
        return np.min(size, axis=axis, keepdims=keepdim)
    if ord == 0:
        return np.sum(size != 0, axis=axis, keepdims=keepdim)
    total = np.sum(size if ord == 1 else size**ord, axis=axis, keepdims=keepdim)
    return total if ord == 1 else total ** (1.0 / ord)


def _norm_rule(g: Any, out: Any, x: Any, ord: Any, dim: Any, keepdim: bool) -> Any:
    """Zero where the norm is zero."""
    g = expand_reduced(g, x, dim, keepdim)
    if ord == 0:
        return g * 0
    if ord == 1:
        return g * x.sgn()
    wide = expand_reduced(out, x, dim, keepdim)
    if ord in (float("inf"), float("-inf")):
        hit = (x.abs() == wide) | x.isnan()
        return g * x.sgn() * hit / hit.sum(dim, True)
    if ord == 2:
        return x * (g / wide).masked_fill(wide == 0, 0)
    size = x.abs()
    # |x|^(ord-1) / norm^(ord-1), sign of x; below 1 or between 1 and 2 the power of zero would be infinite
    share = (size / wide.masked_fill(wide == 0, 1)).masked_fill(size == 0, 1) ** (ord - 1)
    return (g * x.sgn() * share).masked_fill(size == 0, 0)


vector_norm = declare(
    "vector_norm_op(Tensor input, any ord, int[]? dim, bool keepdim)", infer=_norm_infer, reference=_norm,
    vjp=(_norm_rule,), grad_name="LinalgVectorNormBackward0",
    samples=lambda: [((values(3, 4), p, 1, False), {}) for p in (2, 1, 3, 1.5, float("inf"), 0)],
    expand=compositions.vector_norm, doc="(sum of |input|^ord)^(1/ord) over `dim`",
)  # fmt: skip
