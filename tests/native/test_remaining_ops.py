"""Ops that move, look up, scatter, scan and search: native code against the reference of each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight
from rushlight import config
from rushlight.backend.llvm import calls, lower
from rushlight.backend.numpy.half import to_compute, to_storage
from rushlight.compile.native import Native
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record

FLOATS = ("float32", "float64")
NUMBERS = (*FLOATS, "float16", "bfloat16", "int64", "int32", "uint8", "int8")
ALL = (*NUMBERS, "bool")
TOLERANCE = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 2e-6, "float64": 1e-14}


@pytest.fixture(autouse=True)
def native(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Everything is compiled at once; the names of ops that ran on the reference nevertheless."""
    ran: list[str] = []
    monkeypatch.setattr(config, "reference_runs", 0)
    reference = Native.reference

    class Recorded(calls.Call):
        def __init__(self, graph: Any, layout: Any, node: Any) -> None:
            ran.append(node.op.name)
            super().__init__(graph, layout, node)

    def whole(self: Native, *given: Any) -> Any:
        ran.append("everything")
        return reference(self, *given)

    monkeypatch.setattr(lower.calls, "Call", Recorded)
    monkeypatch.setattr(Native, "reference", whole)
    return ran


def numbers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Numbers in steps of a quarter, some of them equal, that every float dtype holds."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return np.asarray(rng.random(shape) < 0.5)
    found = np.round(rng.standard_normal(shape) * 6)
    if dtype.startswith(("float", "bfloat")):
        return np.asarray(found / 4, np.float64 if dtype == "float64" else np.float32)
    return np.asarray(np.abs(found) if dtype == "uint8" else found).astype(dtype)


def tensor(array: np.ndarray, dtype: str | None = None, turned: bool = False) -> Any:
    """A tensor of the array; `turned`: its dimensions lie in memory in the opposite order, with gaps."""
    if turned and array.ndim:
        gaps = np.repeat(array.T, 2, axis=array.ndim - 1)
        made = rushlight.tensor(np.ascontiguousarray(gaps))[..., ::2].permute(tuple(range(array.ndim))[::-1])
    else:
        made = rushlight.tensor(array)
    return made if dtype is None else made.to(getattr(rushlight, dtype))


def tensors(item: Any, turned: bool) -> Any:
    if isinstance(item, list):
        return [tensors(v, turned) for v in item]
    return tensor(item, None, turned) if isinstance(item, np.ndarray) else item


def outcome(name: str, slots: tuple, static: dict[str, Any], dtype: str | None, turned: bool) -> list:
    """What the op gives; arrays of floats and numbers among its operands are of the dtype."""
    op = TABLE[name]

    def made(item: Any) -> Any:
        if isinstance(item, list):
            return [made(v) for v in item]
        if not isinstance(item, np.ndarray):
            return item
        return tensor(item, dtype if item.dtype.kind == "f" else None, turned)

    found = record(op, tuple(made(item) for item in slots), tuple(static[n] for n in op.statics))
    return list(found) if isinstance(found, tuple) else [found]


def check(name: str, *slots: Any, kind: str | None = None, turned: bool = False, **static: Any) -> None:
    """Native code and the reference on the same operands."""
    op = TABLE[name]
    found = outcome(name, slots, static, kind, turned)
    computed = [t._compute_array() for t in found]
    with np.errstate(all="ignore"):
        expected = op.reference(*[np.asarray(s) if isinstance(s, (int, float)) else s for s in slots], **static)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for t, got, want in zip(found, computed, expected, strict=True):
        want = to_compute(to_storage(np.asarray(want), t.dtype), t.dtype)
        what = f"{name} {[getattr(s, 'shape', s) for s in slots]} {static} {kind}"
        assert got.shape == want.shape, what
        tolerance = TOLERANCE.get(t.dtype.name, 0)
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=what)


def refused(name: str, *slots: Any, **static: Any) -> None:
    """Both refuse, in the same words."""
    with pytest.raises((RuntimeError, IndexError)) as expected:
        TABLE[name].reference(*slots, **static)
    with pytest.raises(type(expected.value)) as error:
        for t in outcome(name, slots, static, None, False):
            t._compute_array()
    assert str(expected.value).splitlines()[0] in str(error.value)


