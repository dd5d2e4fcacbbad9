"""Kernels of the loop IR, run directly: loops, memory kinds, strides, masks, reductions, levels, scratch memory, on every target."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import nest_numpy
from direct import run
from nest_numpy import Memory, from_storage, into_storage, storage_of

from rushlight import config
from rushlight.backend.llvm import target, text
from rushlight.backend.llvm.nest import kernel_text
from rushlight.ir import scalar as L
from rushlight.ir.loop import (
    ITEMSIZE,
    Buffer,
    Let,
    Nest,
    Reduce,
    Store,
    load,
    position,
    register_kind,
    take,
    value,
    word,
)
from rushlight.ir.scalar import Expr

TARGETS = [t.name for t in target.TARGETS if t.arch == target.current().arch and t.lanes <= target.current().lanes]
SIZES = (1, 2, 3, 5, 15, 16, 17, 31, 33, 64, 67)


@pytest.fixture(params=TARGETS)
def lanes(request, monkeypatch):
    """The float32 lanes of a target, which kernels are generated for."""
    monkeypatch.setattr(config, "target", request.param)
    return target.current().lanes


def check(
    nest: Nest, sizes: list[int], block: int, memory: list[Memory], words: tuple[int, ...] = (), tolerance: float = 0.0
) -> list[np.ndarray]:
    """Run the kernel; every byte of every buffer must be what NumPy says, wherever the units are divided. The memory afterwards."""
    __tracebackhide__ = True
    expected = nest_numpy.run(nest, sizes, block, memory, list(words))
    units, scratch = nest_numpy.units_of(nest, sizes, block), nest_numpy.scratch_of(nest, sizes)
    code = text.module([kernel_text(nest)], target.current().function_attributes(target.host_cpu()))
    first = None
    for parts in sorted({1, 2, 3, max(units, 1)}):
        found = [m.copy() for m in memory]
        run(code, nest_numpy.words_of(nest, sizes, block, found, list(words)), units, scratch, parts)
        if first is None:
            first = found
            for buffer, mine, theirs in zip(nest.buffers, found, expected, strict=True):
                compare(buffer.kind, mine.flat, theirs, tolerance, str(nest))
        for mine, other in zip(first, found, strict=True):
            assert mine.flat.tobytes() == other.flat.tobytes(), f"{parts} parts give other bits\n{nest}"
    assert first is not None
    return [m.flat for m in first]


def compare(kind: str, found: np.ndarray, expected: np.ndarray, tolerance: float, message: str) -> None:
    __tracebackhide__ = True
    a, b = from_storage(kind, found), from_storage(kind, expected)
    if a.dtype.kind == "f" and tolerance:
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=message)
    else:
        np.testing.assert_array_equal(a, b, err_msg=message)


def numbers(kind: str, count: int, seed: int = 0, nan: bool = False) -> np.ndarray:
    """Quarters between -4 and 4, as the kind keeps them: few enough bits for any order of additions to give the same sum."""
    rng = np.random.default_rng(seed)
    quarters = rng.integers(-16, 17, count)
    if kind == "bool":
        return quarters > 0
    if kind[0] in "iu":
        return np.abs(quarters).astype(storage_of(kind)) if kind[0] == "u" else quarters.astype(storage_of(kind))
    values = quarters.astype(np.float32 if kind != "f64" else np.float64) / 4
    if nan and count:
        values[rng.integers(0, count, 1 + count // 40)] = np.nan
    return into_storage(kind, values)


def dense(
    kind: str, sizes: list[int], strides: list[int] | None = None, seed: int = 0, nan: bool = False, first: int = 3
) -> Memory:
    """An operand with a few elements before and after it that nobody may touch; C order unless strides are given."""
    strides = [math.prod(sizes[d + 1 :]) for d in range(len(sizes))] if strides is None else strides
    span = 1 + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True) if n)
    return Memory(numbers(kind, first + span + 5, seed, nan), first, strides)


def pointwise(kind: str, along: str, lanes: int, expr: Expr | None = None) -> Nest:
    """One loop dimension: buffer 1 <- an expression of buffer 0."""
    nest = Nest(1, 0, False, False, lanes)
    nest.buffers = [Buffer(kind, along), Buffer(kind, "1")]
    nest.statements = [Store(1, load(0, kind) if expr is None else expr, True, 0)]
    return nest


# -- memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(ITEMSIZE))
def test_every_memory_kind_is_read_and_written(kind, lanes):
    for along, stride in (("0", 0), ("1", 1), ("s", 3)):
        nest = pointwise(kind, along, lanes)
        for size in SIZES:
            check(nest, [size], 64, [dense(kind, [size], [stride], size), dense(kind, [size], seed=1)])


@pytest.mark.parametrize("kind", ["bool", "u8", "i16", "f16", "bf16", "f32", "i64"])
def test_results_with_a_stride_leave_what_lies_between(kind, lanes):
    nest = pointwise(kind, "1", lanes)
    nest.buffers[1] = Buffer(kind, "s")
    for size in SIZES:
        check(nest, [size], 32, [dense(kind, [size]), dense(kind, [size], [2], 1)])


def test_scalars_are_read_once_and_written_once(lanes):
    nest = Nest(0, 1, True, False, lanes)
    nest.buffers = [Buffer("f32", "1"), Buffer("f32", "scalar"), Buffer("f32", "scalar")]
    nest.statements = [
        Reduce(0, "sum", load(0, "f32") * load(1, "f32"), 0),
        Store(2, value(0, "f32") + load(1, "f32"), False, 1),
    ]
    for size in (0, *SIZES):
        check(
            nest,
            [size],
            0,
            [dense("f32", [size]), Memory(numbers("f32", 3, 7), 1, []), Memory(numbers("f32", 3), 1, [])],
        )


def test_an_operand_is_written_over_in_place(lanes):
    nest = Nest(1, 0, False, False, lanes)
    nest.buffers = [Buffer("f32", "1"), Buffer("f32", "1"), Buffer("f32", "1")]
    nest.statements = [
        Let(0, load(0, "f32") * 0.5 + load(1, "f32"), True, 0),
        Store(2, value(0, "f32") - load(0, "f32"), True, 0),
    ]
    code = text.module([kernel_text(nest)], target.current().function_attributes(target.host_cpu()))
    for size in SIZES:
        x, y = numbers("f32", size), numbers("f32", size, 1)
        kept = x.copy()
        run(code, [size, 32, x, 1, y, 1, x, 1], -(-size // 32))
        assert np.array_equal(x, kept * 0.5 + y - kept)


def test_masked_reads_stop_at_the_end_of_memory(lanes):
    """Operands end where the page that follows cannot be read."""
    for kind in ("u8", "f16", "f32", "f64"):
        nest = pointwise(kind, "1", lanes)
        code = text.module([kernel_text(nest)], target.current().function_attributes(target.host_cpu()))
        for size in (1, 3, 15, 16, 17, 33):
            given = numbers(kind, size)
            x, y = before_a_wall(given), before_a_wall(numbers(kind, size, 1))
            run(code, [size, 64, x, 1, y, 1], 1)
            assert np.array_equal(x, y)


_walls: list = []


def before_a_wall(array: np.ndarray) -> np.ndarray:
    """A copy that ends at a page which nobody may touch."""
    import ctypes
    import mmap

    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mprotect"):
        pytest.skip("no mprotect")
    room = mmap.mmap(-1, 2 * mmap.PAGESIZE)
    _walls.append(room)  # the pages live as long as the process
    whole = np.frombuffer(room, np.uint8)
    libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    assert libc.mprotect(whole.ctypes.data + mmap.PAGESIZE, mmap.PAGESIZE, 0) == 0
    made = whole[mmap.PAGESIZE - array.nbytes : mmap.PAGESIZE].view(array.dtype)
    made[...] = array
    return made


# -- columns -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lanes_of_a_kernel", [1, 2, 8, 64])
def test_columns_of_several_dimensions(lanes_of_a_kernel, lanes):
    nest = Nest(3, 0, False, False, lanes_of_a_kernel)
    nest.buffers = [Buffer("f32", "1"), Buffer("f32", "0"), Buffer("f32", "s"), Buffer("f32", "1")]
    nest.statements = [Store(3, load(0, "f32") * load(1, "f32") + load(2, "f32"), True, 0)]
    for sizes in ([1, 1, 1], [2, 3, 7], [3, 1, 64], [2, 2, 65], [1, 4, 130]):
        rows, columns = sizes[1], sizes[2]
        operands = [
            dense("f32", sizes, [rows * columns + 2, columns, 1]), dense("f32", sizes, [rows, 1, 0], 1),
            dense("f32", sizes, [1, 0, 2], 2), dense("f32", sizes, seed=3),
        ]  # fmt: skip
        for block in (64, 128):
            check(nest, sizes, block, operands)


def test_columns_reduce_over_rows(lanes):
    nest = Nest(1, 1, False, False, lanes)
    nest.buffers = [Buffer("f32", "1"), Buffer("f32", "1"), Buffer("f32", "0")]
    x = load(0, "f32")
    nest.statements = [
        Reduce(0, "sum", x * load(2, "f32"), 0), Reduce(1, "max", x, 0), Store(1, value(0, "f32") - value(1, "f32"), False, 1),
    ]  # fmt: skip
    for columns in SIZES:
        for rows in (0, 1, 5):
            sizes = [columns, rows]
            check(
                nest, sizes, 64,
                [dense("f32", sizes, [1, columns]), dense("f32", [columns, 1], [1, 0]), dense("f32", sizes, [0, 1], 4)],
            )  # fmt: skip


# -- rows and blocks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("along", ["0", "1", "s"])
def test_rows_of_any_length(along, lanes):
    nest = Nest(1, 1, True, False, lanes)
    nest.buffers = [Buffer("f32", along), Buffer("f64", "0")]
    nest.statements = [
        Reduce(0, "sum", L.cast(load(0, "f32"), "f64"), 0), Store(1, value(0, "f64") * 2, False, 1),
    ]  # fmt: skip
    step = {"0": 0, "1": 1, "s": 2}[along]
    for length in (0, *SIZES):
        sizes = [4, length]
        check(nest, sizes, 0, [dense("f32", sizes, [2 * length + 1, step]), dense("f64", [4, 1], [3, 0])])


def test_rows_reduce_over_two_dimensions(lanes):
    nest = Nest(1, 2, True, False, lanes)
    nest.buffers = [Buffer("f32", "1"), Buffer("f32", "0")]
    nest.statements = [
        Let(0, load(0, "f32") / 4, True, 0, kept=True), Reduce(1, "sum", value(0, "f32"), 0),
        Reduce(2, "max", value(0, "f32") - value(1, "f32"), 1), Store(1, value(2, "f32"), False, 2),
    ]  # fmt: skip
    for length in SIZES:
        sizes = [3, 5, length]
        check(nest, sizes, 0, [dense("f32", sizes, [length, 3 * length, 1]), dense("f32", [3, 1, 1], [1, 0, 0])])


@pytest.mark.parametrize("stride", [1, 2])
def test_split_reductions_give_a_result_for_each_block(stride, lanes):
    nest = Nest(0, 1, True, True, lanes)
    along = "1" if stride == 1 else "s"
    nest.buffers = [Buffer("f32", along), Buffer("f32", "1"), Buffer("f32", "0"), Buffer("f32", "0")]
    nest.axes = {0: 0}
    x = load(0, "f32")
    at = L.cast(position(0), "f32")
    nest.statements = [
        Let(0, L.select(at < 100.0, x * 2, x), True, 0), Reduce(1, "sum", value(0, "f32"), 0), Reduce(2, "min", x, 0),
        Store(1, value(0, "f32"), True, 0), Store(2, value(1, "f32"), False, 1), Store(3, value(2, "f32"), False, 1),
    ]  # fmt: skip
    for size in (1, 63, 64, 65, 200):
        blocks = -(-size // 64)
        operands = [dense("f32", [size], [stride]), dense("f32", [size], seed=1)]
        results = [Memory(numbers("f32", blocks + 6, 3), 2, [0]) for _ in range(2)]
        check(nest, [size], 64, operands + results)


def test_long_sums_lose_little(lanes):
    """float32 sums of 2^16 tenths: a plain loop over vectors would lose a hundred times as much."""
    nest = Nest(0, 1, True, False, lanes)
    nest.buffers = [Buffer("f32", "1"), Buffer("f32", "0")]
    nest.statements = [Reduce(0, "sum", load(0, "f32"), 0), Store(1, value(0, "f32"), False, 1)]
    code = text.module([kernel_text(nest)], target.current().function_attributes(target.host_cpu()))
    x, out = np.full(1 << 16, 0.1, np.float32), np.zeros(1, np.float32)
    run(code, [x.size, 0, x, 1, out, 0], 1)
    assert abs(out[0] / x.astype(np.float64).sum() - 1) < 5e-6


def test_long_sums_over_rows_lose_little(lanes):
    """Tenths in 2^18 rows: added one after the other, they would be off by a thousandth."""
    nest = Nest(1, 1, False, False, lanes)
    nest.buffers = [Buffer("f32", "1"), Buffer("f32", "1")]
    nest.statements = [Reduce(0, "sum", load(0, "f32"), 0), Store(1, value(0, "f32"), False, 1)]
    code = text.module([kernel_text(nest)], target.current().function_attributes(target.host_cpu()))
    x, out = np.full((1 << 18, 3), 0.1, np.float32), np.zeros(3, np.float32)
    run(code, [3, 1 << 18, 64, x, 1, 3, out, 1, 0], 1)
    assert np.abs(out / x.astype(np.float64).sum(0) - 1).max() < 1e-5


# -- reductions --------------------------------------------------------------------------------------------------------

REDUCTIONS = [
    (op, kind) for op in ("sum", "prod", "max", "min") for kind in ("f32", "f64", "i32", "i64", "u8", "i8", "f16", "bf16")
] + [("any", "bool"), ("all", "bool")]  # fmt: skip


@pytest.mark.parametrize(("op", "kind"), REDUCTIONS)
def test_reductions_by_rows_and_by_columns(op, kind, lanes):
    register = register_kind(kind)
    x = load(0, kind)
    if op == "prod" and register[0] == "f":
        x = L.select(x < 0, L.const(-1, register), L.maximum(L.const(1, register), x * 0))  # products that stay exact
    statements = [Reduce(0, op, x, 0), Store(1, value(0, register), False, 1)]
    for rows in (True, False):
        nest = Nest(1, 1, rows, False, lanes, buffers=[Buffer(kind, "1"), Buffer(kind, "0" if rows else "1")])
        nest.statements = list(statements)
        for length in (0, 1, 15, 17, 40):
            for nan in (False, True):
                sizes = [9, length]
                strides = [length, 1] if rows else [1, 9]
                check(nest, sizes, 64, [dense(kind, sizes, strides, length, nan), dense(kind, [9, 1], [1, 0], 5)])


@pytest.mark.parametrize("place", [0, 1, 15, 16, 38])
@pytest.mark.parametrize("op", ["max", "min", "sum", "prod"])
def test_one_nan_wins_wherever_it_is(op, place, lanes):
    nest = Nest(0, 1, True, False, lanes, buffers=[Buffer("f32", "1"), Buffer("f32", "0")])
    nest.statements = [Reduce(0, op, load(0, "f32"), 0), Store(1, value(0, "f32"), False, 1)]
    operand = dense("f32", [39])
    operand.flat[operand.first + place] = np.nan
    found = check(nest, [39], 0, [operand, dense("f32", [1], [0], 1)])
    assert np.isnan(found[1][3])


# -- levels and scratch memory -----------------------------------------------------------------------------------------


def softmax(lanes: int, rows: bool, kept: bool) -> Nest:
    """Three levels: the maximum, the exponentials and their sum, the quotient."""
    nest = Nest(1, 1, rows, False, lanes)
    nest.buffers = [Buffer("f32", "1"), Buffer("f32", "1"), Buffer("f32", "0" if rows else "1")]
    nest.statements = [
        Let(9, load(0, "f32") * 0.5, True, 0), Reduce(0, "max", value(9, "f32"), 0),
        Let(1, L.exp(value(9, "f32") - value(0, "f32")), True, 1, kept), Reduce(2, "sum", value(1, "f32"), 1),
        Let(3, 1 / value(2, "f32"), False, 2), Store(1, value(1, "f32") * value(3, "f32"), True, 2),
        Store(2, value(0, "f32") + L.log(value(2, "f32")), False, 2),
    ]  # fmt: skip
    return nest


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("rows", [True, False])
def test_softmax_in_three_levels(rows, kept, lanes):
    nest = softmax(lanes, rows, kept)
    for length in SIZES:
        sizes = [7, length]
        strides = [length, 1] if rows else [1, 7]
        operands = [dense("f32", sizes, strides), dense("f32", sizes, strides, 1), dense("f32", [7, 1], [1, 0], 2)]
        check(nest, sizes, 64, operands, tolerance=2e-6)


def test_values_are_kept_or_computed_anew_with_the_same_bits(lanes):
    sizes = [5, 77]
    for rows in (True, False):
        strides = [77, 1] if rows else [1, 5]
        operands = [dense("f32", sizes, strides), dense("f32", sizes, strides, 1), dense("f32", [5, 1], [1, 0], 2)]
        found = [check(softmax(lanes, rows, kept), sizes, 64, operands, tolerance=2e-6) for kept in (False, True)]
        for a, b in zip(*found, strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("rows", [True, False])
def test_kept_values_of_every_kind(rows, lanes):
    """Several values are kept at once, of one byte and of eight."""
    nest = Nest(1, 1, rows, False, lanes)
    side = "0" if rows else "1"
    nest.buffers = [Buffer("f32", "1"), Buffer("f64", "1"), Buffer("i64", "1"), Buffer("f64", "1"), Buffer("i64", side)]
    x, y, n = load(0, "f32"), load(1, "f64"), load(2, "i64")
    nest.statements = [
        Let(0, x > 0.5, True, 0, kept=True), Let(1, y / 4, True, 0, kept=True), Let(2, n % 5, True, 0, kept=True),
        Let(3, x / 2, True, 0, kept=True), Reduce(4, "sum", L.cast(value(0, "b1"), "i64"), 0), Reduce(5, "max", value(2, "i64"), 0),
        Let(6, L.cast(value(4, "i64") + value(5, "i64"), "f64"), False, 1),
        Store(3, L.select(value(0, "b1"), value(1, "f64") + value(6, "f64"), L.cast(value(3, "f32"), "f64")), True, 1),
        Reduce(7, "sum", L.select(value(0, "b1"), value(2, "i64"), L.const(1, "i64")), 1), Store(4, value(7, "i64"), False, 2),
    ]  # fmt: skip
    for length in SIZES:
        sizes = [6, length]
        strides = [length, 1] if rows else [1, 6]
        operands = [dense(b.kind, sizes, strides, i) for i, b in enumerate(nest.buffers[:4])]
        check(nest, sizes, 64, [*operands, dense("i64", [6, 1], [1, 0], 9)])


# -- positions, words, look-ups ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector_dim", [0, 1])
def test_positions_along_every_dimension(vector_dim, lanes):
    """A lower triangle, with the vector along either dimension of the grid."""
    nest = Nest(2, 0, False, False, lanes, words=1)
    nest.axes = {0: 1 - vector_dim, 1: vector_dim}
    # the loop dimension 1 is the innermost: its grid dimension is the one that the vector runs along
    nest.axes = {vector_dim: 1, 1 - vector_dim: 0}
    nest.buffers = [Buffer("f32", "1"), Buffer("f32", "1")]
    inside = position(1) - position(0) <= word(0)
    nest.statements = [Store(1, L.select(inside, load(0, "f32"), L.const(0, "f32")), True, 0)]
    for sizes in ([5, 5], [3, 33], [20, 17]):
        for diagonal in (-2, 0, 3):
            check(nest, sizes, 64, [dense("f32", sizes), dense("f32", sizes, seed=1)], (diagonal,))


def test_positions_in_reductions(lanes):
    """The smallest position of a maximum, by rows and by columns."""
    for rows in (True, False):
        nest = Nest(1, 1, rows, False, lanes, words=1, axes={0: 0, 1: 1})
        nest.buffers = [Buffer("f32", "1"), Buffer("i64", "0" if rows else "1")]
        nest.statements = [
            Reduce(0, "max", load(0, "f32"), 0),
            Reduce(1, "min", L.select(L.eq(load(0, "f32"), value(0, "f32")), position(1), word(0)), 1),
            Store(1, value(1, "i64") + position(0) * 1000, False, 2),
        ]  # fmt: skip
        for length in SIZES:
            sizes = [4, length]
            strides = [length, 1] if rows else [1, 4]
            check(nest, sizes, 64, [dense("f32", sizes, strides, 2), dense("i64", [4, 1], [1, 0])], (length,))


@pytest.mark.parametrize("along", ["0", "1", "s", "scalar"])
def test_elements_taken_at_an_index(along, lanes):
    """A table's row by an index that all lanes share, and an element by an index of its own for each lane."""
    step = {"0": 0, "1": 1, "s": 2, "scalar": 0}[along]
    for shared in (True, False):
        nest = Nest(2, 0, False, False, lanes, words=1)
        nest.buffers = [Buffer("i64", "0" if shared else "1"), Buffer("f32", along), Buffer("f32", "1")]
        index = load(0, "i64")
        nest.statements = [Store(2, take(1, "f32", index * word(0)) * 2, True, 0)]
        for columns in (1, 7, 16, 33):
            sizes, width = [6, columns], 2 * columns + 3
            table = dense("f32", [5, columns], [width, max(step, 1)], 4)
            table.strides = [] if along == "scalar" else [0, step]
            where = dense("i64", sizes, [1, 0] if shared else None)
            where.flat %= 5
            check(nest, sizes, 64, [where, table, dense("f32", sizes, seed=2)], (width,))


