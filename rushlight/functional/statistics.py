"""Cross products, covariance, block matrices, integrals and slopes along a dimension."""

from __future__ import annotations

from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.products import _matmul
from rushlight.functional.registry import FUNCTIONS, public, write_out
from rushlight.lazy.record import Handle
from rushlight.ops.rules import wrap_dim


def _done(result: Any, out: Any) -> Any:
    return result if out is None else write_out(out, result)


def _h(x: Any) -> Any:
    return x.transpose(-2, -1).conj()


def linalg_cross(input: Any, other: Any, *, dim: int = -1, out: Any = None) -> Any:
    """The cross product along a dimension of size 3."""
    if input.ndim != other.ndim:
        raise RuntimeError(
            explain_error(
                "linalg.cross",
                got=f"shapes {list(input.shape)} and {list(other.shape)}",
                expected="inputs of the same number of dimensions",
            )
        )
    d = wrap_dim(dim, input.ndim, "linalg.cross")
    if input.shape[d] != 3 or other.shape[d] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[d]} and {other.shape[d]}"
        )
    a, b = input.unbind(d), other.unbind(d)
    parts = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    return _done(FUNCTIONS["stack"](parts, d), out)


@public(method=True)
def cross(input: Any, other: Any, dim: int | None = None, *, out: Any = None) -> Any:
    """The cross product along dim, by default the first dimension of size 3."""
    if dim is None:
        dim = next((d for d, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError(f"cross: no dimension of size 3 in input; got shape {list(input.shape)}.")
    return linalg_cross(input, other, dim=dim, out=out)


@public(method=True)
def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariance matrix of the variables in the rows."""
    if input.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions"
        )
    x = input.reshape(1, -1) if input.ndim < 2 else input
    x = x if x.dtype.category >= dtypes.FLOATING else x.to(dtypes.get_default_dtype())
    weights = None
    for given in (fweights, aweights):
        if given is not None:
            weights = given.to(x.dtype) if weights is None else weights * given.to(x.dtype)
    if weights is None:
        count, mean = x.shape[1], x.mean(1, True)
        centred = x - mean
        scaled = centred
        total: Any = max(count - correction, 0)
    else:
        whole = weights.sum()
        centred = x - (x * weights).sum(1, True) / whole
        scaled = centred * weights
        if aweights is None or correction == 0:
            total = (whole - correction).clamp(min=0)
        else:
            total = (whole - correction * (weights * aweights.to(x.dtype)).sum() / whole).clamp(min=0)
    result = _matmul(scaled, _h(centred)) / total
    return result.squeeze() if input.ndim < 2 else result


@public(method=True)
def corrcoef(input: Any) -> Any:
    """The correlation matrix of the variables in the rows."""
    c = cov(input)
    if c.ndim == 0:
        return c / c
    root = c.diagonal().sqrt()
    return (c / root.unsqueeze(1) / root.unsqueeze(0)).clamp(-1, 1)


# --- grids and integrals ------------------------------------------------------------------------------------------


@public()
def block_diag(*tensors: Any) -> Any:
    """A matrix with the given matrices along its diagonal."""
    blocks = [t.reshape(1, -1) if t.ndim < 2 else t for t in tensors]
    if any(b.ndim > 2 for b in blocks):
        raise RuntimeError(
            explain_error(
                "block_diag", got=f"shapes {[list(t.shape) for t in tensors]}", expected="at most two dimensions"
            )
        )
    if not blocks:
        return FUNCTIONS["empty"](1, 0)
    columns, rows, at = sum(b.shape[1] for b in blocks), [], 0
    for b in blocks:
        parts = [
            FUNCTIONS["zeros"](b.shape[0], at, dtype=b.dtype),
            b,
            FUNCTIONS["zeros"](b.shape[0], columns - at - b.shape[1], dtype=b.dtype),
        ]
        rows.append(FUNCTIONS["cat"](parts, 1))
        at += b.shape[1]
    return FUNCTIONS["cat"](rows, 0)


@public()
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Powers of a vector's elements as rows, the highest first."""
    n = x.shape[-1] if N is None else N
    if n == 0:
        return FUNCTIONS["empty"](*x.shape, 0, dtype=x.dtype)
    powers = [FUNCTIONS["ones_like"](x)]
    for _ in range(n - 1):
        powers.append(powers[-1] * x)
    return FUNCTIONS["stack"](powers if increasing else powers[::-1], -1)


def linalg_vander(x: Any, N: int | None = None) -> Any:
    """Powers of the elements as rows, the lowest first."""
    return vander(x, N, increasing=True)


def _areas(y: Any, x: Any, dx: Any, dim: int) -> Any:
    n = y.shape[dim]
    mid = (y.narrow(dim, 1, n - 1) + y.narrow(dim, 0, n - 1)) / 2
    if x is None:
        return mid * (1 if dx is None else dx)
    if x.ndim == 1 and y.ndim > 1:
        x = x.reshape([n if d == dim % y.ndim else 1 for d in range(y.ndim)])
    return mid * x.diff(dim=dim)


@public("trapezoid", "trapz")
def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The integral along dim by the trapezoidal rule."""
    return _areas(y, x, dx, dim).sum(dim)


@public()
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The running integral along dim by the trapezoidal rule."""
    return _areas(y, x, dx, dim).cumsum(dim)


@public()
def gradient(input: Any, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> list:
    """Central differences in the given dimensions; one-sided at the edges."""
    if edge_order != 1:
        raise NotImplementedError(explain_error("gradient", got=f"edge_order={edge_order}", expected="edge_order=1"))
    dims = tuple(range(input.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    steps = list(spacing) if isinstance(spacing, (tuple, list)) else [spacing] * len(dims)
    if len(steps) != len(dims):
        raise RuntimeError(
            f"torch.gradient expected spacing to be unspecified, a scalar or a list of length {len(dims)}, but got "
            f"a list of length {len(steps)}."
        )
    return [_slope(input, d, h) for d, h in zip(dims, steps, strict=True)]


def _slope(y: Any, dim: int, spacing: Any) -> Any:
    n = y.shape[dim]
    if n < 2:
        raise RuntimeError(f"torch.gradient expected each dimension size to be at least 2; got {list(y.shape)}")
    step = y.diff(dim=dim)
    if isinstance(spacing, Handle) and spacing._meta.ndim:
        h = spacing.diff().reshape([n - 1 if d == dim % y.ndim else 1 for d in range(y.ndim)])  # type: ignore[attr-defined]
        slope = step / h
        before, after = h.narrow(dim, 0, n - 2), h.narrow(dim, 1, n - 2)
        inner = (slope.narrow(dim, 0, n - 2) * after + slope.narrow(dim, 1, n - 2) * before) / (before + after)
    else:
        slope = step / spacing
        inner = (slope.narrow(dim, 0, n - 2) + slope.narrow(dim, 1, n - 2)) / 2
    return FUNCTIONS["cat"]([slope.narrow(dim, 0, 1), inner, slope.narrow(dim, n - 2, 1)], dim)