SHAPES = [(7,), (3, 5), (2, 3, 4), (33, 70), (1, 6), (6, 1), (0, 3), (3, 0), (2, 1, 3, 17)]


def dims_of(shape: tuple[int, ...]) -> Iterator[int]:
    yield from range(len(shape))
    yield -1


# --- moves --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("turned", [False, True])
def test_flip_roll_repeat(native: list[str], dtype: str, turned: bool) -> None:
    for shape in SHAPES:
        x = numbers(shape, dtype)
        for d in dims_of(shape):
            check("flip", x, dims=(d,), kind=dtype if x.dtype.kind == "f" else None, turned=turned)
        both = tuple(range(len(shape)))
        check("flip", x, dims=both, turned=turned)
        check("roll", x, shifts=(2,), dims=(-1,), turned=turned)
        check("roll", x, shifts=(1, -3, 2)[: len(shape)], dims=both[:3], turned=turned)
        check("roll", x, shifts=(4,), dims=(), turned=turned)
        check("repeat", x, repeats=(2,) * len(shape), turned=turned)
        check("repeat", x, repeats=(3, *(1,) * len(shape)), turned=turned)
    assert not native


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_mode_pad(native: list[str], mode: str, turned: bool) -> None:
    cases = [
        ((2, 3, 4), (1, 2)),
        ((2, 3, 4), (3, 3, 2, 1)),
        ((2, 5, 7), (-2, 3, 1, -1)),
        ((3, 40), (5, 17)),
        ((1, 1, 6, 5, 4), (1, 2, 3, 0, 0, 2)),
        ((2, 3), (0, 0)),
    ]
    for shape, pad in cases:
        x = numbers(shape, "float32")
        check("mode_pad_op", x, pad=pad, mode=mode, turned=turned)
        check("mode_pad_op", x.astype(np.int32), pad=pad, mode=mode, turned=turned)
        grown = TABLE["mode_pad_op"].reference(x, pad=pad, mode=mode)
        check("mode_pad_backward", numbers(grown.shape, "float32", 1), pad=pad, mode=mode, turned=turned)
    check("mode_pad_backward", numbers((2, 10), "float64"), pad=(5, 3), mode="circular")
    assert not native


@pytest.mark.parametrize("dtype", ALL)
def test_constant_pad(native: list[str], dtype: str) -> None:
    for shape, pad in [
        ((7,), (2, 3)),
        ((3, 5), (1, 0, 2, 2)),
        ((3, 5), (-1, 2)),
        ((3, 5), (-1, -2, 0, -1)),
        ((2, 3, 4), (0, 0)),
        ((2, 0), (1, 1)),
        ((4, 3), (-2, -1)),
    ]:
        for value, turned in itertools.product((0, 2.5), (False, True)):
            check("constant_pad_nd", numbers(shape, dtype), value, pad=pad, turned=turned)
    assert not native


def test_patches(native: list[str]) -> None:
    for shape, kernel, dilation, padding, stride in [
        ((2, 3, 5, 4), (2, 3), (1, 1), (1, 0), (2, 1)), ((1, 2, 9, 8), (3, 3), (2, 1), (1, 2), (1, 2)),
        ((2, 1, 4, 4), (2, 2), (1, 1), (0, 0), (2, 2)),
    ]:  # fmt: skip
        static = {"kernel_size": kernel, "dilation": dilation, "padding": padding, "stride": stride}
        x = numbers(shape, "float32")
        for turned in (False, True):
            check("im2col_op", x, **static, turned=turned)
            columns = TABLE["im2col_op"].reference(x, **static)
            check("col2im_op", numbers(columns.shape, "float64"), output_size=shape[2:], **static, turned=turned)
    for shape, dim, size, step in [((7,), 0, 3, 2), ((2, 6, 3), 1, 2, 1), ((4, 9), -1, 2, 3)]:
        g = numbers(TABLE["unfold"].reference(np.zeros(shape), dim, size, step).shape, "float32")
        check("unfold_backward", g, input_sizes=shape, dim=dim, size=size, step=step)
    check(
        "as_strided_backward",
        numbers((3, 2, 2), "float32"),
        input_sizes=(4, 3),
        size=(3, 2, 2),
        stride=(2, 1, 3),
        storage_offset=1,
    )
    assert not native