def test_requirements_see_only_elements_that_exist(lanes):
    nest = Nest(1, 0, False, False, lanes, words=1)
    nest.buffers = [Buffer("i64", "1"), Buffer("f32", "scalar"), Buffer("f32", "1")]
    index = load(0, "i64")
    inside = L.require((index >= 1) & (index < word(0)), index)
    nest.statements = [Store(2, take(1, "f32", inside), True, 0)]
    code = text.module([kernel_text(nest)], target.current().function_attributes(target.host_cpu()))
    table, status = numbers("f32", 10), np.zeros(1, np.int64)
    for size in SIZES:
        where, out = np.random.default_rng(size).integers(1, 10, size), np.zeros(size + 9, np.float32)
        run(code, [size, 64, where, 1, table, out, 1, 10, status], -(-size // 64))
        assert (
            status[0] == 0 and np.array_equal(out[:size], table[where]) and not out[size:].any()
        )  # beyond the end: index 0
    # Every element that is wrong is noticed, and only by the unit that it belongs to. The kernel still reads within the table,
    # which has room on both sides here.
    room = np.concatenate([np.zeros(64, np.float32), table, np.zeros(64, np.float32)])
    for place in (0, 5, 15, 16, 63, 64, 66):
        for wrong in (-1, 0, 10):
            where, out = np.full(67, 3), np.zeros(67, np.float32)
            where[place] = wrong
            status[0] = 0
            run(code, [67, 64, where, 1, room[64:], out, 1, 10, status], 2)
            assert status[0] == 1


# -- anything ----------------------------------------------------------------------------------------------------------


class Random:
    """A random Nest with operands for it."""

    def __init__(self, seed: int, lanes: int):
        self.r = r = random.Random(seed)
        self.split = r.random() < 0.15
        reduced = 1 if self.split else r.choice([0, 1, 1, 2])
        kept = 0 if self.split else r.choice([1, 1, 2, 3]) if not reduced else r.choice([0, 1, 1, 2])
        rows = self.split or bool(reduced) and (not kept or r.random() < 0.5)
        self.nest = Nest(kept, reduced, rows, self.split, r.choice([1, 2, lanes, lanes, 2 * lanes]))
        self.nest.axes = dict(enumerate(r.sample(range(self.nest.dims), self.nest.dims)))
        inner = self.nest.vector_dim
        around = [1, 2, lanes - 1, lanes, lanes + 1, 2 * lanes + 3, 70]
        self.sizes = [max(r.choice(around if d == inner else [1, 2, 3]), 1) for d in range(self.nest.dims)]
        if reduced and not self.split and r.random() < 0.05:
            self.sizes[-1] = 0
        self.block = r.choice([32, 64])
        if self.nest.lanes > self.block:
            self.block = 64
        self.memory: list[Memory] = []
        self.words = tuple(r.randrange(-3, 9) for _ in range(2))
        self.nest.words = 2
        self.names: dict[
            str, list[tuple[Expr, int, bool]]
        ] = {}  # kind -> values with their level, and whether they are full
        self.count = 0
        self.write()

    def operand(self, kind: str, full: bool, written: bool) -> int:
        """A new buffer; its number."""
        r, dims = self.r, self.nest.dims
        order = r.sample(range(dims), dims) if r.random() < 0.5 else list(range(dims))
        strides, step = [0] * dims, 1 if r.random() < 0.7 else 2
        for d in reversed(order):
            if not full and d >= self.nest.kept:
                continue
            if written or r.random() < 0.75:
                strides[d] = step
                step *= max(self.sizes[d], 1)
        place = dense(kind, self.sizes, strides, r.randrange(1000), nan=r.random() < 0.1)
        if self.split and written and not full:
            place = Memory(numbers(kind, 80), 2, [0])
        along = {0: "0", 1: "1"}.get(strides[self.nest.vector_dim], "s")
        if not written and not any(strides):
            along, place.strides = "scalar", []
        self.nest.buffers.append(Buffer(kind, along))
        self.memory.append(place)
        return len(self.memory) - 1

    def leaf(self, kind: str, full: bool, level: int) -> Expr:
        r = self.r
        known = [e for e, at, wide in self.names.get(kind, ()) if at <= level and (full or not wide)]
        if known and r.random() < 0.5:
            return r.choice(known)
        if kind == "i64" and r.random() < 0.3:
            return r.choice(
                [
                    word(0),
                    word(1),
                    *[position(d) for d, loop in self.nest.axes.items() if full or loop < self.nest.kept],
                ]
            )
        if r.random() < 0.2:
            return L.const(r.choice([0, 1, 2]) if kind != "b1" else r.random() < 0.5, kind)
        memory = {"b1": ["bool"], "f32": ["f32", "f32", "f16", "bf16"]}.get(kind, [kind])
        chosen = r.choice(memory)
        if len(self.memory) > 5:
            written = {s.buffer for s in self.nest.statements if isinstance(s, Store)}
            same = [
                i
                for i, b in enumerate(self.nest.buffers)
                if b.kind in memory and i not in written and (full or not any(self.memory[i].strides[self.nest.kept :]))
            ]
            if not same:
                return L.const(1, kind)
            at = r.choice(same)
            return load(at, self.nest.buffers[at].kind)
        return load(self.operand(chosen, full, False), chosen)

    def expr(self, kind: str, full: bool, level: int, depth: int = 2) -> Expr:
        r = self.r
        if depth == 0 or r.random() < 0.2:
            return self.leaf(kind, full, level)
        inner = lambda k=kind: self.expr(k, full, level, depth - 1)  # noqa: E731
        if kind == "b1":
            other = r.choice(["f32", "i32", "i64"])
            return r.choice([lambda: inner() & inner(), lambda: inner() | inner(), lambda: ~inner(), lambda: inner(other) < inner(other),
                             lambda: L.eq(inner(other), inner(other)), lambda: L.ne(inner(other), inner(other))])()  # fmt: skip
        choices = [
            lambda: inner() + inner(), lambda: inner() - inner(), lambda: L.maximum(inner(), inner()), lambda: L.minimum(inner(), inner()),
            lambda: L.select(inner("b1"), inner(), inner()), lambda: -inner(), lambda: L.absolute(inner()), lambda: L.cast(inner("b1"), kind),
            lambda: inner() * L.const(2, kind),
        ]  # fmt: skip
        if kind[0] == "f":
            choices += [
                lambda: L.cast(inner("i32"), kind),
                lambda: L.cast(inner("f64" if kind == "f32" else "f32"), kind),
                lambda: inner() / 2,
            ]
        else:
            choices += [lambda: inner() * inner(), lambda: L.cast(inner("i64" if kind != "i64" else "i32"), kind)]
        return r.choice(choices)()

    def name(self, kind: str, level: int, full: bool) -> int:
        self.count += 1
        self.names.setdefault(kind, []).append((value(self.count, kind), level, full))
        return self.count

    def write(self) -> None:
        r, found = self.r, self.nest.statements
        levels = 1 if self.split or not self.nest.reduced else r.choice([1, 2, 3])
        for level in range(levels):
            for _ in range(r.choice([1, 2])):
                kind = r.choice(["f32", "f32", "f64", "i32", "i64", "u8", "b1"])
                made = self.expr(kind, True, level)
                keep = self.nest.reduced > 0 and r.random() < 0.4  # without a reduction there is no later level
                found.append(Let(self.name(kind, level, True), made, True, level, keep))
            if r.random() < 0.5 or not self.nest.reduced:
                self.store(True, level)
            if self.nest.reduced:
                for _ in range(r.choice([1, 2])):
                    op = r.choice(["sum", "max", "min", "any", "all", "prod"])
                    kind = (
                        "b1"
                        if op in ("any", "all")
                        else r.choice(["i32", "i64"])
                        if op == "prod"
                        else r.choice(["f32", "f64", "i32", "i64", "u8"])
                    )
                    made = self.expr(kind, True, level)
                    found.append(Reduce(self.name(kind, level + 1, False), op, made, level))
                if r.random() < 0.5:
                    made = self.expr("f32", False, level + 1)
                    found.append(Let(self.name("f32", level + 1, False), made, False, level + 1))
        if self.nest.reduced:
            self.store(False, levels)
            if not self.split and r.random() < 0.5:
                self.store(True, levels)

    def store(self, full: bool, level: int) -> None:
        kind = self.r.choice(["f32", "f64", "i64", "u8", "b1"])
        made = self.expr(kind, full, level)
        memory = {"b1": "bool", "f32": self.r.choice(["f32", "f32", "f16", "bf16"])}.get(kind, kind)
        self.nest.statements.append(Store(self.operand(memory, full, True), made, full, level))


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_random_nests(first, lanes):
    for seed in range(first, first + 20):
        made = Random(seed, lanes)
        check(made.nest, made.sizes, made.block, made.memory, made.words)


@pytest.mark.nightly
def test_many_random_nests(lanes):
    for seed in range(1000, 3000):
        made = Random(seed, lanes)
        check(made.nest, made.sizes, made.block, made.memory, made.words)
