"""Batching rules by family: how an op on samples becomes one op on the batch, whose dimension is in front."""

from __future__ import annotations

import math
from typing import Any

from rushlight.func.batch import Batch, Value, rule, run, tensors
from rushlight.ir.meta import WEAK
from rushlight.ir.op import TABLE
from rushlight.ops.rules import result_dtype


def _dim(dim: int, ndim: int) -> int:
    """A sample's dimension as one of the batch."""
    return dim % max(ndim, 1) + 1


def _dims(dims: Any, ndim: int) -> tuple[int, ...]:
    if dims is None or dims == ():
        return tuple(range(1, max(ndim, 1) + 1))
    return tuple(_dim(d, ndim) for d in ((dims,) if isinstance(dims, int) else dims))


def _lifted(batch: Batch, value: Value) -> Any:
    """(B, *sample) with at least one sample dimension: what ops over a dimension take of a sample without any."""
    found = batch.full(value)
    return found.unsqueeze(1) if value.ndim == 0 else found


# --- elements and elements --------------------------------------------------------------------------------------------


def pointwise(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    """Sample dimensions are aligned at the end, so the op broadcasts as it would for one sample."""
    found = tensors(given)
    ndim = max(v.ndim for v in found)
    kinds = {v.meta.dtype for v in found if v.meta.dtype.category}
    joint = None
    if len(kinds) > 1 and any(v.batched and v.ndim == 0 for v in found):
        # A sample without dimensions yields to others in promotion; with a batch dimension it would not.
        weak = [WEAK[type(g)] for g in given if isinstance(g, (int, float, bool, complex))]
        joint = result_dtype(*(v.meta for v in found), *weak)

    whole = op.inplace or op.name in _NO_BROADCAST

    def operand(g: Any) -> Any:
        if not isinstance(g, Value):
            return g
        handle = batch.full(g, ndim) if whole else batch.aligned(g, ndim)
        return handle.to(joint) if joint is not None and g.meta.dtype.category else handle

    return run(op.functional or op, tuple(operand(g) for g in given), static)


_NO_BROADCAST = {"copy", "binary_cross_entropy_part", "rrelu_with_noise_op"}


# --- one dimension, several dimensions --------------------------------------------------------------------------------


@rule(
    "softmax", "log_softmax", "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "max_dim", "min_dim", "sort_op", "topk_op",
    "kthvalue_dim", "median_dim", "nanmedian_dim", "mode_dim", "glu_op", "prod", "argmax", "argmin", "position_part",
)  # fmt: skip
def _one_dimension(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    x = given[0]
    if static["dim"] is None:  # over everything
        flat = batch.full(x).reshape(batch.size, max(math.prod(x.meta.shape), 0))
        return run(op, (flat, *given[1:]), {**static, "dim": 1})
    return run(op, (_lifted(batch, x), *given[1:]), {**static, "dim": _dim(static["dim"], x.ndim)})


@rule("sum", "mean", "var", "amax", "amin", "all", "any", "logsumexp", "vector_norm_op")
def _several_dimensions(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    return run(op, (_lifted(batch, given[0]),), {**static, "dim": _dims(static["dim"], given[0].ndim)})


@rule("fft_c2c_op", "fft_r2c_op", "fft_c2r_op")
def _fft(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    return run(op, (batch.full(given[0]),), {**static, "dim": _dims(static["dim"], given[0].ndim)})


@rule("flip")
def _flip(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    if not static["dims"]:
        return batch.full(given[0])
    return run(op, (_lifted(batch, given[0]),), {"dims": _dims(static["dims"], given[0].ndim)})


@rule("roll")
def _roll(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    x, dims = batch.full(given[0]), static["dims"]
    if dims is None or dims == ():
        return run(op, (x.reshape(batch.size, -1),), {**static, "dims": (1,)})
    return run(op, (_lifted(batch, given[0]),), {**static, "dims": _dims(dims, given[0].ndim)})


@rule(
    "mse_loss_op", "smooth_l1_loss_op", "huber_loss_op", "soft_margin_loss_op", "binary_cross_entropy_op",
    "binary_cross_entropy_with_logits_op",
)  # fmt: skip
def _loss(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    """Element by element, then reduced over each sample."""
    ndim = max(v.ndim for v in tensors(given))
    each = run(
        op, tuple(batch.full(g, ndim) if isinstance(g, Value) else g for g in given), {**static, "reduction": "none"}
    )
    if static["reduction"] == "none" or each.ndim == 1:
        return each
    dims = tuple(range(1, each.ndim))
    return each.mean(dims) if static["reduction"] == "mean" else each.sum(dims)


# --- joining ----------------------------------------------------------------------------------------------------------


@rule("cat")
def _cat(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    ndim = max(v.ndim for v in given[0])
    parts = [
        batch.full(v) for v in given[0] if v.ndim == ndim or v.meta.shape != (0,)
    ]  # empty ones of any rank are left out
    return run(op, (parts,), {"dim": _dim(static["dim"], ndim)})


@rule("stack")
def _stack(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    return run(op, ([batch.full(v) for v in given[0]],), {"dim": _dim(static["dim"], given[0][0].ndim + 1)})


@rule("repeat")
def _repeat(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    repeats = static["repeats"]
    return run(op, (batch.full(given[0], len(repeats)),), {"repeats": (1, *repeats)})


@rule("clone")
def _clone(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    kept = static["memory_format"] if static["memory_format"] in (None, "preserve", "contiguous") else None
    return run(op, (batch.full(given[0]),), {"memory_format": kept})


# --- ops that leave leading dimensions alone --------------------------------------------------------------------------


@rule(
    "tril", "triu", "constant_pad_nd", "mode_pad_op", "mode_pad_backward", "max_pool_op", "adaptive_max_pool_op", "avg_pool_op",
    "avg_pool_backward", "resample_op", "resample_backward", "pool_scatter_part", "pool_gather_part", "det_op", "cofactor_op",
    "slogdet_op", "inverse_op", "solve_op", "triangular_op", "cholesky_op", "cholesky_ex_op", "qr_op", "svd_op", "svdvals_op", "eigh_op",
    "eigvalsh_op", "eig_op", "lu_factor_op", "lu_order_op", "ldl_factor_op", "geqrf_op", "matrix_exp_op", "one_hot_op", "frexp_op",
    "scaled_dot_product_attention_op", "scaled_dot_product_attention_backward",
)  # fmt: skip
def _leading(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    found = tensors(given)
    ndim = max(v.ndim for v in found) if len(found) > 1 and not op.name.startswith("pool_") else None
    if op.name in ("scaled_dot_product_attention_op", "scaled_dot_product_attention_backward"):
        return _attention(batch, op, given, static)
    if op.name == "solve_op":
        return _solve(batch, op, given, static)
    return run(op, tuple(batch.full(g, ndim) if isinstance(g, Value) else g for g in given), static)


def _solve(batch: Batch, op: Any, given: list, static: dict) -> Any:
    a, b = given
    if b.ndim == 1:  # a vector, not a batch of them
        return run(op, (batch.full(a), batch.full(b).unsqueeze(-1)), static)
    ndim = max(a.ndim, b.ndim)
    return run(op, (batch.full(a, ndim), batch.full(b, ndim)), static)


@rule("solve_ex_op")
def _solve_ex(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    return _solve(batch, op, given, static)


@rule("pinv_op", "matrix_rank_op")
def _with_tolerances(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    """A tolerance has two dimensions less than the matrices."""
    ndim = max(g.ndim + 2 * (i > 0) for i, g in enumerate(given) if isinstance(g, Value))
    full = [batch.full(g, ndim - 2 * (i > 0)) if isinstance(g, Value) else g for i, g in enumerate(given)]
    return run(op, tuple(full), static)


@rule("ldl_solve_op")
def _ldl_solve(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    packed, pivots, b = given
    ndim = max(packed.ndim, b.ndim)
    return run(op, (batch.full(packed, ndim), batch.full(pivots, ndim - 1), batch.full(b, ndim)), static)


def _attention(batch: Batch, op: Any, given: list, static: dict) -> Any:
    """(..., L, E): a log-sum has one dimension less than the others."""
    ndim = max(
        g.ndim for g, p in zip(given, op.slots, strict=True) if isinstance(g, Value) and "logsumexp" not in p.name
    )
    return run(
        op,
        tuple(
            batch.full(g, ndim - ("logsumexp" in p.name)) if isinstance(g, Value) else g
            for g, p in zip(given, op.slots, strict=True)
        ),
        static,
    )


# --- products ---------------------------------------------------------------------------------------------------------


@rule("matmul")
def _matmul(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    a, b = given
    left, right = (max(v.ndim, 2) for v in given)
    ndim = max(left, right)
    x = a.handle.unsqueeze(-2) if a.ndim == 1 else a.handle
    y = b.handle.unsqueeze(-1) if b.ndim == 1 else b.handle
    if a.batched and left < ndim:
        x = x.reshape(batch.size, *(1,) * (ndim - left), *x.shape[1:])
    if b.batched and right < ndim:
        y = y.reshape(batch.size, *(1,) * (ndim - right), *y.shape[1:])
    return run(op, (x, y), static)


@rule("linear")
def _linear(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    x, w, b = given
    if not w.batched and w.ndim == 2 and (b is None or not b.batched):
        return run(op, (x.handle, w.handle, None if b is None else b.handle), static)
    turned = w
    if w.ndim == 2:
        turned = Value(w.handle.transpose(-1, -2), w.batched, w.meta.variant(shape=w.meta.shape[::-1]))
    product = _matmul(batch, TABLE["matmul"], [x, turned], {}, metas)
    if not (x.batched or w.batched):
        return product + batch.aligned(b, metas[0].ndim)
    product = product.reshape(batch.size, *metas[0].shape)
    return product if b is None else product + batch.aligned(b, metas[0].ndim)
