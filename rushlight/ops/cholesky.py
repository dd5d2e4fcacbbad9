"""A = L L^H of positive-definite matrices; LAPACK by way of numpy.linalg."""

from __future__ import annotations

import bisect
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.rules import like
from rushlight.ops.solve import LinAlgError, adjoint, check_matrix, conj_transposed, first_bad, symmetric_samples
from rushlight.ops.tensor_code import T


def _cholesky(x: np.ndarray, upper: bool) -> np.ndarray:
    lower = conj_transposed(np.triu(x)) if upper else x
    try:
        factor = np.linalg.cholesky(lower)
    except np.linalg.LinAlgError:

        def works(one: np.ndarray) -> bool:
            return bool((np.linalg.eigvalsh(one) > 0).all())

        raise LinAlgError(
            f"linalg.cholesky: {first_bad(lower, works)}The factorization could not be completed because the input "
            f"is not "
            "positive-definite. Fix: symmetrise it, or add a small multiple of torch.eye(n)."
        ) from None
    return conj_transposed(factor) if upper else factor


def _cholesky_rule(g: Any, out: Any, x: Any, upper: bool) -> Any:
    factor, g = (adjoint(out), adjoint(g)) if upper else (out, g)
    inner = T.matmul(adjoint(factor), g).tril()
    inner = inner + adjoint(inner.tril(-1))
    solved = T.apply("triangular_op", (adjoint(factor), inner), {"upper": True, "unitriangular": False})
    return (
        adjoint(T.apply("triangular_op", (adjoint(factor), adjoint(solved)), {"upper": True, "unitriangular": False}))
        / 2
    )


def _cholesky_infer(x: Meta, upper: bool) -> Meta:
    check_matrix("linalg.cholesky", x, square=True)
    return like(x)


cholesky = declare(
    "cholesky_op(Tensor input, bool upper)", infer=_cholesky_infer, reference=_cholesky, vjp=(_cholesky_rule,),
    grad_name="LinalgCholeskyExBackward0", samples=lambda: [((a, False), {}) for (a,), _ in symmetric_samples()],
    doc="the lower triangular L with A = L L^H",
)  # fmt: skip


def _cholesky_ex(x: np.ndarray, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    """LAPACK for the whole batch; matrix by matrix when one of them is not positive-definite."""
    lower = conj_transposed(np.triu(x)) if upper else x
    info = np.zeros(x.shape[:-2], np.int32)
    try:
        factor = np.linalg.cholesky(lower)
    except np.linalg.LinAlgError:
        factor = np.full_like(x, np.nan)
        for at in np.ndindex(*info.shape):
            info[at] = _first_failing(lower[at])
            if not info[at]:
                factor[at] = np.linalg.cholesky(lower[at])
    return conj_transposed(factor) if upper else factor, info


def _first_failing(one: np.ndarray) -> int:
    """The size of the smallest leading block that is not positive-definite, or 0; larger ones are not either."""

    def fails(size: int) -> bool:
        try:
            np.linalg.cholesky(one[:size, :size])
        except np.linalg.LinAlgError:
            return True
        return False

    n = len(one)
    return bisect.bisect_left(range(1, n + 1), True, key=fails) + 1 if n and fails(n) else 0


def _cholesky_ex_infer(x: Meta, upper: bool) -> tuple[Meta, Meta]:
    check_matrix("linalg.cholesky_ex", x, square=True)
    return like(x), like(x, shape=x.shape[:-2], dtype=dtypes.int32)


cholesky_ex = declare(
    "cholesky_ex_op(Tensor input, bool upper)", infer=_cholesky_ex_infer, reference=_cholesky_ex,
    vjp=(lambda g, out, x, upper: _cholesky_rule(g[0], out[0], x, upper),), grad_name="LinalgCholeskyExBackward0",
    samples=lambda: [((a, True), {}) for (a,), _ in symmetric_samples()],
    doc="Cholesky's factor, NaN where there is none, and the size of the first leading block that has none",
)  # fmt: skip
