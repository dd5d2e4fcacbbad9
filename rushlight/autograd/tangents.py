"""The forward rule of every op, derived from its gradient rule.

An op's `vjp` is g -> Jᵀ g, in tensor code. For a pointwise op J is diagonal, so J t is the same rule at t. An op that is linear
in its tensors is its own derivative; a product is linear in each factor. For every other op J t is the derivative of
u -> Jᵀ u, contracted with t, so differentiating the rule's own code once more gives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushlight.autograd.engine import fit
from rushlight.autograd.pull import place_of, pull
from rushlight.functional import FUNCTIONS
from rushlight.ir.op import Op
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import local, switch_grad_mode
from rushlight.ops.tensor_code import T

# Linear in the tensors at these positions together, the others being constants.
LINEAR: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(
        (
            "sum", "mean", "cumsum", "cat", "stack", "flip", "roll", "tril", "triu", "repeat", "clone", "index", "gather_op",
            "index_select_op", "take", "embedding_op", "embedding_backward", "mode_pad_op", "mode_pad_backward", "avg_pool_op",
            "avg_pool_backward", "resample_op", "resample_backward", "im2col_op", "col2im_op", "pool_gather_part",
            "pool_scatter_part", "unfold_backward", "as_strided_backward",
        ),
        (0,),
    ),
    "index_put": (0, 1), "index_copy_op": (0, 2),
}  # fmt: skip
PRODUCTS = {"matmul": (0, 1), "linear": (0, 1), "convolution": (0, 1), "convolution_weight_backward": (0, 1)}


def push(
    op: Op, outs: Sequence[Any], values: Sequence[Any], tangents: Sequence[Any], static: dict[str, Any]
) -> list[Any]:
    """The tangents of an op's results, None for those that are not differentiable."""
    base = op.functional or op
    if op.vjp is None:
        if op.name.endswith("_backward"):
            raise NotImplementedError(
                f"forward mode: {op.name} has no derivative. Fix: compute this part with torch.func.vjp or grad."
            )
        return [None] * len(outs)
    out = outs[0]
    real = not any(t.is_complex() for t in _tensors([*values, *outs]))
    if len(outs) == 1 and not _continuous(out):
        return [None]
    if op.pointwise and real and len(outs) == 1:
        return [_pointwise(op, out, values, tangents, static)]
    if len(outs) == 1 and (base.view or base.name.endswith("_write")) and base.name != "as_strided":
        return [_linear(base, out, values, tangents, static, range(len(values)))]
    if base.name in LINEAR and len(outs) == 1:
        slots = LINEAR[base.name]
        if all(t is None for i, t in enumerate(tangents) if i not in slots):
            return [_linear(base, out, values, tangents, static, slots)]
    if base.name in PRODUCTS:
        return [_product(base, out, values, tangents, static)]
    return _twice(op, outs, values, tangents, static)


def _continuous(x: Any) -> bool:
    return x.dtype.is_floating_point or x.dtype.is_complex


def _tensors(values: Sequence[Any]) -> list[Any]:
    return [t for v in values for t in (v if isinstance(v, list) else (v,)) if isinstance(t, Handle)]


def _like(found: Any, out: Any) -> Any:
    """In the shape and dtype of what it belongs to."""
    if found.shape != out.shape:
        found = found.expand(out.shape)
    return found if found.dtype is out.dtype else found.to(out.dtype)


def _pointwise(op: Op, out: Any, values: Sequence[Any], tangents: Sequence[Any], static: dict[str, Any]) -> Any:
    total = None
    for i, tangent in enumerate(tangents):
        if tangent is None:
            continue
        found = _rule(op, i, _like(tangent, out), out, values, static)
        if found is not None:
            total = found if total is None else total + found
    return None if total is None else _like(total, out)


def _rule(op: Op, i: int, g: Any, out: Any, values: Sequence[Any], static: dict[str, Any]) -> Any:
    if callable(op.vjp):
        needs = tuple(k == i for k in range(len(values)))
        return op.vjp(g, out, *values, needs=needs, **static)[i]
    return op.vjp[i](g, out, *values, **static) if i < len(op.vjp) and op.vjp[i] is not None else None


