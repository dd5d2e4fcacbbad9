"""Plans of attention's kernels; `attention.py` writes the code and says what the kernels compute.

Query (..., L, E), key (..., S, E), value (..., S, Ev). A unit is one block of queries (or, in part "keys" of the
gradient, of keys) of one matrix of the batch. The other side is walked in blocks of a fixed length, in order, so the
bits depend on the sizes alone.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rushlight.backend.llvm.dot import part_values
from rushlight.backend.llvm.gemm_plan import dot_columns, merge_batch, tile_shapes
from rushlight.backend.llvm.pack import SIZE, padded
from rushlight.backend.llvm.target import Target, current

BLOCK = 96  # of the side that is walked
_MOST_VECTORS = 4
FEW = 4  # queries that are few
_MATRICES = 8  # of a batch from which on each is one unit of the gradient
_UNITS = 16  # of work that there should be, if it means narrower blocks
_LEAST_WORK = 16_000  # cycles below which a unit is not worth another thread

# Argument words: addresses, then sizes and the bits of the scale, then strides of rows, then places in scratch memory;
# then for each batch dimension its size and the strides of all tensors.
TENSORS = ("q", "k", "v", "mask", "out", "lse", "grad", "grad_lse", "dq", "dk", "dv")
SIZES = ("queries", "keys", "width", "value_width", "scale")
STRIDES = (*(f"{name}_row" for name in TENSORS), "mask_column")
PLACES = (
    "left",
    "right",
    "scores",
    "others",
    "mask_panel",
    "totals",
    "value_totals",
    "line",
    "turn",
    "state",
    "queries",
)
NAMES = (*TENSORS, *SIZES, *STRIDES, "blocks", "query_columns", *(f"{name}_at" for name in PLACES))

# The tensors that each part reads and writes beside q, k, v and the mask.
PARTS = {
    "forward": ("out", "lse"), "query": ("out", "lse", "grad", "grad_lse", "dq"),
    "keys": ("out", "lse", "grad", "grad_lse", "dk", "dv"),
    "gradient": ("out", "lse", "grad", "grad_lse", "dq", "dk", "dv"),
}  # fmt: skip


@dataclass(frozen=True)
class Spec:
    """What is in the text of a kernel.

    part        "forward", "few" (the same, of few queries), "query" (the gradient for query), "keys" (for key and
                value), "gradient" (for all)
    vectors     vectors of the unit's own side that are done at once: its block has vectors * lanes lines
    rows        rows of the three tiles: scores (keys at once, in part "few"), totals of width E, totals of width Ev
    query_tile  rows and vectors of the tile of dq in part "gradient", of out in part "few", and
    query_masked whether E (Ev) is no multiple of its width
    shallow     E or Ev may be below `lanes`
    mask        storage kind of the mask ("bool", or what is added), or ""
    mask_along  "" (general), "keys" (neighbours along keys), "all" (the same for every query; not in part "keys")
    grad_lse    whether a gradient for lse comes in
    """

    part: str
    kind: str
    lanes: int
    vectors: int
    rows: tuple[int, int, int]
    query_tile: tuple[int, int]
    query_masked: bool
    shallow: bool
    mask: str
    mask_along: str
    causal: bool
    grad_lse: bool
    batch: int

    @property
    def columns(self) -> int:
        """Lines of a unit's block."""
        return self.vectors * self.lanes

    @property
    def words(self) -> int:
        """Argument words that the kernel reads."""
        return len(NAMES) + (1 + len(TENSORS)) * self.batch


@dataclass(frozen=True)
class Plan:
    """`words` of the argument block, the first of which, one for each of TENSORS, take addresses (0 where a part has no
    such tensor).
    """

    spec: Spec
    words: tuple[int, ...]
    units: int
    grain: int
    scratch: int


