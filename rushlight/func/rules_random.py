"""Random ops under vmap: one draw for the whole batch ("different"), or one sample's draw for all ("same")."""

from __future__ import annotations

from typing import Any

from rushlight.func.batch import Batch, Value, one_by_one, run
from rushlight.ops.tensor_code import T


def random(batch: Batch, op: Any, given: list, static: dict[str, Any], metas: tuple) -> tuple[Any, bool]:
    """The draw, and whether it differs from sample to sample."""
    base = op.functional or op
    fill = base.name.endswith("_fill_op")  # the values of what is filled do not matter
    batched = any(isinstance(g, Value) and g.batched for g in (given[1:] if fill else given))
    if batch.randomness == "same":
        if batched:
            raise RuntimeError(
                f"vmap: {base.name.removesuffix('_op')}: got randomness='same' for an operand that differs from sample to sample. "
                "Fix: use randomness='different'."
            )
        if fill and given[0].batched:
            given = [Value(given[0].handle.select(0, 0), False, given[0].meta), *given[1:]]
        return run(base, tuple(g.handle if isinstance(g, Value) else g for g in given), static), False
    layout = static.get("layout")
    wide = {"layout": None if layout is None else (0, *(d + 1 for d in layout))}
    if "size" in static:
        return run(base, tuple(given), {**static, **wide, "size": (batch.size, *static["size"])}), True
    if fill:
        return run(base, (batch.full(given[0]), *given[1:]), {**static, **wide}), True
    if base.name in ("bernoulli_each_op", "poisson_op") and layout is None:
        return run(
            base, tuple(batch.full(g, metas[0].ndim) if isinstance(g, Value) else g for g in given), static
        ), True
    if base.name == "multinomial_op" and given[0].ndim == 1:
        return run(base, (batch.full(given[0]),), static), True
    if not any(isinstance(g, Value) for g in given):  # randperm: a draw for each sample
        return T.stack([run(base, tuple(given), static) for _ in range(batch.size)]), True
    return one_by_one(batch, base, given, static, metas), True
