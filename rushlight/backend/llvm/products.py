"""Instructions for groups led by a matrix product or a convolution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from rushlight.backend.llvm import conv, conv_plan, gemm, gemm_plan, target
from rushlight.backend.llvm.epilogue import Epilogue
from rushlight.backend.llvm.grids import kind_of
from rushlight.backend.llvm.instruction import Instruction, Word, grain_for
from rushlight.backend.llvm.layout import Layout, Place
from rushlight.backend.llvm.text import remembered
from rushlight.ir.graph import Graph, Node
from rushlight.ir.groups import Fused, Group
from rushlight.ir.meta import Meta

_KINDS = ("f32", "f64", "f16", "bf16")
_COMBINE = 1 << 13  # elements of a unit that adds up partial gradients
_RATE = 60.0  # floating-point operations a nanosecond that a core is expected to do; only decides about threads


def supported(graph: Graph, node: Node) -> bool:
    """Whether the product has a kernel for these operands."""
    metas = [graph.metas[v] for v in node.operands()]
    kinds = {kind_of(m) for m in metas}
    if len(kinds) != 1 or kinds.isdisjoint(_KINDS) or any(m.numel == 0 for m in metas):
        return False
    if node.op.name == "matmul":
        return all(m.ndim >= 2 for m in metas)
    return kinds <= {"f32", "f64"}


def matmul(
    fused: Fused, group: Group, layout: Layout, stored: Sequence[int], constants: Any
) -> list[Instruction] | None:
    """A (batched) matrix product with what follows it; None when what follows cannot be walked as the result is."""
    graph, node = fused.graph, group.nodes[0]
    left, right = (layout.place(v) for v in node.inputs)
    out = graph.metas[node.outputs[0]]
    *batch, m, n = out.shape
    k = left.meta.shape[-1]
    strides = [list(place.along((*batch, *place.meta.shape[-2:]))) for place in (left, right)]
    strides.append(list(out.stride))
    own_store = len(group.nodes) == 1
    epilogue = None
    # A batch that the right side does not have is more rows of the left.
    while (
        batch
        and strides[1][len(batch) - 1] == 0
        and all(s[len(batch) - 1] == s[-2] * m for s in (strides[0], strides[2]))
    ):
        m *= batch.pop()
        for s in strides:
            del s[len(batch)]
    rows = list(range(len(batch), len(out.shape) - 1))
    coordinates = [list(range(len(batch))), rows, [len(out.shape) - 1]]
    if not own_store:
        epilogue = Epilogue(fused, group, layout, stored, constants, coordinates)
        if not epilogue.fits:
            return None
    storage = kind_of(out)
    kind = storage if storage in ("f32", "f64") else "f32"
    a, b, c = (
        gemm_plan.Matrix(kind_of(meta), tuple(s)) for meta, s in zip((left.meta, right.meta, out), strides, strict=True)
    )
    plan = gemm_plan.plan(kind, a, b, c, tuple(batch), (m, n, k), own_store=own_store)
    places = [left, right]
    if plan.swapped:
        places.reverse()
    first: list[Word] = [(p.storage, p.offset) for p in places]
    target = layout.places.get(node.outputs[0])
    if own_store:
        assert target is not None
        first.append((target.storage, target.offset))
        text = _text(gemm.kernel_text, plan.spec)
        writes, reads, more = [target.storage], [], []
    else:
        assert epilogue is not None
        first.append(0)
        text = _text(gemm.kernel_text, plan.spec, epilogue, plan.spec.words, plan.spec.lanes)
        writes, reads, more = epilogue.writes, epilogue.reads, epilogue.words
    flops = 2 * m * n * k * math.prod(batch)
    return [
        Instruction(
            label="+".join(dict.fromkeys(x.op.name for x in group.nodes)), text=text, words=[*first, *plan.words[3:], *more],
            units=plan.units, grain=plan.grain, scratch=plan.scratch, reads=[p.storage for p in places] + reads, writes=writes,
            cost=flops / _RATE + 500, flops=flops, traffic=_traffic(left.meta, right.meta, out),
            entries=[x.entry for x in group.nodes],
        )
    ]  # fmt: skip


def _traffic(*metas: Meta) -> int:
    return sum(m.numel * m.dtype.itemsize for m in metas)


def _text(
    write: Callable[..., str], spec: Any, epilogue: Epilogue | None = None, first: int = 0, lanes: int = 0
) -> str:
    """A kernel's text; written once for each structure and epilogue."""
    family = target.current().name
    if epilogue is None:
        return remembered((family, write, spec), lambda: write(spec))
    return remembered((family, write, spec, epilogue.signature), lambda: write(spec, epilogue.code(first, lanes)))


Contiguous = Callable[[int], Place]


