"""Cross products, covariance, block matrices, integrals and slopes along a dimension."""

from __future__ import annotations

from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.products import _matmul
from rushlight.functional.registry import FUNCTIONS, public, write_out
from rushlight.lazy.handle import Handle
from rushlight.ops.rules import wrap_dim, wrap_dims


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
    """The cross product along dim, by default the first dimension of size 3.

    >>> import rushlight as torch
    >>> torch.cross(torch.tensor([1, 0, 0]), torch.tensor([0, 1, 0]), dim=0)
    tensor([0, 0, 1])
    """
    if dim is None:
        dim = next((d for d, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError(f"cross: no dimension of size 3 in input; got shape {list(input.shape)}.")
    return linalg_cross(input, other, dim=dim, out=out)


@public(method=True)
def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariance matrix of the variables in the rows.

    >>> import rushlight as torch
    >>> torch.cov(torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions"
        )
    x = input.reshape(1, -1) if input.ndim < 2 else input
    _check_weights(x, fweights, aweights)
    x = x if x.dtype.category >= dtypes.FLOATING else x.to(dtypes.get_default_dtype())
    weights = None  # in their own dtype, in which they are counted
    for given in (fweights, aweights):
        if given is not None:
            weights = given if weights is None else weights * given
    total: Any
    if weights is None:
        scaled = centred = x - x.mean(1, True)
        total = max(x.shape[1] - correction, 0)
    else:
        whole = weights.sum()
        centred = x - (x * weights).sum(1, True) / whole
        scaled = centred * weights
        if aweights is None or correction == 0:
            total = (whole - correction).clamp(min=0)
        else:
            total = (whole - correction * (weights * aweights).sum() / whole).clamp(min=0)
    result = _matmul(scaled, _h(centred)) / total
    return result.squeeze()


def _check_weights(x: Any, fweights: Any, aweights: Any) -> None:
    """One weight an observation, none of them negative: counts are integers, importances floats."""
    for name, weights, kind in (("fweights", fweights, dtypes.INTEGER), ("aweights", aweights, dtypes.FLOATING)):
        if weights is None:
            continue
        if weights.ndim > 1 or weights.dtype.category != kind or weights.numel() != x.shape[1]:
            raise RuntimeError(
                explain_error(
                    "cov", got=f"{name} of shape {list(weights.shape)} and {weights.dtype} for {x.shape[1]} observations",
                    expected=f"one {'integer' if kind == dtypes.INTEGER else 'float'} for each",
                )
            )  # fmt: skip
        if weights.numel() and bool((weights < 0).any()):
            raise RuntimeError(explain_error("cov", got=f"negative {name}", expected="weights of at least 0"))


@public(method=True)
def corrcoef(input: Any) -> Any:
    """The correlation matrix of the variables in the rows."""
    c = cov(input)
    if c.ndim == 0:
        return c / c
    root = c.diagonal().sqrt()
    found = c / root.unsqueeze(1) / root.unsqueeze(0)
    return (
        FUNCTIONS["complex"](found.real.clamp(-1, 1), found.imag.clamp(-1, 1)) if c.is_complex() else found.clamp(-1, 1)
    )


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
    x = x.reshape(1) if not x.ndim else x
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
    """The integral along dim by the trapezoidal rule.

    >>> import rushlight as torch
    >>> torch.trapezoid(torch.tensor([1.0, 2.0, 3.0]))
    tensor(4.)
    """
    return _areas(y, x, dx, dim).sum(dim)


@public()
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The running integral along dim by the trapezoidal rule."""
    return _areas(y, x, dx, dim).cumsum(dim)


@public()
def gradient(input: Any, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> tuple:
    """Central differences in the given dimensions, of second order; one-sided ones of order `edge_order` at the edges.

    `spacing` is the distance of neighbours, for all dimensions or one each, or their coordinates, one vector each.

    >>> import rushlight as torch
    >>> torch.gradient(torch.tensor([1.0, 4.0, 9.0, 16.0]))
    (tensor([3., 4., 6., 7.]),)
    """
    if edge_order not in (1, 2):
        raise RuntimeError(explain_error("gradient", got=f"edge_order={edge_order}", expected="1 or 2"))
    if dim is None:
        # a list that is shorter than the dimensions speaks of the first ones
        named = len(spacing) if isinstance(spacing, (tuple, list)) else input.ndim
        dims = tuple(range(min(named, input.ndim)))
    else:
        dims = wrap_dims((dim,) if isinstance(dim, int) else tuple(dim), input.ndim, "gradient")
    steps = list(spacing) if isinstance(spacing, (tuple, list)) else [1 if spacing is None else spacing] * len(dims)
    if len(steps) != len(dims):
        raise RuntimeError(
            explain_error("gradient", got=f"{len(steps)} spacings for dimensions {list(dims)}", expected="one for each")
        )
    for step in steps:
        if isinstance(step, Handle) and step._meta.device != input.device:
            raise RuntimeError(
                explain_error(
                    "gradient", got=f"coordinates on {step._meta.device}", expected=f"all tensors on {input.device}"
                )
            )
    return tuple(_slope(input, d, h, edge_order) for d, h in zip(dims, steps, strict=True))


def _slope(y: Any, dim: int, spacing: Any, edge_order: int) -> Any:
    n = y.shape[dim]
    if n <= edge_order:
        raise RuntimeError(
            explain_error(
                "gradient",
                got=f"shape {list(y.shape)} in dimension {dim}",
                expected=f"at least {edge_order + 1} elements",
            )
        )
    y = y if y.dtype.category >= dtypes.FLOATING else y.to(dtypes.get_default_dtype())
    if isinstance(spacing, Handle) and spacing._meta.ndim:
        if spacing._meta.numel != n:
            raise RuntimeError(
                explain_error(
                    "gradient", got=f"{spacing._meta.numel} coordinates", expected=f"{n}, as dimension {dim} is long"
                )
            )
        h = spacing.diff().reshape([n - 1 if d == dim else 1 for d in range(y.ndim)])  # type: ignore[attr-defined]
    else:
        h = FUNCTIONS["full"]([n - 1 if d == dim else 1 for d in range(y.ndim)], spacing, dtype=y.dtype.to_real())
    slope = y.diff(dim=dim) / h  # of the line through each pair of neighbours
    before, after = h.narrow(dim, 0, n - 2), h.narrow(dim, 1, n - 2)
    left, right = slope.narrow(dim, 0, n - 2), slope.narrow(dim, 1, n - 2)
    inner = (left * after + right * before) / (before + after)
    first, last = slope.narrow(dim, 0, 1), slope.narrow(dim, n - 2, 1)
    if edge_order == 2:  # of the parabola through the three points at the edge
        bend = (right - left) / (before + after)
        first = first - h.narrow(dim, 0, 1) * bend.narrow(dim, 0, 1)
        last = last + h.narrow(dim, n - 2, 1) * bend.narrow(dim, n - 3, 1)
    return FUNCTIONS["cat"]([first, inner, last], dim)
