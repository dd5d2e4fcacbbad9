"""Determinants, inverses and solutions of (batches of) square matrices; LAPACK by way of numpy.linalg."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.dtype import FLOATING
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.reduce import dtype_name
from rushlight.ops.rules import broadcast_shapes, like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T, conj


class LinAlgError(RuntimeError):
    """A matrix does not admit what was asked of it: it is singular, or not positive-definite, or did not converge."""


def check_matrix(name: str, x: Meta, *, square: bool = False) -> None:
    """Raise unless x is a batch of (square) matrices of a dtype that LAPACK knows."""
    if x.ndim < 2:
        raise RuntimeError(
            f"{name}: The input tensor A must have at least 2 dimensions; got shape {list(x.shape)}. Fix: "
            f"A.unsqueeze(0)."
        )
    if square and x.shape[-1] != x.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {x.shape[-2]} by {x.shape[-1]} matrices; "
            f"got shape {list(x.shape)}."
        )
    if x.dtype.category < FLOATING:
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {dtype_name(x.dtype)}. Fix: A.float()."
        )
    if x.dtype.itemsize < 4:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {dtype_name(x.dtype)}. Fix: A.float().")


def adjoint(x: Any) -> Any:
    return conj(x.transpose(-2, -1))


def conj_transposed(x: np.ndarray) -> np.ndarray:
    return np.conj(np.swapaxes(x, -1, -2))


def first_bad(x: np.ndarray, works: Callable[[np.ndarray], bool]) -> str:
    """`(Batch element 2)` when it is not clear which matrix of the batch failed."""
    if x.ndim == 2:
        return ""
    for index, one in enumerate(x.reshape(-1, *x.shape[-2:])):
        if not works(one):
            return f"(Batch element {index}): "
    return ""


def _singular(name: str, x: np.ndarray) -> LinAlgError:
    where = first_bad(x, lambda one: bool(np.linalg.matrix_rank(one) == one.shape[-1]))
    return LinAlgError(
        f"{name}: {where}The input matrix is singular, so that it could not be completed: got a matrix of shape "
        f"{list(x.shape)} "
        "without an inverse. Fix: use torch.linalg.pinv or lstsq, or add a small multiple of torch.eye(n)."
    )


def square_samples() -> list:
    """Well conditioned matrices: one, and a batch."""
    return [((values(3, 3) + 3 * np.eye(3),), {}), ((values(2, 2, 2) + 2 * np.eye(2),), {})]


def symmetric_samples() -> list:
    """Positive-definite matrices."""
    return [((a @ np.swapaxes(a, -1, -2),), {}) for (a,), _ in square_samples()]


def square_rule(name: str) -> Any:
    def infer(x: Meta) -> Meta:
        check_matrix(name, x, square=True)
        return like(x)

    return infer


# --- determinant --------------------------------------------------------------------------------------------------


def _det_infer(x: Meta) -> Meta:
    check_matrix("linalg.det", x, square=True)
    return like(x, shape=x.shape[:-2])


det = declare(
    "det_op(Tensor input)", infer=_det_infer, reference=np.linalg.det, grad_name="LinalgDetBackward0",
    vjp=(lambda g, out, x: g[..., None, None] * conj(T.apply("cofactor_op", (x,), {})),),
    samples=lambda: [*square_samples(), ((np.ones((3, 3)) + np.diag([0, 1.0, 0]),), {})], doc="the determinant",
)  # fmt: skip


def _cofactor(x: np.ndarray) -> np.ndarray:
    """The gradient of the determinant: by the singular values, so that singular matrices have one too."""
    u, s, vh = np.linalg.svd(x)
    n = s.shape[-1]
    others = np.stack([np.prod(np.delete(s, i, -1), -1) for i in range(n)], -1) if n else s
    turn = np.linalg.det(u) * np.linalg.det(vh)
    # transpose of the adjugate of U S Vh, of which conj takes the factors U and V back
    return turn[..., None, None] * np.conj((u * others[..., None, :]) @ vh)


def _cofactor_rule(g: Any, out: Any, x: Any) -> Any:
    inverse = T.apply("inverse_op", (x,), {})
    turned = inverse.transpose(-2, -1)
    inner = (g * conj(turned)).sum((-2, -1), True)
    d = T.apply("det_op", (x,), {})[..., None, None]
    return inner * conj(out) - conj(d) * T.matmul(T.matmul(conj(turned), g.transpose(-2, -1)), conj(turned))


cofactor = declare(
    "cofactor_op(Tensor input)", infer=square_rule("linalg.det"), reference=_cofactor, vjp=(_cofactor_rule,),
    doc="det(A) * inverse(A)^T",
)  # fmt: skip


def _slogdet_infer(x: Meta) -> tuple[Meta, Meta]:
    check_matrix("linalg.slogdet", x, square=True)
    return like(x, shape=x.shape[:-2]), like(x, shape=x.shape[:-2], dtype=x.dtype.to_real())


def _slogdet_rule(g: Any, out: Any, x: Any) -> Any:
    weight = g[1]
    if x.is_complex():
        weight = T.complex(weight, (conj(out[0]) * g[0]).imag)
    return weight[..., None, None] * adjoint(T.apply("inverse_op", (x,), {}))


slogdet = declare(
    "slogdet_op(Tensor input)", infer=_slogdet_infer, reference=lambda x: tuple(np.linalg.slogdet(x)),
    vjp=(_slogdet_rule,),
    grad_name="LinalgSlogdetBackward0", samples=square_samples,
    doc="the sign of the determinant, and the log of its size",
)  # fmt: skip

# --- inverse and solutions ----------------------------------------------------------------------------------------


def _inverse(x: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        raise _singular("linalg.inv", x) from None


def _inverse_rule(g: Any, out: Any, x: Any) -> Any:
    turned = adjoint(out)
    return -T.matmul(turned, T.matmul(g, turned))


inverse = declare(
    "inverse_op(Tensor input)", infer=square_rule("linalg.inv"), reference=_inverse, vjp=(_inverse_rule,),
    grad_name="LinalgInvExBackward0", samples=square_samples, doc="the inverse matrix",
)  # fmt: skip


def pair(name: str, a: Meta, b: Meta) -> tuple[int, ...]:
    """Check a square A and a matrix B of as many rows; the shape of the solution."""
    check_matrix(name, a, square=True)
    if a.dtype is not b.dtype:
        raise RuntimeError(
            explain_error(
                name,
                got=f"A of {a.dtype} and B of {b.dtype}",
                expected="A and B to have the same dtype",
                fix=f"B.to({a.dtype})",
            )
        )
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation AX = B ({a.shape[-2]}x{a.shape[-1]} and "
            f"{b.shape[-2]}x{b.shape[-1]}). Fix: B needs {a.shape[-1]} rows; for XA = B pass left=False."
        )
    return (*broadcast_shapes(name, a.shape[:-2], b.shape[:-2]), *b.shape[-2:])


def _solve(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        raise _singular("linalg.solve", a) from None


def solve_vjp(g: Any, out: Any, a: Any, b: Any, *, needs: tuple[bool, ...]) -> tuple:
    back = T.apply("solve_op", (adjoint(a), g), {})
    return (-T.matmul(back, adjoint(out)) if needs[0] else None), back


solve = declare(
    "solve_op(Tensor input, Tensor other)", infer=lambda a, b: like(b, shape=pair("linalg.solve", a, b)),
    reference=_solve,
    vjp=solve_vjp, grad_name="LinalgSolveExBackward0",
    samples=lambda: [((a, values(3, 2) if a.ndim == 2 else values(2, 2, 1)), {}) for (a,), _ in square_samples()],
    doc="X with A X = B",
)  # fmt: skip


def _triangular(a: np.ndarray, b: np.ndarray, upper: bool, unitriangular: bool) -> np.ndarray:
    """Substitution, a row at a time for the whole batch; a zero on the diagonal gives infinities."""
    n = a.shape[-1]
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.array(np.broadcast_to(b, (*batch, *b.shape[-2:])))
    for i in reversed(range(n)) if upper else range(n):
        known = slice(i + 1, n) if upper else slice(0, i)
        x[..., i, :] -= np.matmul(a[..., i : i + 1, known], x[..., known, :])[..., 0, :]
        if not unitriangular:
            x[..., i, :] /= a[..., i, i, None]
    return x


def _triangular_vjp(
    g: Any, out: Any, a: Any, b: Any, *, needs: tuple[bool, ...], upper: bool, unitriangular: bool
) -> tuple:
    back = T.apply("triangular_op", (adjoint(a), g), {"upper": not upper, "unitriangular": unitriangular})
    grad = None
    if needs[0]:
        whole = -T.matmul(back, adjoint(out))
        grad = whole.triu(int(unitriangular)) if upper else whole.tril(-int(unitriangular))
    return grad, back


triangular = declare(
    "triangular_op(Tensor input, Tensor other, bool upper, bool unitriangular)",
    infer=lambda a, b, upper, unitriangular: like(b, shape=pair("linalg.solve_triangular", a, b)),
    reference=_triangular,
    vjp=_triangular_vjp, grad_name="LinalgSolveTriangularBackward0",
    samples=lambda: [((values(3, 3) + 3 * np.eye(3), values(3, 2), True, False), {})],
    doc="X with A X = B for a triangular A",
)  # fmt: skip
