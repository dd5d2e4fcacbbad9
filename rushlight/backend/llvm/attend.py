"""Instructions for attention and its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable

from rushlight.backend.llvm import attention, attention_plan
from rushlight.backend.llvm.grids import kind_of
from rushlight.backend.llvm.instruction import Instruction, Word
from rushlight.backend.llvm.layout import Layout, Place, span
from rushlight.ir.graph import Graph, Node

# What the ops' inputs and outputs are called in the kernels.
_OPS = {
    "scaled_dot_product_attention_op": (("q", "k", "v", "mask"), ("out", "lse")),
    "scaled_dot_product_attention_backward": (
        ("grad", "grad_lse", "q", "k", "v", "mask", "out", "lse"), ("dq", "dk", "dv"),
    ),
}  # fmt: skip
LEADERS = tuple(_OPS)
_RATE = 40.0  # floating-point operations a nanosecond that a core is expected to do; only decides about threads


def supported(graph: Graph, node: Node) -> bool:
    """Whether there are kernels for these operands."""
    given = dict(zip(_OPS[node.op.name][0], node.inputs, strict=True))
    metas = {name: graph.metas[v] for name, v in given.items() if v is not None}
    kinds = {kind_of(m) for name, m in metas.items() if name != "mask"}
    batches = {tuple(metas[name].shape[:-2]) for name in ("q", "k", "v")}
    mask = metas.get("mask")
    fits = mask is None or kind_of(mask) in (*kinds, "bool") and mask.ndim <= metas["q"].ndim
    return (
        len(kinds) == 1
        and kinds <= {"f32", "f64"}
        and len(batches) == 1
        and fits
        and all(m.numel for m in metas.values())
    )


def layer(graph: Graph, node: Node, layout: Layout, contiguous: Callable[[int], Place]) -> list[Instruction]:
    """Attention of all heads. `contiguous(value)` is a place where its elements lie in order."""
    inputs, outputs = _OPS[node.op.name]
    places: dict[str, Place] = {}
    for name, v in zip(inputs, node.inputs, strict=True):
        if v is not None:
            place = layout.place(v)
            loose = name == "mask" or place.meta.shape[-1] == 1 or place.stride[-1] == 1
            places[name] = place if loose else contiguous(v)
    for name, v in zip(outputs, node.outputs, strict=True):
        meta = graph.metas[v]
        places[name] = layout.places.get(v) or Place(layout.temporary(span(meta)), 0, meta)
    *batch, queries, width = places["q"].meta.shape
    keys, value_width = places["v"].meta.shape[-2:]
    strides = {name: tuple(place.stride) for name, place in places.items()}
    mask = ""
    if "mask" in places:
        mask = kind_of(places["mask"].meta)
        strides["mask"] = tuple(places["mask"].along((*batch, queries, keys)))
    found = []
    for part in ("forward",) if "out" in outputs else attention_plan.gradient_parts(batch):
        used = {"q", "k", "v", "mask", *attention_plan.PARTS[part]}
        plan = attention_plan.plan(
            part, kind_of(places["q"].meta), (queries, keys, width, value_width), tuple(batch),
            {name: s for name, s in strides.items() if name in used}, node.static["scale"], node.static["is_causal"], mask,
        )  # fmt: skip
        words: list[Word] = list(plan.words)
        for index, name in enumerate(attention_plan.TENSORS):
            if name in places and name in used:
                words[index] = (places[name].storage, places[name].offset)
        taken = [name for name in places if name in used]
        flops = 4 * math.prod(batch) * queries * keys * (width + value_width) // (2 if node.static["is_causal"] else 1)
        found.append(
            Instruction(
                label=f"{node.op.name.removesuffix('_op')} ({part})", text=attention.kernel_text(plan.spec), words=words,
                units=plan.units, grain=plan.grain, scratch=plan.scratch,
                reads=[places[name].storage for name in taken if name not in outputs],
                writes=[places[name].storage for name in taken if name in outputs],
                cost=flops / _RATE, flops=flops, traffic=sum(span(places[name].meta) for name in taken), entries=[node.entry],
            )
        )  # fmt: skip
    return found


__all__ = ["LEADERS", "layer", "supported"]
