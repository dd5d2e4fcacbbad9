"""A lowered graph as something that runs: launch table, arena, and the Python calls between native stretches."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rushlight.backend.llvm import jit, memory, plans, runtime
from rushlight.backend.llvm.calls import Run
from rushlight.backend.llvm.instruction import CHUNK, Instruction, Plan, Step, Word
from rushlight.backend.llvm.layout import Storage, span
from rushlight.backend.numpy.interpreter import maker
from rushlight.errors import Fault
from rushlight.ir.graph import Graph
from rushlight.ir.meta import Meta

if TYPE_CHECKING:
    from rushlight.backend.llvm.lower import Lowering
    from rushlight.ir.groups import Fused

# Told of every run: (name, [(instructions, start, end)], bytes of the arena, bytes of the outputs, start), in monotonic nanoseconds.
observers: list[Callable[..., None]] = []


def steps_of(instructions: Sequence[Instruction]) -> list[Step]:
    """Instructions in order, neighbours without a conflict side by side."""
    steps: list[Step] = []
    read: set[int] = set()
    written: dict[int, Any] = {}  # storage: what the writer makes a part of
    for i in instructions:
        reads, writes = {id(s) for s in i.reads}, {id(s) for s in i.writes}
        again = [s for s in writes if s in written and (i.whole is None or written[s] is not i.whole)]
        clash = again or not written.keys().isdisjoint(reads) or not read.isdisjoint(writes)
        if not steps or clash or i.call is not None or steps[-1].call is not None:
            steps.append(Step([i]))
            read, written = set(), {}
        else:
            steps[-1].instructions.append(i)
        read |= reads
        written.update(dict.fromkeys(writes, i.whole))
    return steps


def alive(steps: Sequence[Step]) -> None:
    """Say for every storage which steps touch it first and last."""
    for index, step in enumerate(steps):
        for i in step.instructions:
            for storage in (*i.reads, *i.writes):
                if storage.first < 0:
                    storage.first = index
                storage.last = index


def plan_of(lowering: Lowering) -> Plan:
    """The instructions in steps, with a place in the arena for all that is temporary."""
    graph, steps = lowering.graph, steps_of(lowering.instructions)
    alive(steps)
    return Plan(
        steps=steps,
        leaves=[graph.metas[v] for v in graph.leaves],
        outputs=[graph.metas[v] for v in lowering.outputs],
        kinds=["f64" if graph.metas[v].dtype.is_floating_point else "i64" for v in graph.numbers],
        donated=sorted(lowering.donated.items()),
        constants=lowering.layout.constants,
        arena=memory.plan(lowering.layout.temporaries, len(steps)),
        ops=len(graph.nodes),
    )


class Code:
    """The native code of one graph: `run(leaves, numbers, generators, targets) -> arrays of the outputs`.

    `lowering` is what it was made from; None if the plan comes from another process.
    """

    def __init__(self, plan: Plan, kernels: dict[str, int], lowering: Lowering | None = None):
        self.plan, self.lowering = plan, lowering
        self.steps, self.arena, self.donated = plan.steps, plan.arena, plan.donated
        self.leaves, self.numbers = len(plan.leaves), len(plan.kinds)
        self.odd_leaves = [
            (i, m) for i, m in enumerate(plan.leaves) if m.overlaps or span(m) != m.numel * m.dtype.itemsize
        ]
        self.makers = [_maker(m) for m in plan.outputs]
        replacing = {index for index, _ in plan.donated}
        self.fresh = [index for index in range(len(plan.outputs)) if index not in replacing]
        self.table = runtime.Table(self.leaves, len(plan.outputs), plan.kinds)
        self._idle = [self.table]  # threads that run this code at the same time take a table each
        self.stretches = self._lay_out(kernels)

    def _lay_out(self, kernels: dict[str, int]) -> list[tuple[int, int] | Callable[[Run], None]]:
        """Fill the table; what to do in order: ranges of its groups, and Python calls. `kernels`: addresses by name."""
        table = self.table
        constants = [table.constant(array) for array in self.plan.constants]

        def place(storage: Storage, offset: int) -> runtime.Place:
            base = {
                "leaf": lambda: table.leaf(storage.index), "output": lambda: table.output(storage.index),
                "number": lambda: table.number(storage.index), "constant": lambda: constants[storage.index],
                "status": lambda: table.status, "arena": lambda: table.arena.at(storage.offset),
            }[storage.kind]()  # fmt: skip
            return base.at(offset)

        def word(w: Word) -> int | runtime.Place:
            return w if isinstance(w, int) else place(*w)

        stretches: list[Any] = []
        for step in self.steps:
            if step.call is not None:
                stretches.append(step.call)
                continue
            index = table.group(serial=sum(i.cost for i in step.instructions) < CHUNK)
            for i in step.instructions:
                table.add(kernels[i.kernel], [word(w) for w in i.words], i.units, i.grain)
            if stretches and isinstance(stretches[-1], tuple):
                stretches[-1] = (stretches[-1][0], index + 1)
            else:
                stretches.append((index, index + 1))
        everything = [i for step in self.steps for i in step.instructions]
        self.kept = [k for i in everything for k in i.keep]
        table.finish(
            scratch=max((i.scratch for i in everything), default=0), heavy=sum(i.cost for i in everything) > CHUNK
        )
        return stretches

    def run(
        self,
        leaves: Sequence[np.ndarray],
        numbers: Sequence,
        generators: Sequence,
        targets: Sequence[np.ndarray | None],
    ) -> list[np.ndarray]:
        """Compute the outputs. One whose target is the leaf that it may replace is written there."""
        outputs: list[Any] = [None] * len(self.makers)
        if len(leaves) > self.leaves or len(numbers) > self.numbers:  # of a trace that goes on after this graph
            leaves, numbers = leaves[: self.leaves], numbers[: self.numbers]
        if self.odd_leaves:
            leaves = list(leaves)
            for i, meta in self.odd_leaves:
                leaves[i] = laid_out(leaves[i], meta)
        makers = self.makers
        if self.donated:
            for index in self._donate(leaves, targets, outputs):
                outputs[index] = makers[index]()
        for index in self.fresh:
            outputs[index] = makers[index]()
        arena, address = memory.arena(self.arena)
        launch = runtime.launcher()
        try:
            table = self._idle.pop()
        except IndexError:
            table = self.table.copy()
        watched = bool(observers)
        if watched:
            table.profile(True)
        started, called = time.monotonic_ns() if watched else 0, []
        try:
            for stretch in self.stretches:
                if stretch.__class__ is tuple:
                    if launch(table.address, leaves, numbers, outputs, address, *stretch):
                        raise Fault
                    continue
                begin = time.monotonic_ns() if watched else 0
                stretch(Run(leaves, numbers, generators, outputs, arena))  # type: ignore[operator]
                called.append((begin, time.monotonic_ns() if watched else 0))
            if watched:
                self._tell(started, iter(table.times.tolist()), iter(called), sum(o.nbytes for o in outputs))
        finally:
            if watched:
                table.profile(False)
            self._idle.append(table)
        return outputs

    def _tell(self, started: int, groups: Iterator, calls: Iterator, outputs: int) -> None:
        """Tell the observers what ran when."""
        timed = [(s.instructions, *next(groups if s.call is None else calls)) for s in self.steps]
        for observer in tuple(observers):
            observer(f"program of {self.plan.ops} ops", timed, self.arena, outputs, started)

    def _donate(
        self, leaves: Sequence[np.ndarray], targets: Sequence[np.ndarray | None], outputs: list[Any]
    ) -> list[int]:
        """Take the leaves that may be written over, unless a leaf is a window of their memory; the outputs that got none."""
        if not targets:
            return [index for index, _ in self.donated]
        windows = [leaf for leaf in leaves if leaf.base is not None]
        taken = {id(leaf) for leaf in windows} | {id(leaf.base) for leaf in windows} if windows else ()
        without = []
        for index, number in self.donated:
            leaf = leaves[number]
            if targets[index] is leaf and id(leaf) not in taken:
                outputs[index] = leaf
            else:
                without.append(index)
        return without

    def summary(self) -> str:
        """How many kernels, and which ops NumPy runs between them."""
        everything = [i for step in self.steps for i in step.instructions]
        calls = Counter(i.label for i in everything if i.call is not None)
        kernels = f"{len(everything) - calls.total()} kernels in {len(self.steps) - calls.total()} steps"
        numpy = ", ".join(name if n == 1 else f"{name} x{n}" for name, n in calls.items())
        return kernels + (f"; NumPy runs {numpy}" if numpy else "")

    def __str__(self) -> str:
        size = f"arena {self.arena:,} bytes, {len(self.donated)} outputs in place"
        return "\n".join([size, *(f"{n}: {step}" for n, step in enumerate(self.steps))])


def _maker(meta: Meta) -> Callable[[], np.ndarray]:
    """A function that gives a buffer for a result: a fresh one, or for large results one that is free again."""
    make = maker(meta)
    if meta.numel * meta.dtype.itemsize < memory.SMALL:
        return make
    return functools.partial(memory.results.take, meta, make)


def laid_out(array: np.ndarray, meta: Meta) -> np.ndarray:
    """The array with the strides that its meta says: an expanded or cut-out value may have been kept with all its elements in order."""
    strides = tuple(s * array.itemsize for s in meta.stride)
    if all(n == 1 or a == b for n, a, b in zip(array.shape, array.strides, strides, strict=True)):
        return array
    if not meta.overlaps:
        made = maker(meta)()
        made[...] = array
        return made
    once = array[tuple(slice(0, 1) if s == 0 else slice(None) for s in meta.stride)]
    dense = meta.variant(shape=once.shape, stride=tuple(meta.stride))
    return np.broadcast_to(laid_out(np.ascontiguousarray(once), dense), array.shape)


def compile_fused(fused: Fused, replaceable: dict[int, int]) -> Code:
    """The code of a fused graph. `replaceable`: slots of the trace that may be written over a leaf, by its number."""
    # Here, since it brings in the generators of all kernels, which a graph compiled before does not need.
    from rushlight.backend.llvm.lower import Lowering

    lowering = Lowering(fused, replaceable)
    plan = plan_of(lowering)
    instructions = [i for step in plan.steps for i in step.instructions if i.call is None]
    addresses = jit.addresses([i.text for i in instructions])
    return Code(plan, {i.kernel: at for i, at in zip(instructions, addresses, strict=True)}, lowering)


def remember(key: str | None, graph: Graph, code: Code) -> None:
    """Keep on disk what a graph became."""
    if key is not None:
        plans.store(key, graph, code.plan)


def remembered(key: str | None, graph: Graph) -> Code | None:
    """The code of a graph that was compiled before, in this process or another."""
    found = plans.load(key, graph) if key is not None else None
    return Code(*found) if found is not None else None
