"""What must hold at the borders between passes, for any Program: graphs, groups, instructions and steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rushlight.backend.llvm.instruction import Instruction
from rushlight.backend.llvm.layout import Storage
from rushlight.backend.llvm.program import Code
from rushlight.ir.graph import Graph, Node
from rushlight.ir.groups import REDUCTIONS, Fused, Group
from rushlight.lazy import step

LOOKUPS = ("embedding_op", "gather_op", "index_select_op")


@contextmanager
def programs() -> Iterator[list[Any]]:
    """The Programs that run in the block, each once, in the order of their first run."""
    found: list[Any] = []
    original = step.program_for

    def noting(*args: Any) -> Any:
        program = original(*args)
        if not any(p is program for p in found):
            found.append(program)
        return program

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step, "program_for", noting)
        yield found


def programs_of(function: Callable[[], Any]) -> list[Any]:
    """The compiled Programs that a function runs; everything that it returns is computed."""
    step.flush()
    with programs() as found:
        kept = function()
        step.flush()
    del kept
    for program in found:
        if program.run.code is None:
            program.run.compile()
    return found


def groups_of(function: Callable[[], Any]) -> list[str]:
    """The groups of the last Program that a function runs: "leader: op op …", calls of samplers and copies of numbers left out."""
    fused = programs_of(function)[-1].stages["fuse"]
    return [f"{group.leader}: " + " ".join(node.op.name for node in group.nodes) for group in fused.groups]


def check_program(program: Any) -> None:
    """All of the checks below."""
    for name in ("build", "casts", "cse", "dce", "expand", "fold", "aliases", "rows", "simplify"):
        check_graph(program.stages[name], name)
    check_fused(program.stages["fuse"])
    check_code(program.run.code)


def check_graph(graph: Graph, stage: str) -> None:
    """Every operand is defined before it is used, every value once, every output at all."""
    defined = {*graph.leaves, *graph.numbers, *graph.constants}
    for node in graph.nodes:
        for v in node.operands():
            assert v in defined, f"{stage}: {node.op.name} reads %{v} before it is made"
        for v in node.outputs:
            assert v not in defined or v in graph.constants, f"{stage}: {node.op.name} makes %{v} again"
            defined.add(v)
    missing = set(graph.outputs.values()) - defined
    assert not missing, f"{stage}: outputs {missing} are never made"
    if stage != "build":
        for node in graph.nodes:
            if node.op.promote is not None:
                kinds = {graph.metas[v].dtype for v in node.operands()}
                assert len(kinds) <= 1 or node.op.promote(*_metas(graph, node), **node.static) is None, (
                    f"{stage}: {node.op.name} gets operands of {kinds}"
                )


def _metas(graph: Graph, node: Node) -> list[Any]:
    return [
        None if i is None else tuple(graph.metas[v] for v in i) if i.__class__ is tuple else graph.metas[i]
        for i in node.inputs
    ]


# -- groups ------------------------------------------------------------------------------------------------------------


def check_fused(fused: Fused) -> None:
    """Every node is somewhere, once; groups read what earlier groups made; and each group is of a form that backends know."""
    graph = fused.graph
    sources = {node.outputs[0]: node.inputs[0] for node in graph.nodes if node.op.view}

    def root(v: int) -> int:
        while v in sources:
            v = sources[v]
        return v

    placed = [id(node) for group in fused.groups for node in group.nodes]
    assert len(placed) == len(set(placed)), "a node is in two groups"
    inline = {id(node) for node in fused.inline.values()}
    for node in graph.nodes:
        assert node.op.view or id(node) in inline or id(node) in placed, f"{node.op.name} is nowhere"
    made = {*graph.leaves, *graph.numbers, *graph.constants}
    for group in fused.groups:
        inside: set[int] = set()
        for node in group.nodes:
            for v in node.operands():
                if v in inside:
                    continue
                assert root(v) not in inside, f"{group}: {node.op.name} reads a view of what the group makes"
                for w in _from_memory(fused, v) if group.leader != "call" else [v]:
                    assert root(w) in made, f"{group}: {node.op.name} reads %{w}, which is not made yet"
            inside.update(node.outputs)
        made |= inside
        if group.is_nest:
            _check_nest(graph, group)
        elif group.leader == "call":
            assert len(group.nodes) == 1
        else:
            _check_led(graph, group)


def _from_memory(fused: Fused, v: int) -> list[int]:
    """What must be in memory for a value: itself, or what an inlined one is made of."""
    if v not in fused.inline:
        return [v]
    return [w for u in fused.inline[v].operands() for w in _from_memory(fused, u)]


def _check_nest(graph: Graph, group: Group) -> None:
    full: dict[int, bool] = {}
    level: dict[int, int] = {}
    for node in group.nodes:
        out = node.outputs[0]
        shape = tuple(graph.metas[out].shape)
        read = [v for v in node.operands() if v in full]
        before = max((level[v] for v in read), default=0)
        if node.op.name in LOOKUPS:
            assert not read, f"{group}: a table or an index that is made inside"
        if node.op.name in REDUCTIONS:
            assert tuple(graph.metas[node.inputs[0]].shape) == group.shape and shape == group.kept_shape, f"{group}"
            assert all(full[v] for v in read), f"{group}: a reduction of a reduction"
            full[out], level[out] = False, before + 1
        else:
            full[out], level[out] = shape == group.shape, before
            assert shape in (group.shape, group.kept_shape), f"{group}: {node.op.name} of shape {shape}"
            if shape != group.shape:
                assert not any(full[v] for v in read), f"{group}: a full value read at a reduced point"
        if group.total:
            assert all(full[v] for v in read), f"{group}: a total is read where it is made"
    assert level == {v: group.levels[v] for v in level}, f"{group}: levels"
    assert full == {v: group.full[v] for v in full}, f"{group}: which values are full"


def _check_led(graph: Graph, group: Group) -> None:
    from rushlight.backend.llvm import may_fail

    for node in group.nodes[1:]:
        assert node.op.pointwise, f"{group}: {node.op.name} in an epilogue"
        assert tuple(graph.metas[node.outputs[0]].shape) == group.shape, f"{group}: another shape in an epilogue"
        assert not may_fail(graph, node), f"{group}: {node.op.name} checks values in an epilogue"


# -- instructions, steps, memory ---------------------------------------------------------------------------------------


def check_code(code: Code) -> None:
    """Instructions declare what they touch; steps do not conflict; memory in use at one time does not overlap."""
    for instruction in code.lowering.instructions:
        _check_words(instruction)
    _check_arena(code)
    _check_order(code)
    _check_steps(code)
    _check_donated(code)


def _check_words(i: Instruction) -> None:
    declared = {id(s) for s in (*i.reads, *i.writes)}
    for w in i.words:
        if isinstance(w, tuple):
            storage, offset = w
            assert storage.kind in ("number", "constant", "status") or id(storage) in declared, (
                f"{i}: undeclared {storage}"
            )
            assert 0 <= offset < max(storage.size, 1) or not i.units, f"{i}: byte {offset} of {storage}"
    if not i.call:
        assert i.text and i.units >= 0 and i.grain >= 1, f"{i}"


def _check_arena(code: Code) -> None:
    live = [s for s in code.lowering.layout.temporaries if s.first >= 0]
    for s in live:
        assert s.offset >= 0 and s.offset % 64 == 0 and s.offset + s.size <= code.arena and s.first <= s.last, f"{s}"
    for n, a in enumerate(live):
        for b in live[n + 1 :]:
            apart = a.last < b.first or b.last < a.first
            assert apart or a.offset + a.size <= b.offset or b.offset + b.size <= a.offset, f"{a} and {b} overlap"


def _check_order(code: Code) -> None:
    """What an instruction reads was written by an earlier step, and every output with elements by some step."""
    written: set[int] = set()
    for number, one in enumerate(code.steps):
        for i in one.instructions:
            for s in i.reads:
                ready = s.kind in ("leaf", "number", "constant", "status") or id(s) in written
                assert ready, f"step {number}: {i} reads {s}, which nobody has written"
        written |= {id(s) for i in one.instructions for s in i.writes}
        for s in {id(s): s for i in one.instructions for s in (*i.reads, *i.writes)}.values():
            assert s.kind != "arena" or s.first <= number <= s.last, f"step {number} touches {s} outside its life"
    filled = {s.index for i in code.lowering.instructions for s in i.writes if s.kind == "output"}
    graph = code.lowering.graph
    for index, v in enumerate(code.lowering.outputs):
        assert index in filled or not graph.metas[v].numel, f"output {index} is never written"


def _region(code: Code, s: Storage) -> tuple[str, int, int]:
    """Where a storage lies: (piece of memory, first byte, end). An output that may be a leaf's memory is that leaf."""
    if s.kind == "arena":
        return "arena", s.offset, s.offset + s.size
    if s.kind == "output" and s.index in code.lowering.donated:
        return f"leaf {code.lowering.donated[s.index]}", 0, 1
    return f"{s.kind} {s.index}", 0, 1