def _zeros(value: Any) -> Any:
    return FUNCTIONS["zeros"](tuple(value.shape), dtype=value.dtype) if isinstance(value, Handle) else 0.0


def _linear(
    op: Op, out: Any, values: Sequence[Any], tangents: Sequence[Any], static: dict[str, Any], slots: Any
) -> Any:
    given = []
    for i, (value, tangent) in enumerate(zip(values, tangents, strict=True)):
        if i not in slots:
            given.append(value)
        elif isinstance(value, list):
            given.append([_zeros(v) if t is None else t for v, t in zip(value, tangent, strict=True)])
        else:
            given.append(_zeros(value) if tangent is None else tangent)
    if op.name == "view":
        return given[0].reshape(out.shape)  # the tangent may lie in another order
    if op.name in ("detach", "data"):
        return None
    return T.apply(op.name, tuple(given), static)


def _product(op: Op, out: Any, values: Sequence[Any], tangents: Sequence[Any], static: dict[str, Any]) -> Any:
    total = None
    for i in PRODUCTS[op.name]:
        if tangents[i] is not None:
            factors = [tangents[k] if k == i else values[k] if k < 2 else None for k in range(len(values))]
            found = T.apply(op.name, tuple(factors), static)
            total = found if total is None else total + found
    if len(values) > 2 and tangents[2] is not None:  # a bias is added
        bias = tangents[2]
        if op.name == "convolution":
            bias = bias.reshape(-1, *(1,) * (out.ndim - 2))
        total = _like(bias, out) if total is None else total + bias
    return total


def _twice(
    op: Op, outs: Sequence[Any], values: Sequence[Any], tangents: Sequence[Any], static: dict[str, Any]
) -> list[Any]:
    """J t = d(Jᵀ u · t)/du."""
    mode = local.grad_mode
    switch_grad_mode(True)
    try:
        us = [_zeros(o).requires_grad_() if _continuous(o) else _zeros(o) for o in outs]
        several = len(outs) > 1
        g, out = (tuple(us), tuple(outs)) if several else (us[0], outs[0])
        if callable(op.vjp):
            needs = tuple(any(x is not None for x in t) if isinstance(t, list) else t is not None for t in tangents)
            rows = op.vjp(g, out, *values, needs=needs, **static)
        else:
            rows = [_rule(op, i, g, out, values, static) if t is not None else None for i, t in enumerate(tangents)]
        pairs = []
        for row, value, tangent in zip(rows, values, tangents, strict=False):
            for r, v, t in (
                zip(row, value, tangent, strict=False) if isinstance(value, list) else [(row, value, tangent)]
            ):
                if r is not None and t is not None:
                    pairs.append((fit(r, v._meta), t))
        pairs = [(r, t) for r, t in pairs if r._meta.requires_grad]
        goals = [place_of(u) for u in us if u._meta.requires_grad]
        found = pull(*map(list, zip(*pairs, strict=True)), goals, create_graph=mode) if pairs else [None] * len(goals)
    finally:
        switch_grad_mode(mode)
    rest = iter(found)
    results = [next(rest) if u._meta.requires_grad else None for u in us]
    return [_zeros(o) if t is None and _continuous(o) else t for o, t in zip(outs, results, strict=True)]


def of_function(context: Any, tangents: Sequence[Any], count: int) -> list[Any]:
    """The tangents of the outputs of an `autograd.Function`, by its own `jvp`."""
    cls = context._function
    if not hasattr(cls, "jvp"):
        raise NotImplementedError(
            f"forward mode: the Function {cls.__name__} has no jvp. Fix: give it a static method jvp(ctx, *tangents) that "
            "returns the tangents of its outputs."
        )
    rest = iter(tangents)
    found = cls.jvp(context, *[next(rest) if is_tensor else None for is_tensor in context._arguments])
    found = tuple(found) if isinstance(found, (tuple, list)) else (found,)
    connected = [f for f, (is_connected, _) in zip(found, context._outputs, strict=True) if is_connected]
    if len(connected) != count:
        raise RuntimeError(f"{cls.__name__}.jvp: got {len(found)} tangents; expected one for each output of forward.")
    return connected