def test_made_from_nothing(native: list[str]) -> None:
    cpu = rushlight.device("cpu")
    for n, m, dtype in itertools.product((0, 1, 4), (1, 3, 20), ("float32", "int64", "bool", "float16")):
        check("eye_op", n=n, m=m, dtype=getattr(rushlight, dtype), device=cpu)
    for start, end, steps, dtype in itertools.product(
        (0, -1.3), (1.0, 7), (2, 5, 64), ("float32", "float64", "float16")
    ):
        check("linspace_op", start=start, end=end, steps=steps, dtype=getattr(rushlight, dtype), device=cpu)
    assert not native


# --- lookups --------------------------------------------------------------------------------------------------------

INDEXED = [
    ((4, 3), [np.array([0, 2, 2, -1])], (0,)),
    ((4, 3), [np.array([[0, 2], [1, -3]])], (1,)),
    ((4, 3), [np.array([0, 3]), np.array([1, -1])], (0, 1)),
    ((4, 3, 5, 6), [np.array([0, 2, 1]), np.array([[1], [4]])], (1, 2)),
    ((4, 3, 5, 6), [np.array([0, 2]), np.array([[1], [5]])], (0, 3)),
    ((4, 3, 70), [np.array(2)], (0,)),
    ((40, 3, 70), [np.array([3, -1, 0], np.int32)], (0,)),
    ((5, 40), [np.array([[3, -1], [7, 7]], np.int64)], (1,)),
]
# No element of these looks at an index: the reference checks them.
EMPTY = [((4, 0), [np.array([1, 2])], (0,)), ((4, 3), [np.zeros((0,), np.int64)], (0,))]


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("turned", [False, True])
def test_index(native: list[str], dtype: str, turned: bool) -> None:
    for shape, indices, dims in INDEXED:
        check("index", numbers(shape, dtype), indices, dims=dims, turned=turned)
    check("take", numbers((3, 4), dtype), np.array([[0, 5], [11, -1]]), turned=turned)
    check("one_hot_op", np.array([[0, 2], [1, 3]]), num_classes=4, turned=turned)
    check("one_hot_op", np.zeros((0,), np.int64), num_classes=4)
    assert not native


def test_index_of_nothing() -> None:
    for shape, indices, dims in EMPTY:
        x = numbers(shape, "float32")
        check("index", x, indices, dims=dims)
        check("index_put", x, 2.5, indices, dims=dims, accumulate=False)
    refused("index", numbers((4, 0), "float32"), [np.array([1, 4])], dims=(0,))
    refused("index_put", numbers((4, 0), "float32"), np.float32(1), [np.array([4])], dims=(0,), accumulate=True)


def test_indices_out_of_range_raise_what_the_reference_raises() -> None:
    x = numbers((4, 3), "float32")
    for bad in (4, -5, 10**14, -(10**14)):
        refused("index", x, [np.array([0, bad])], dims=(0,))
        refused("index", x, [np.array([0, 1]), np.array([bad, 0])], dims=(0, 1))
        refused("index_put", x, numbers((2, 3), "float32"), [np.array([0, bad])], dims=(0,), accumulate=True)
        refused("index_add_op", x, np.array([0, bad]), numbers((2, 3), "float32"), np.float32(1), dim=0)
        for ends in (False, True):
            refused("index_copy_op", x, np.array([0, bad]), numbers((2, 3), "float32"), dim=0, ends=ends)
    for bad in (12, -13, 10**14):
        refused("take", x, np.array([0, bad]))
    for bad in (-1, 4, 10**14):
        refused("one_hot_op", np.array([1, bad]), num_classes=4)
        for reduce in ("", "add"):
            refused(
                "scatter_op", x, np.array([[0, 1, 2], [0, bad, 0]]), numbers((2, 3), "float32"), dim=0, reduce=reduce
            )
    refused("scatter_op", x, np.array([[0, 3]]), numbers((1, 2), "float32"), dim=1, reduce="")
    refused("gather_op", x, np.array([[0, 10**14]]), dim=1)
    refused("index_select_op", x, np.array([0, 10**14]), dim=0)
    refused("embedding_op", x, np.array([0, 10**14]), padding_idx=-1, scale_grad_by_freq=False)