def _check_steps(code: Code) -> None:
    """Instructions of one step run side by side: none writes what another touches, but for the parts of one whole."""
    for number, one in enumerate(code.steps):
        for n, a in enumerate(one.instructions):
            for b in one.instructions[n + 1 :]:
                if a.whole is not None and a.whole is b.whole:
                    assert not {id(s) for s in a.writes} & {id(s) for s in (*a.reads, *b.reads)}
                    continue
                for s, t in [(s, t) for s in a.writes for t in (*b.reads, *b.writes)] + [
                    (s, t) for s in b.writes for t in a.reads
                ]:
                    (x, low, high), (y, begin, end) = _region(code, s), _region(code, t)
                    assert x != y or high <= begin or end <= low, f"step {number}: {a} and {b} both touch {x}"


def _check_donated(code: Code) -> None:
    """From the step that writes over a leaf on nobody reads the leaf (but that step's own kernel), and nothing fails."""
    lowering = code.lowering
    for output, leaf in lowering.donated.items():
        first = min(
            n
            for n, one in enumerate(code.steps)
            for i in one.instructions
            if any(s.kind == "output" and s.index == output for s in i.writes)
        )
        for number, one in enumerate(code.steps[first:], first):
            assert one.call is None, f"step {number} may fail after output {output} has replaced leaf {leaf}"
            for i in one.instructions:
                checks = any(isinstance(w, tuple) and w[0].kind == "status" for w in i.words)
                assert not checks, f"step {number}: {i} may fail after output {output} has replaced leaf {leaf}"
                if number > first:
                    touched = any(s.kind == "leaf" and s.index == leaf for s in i.reads)
                    assert not touched, f"step {number}: {i} reads leaf {leaf} after output {output} has replaced it"