def convolution(
    fused: Fused, group: Group, layout: Layout, stored: Sequence[int], constants: Any, contiguous: Contiguous
) -> list[Instruction] | None:  # fmt: skip
    """A convolution without bias, with what follows it."""
    graph, node = fused.graph, group.nodes[0]
    out = graph.metas[node.outputs[0]]
    x, weight = contiguous(node.inputs[0]), contiguous(node.inputs[1])
    s = node.static
    plan = conv_plan.plan(
        x.meta.shape, weight.meta.shape, out.shape, s["stride"], s["padding"], s["dilation"], s["transposed"], s["groups"],
        kind_of(out), two=True,
    )  # fmt: skip
    first = []
    if plan.before is not None:  # the weights, transformed
        turned = Place(layout.temporary(plan.before.room * out.dtype.itemsize), 0, weight.meta)
        first = [
            _convolution(
                group, plan.before, _text(conv.kernel_text, plan.before.spec), {"w": weight, "out": turned}, [], [weight.storage],
                [turned.storage], 4 * plan.before.room,
            )
        ]  # fmt: skip
        weight = turned
    coordinates = [[0], [1], list(range(2, len(out.shape)))]
    if len(group.nodes) == 1 and out.contiguous:
        place = layout.places[node.outputs[0]]
        text, more = _text(conv.kernel_text, plan.spec), []
        named = {"x": x, "w": weight, "out": place}
        writes, reads = [place.storage], []
    else:
        epilogue = Epilogue(fused, group, layout, stored, constants, coordinates)
        if not epilogue.fits:
            return None
        text = _text(conv.kernel_text, plan.spec, epilogue, len(plan.spec.words), plan.spec.shape.lanes)
        named, more = {"x": x, "w": weight}, epilogue.words
        writes, reads = epilogue.writes, epilogue.reads
    flops = 2 * math.prod(weight.meta.shape) * out.shape[0] * math.prod((x.meta if s["transposed"] else out).shape[2:])
    return [*first, _convolution(group, plan, text, named, more, reads + [x.storage, weight.storage], writes, flops)]


def _convolution(
    group: Group, plan: Any, text: str, named: dict[str, Place], more: list[Word], reads: list, writes: list, flops: int
) -> Instruction:
    words: list[Word] = [int(word) for word in plan.words]
    for name, place in named.items():
        words[plan.buffers[name]] = (place.storage, place.offset)
    cost = flops / _RATE + 500
    return Instruction(
        label="+".join(dict.fromkeys(x.op.name for x in group.nodes)), text=text, words=words + more, units=plan.units,
        grain=grain_for(plan.units, cost), scratch=plan.scratch, reads=reads, writes=writes, cost=cost, flops=flops,
        traffic=sum(_traffic(p.meta) for p in named.values()), entries=[x.entry for x in group.nodes], keep=[plan.tables],
    )  # fmt: skip


def weight_gradient(
    fused: Fused, group: Group, layout: Layout, stored: Sequence[int], constants: Any, contiguous: Contiguous
) -> list[Instruction] | None:  # fmt: skip
    """The gradient of a convolution's weight: partial sums for blocks of images, then their sum."""
    node = group.nodes[0]
    if len(group.nodes) > 1:
        return None
    out = layout.places[node.outputs[0]]
    grad, x = (contiguous(v) for v in node.inputs[:2])
    s = node.static
    if s["transposed"]:
        grad, x = x, grad
    kind = kind_of(out.meta)
    plan = conv_plan.weight_plan(
        x.meta.shape, grad.meta.shape, s["kernel"], s["stride"], s["padding"], s["dilation"], s["groups"], kind
    )
    target = out
    size = out.meta.numel * out.meta.dtype.itemsize
    if plan.parts > 1:
        target = Place(layout.temporary(size * plan.parts), 0, out.meta)
    flops = 2 * out.meta.numel * grad.meta.shape[0] * math.prod(grad.meta.shape[2:])
    first = _convolution(
        group,
        plan,
        _text(conv.weight_text, plan.spec),
        {"x": x, "w": grad, "out": target},
        [],
        [x.storage, grad.storage],
        [target.storage],
        flops,
    )
    if plan.parts == 1:
        return [first]
    words: list[Word] = [(target.storage, 0), (out.storage, out.offset), out.meta.numel, plan.parts, _COMBINE]
    second = Instruction(
        label="sum of partial gradients", text=_text(conv.combine_text, kind), words=words, units=-(-out.meta.numel // _COMBINE), grain=1, scratch=64,
        reads=[target.storage], writes=[out.storage], cost=plan.parts * size * 0.1, traffic=(plan.parts + 1) * size,
        entries=[node.entry],
    )  # fmt: skip
    return [first, second]


__all__ = ["convolution", "matmul", "supported", "weight_gradient"]