# --- writes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("turned", [False, True])
def test_index_put(native: list[str], dtype: str, turned: bool) -> None:
    kind = dtype if dtype in ("float16", "bfloat16") else None
    for shape, indices, dims in INDEXED:
        whole = TABLE["index"].reference(np.zeros(shape), indices, dims).shape
        for accumulate, size in itertools.product((False, True), (whole, whole[-1:], ())):
            x, value = numbers(shape, dtype), numbers(size, dtype, 1)
            check("index_put", x, value, indices, dims=dims, accumulate=accumulate, kind=kind, turned=turned)
    if dtype in FLOATS:
        check("index_put", numbers((4, 3), dtype), 2.5, [np.array([1, 1])], dims=(0,), accumulate=True)
        check("index_put", numbers((4, 3), dtype), 2.5, [np.array([1, 1])], dims=(0,), accumulate=False)
    assert not native


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("turned", [False, True])
def test_index_add_and_copy(native: list[str], dtype: str, turned: bool) -> None:
    kind = dtype if dtype in ("float16", "bfloat16") else None
    index = np.array([0, 2, 2, 1, 2, 0])
    for shape in ((3,), (3, 70), (5, 3, 4), (40, 3)):
        dim = shape.index(3)
        source = numbers((*shape[:dim], 6, *shape[dim + 1 :]), dtype, 1)
        alpha = 2 if dtype in ("int64", "int32", "uint8", "int8") else 1.5
        check("index_add_op", numbers(shape, dtype), index, source, alpha, dim=dim, kind=kind, turned=turned)
        for ends, places in ((False, index[:4]), (True, index[:4] - 3)):
            rows = source.take(range(4), dim)
            check("index_copy_op", numbers(shape, dtype), places, rows, dim=dim, ends=ends, kind=kind, turned=turned)
    assert not native


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("turned", [False, True])
def test_scatter(native: list[str], dtype: str, turned: bool) -> None:
    kind = dtype if dtype in ("float16", "bfloat16") else None
    for shape, index_shape in (
        ((7,), (20,)),
        ((3, 5), (3, 5)),
        ((4, 70), (9, 66)),
        ((70, 4), (66, 9)),
        ((2, 3, 4), (2, 2, 3)),
        ((3, 4), (0, 4)),
    ):
        for dim in range(len(shape)):
            size = tuple(n if d == dim else min(n, shape[d]) for d, n in enumerate(index_shape))
            index = np.random.default_rng(0).integers(0, shape[dim], size)
            source = numbers(tuple(n + 1 for n in size), dtype, 1)
            for reduce in ("", "add", "multiply"):
                check(
                    "scatter_op", numbers(shape, dtype), index, source, dim=dim, reduce=reduce, kind=kind, turned=turned
                )
    if dtype in FLOATS:
        check("scatter_op", numbers((3, 4), dtype), np.array([[0, 3]]), 1.5, dim=1, reduce="")
        check("scatter_op", numbers((3, 4), dtype), np.array([[0, 3]], np.int32), 1.5, dim=1, reduce="add")
        check("scatter_op", numbers((), dtype), np.array([0, 0]), numbers((2,), dtype), dim=0, reduce="add")
    assert not native


# --- scans ----------------------------------------------------------------------------------------------------------


