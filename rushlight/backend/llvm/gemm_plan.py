"""Which kernel computes a matrix product, and over which blocks: the decisions; `gemm.py` writes the code.

A unit of work is one block of rows x one block of columns of one matrix of the batch. It packs what it needs, so blocks
are chosen large enough for packing to cost little, and small enough that every thread has something to do. No unit
shares a sum with another: whatever the blocks, an element is summed over k in order, and its bits are the same.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rushlight import config
from rushlight.backend.llvm.dot import part_values
from rushlight.backend.llvm.pack import SIZE, padded
from rushlight.backend.llvm.target import Target, current

_ITEMSIZE = {"f32": 4, "f64": 8, "f16": 2, "bf16": 2}
_ROOM = (
    3 << 18
)  # bytes of packed rows and of sums between passes that a unit may keep: they should stay in a core's second cache
_FAR = 1 << 22  # bytes of an operand from which on its values come from distant memory
_DEPTH_BYTES = 1536  # bytes of one line in a panel: longer sums are done in several passes
_LEAST_WORK = 16_000  # cycles below which a unit is not worth another thread
# Cycles to pack a value, by where its neighbours lie, and to fetch one from afar; a multiply-add is 1 / lanes.
_PACKING, _DISTANT = {"lines": 0.4, "depth": 0.45, "": 2.0}, 0.8
_FIRST = 0.5  # cycles for a thread's first look at a value: another thread has made it, or it lies far away
# Cycles to hand on a vector of results; one that must be transposed; and to begin with a row of them.
_STORING, _TURNING, _ROW = 6, 14, 8
_DOT_ROWS, _DOT_COLUMNS = 4, 8  # the largest tile of sums where vectors run along k
_DOT_MOST, _DOT_DEPTH = 12, 4  # most rows, and fewest vectors of depth, for which they do
# Few rows times a large matrix: it is read row by row, a few rows at a time, as memory likes it; sums go on from pass
# to pass.
_STREAM_MOST, _STREAM_DEPTH, _NEAR = 12, 16, 1 << 19
_DIRECT_ROWS = 256  # rows that share a block of B from which on a copy of it pays


@dataclass(frozen=True)
class Matrix:
    """An operand as it lies in memory: storage kind (f32, f64, f16, bf16) and strides in elements (batch dims..., rows,
    columns).
    """

    storage: str
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Side:
    """How a kernel reads A or B. `along` is where neighbours lie: "lines" (rows of A, columns of B), "depth" (along k),
    or "" (nowhere).

    A packed side is copied into panels; another is read as it lies.
    """

    storage: str
    along: str
    packed: bool


@dataclass(frozen=True)
class Spec:
    """Everything that is in the text of a kernel, and no size.

    rows, vectors   the tile of sums in registers: rows x (vectors * lanes) columns
    narrow          there may be fewer columns than a tile has
    shallow         depth may be below `lanes`
    split           depth is done in several passes, with the sums in scratch memory between them
    turned          rows and columns of the tile are columns and rows of the result: A and B change places, the results
                    are transposed
    batch           number of batch dimensions
    dot             0, or how many columns at once are multiplied with vectors along k (`dot.py`), where both sides lie
                    along it
    store           how the result lies, for the kernel's own store: "row" (columns are neighbours) or "" (general);
                    storage kind in `c`
    """

    kind: str
    lanes: int
    rows: int
    vectors: int
    a: Side
    b: Side
    c: str
    narrow: bool
    shallow: bool
    split: bool
    turned: bool
    batch: int
    dot: int
    store: str

    @property
    def words(self) -> int:
        """Argument words that the kernel reads; those of an epilogue come after."""
        return WORDS + 4 * self.batch


# Words of the argument block, in order; then for each batch dimension: count, strides of a, b and c.
NAMES = (
    "a", "b", "c", "rows", "columns", "depth", "a_line", "a_depth", "b_line", "b_depth", "c_row", "c_column",
    "row_panels", "column_panels", "row_blocks", "column_blocks", "pass_depth", "a_panel", "b_offset", "sum_offset",
)  # fmt: skip
WORDS = len(NAMES)


@dataclass(frozen=True)
class Plan:
    """What a Program needs to run a product.

    spec      for `gemm.kernel_text`
    words     the argument block's words; the first three are 0, where the addresses of a, b and c go (if `swapped`: of
              b, a and c)
    units     units of work; grain: how many of them are worth handing to a thread
    scratch   bytes of scratch memory for each thread
    """

    spec: Spec
    words: tuple[int, ...]
    units: int
    grain: int
    scratch: int
    swapped: bool


def plan(
    kind: str, a: Matrix, b: Matrix, c: Matrix, batch: tuple[int, ...], sizes: tuple[int, int, int],
    threads: int | None = None,
    target: Target | None = None, own_store: bool = True,
) -> Plan:  # fmt: skip
    """The plan of c[..., m, n] = sum over k of a[..., m, k] * b[..., k, n].

    `kind` (f32 or f64) is what is multiplied and summed; `sizes` are m, n, k; `batch` the sizes of the batch dimensions
    (strides of 0 broadcast). `own_store` is false where an epilogue stores the results: then they come as rows x
    columns, however c lies. `threads` is how many there will probably be: it decides about units, and about no bit of
    the results.
    """
    return _plan(kind, a, b, c, batch, sizes, threads or config.threads, target or current(), own_store)


@functools.lru_cache(4096)
def _plan(
    kind: str, a: Matrix, b: Matrix, c: Matrix, batch: tuple[int, ...], sizes: tuple[int, int, int], threads: int,
    target: Target,
    own_store: bool,
) -> Plan:  # fmt: skip
    lanes = target.lanes * 4 // SIZE[kind]
    m, n, k = max(sizes[0], 1), max(sizes[1], 1), sizes[2]
    batch, strides = merge_batch(batch, (a.strides, b.strides, c.strides))
    a, b, c = (Matrix(x.storage, s) for x, s in zip((a, b, c), strides, strict=True))
    a, b = _without_steps(a, m, k), _without_steps(b, k, n)
    swapped = own_store and c.strides[-2] == 1 and (c.strides[-1] != 1 or n == 1)
    if swapped:
        m, n = n, m
        a, b, c = (_mirrored(x) for x in (b, a, c))
    # Vectors along k sum in another order, so that choice must rest on nothing that the number of threads has a part
    # in.
    dot = _along(a, 0) == _along(b, 1) == "depth" and min(m, n) <= _DOT_MOST and k >= _DOT_DEPTH * lanes
    common = (kind, lanes, target.tile, k, math.prod(batch), threads, dot)
    candidates = []
    if not dot or m <= n:
        candidates.append(_Candidate(*common, a, b, m, n, turned=False))
    if (dot and m > n) or (not dot and (n * 2 <= lanes * 3 or (_along(b, 1) == "depth" and m >= lanes))):
        candidates.append(_Candidate(*common, _mirrored(b), _mirrored(a), n, m, turned=True))
    best = min(candidates, key=lambda candidate: candidate.cost).plan(a, b, c, batch, swapped)
    return best if min(sizes[:2]) else replace(best, units=0)


def merge_batch(
    batch: Sequence[int], strides: Sequence[tuple[int, ...]]
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """The batch dimensions without those of size 1, neighbours made one wherever every operand allows it.

    >>> merge_batch((2, 1, 3), ((12, 5, 4, 2, 1), (0, 5, 0, 2, 1)))
    ((6,), ((4, 2, 1), (0, 2, 1)))
    """
    dims: list[tuple[int, list[int]]] = []
    for d, size in enumerate(batch):
        if size == 1:
            continue
        steps = [s[d] for s in strides]
        if dims and all(outer == inner * size for outer, inner in zip(dims[-1][1], steps, strict=True)):
            dims[-1] = (dims[-1][0] * size, steps)
        else:
            dims.append((size, steps))
    merged = tuple((*(steps[operand] for _, steps in dims), *strides[operand][-2:]) for operand in range(len(strides)))
    return tuple(size for size, _ in dims), merged


def tile_shapes(tile: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """(most rows, vectors) of tiles that fit the registers as the target's own does."""
    rows, vectors = tile
    registers = rows * vectors + vectors
    for wide in (1, 2, 3, 4, 6, 8):
        most = min((registers - wide) // wide, rows)
        if most:
            yield most, wide


def dot_columns(rows: int, columns: int, tile: tuple[int, int]) -> int:
    """How many columns at once are multiplied with `rows` rows where vectors run along k: a power of 2 that fits the
    registers.
    """
    most = max(1, min(_DOT_COLUMNS, columns, tile[0] * tile[1] // rows))
    return 1 << most.bit_length() - 1


def _without_steps(x: Matrix, rows: int, columns: int) -> Matrix:
    """The matrix with strides of 0 for dimensions of size 1, whose strides mean nothing."""
    row, column = x.strides[-2:]
    return Matrix(x.storage, (*x.strides[:-2], row if rows != 1 else 0, column if columns != 1 else 0))


def _mirrored(x: Matrix) -> Matrix:
    return Matrix(x.storage, (*x.strides[:-2], x.strides[-1], x.strides[-2]))


def _along(x: Matrix, line: int) -> str:
    """Where the neighbours lie in A (`line` 0: lines are rows) or B (1: lines are columns)."""
    if x.strides[-2 + line] == 1:
        return "lines"
    return "depth" if x.strides[-1 - line] == 1 else ""


class _Candidate:
    """One way to do a product, with what it is expected to cost."""

    def __init__(
        self, kind: str, lanes: int, tile: tuple[int, int], k: int, count: int, threads: int, dot: bool, a: Matrix,
        b: Matrix, m: int,
        n: int, turned: bool,
    ):  # fmt: skip
        self.kind, self.lanes, self.a, self.b, self.m, self.n, self.k, self.count = kind, lanes, a, b, m, n, k, count
        self.turned, self.threads = turned, threads
        self.cost, self.most_blocks = math.inf, 8 * threads
        self.pass_depth = k if dot else _pass_depth(k, lanes, SIZE[kind])
        if (
            m <= _STREAM_MOST
            and a.storage == b.storage == kind
            and _along(b, 1) == "lines"
            and n * k * SIZE[kind] > _NEAR
        ):
            self.pass_depth, self.most_blocks = min(k, _STREAM_DEPTH), 2 * threads
        shapes = [(_DOT_ROWS, 1)] if dot else tile_shapes(tile)
        for most, vectors in shapes:
            rows = -(-m // -(-m // most))
            self._consider(rows, vectors, dot=dot_columns(rows, n, tile) if dot else 0)

    def _consider(self, rows: int, vectors: int, dot: int) -> None:
        lanes, k, columns = self.lanes, self.k, vectors * self.lanes
        panels = (-(-self.m // rows), -(-self.n // columns))
        # A multiply-add a cycle, loads that it half hides; and a chain of multiply-adds waits four cycles for each.
        step = max(rows * vectors, 4.0) + 0.1 * rows + 0.25 * vectors + 0.5
        if dot:
            step = rows + 0.5
        else:
            step *= 1 + self._conflict(rows)
        tile = step * k + rows * vectors * (_TURNING if self.turned else _STORING)
        tile += rows * (100 if dot else 0 if self.turned else _ROW)
        size = SIZE[self.kind]
        row_bytes = padded(rows, lanes) * self.pass_depth * size if self.a.storage != self.kind else 0
        tile_bytes = rows * columns * size if k > self.pass_depth else 0
        most = max(self.most_blocks, 2 * panels[0] * (row_bytes + panels[1] * tile_bytes) // _ROOM) // max(
            self.count, 1
        )
        for row_blocks, column_blocks in _divisions(panels, most):
            per = (-(-panels[0] // row_blocks), -(-panels[1] // column_blocks))
            blocks = (-(-panels[0] // per[0]), -(-panels[1] // per[1]))
            a, b = self._sides(per[0] * rows, bool(dot))
            work = per[0] * per[1] * tile + 300
            work += per[0] * rows * k * self._reading(a, self.m) + per[1] * columns * k * self._reading(b, self.n)
            work *= max(1.0, per[0] * (row_bytes + per[1] * tile_bytes) / _ROOM)
            units = self.count * blocks[0] * blocks[1]
            # Threads do not run in step, so a few units more are better than as many as threads.
            cost = (-(-units // self.threads) + 0.12) * work if units > 1 else work
            if blocks != (1, 1) and work < _LEAST_WORK:
                cost += (_LEAST_WORK - work) * 0.5
            shares = min(blocks[0], self.threads)  # a thread does rows' blocks one after the other
            cost += _FIRST * k * (self.m / shares + self.n * shares / self.threads)
            if cost < self.cost:
                self.cost, self.chosen = cost, (rows, vectors, per, blocks, a, b, work, dot)

    def _sides(self, rows: int, dot: bool) -> tuple[Side, Side]:
        """How A and B are read by a block of so many rows. A is copied only where it must be converted: its values are
        read one by one.
        """
        if dot:
            return Side(self.a.storage, "depth", False), Side(self.b.storage, "depth", False)
        a_along, b_along = _along(self.a, 0), _along(self.b, 1)
        copied = b_along != "lines" or rows >= _DIRECT_ROWS or self.b.storage != self.kind
        return Side(self.a.storage, a_along, self.a.storage != self.kind), Side(self.b.storage, b_along, copied)

    def _conflict(self, rows: int) -> float:
        """What it costs to read `rows` lines at once that lie 4 kB apart: they share one set of the first cache, of
        eight places.
        """
        apart = abs(self.a.strides[-2]) * SIZE[self.kind]
        sets = 4096 // math.gcd(apart, 4096) if apart >= 64 and self.a.storage == self.kind else rows
        return 0.03 * max(0, rows - 8 * sets)

    def _reading(self, side: Side, lines: int) -> float:
        """Cycles beside the multiply-adds to bring a value in, packed or as it lies."""
        far = _DISTANT if lines * self.k * _ITEMSIZE[side.storage] > _FAR else 0.0
        return far + (_PACKING[side.along] if side.packed else 0.0)

    def plan(self, a: Matrix, b: Matrix, c: Matrix, batch: tuple[int, ...], swapped: bool) -> Plan:
        rows, vectors, per, blocks, left, right, work, dot = self.chosen
        lanes, size = self.lanes, SIZE[self.kind]
        split = self.k > self.pass_depth
        transposes = any(side.packed and side.along == "depth" for side in (left, right))
        spec = Spec(
            self.kind, lanes, rows, vectors, left, right, c.storage,
            narrow=self.n < vectors * lanes, shallow=transposes and self.k < lanes, split=split, turned=self.turned,
            batch=len(batch), dot=dot, store="row" if c.strides[-1] == 1 else "",
        )  # fmt: skip
        deep = padded(max(self.pass_depth, 1), lanes)
        a_panel = deep * padded(rows, lanes)
        b_offset = per[0] * a_panel * size if left.packed else 0
        sum_offset = b_offset + (deep * vectors * lanes * size if right.packed else 0)
        tiles = per[0] * per[1] if split else 1
        turn = padded(rows, lanes) * vectors * lanes * size if self.turned else 0
        scratch = turn + sum_offset + tiles * rows * vectors * lanes * size
        scratch += part_values(lanes, rows, dot) * size if dot else 0
        words: tuple[int, ...] = (
            0, 0, 0, self.m, self.n, self.k, self.a.strides[-2], self.a.strides[-1], self.b.strides[-1],
            self.b.strides[-2],
            c.strides[-2], c.strides[-1], *per, *blocks, max(self.pass_depth, 1), a_panel, b_offset + turn,
            sum_offset + turn,
        )  # fmt: skip
        for d, count in enumerate(batch):
            words += (count, self.a.strides[d], self.b.strides[d], c.strides[d])
        units = self.count * blocks[0] * blocks[1]
        grain = max(1, min(int(_LEAST_WORK // work), units))
        return Plan(spec, words, units, grain, scratch + 64, swapped != self.turned)


def _pass_depth(k: int, lanes: int, size: int) -> int:
    """How much of k one pass does: all passes alike, and none below a vector."""
    most = _DEPTH_BYTES // size
    if k <= most:
        return k
    depth = -(-k // -(-k // most))
    while 0 < k % depth < lanes:
        depth -= 1
    return depth


def _divisions(panels: tuple[int, int], most: int) -> Iterator[tuple[int, int]]:
    """Numbers of row and column blocks worth a look, with `most` blocks or one."""
    for rows in _few(panels[0]):
        for columns in _few(panels[1]):
            if rows * columns <= max(most, 1):
                yield rows, columns


def _few(panels: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, ... up to the number of panels."""
    found = [p << e for e in range(30) for p in (2, 3) if p << e < panels]
    return [*([1] if panels > 1 else []), *found, panels]
