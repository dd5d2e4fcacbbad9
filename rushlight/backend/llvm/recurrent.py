"""Instructions for recurrent layers and their gradients: the weights are packed, then a kernel runs all time steps."""

from __future__ import annotations

from collections.abc import Callable

from rushlight.backend.llvm import rnn
from rushlight.backend.llvm.grids import kind_of
from rushlight.backend.llvm.instruction import Instruction, Word
from rushlight.backend.llvm.layout import Layout, Place, Storage, span
from rushlight.backend.llvm.rnn_plan import PackPlan, Plan, backward_plan, forward_plan
from rushlight.ir.graph import Graph, Node

# The buffers that an op's inputs and outputs are. "" is an input that kernels know nothing of.
_OPS = {
    "lstm_layer_op": (("input", "hidden", "cell", "weight", "bias"), ("output", "cells", "gates")),
    "gru_layer_op": (("input", "hidden", "weight", "bias"), ("output", "gates")),
    "rnn_layer_op": (("input", "hidden", "weight", "bias"), ("output",)),
    "lstm_layer_backward": (
        ("grad", "grad_cells", "", "hidden", "cell", "weight", "output", "cells", "gates"),
        ("grad_input", "grad_hidden", "grad_cell"),
    ),
    "gru_layer_backward": (("grad", "", "hidden", "weight", "output", "gates"), ("grad_input", "grad_inner", "grad_hidden")),
    "rnn_layer_backward": (("grad", "hidden", "weight", "output"), ("grad_input", "grad_hidden")),
}  # fmt: skip
LEADERS = tuple(_OPS)
_RATE = 50.0  # floating-point operations a nanosecond that a core is expected to do; only decides about threads


def supported(graph: Graph, node: Node) -> bool:
    """Whether the layer has a kernel for these operands."""
    if any(not name and v is not None for name, v in zip(_OPS[node.op.name][0], node.inputs, strict=True)):
        return False
    if any(v in graph.constants for v in node.operands()):
        return False  # a value that is one number everywhere has no memory
    metas = [graph.metas[v] for v in (*node.operands(), *node.outputs)]
    kinds = {kind_of(m) for m in metas}
    return len(kinds) == 1 and kinds <= {"f32", "f64"} and all(m.numel for m in metas)


def layer(graph: Graph, node: Node, layout: Layout, contiguous: Callable[[int], Place]) -> list[Instruction]:
    """A whole layer in one direction. `contiguous(value)` is a place where its elements lie in order."""
    inputs, outputs = _OPS[node.op.name]
    given = {name: v for name, v in zip(inputs, node.inputs, strict=True) if name and v is not None}
    made = {name: layout.places.get(v) for name, v in zip(outputs, node.outputs, strict=True)}
    plan = _plan(graph, node, given, layout, made)
    places = {name: place for name, place in made.items() if place is not None}
    for name, v in zip(outputs, node.outputs, strict=True):
        if name not in places and name in plan.buffers:
            meta = graph.metas[v]
            places[name] = Place(layout.temporary(span(meta)), 0, meta)
    for name, v in given.items():
        if name in plan.buffers:
            places[name] = layout.place(v) if name == "grad" and _rows_lie_free(layout.place(v)) else contiguous(v)
    weight = contiguous(given["weight"])
    packed = Place(layout.temporary(plan.pack.bytes), 0, weight.meta)
    pack = _instruction(
        node,
        f"{node.op.name}: weights",
        plan.pack,
        rnn.pack_text(plan.pack.spec),
        {"weight": weight, "packed": packed},
        ("packed",),
    )
    pack.cost = plan.pack.bytes * 0.1
    run = _instruction(node, node.op.name, plan, rnn.kernel_text(plan.spec), {**places, "packed": packed}, outputs)
    run.cost, run.flops = plan.flops / _RATE, plan.flops
    return [pack, run]


def _plan(graph: Graph, node: Node, given: dict[str, int], layout: Layout, made: dict[str, Place | None]) -> Plan:
    cell, back = node.static.get("activation") or node.op.name.split("_")[0], node.op.name.endswith("backward")
    weight, states = graph.metas[given["weight"]], graph.metas[node.outputs[0] if not back else given["output"]]
    steps, batch, size = states.shape
    kind, reverse = kind_of(weight), node.static["reverse"]
    if not back:
        keep = made.get("gates") is not None
        return forward_plan(cell, kind, steps, batch, size, bias="bias" in given, reverse=reverse, gates=keep)
    strides = None
    if "grad" in given:
        place = layout.place(given["grad"])
        strides = (place.stride[0], place.stride[1]) if _rows_lie_free(place) else None
    return backward_plan(
        cell, kind, steps, batch, size, reverse=reverse, grad="grad" in given, grad_cells="grad_cells" in given, grad_strides=strides
    )  # fmt: skip


def _rows_lie_free(place: Place) -> bool:
    """Whether the rows of a gradient may be read where they are."""
    return place.stride[2] == 1 or place.meta.shape[2] == 1


def _instruction(
    node: Node, label: str, plan: Plan | PackPlan, text: str, places: dict[str, Place], written: tuple[str, ...]
) -> Instruction:
    words: list[Word] = list(plan.words)
    reads: list[Storage] = []
    writes: list[Storage] = []
    for name, index in plan.buffers.items():
        place = places[name]
        words[index] = (place.storage, place.offset)
        (writes if name in written else reads).append(place.storage)
    traffic = sum(span(places[name].meta) for name in plan.buffers)
    return Instruction(
        label=label, text=text, words=words, units=plan.units, grain=1, scratch=plan.scratch, reads=reads, writes=writes,
        traffic=traffic, entries=[node.entry],
    )  # fmt: skip


__all__ = ["LEADERS", "layer", "supported"]