def with_nan(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[np.random.default_rng(3).random(x.shape) < 0.1] = np.nan
    x[np.random.default_rng(4).random(x.shape) < 0.1] = np.inf
    x[np.random.default_rng(5).random(x.shape) < 0.1] = -np.inf
    return x


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("turned", [False, True])
def test_scans(native: list[str], dtype: str, turned: bool) -> None:
    kind = dtype if dtype in ("float16", "bfloat16") else None
    for shape in (*SHAPES, (), (5, 300), (300, 5)):
        x = numbers(shape, dtype) if dtype != "int8" else np.asarray(numbers(shape, dtype) % 3)
        for d in dims_of(shape):
            for name in ("cumsum", "cumprod"):
                part = x if name == "cumsum" or x.dtype.kind != "f" else np.sign(x) + x / 64
                _scan(name, part, d, kind, turned)
            for name in ("cummax", "cummin"):
                check(name, x, dim=d, kind=kind, turned=turned)
                if x.dtype.kind == "f":
                    check(name, with_nan(x), dim=d, kind=kind, turned=turned)
            if x.dtype.kind == "f":
                check("logcumsumexp", x, dim=d, kind=kind, turned=turned)
                check("logcumsumexp", with_nan(x), dim=d, kind=kind, turned=turned)
    assert not native


def _scan(name: str, x: np.ndarray, dim: int, kind: str | None, turned: bool) -> None:
    """A running sum or product, in its own dtype and in double precision."""
    op = TABLE[name]
    if kind is not None:
        x = to_compute(to_storage(x, getattr(rushlight, kind)), getattr(rushlight, kind))
    for wanted in (None, rushlight.float64):
        found = record(op, (tensor(x, kind, turned),), (dim, wanted))
        expected = op.reference(x, dim=dim, dtype=wanted)
        expected = to_compute(to_storage(np.asarray(expected), found.dtype), found.dtype)
        np.testing.assert_array_equal(found._compute_array(), expected)  # the same order: the same bits


# --- searches -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("turned", [False, True])
def test_where_extremes_are(native: list[str], dtype: str, turned: bool) -> None:
    kind = dtype if dtype in ("float16", "bfloat16") else None
    for shape in (*SHAPES[:6], SHAPES[-1], (5, 300), (300, 5), (40000,), (1,), ()):
        plain = numbers(shape, dtype)
        for x in (plain, with_nan(plain)) if plain.dtype.kind == "f" else (plain,):
            for keepdim, d in itertools.product((False, True), dims_of(shape)):
                for name in ("max_dim", "min_dim") if shape else ():
                    check(name, x, dim=d, keepdim=keepdim, kind=kind, turned=turned)
                for name in ("argmax", "argmin") if dtype != "bool" and shape else ():
                    check(name, x, dim=d, keepdim=keepdim, kind=kind, turned=turned)
            if dtype != "bool" and shape:
                check("argmax", x, dim=None, keepdim=False, kind=kind, turned=turned)
                check("argmin", x, dim=None, keepdim=True, kind=kind, turned=turned)
    assert not native


def test_isin(native: list[str]) -> None:
    for invert in (False, True):
        check("isin_op", np.array([[1, 2, 3], [4, 5, 6]]), np.array([2, 6]), invert=invert)
        check("isin_op", np.array([1.0, np.nan, 3.0]), np.array([[np.nan, 3.0]]), invert=invert)
    assert not native


def test_searchsorted(native: list[str]) -> None:
    edges = np.array([-1.0, 0.0, 0.0, 2.5, np.nan])
    for right, short in itertools.product((False, True), (False, True)):
        for wanted in (numbers((3, 7), "float64"), with_nan(numbers((40,), "float64"))):
            check("searchsorted_op", edges, wanted, right=right, out_int32=short)
        rows = np.sort(numbers((2, 6), "int64"), -1)
        check("searchsorted_op", rows, numbers((2, 9), "int64", 1), right=right, out_int32=short)
    assert not native


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_embedding_bags(native: list[str], mode: str) -> None:
    index = np.array([0, 4, 4, 1, 2, 4, 3])
    for offsets, padding, last, kind in itertools.product(
        ([0, 2, 2, 5], [0], [0, 3, 7]), (-1, 4), (False, True), ("float32", "float64")
    ):  # fmt: skip
        if last and len(offsets) == 1:
            continue
        starts, weight = np.array(offsets), numbers((5, 33), kind)
        for scale in (None, numbers((7,), kind, 1)) if mode == "sum" else (None,):
            static = {"mode": mode, "padding_idx": padding, "include_last": last, "by_frequency": False}
            check("embedding_bag_op", weight, index, starts, scale, **static)
            g = numbers((len(offsets) - last, 33), kind, 2)
            check("embedding_bag_backward", g, weight, index, starts, scale, **static)
    assert not native


def test_bags_that_do_not_begin_at_zero_raise() -> None:
    static = {"mode": "sum", "padding_idx": -1, "include_last": False, "by_frequency": False}
    for index, offsets in (([0, 1], [1, 2]), ([0, 1], [0, 3]), ([0, 5], [0, 1])):
        refused("embedding_bag_op", numbers((5, 3), "float32"), np.array(index), np.array(offsets), None, **static)


def test_elements_of_pools(native: list[str]) -> None:
    index = np.random.default_rng(0).integers(0, 20, (2, 3, 2, 2))
    for turned in (False, True):
        check("pool_gather_part", numbers((2, 3, 4, 5), "float32"), index, n=2, turned=turned)
    assert not native


# --- compositions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("turned", [False, True])
def test_norms_and_gates(native: list[str], dtype: str, turned: bool) -> None:
    for ord, dim, keepdim in itertools.product(
        (2, 1, 0, 3, 1.5, np.inf, -np.inf), (None, 0, (1,), (0, 1)), (False, True)
    ):
        check("vector_norm_op", numbers((5, 33), dtype), ord=ord, dim=dim, keepdim=keepdim, kind=dtype, turned=turned)
    for dim in (0, -1):
        check("glu_op", numbers((4, 34), dtype), dim=dim, kind=dtype, turned=turned)
    assert not native


RESIZED = [
    ((2, 3, 4, 5), (8, 10), (2.0, 2.0)), ((2, 3, 4, 5), (7, 3), (None, None)), ((1, 2, 9), (4,), (None,)),
    ((2, 1, 6, 4), (3, 2), (0.5, 0.5)), ((1, 1, 3, 4, 6), (3, 8, 2), (None, None, None)),
    ((2, 2, 5, 33), (5, 66), (1.0, 2.0)), ((1, 2, 7, 7), (1, 1), (None, None)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8"])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "cubic", "area"])
def test_resizing(native: list[str], mode: str, dtype: str) -> None:
    for (shape, size, scales), align, turned in itertools.product(RESIZED, (False, True), (False, True)):
        static = {"output_size": size, "mode": mode, "align_corners": align, "scales": scales}
        x = np.abs(numbers(shape, dtype))
        kind = dtype if x.dtype.kind == "f" else None
        check("resample_op", x, **static, kind=kind, turned=turned)
        if kind is not None:
            g = numbers(TABLE["resample_op"].reference(x, **static).shape, dtype, 1)
            check("resample_backward", g, size=shape[2:], **static, kind=kind, turned=turned)
    assert not native


def test_writes_to_aliases(native: list[str]) -> None:
    x = rushlight.ones(3, 4)
    x.data.mul_(2)
    x.detach()[1].add_(3)
    assert x.tolist() == [[2.0] * 4, [5.0] * 4, [2.0] * 4]
    assert not native


def test_threads_change_no_bit() -> None:
    x, index = tensor(numbers((400, 300), "float32") / 3), tensor(np.random.default_rng(0).integers(0, 400, 900))
    source, across = (
        tensor(numbers((900, 300), "float32", 1) / 7),
        tensor(np.random.default_rng(1).integers(0, 300, (400, 300))),
    )

    def results() -> list:
        found = (
            x.index_add(0, index, source), x.scatter_add(1, across, source[:400]), x.cumsum(0), x.cumsum(1),
            x.logcumsumexp(1), x.max(1).indices, x[index], x.roll((3, 5), (0, 1)).argmax(),
        )  # fmt: skip
        return [t._compute_array().tobytes() for t in found]

    threads = rushlight.get_num_threads()
    try:
        rushlight.set_num_threads(1)
        alone = results()
        rushlight.set_num_threads(3)
        assert results() == alone
    finally:
        rushlight.set_num_threads(threads)