def plan(
    part: str, kind: str, sizes: tuple[int, int, int, int], batch: Sequence[int],
    strides: Mapping[str, tuple[int, ...]], scale: float,
    causal: bool = False, mask: str = "", target: Target | None = None,
) -> Plan:  # fmt: skip
    """The plan of a part, for sizes (L, S, E, Ev) and batch dimensions.

    `strides` (elements) of every tensor that the part has: (batch..., rows, columns) with columns side by side, but
    (batch..., rows) for lse and grad_lse, and any for the mask, whose storage kind is `mask`. A gradient for lse is
    there if `strides` names it.
    """
    target = target or current()
    lanes = target.lanes * 4 // SIZE[kind]
    queries, keys, width, value_width = sizes
    _check(part, kind, sizes, strides, mask)
    batch, places = _batch(batch, strides)
    walked = part in ("keys", "gradient")
    own, other = (keys, queries) if walked else (queries, keys)
    count = math.prod(batch)
    vectors = _vectors(own, count if part != "gradient" else _UNITS, lanes, target, causal)
    most = dict((wide, rows) for rows, wide in tile_shapes(target.tile))[vectors]
    rows = (_rows(other, most), _rows(width, most), _rows(value_width, most))
    along = ""
    if mask:
        shared, beside = strides["mask"][-2] == 0, strides["mask"][-1] == 1
        along = "all" if shared and not walked else "keys" if beside else ""
    few = part == "forward" and queries <= FEW
    if few:
        part, vectors = "few", 1
        rows = (dot_columns(max(queries, 1), keys, target.tile), *rows[1:])
    tile = _query_tile(value_width if few else width, lanes, target, queries if few else 0)
    shallow = min(width, value_width) < lanes
    spec = Spec(
        part,
        kind,
        lanes,
        vectors,
        rows,
        tile,
        width % (tile[1] * lanes) != 0,
        shallow,
        mask,
        along,
        causal,
        "grad_lse" in strides,
        len(batch),
    )
    blocks = -(-own // spec.columns)
    offsets, scratch = _scratch(spec, queries, width, value_width)
    bits = struct.unpack("<q", struct.pack("<f4x" if kind == "f32" else "<d", scale))[0]
    words = [0] * len(TENSORS) + [*sizes, bits]
    for name in TENSORS:
        given = strides.get(name, ())
        words.append(0 if not given else given[-1] if name in ("lse", "grad_lse") else given[-2])
    words += [
        strides["mask"][-1] if mask else 0,
        blocks,
        padded(value_width if few else width, tile[1] * lanes),
        *offsets,
    ]
    for d, size in enumerate(batch):
        words += [size, *(places[name][d] if name in places else 0 for name in TENSORS)]
    products = {
        "forward": width + value_width, "few": width + value_width, "query": 2 * width + value_width,
        "keys": 2 * (width + value_width),
        "gradient": 3 * width + 2 * value_width,
    }[part]  # fmt: skip
    work = vectors * other * (products + 30) + 1000
    units = count * blocks
    if part == "gradient":
        work, units = work * max(blocks, 1), count
    return Plan(spec, tuple(words), units, max(1, min(_LEAST_WORK // work, units)), scratch)


def gradient_parts(batch: Sequence[int]) -> tuple[str, ...]:
    """The parts that make up the gradient: one where there are enough matrices to keep threads busy, else two with more
    units.
    """
    return ("gradient",) if math.prod(batch) >= _MATRICES else ("query", "keys")


def _check(part: str, kind: str, sizes: tuple[int, ...], strides: Mapping[str, tuple[int, ...]], mask: str) -> None:
    wanted = {"q", "k", "v", *PARTS[part]} - {"grad_lse"} | ({"mask"} if mask else set())
    if wanted - set(strides):
        raise ValueError(f"attention: strides of {', '.join(sorted(wanted - set(strides)))} are missing")
    for name, given in strides.items():
        width = sizes[3] if name in ("v", "out", "grad", "dv") else sizes[2]
        if name not in ("mask", "lse", "grad_lse") and given[-1] != 1 and width > 1 and min(sizes[:2]):
            raise ValueError(
                f"attention: the columns of {name} are {given[-1]} elements apart; expected 1. Fix: make it contiguous."
            )
    if mask not in ("", "bool", kind, *(("f16", "bf16") if kind == "f32" else ())):
        raise ValueError(f"attention: a mask of kind {mask} beside {kind}. Fix: cast it to {kind}.")
    if min(sizes[2:]) < 1:
        raise ValueError(f"attention: E and Ev are {sizes[2]} and {sizes[3]}; expected at least 1")


def _batch(
    batch: Sequence[int], strides: Mapping[str, tuple[int, ...]]
) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]]]:
    """The batch dimensions, as few as will do, and every tensor's strides along them."""
    # a row more, so that lse has as many dimensions as the rest
    given = [(*s, 0) if name in ("lse", "grad_lse") else s for name, s in strides.items()]
    merged, places = merge_batch(batch, given)
    return merged, {name: place[: len(merged)] for name, place in zip(strides, places, strict=True)}


def _vectors(own: int, count: int, lanes: int, target: Target, causal: bool) -> int:
    """Vectors of a block: as many as the registers like, fewer where too few units would come of it. Of a causal block's
    square half is in vain, so such blocks are narrow.
    """
    most = _MOST_VECTORS if target.tile[0] * target.tile[1] >= 24 and not causal else 2
    while most > 1 and count * -(-own // (most * lanes)) < _UNITS:
        most -= 1
    blocks = max(1, -(-own // (most * lanes)))
    return max(1, -(-own // (blocks * lanes)))


def _query_tile(width: int, lanes: int, target: Target, few: int) -> tuple[int, int]:
    """Rows and vectors of the tile of dq, whose rows divide a block; of out, if there are few queries."""
    vectors = min(-(-width // lanes), _MOST_VECTORS)
    if few:
        return few, min(vectors, target.tile[0] * target.tile[1] // few)
    most = dict((wide, rows) for rows, wide in tile_shapes(target.tile))[vectors]
    return max(rows for rows in (1, 2, 3, 4, 6, 8, 12) if rows <= most), vectors


def _rows(size: int, most: int) -> int:
    """Rows of a tile that divide a size most evenly."""
    size = max(size, 1)
    return -(-size // -(-size // most))


def _scratch(spec: Spec, queries: int, width: int, value_width: int) -> tuple[list[int], int]:
    """Offsets in bytes of the parts of scratch memory (PLACES), and all bytes."""
    lanes, columns = spec.lanes, spec.columns
    backward = spec.part != "forward"

    def totals(size: int, rows: int) -> int:
        return -(-size // rows) * rows * columns

    query_lines = padded(queries, BLOCK) + BLOCK  # the last block of queries may begin anywhere
    # a tile of scores may begin before a block and end after it
    block = (BLOCK + 2 * spec.rows[0]) * columns
    elements = {
        "left": padded(width, lanes) * columns,
        "right": padded(value_width, lanes) * columns if backward else 0,
        "scores": block,
        "others": block if backward else 0,
        "mask_panel": padded(BLOCK, lanes) * columns if spec.mask else 0,
        "totals": totals(width, spec.rows[1]) if backward else 0,
        "value_totals": totals(value_width, spec.rows[2]) if spec.part != "query" else 0,
        "line": padded(max(width, value_width), lanes) * columns,
        "turn": part_values(lanes, spec.query_tile[0], spec.rows[0]) if spec.part == "few" else lanes * lanes,
        "state": 2 * max(columns, padded(BLOCK, lanes)),
        "queries": query_lines * padded(width, spec.query_tile[1] * lanes) if spec.part == "gradient" else 0,
    }
    if spec.part == "few":
        few, vectors = spec.query_tile
        elements["scores"] = few * BLOCK + elements["scores"]
        elements["value_totals"] = few * padded(value_width, vectors * lanes)
        elements["line"], elements["state"] = few * lanes, 2 * few * lanes
    offsets, at = [], 0
    for name in PLACES:
        offsets.append(at)
        at += -(-elements[name] * SIZE[spec.kind] // 64) * 64
    return offsets, at
