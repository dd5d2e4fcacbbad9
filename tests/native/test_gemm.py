"""Matrix products: every way the operands may lie, every shape class, the epilogue, and the same bits however the work
is divided.
"""

import ctypes
import threading

import numpy as np
import pytest

from rushlight.backend.llvm import emit, gemm, jit
from rushlight.backend.llvm.gemm_plan import Matrix, Plan, merge_batch, plan
from rushlight.backend.llvm.pack import transpose
from rushlight.backend.llvm.target import by_name, current, host_cpu
from rushlight.backend.llvm.text import Writer, constant, kernel, module, vector

CALL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
STORAGE = {"float32": "f32", "float64": "f64", "float16": "f16", "uint16": "bf16"}
CPU = {"avx512": "x86-64-v4", "avx2": "x86-64-v3", "sse": "x86-64"}
GUARD = 64


def runs_here(name: str) -> bool:
    order = ["sse", "avx2", "avx512"]
    return current().name in order and order.index(name) <= order.index(current().name)


def matrix(x: np.ndarray) -> Matrix:
    return Matrix(STORAGE[x.dtype.name], tuple(s // x.itemsize for s in x.strides))


class Product:
    """c = a @ b, planned and compiled; call it with ranges of units."""

    def __init__(self, a, b, c, kind="f32", threads=2, target=None, epilogue=None, words=()):
        batch = c.shape[:-2]
        a, b = (np.broadcast_to(x, batch + x.shape[-2:]) for x in (a, b))
        self.alive = (a, b, c)
        to = by_name(target) if target else current()
        sizes = (a.shape[-2], b.shape[-1], a.shape[-1])
        self.plan: Plan = plan(kind, matrix(a), matrix(b), matrix(c), batch, sizes, threads, to, epilogue is None)
        text = gemm.kernel_text(self.plan.spec, epilogue, to, CPU[target] if target else host_cpu())
        self.function = CALL(jit.address(text))
        first, second = (b, a) if self.plan.swapped else (a, b)
        assert len(self.plan.words) == self.plan.spec.words
        self.args = np.array([*self.plan.words, *words], dtype=np.int64)
        self.args[:3] = first.ctypes.data, second.ctypes.data, c.ctypes.data

    def __call__(self, begin=0, end=None):
        # the guard shows writes beyond the scratch memory that the plan asks for
        memory = np.full(self.plan.scratch + 64 + GUARD, 0x7F, np.uint8)
        at = (memory.ctypes.data + 63) // 64 * 64
        self.function(self.args.ctypes.data, begin, self.plan.units if end is None else end, at)
        after = at - memory.ctypes.data + self.plan.scratch
        assert (memory[after:] == 0x7F).all(), "scratch memory overrun"


def lying(rng, shape, how, dtype):
    """A random array: "row" or "column" major, or with gaps ("strided")."""
    *batch, rows, columns = shape
    if how == "row":
        return rng.standard_normal(shape).astype(dtype)
    if how == "column":
        return rng.standard_normal((*batch, columns, rows)).astype(dtype).swapaxes(-1, -2)
    return rng.standard_normal((*batch, rows * 2, columns * 3)).astype(dtype)[..., ::2, ::3]


def check(m, k, n, a_lies="row", b_lies="row", c_lies="row", batch=(), dtype=np.float32, target=None, threads=2):
    rng = np.random.default_rng(m * 7 + k * 5 + n)
    kind = "f64" if dtype == np.float64 else "f32"
    a, b = lying(rng, (*batch, m, k), a_lies, dtype), lying(rng, (*batch, k, n), b_lies, dtype)
    # the border around c must stay as it is
    whole = np.full((*batch, m + 2, n + 2) if c_lies != "column" else (*batch, n + 2, m + 2), 7, dtype)
    c = whole[..., 1:-1, 1:-1]
    c = c.swapaxes(-1, -2) if c_lies == "column" else c
    if c_lies == "strided":
        whole = np.full((*batch, m * 2, n * 2), 7, dtype)
        c = whole[..., ::2, 1::2]
    Product(a, b, c, kind, threads, target)()
    expected = a.astype(np.float64) @ b.astype(np.float64)
    scale = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    bound = {np.float32: 2e-6, np.float64: 1e-14, np.float16: 1e-3}[dtype]
    assert (np.abs(c - expected) <= bound * scale + 1e-30).all()
    total = whole.astype(np.float64).sum() - c.astype(np.float64).sum()
    assert total == pytest.approx(7 * (whole.size - c.size), abs=1e-6 * max(whole.size, 1)), (
        "written outside the result"
    )


SHAPES = [
    (1, 1, 1), (1, 70, 100), (3, 100, 65), (5, 9, 33), (12, 64, 40), (13, 17, 19), (37, 53, 71), (64, 400, 31),
    (100, 70, 1), (100, 90, 10),
    (15, 1000, 47), (300, 20, 70),
]  # fmt: skip


@pytest.mark.parametrize("a_lies", ["row", "column", "strided"])
@pytest.mark.parametrize("b_lies", ["row", "column", "strided"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_way_operands_lie(shape, a_lies, b_lies):
    check(*shape, a_lies, b_lies)


@pytest.mark.parametrize("c_lies", ["column", "strided"])
@pytest.mark.parametrize("shape", [(1, 70, 100), (37, 53, 71), (100, 90, 10), (5, 400, 600)], ids=str)
def test_every_way_the_result_lies(shape, c_lies):
    check(*shape, c_lies=c_lies)
    check(*shape, b_lies="column", c_lies=c_lies)


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
@pytest.mark.parametrize("b_lies", ["row", "column"])
def test_other_dtypes(dtype, b_lies):
    for shape in [(1, 70, 100), (3, 500, 9), (37, 53, 71), (70, 700, 45)]:
        check(*shape, b_lies=b_lies, dtype=dtype)
        check(*shape, "column", b_lies, dtype=dtype)


def test_bfloat16_rounds_to_nearest_even():
    rng = np.random.default_rng(0)

    def rounded(x):
        bits = x.astype(np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)

    def widened(x):
        return (x.astype(np.uint32) << 16).view(np.float32)

    # small integers: sums are exact in f32, and some need rounding in bf16
    a, b = rounded(rng.integers(-20, 20, (40, 30))), rounded(rng.integers(-20, 20, (30, 50)))
    c = np.zeros((40, 50), np.uint16)
    Product(a, b, c)()
    assert (c == rounded(widened(a) @ widened(b))).all()


@pytest.mark.parametrize("batch", [(3,), (2, 3)])
def test_batches_broadcast(batch):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((*batch[:-1], 1, 20, 30)).astype(np.float32)
    b = rng.standard_normal((30, 40)).astype(np.float32)
    c = np.zeros((*batch, 20, 40), np.float32)
    Product(a, b, c)()
    np.testing.assert_allclose(c, np.broadcast_to(a @ b, c.shape), rtol=1e-4, atol=1e-4)
    permuted = rng.standard_normal((20, *batch, 30)).astype(np.float32)
    a = np.moveaxis(permuted, 0, -2)
    Product(a, b, c)()
    np.testing.assert_allclose(c, a @ b, rtol=1e-4, atol=1e-4)


def test_batch_dimensions_are_merged():
    assert merge_batch((4, 5), ((50, 10, 1, 1), (0, 0, 1, 1))) == ((20,), ((10, 1, 1), (0, 1, 1)))
    assert merge_batch((4, 5), ((50, 10, 1, 1), (0, 3, 1, 1)))[0] == (4, 5)


def test_empty_products():
    for shape in [(0, 5, 4), (4, 5, 0)]:
        check(*shape)
    c = np.full((4, 40), 3, np.float32)
    Product(np.zeros((4, 0), np.float32), np.zeros((0, 40), np.float32), c)()
    assert (c == 0).all()


@pytest.mark.parametrize("shape", [(64, 300, 200), (3, 500, 300), (200, 40, 10), (130, 700, 130)], ids=str)
@pytest.mark.parametrize("b_lies", ["row", "column"])
def test_bits_do_not_depend_on_the_division_of_work(shape, b_lies):
    m, k, n = shape
    rng = np.random.default_rng(1)
    a, b = lying(rng, (m, k), "row", np.float32), lying(rng, (k, n), b_lies, np.float32)
    results = []
    for threads in (1, 2, 7, 64):
        whole, single = np.zeros((m, n), np.float32), np.zeros((m, n), np.float32)
        Product(a, b, whole, threads=threads)()
        product = Product(a, b, single, threads=threads)
        for unit in reversed(range(product.plan.units)):
            product(unit, unit + 1)
        results += [whole, single]
    for other in results[1:]:
        assert (other.view(np.int32) == results[0].view(np.int32)).all()


def test_two_threads_at_once():
    rng = np.random.default_rng(2)
    a, b = (rng.standard_normal((256, 256)).astype(np.float32) for _ in range(2))
    alone, together = np.zeros((256, 256), np.float32), np.zeros((256, 256), np.float32)
    Product(a, b, alone)()
    product = Product(a, b, together)
    half = product.plan.units // 2
    assert half
    workers = [threading.Thread(target=product, args=r) for r in ((0, half), (half, product.plan.units))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (alone == together).all()


def bias_relu(spec_words):
    """max(value + bias[column], 0) to a row-major result: words are bias, result, row stride, batch stride."""

    def epilogue(w: Writer, value: str, batch: str, row: str, column: str, mask: str | None) -> None:
        words = spec_words[0]
        bias, out = w.argument(words, "ptr"), w.argument(words + 1, "ptr")
        row_stride, batch_stride = w.argument(words + 2), w.argument(words + 3)
        lanes = current().lanes
        wide = vector("f32", lanes)
        added = emit.read(w, "f32", lanes, w.at(bias, column, "float"), mask)
        total = w.let(f"fadd {wide} {value}, {added}")
        result = w.let(f"call {wide} @llvm.maxnum({wide} {total}, {wide} {constant(0.0, 'f32', lanes)})")
        place = w.at(out, w.add(w.add(w.mul(batch, batch_stride), w.mul(row, row_stride)), column), "float")
        emit.write(w, "f32", lanes, result, place, mask)

    return epilogue


@pytest.mark.parametrize("shape", [(64, 50, 70), (1, 200, 65), (100, 64, 3), (40, 500, 200)], ids=str)
@pytest.mark.parametrize("b_lies", ["row", "column"])
def test_epilogue(shape, b_lies):
    m, k, n = shape
    rng = np.random.default_rng(3)
    a, b = lying(rng, (2, m, k), "row", np.float32), lying(rng, (2, k, n), b_lies, np.float32)
    bias = rng.standard_normal(n).astype(np.float32)
    out = np.full((2, m + 1, n), 7, np.float32)
    c = out[:, :m]
    probe = plan("f32", matrix(a), matrix(b), matrix(c), (2,), (m, n, k), own_store=False)
    words = (bias.ctypes.data, c.ctypes.data, n, (m + 1) * n)
    Product(a, b, c, epilogue=bias_relu([probe.spec.words]), words=words)()
    np.testing.assert_allclose(c, np.maximum(a @ b + bias, 0), rtol=1e-4, atol=1e-4)
    assert (out[:, m] == 7).all()


@pytest.mark.parametrize("target", ["avx2", "sse"])
@pytest.mark.parametrize("b_lies", ["row", "column", "strided"])
def test_narrower_targets(target, b_lies):
    if not runs_here(target):
        pytest.skip(f"this processor has no {target}")
    for shape in [(1, 70, 100), (5, 40, 30), (37, 53, 71), (100, 450, 3)]:
        check(*shape, b_lies=b_lies, target=target)
        check(*shape, "column", b_lies, dtype=np.float64, target=target)


def test_arm_compiles():
    to = by_name("neon")
    row, column = Matrix("f32", (100, 1)), Matrix("f32", (1, 100))
    for b in (row, column):
        for sizes in ((3, 100, 100), (100, 100, 100)):
            found = plan("f32", row, b, row, (), sizes, target=to)
            assert jit.object_for(gemm.kernel_text(found.spec, target=to, cpu="generic"), to, "generic")


@pytest.mark.parametrize("kind,lanes", [("f32", 16), ("f32", 8), ("f32", 4), ("f64", 8), ("f64", 4), ("f64", 2)])
def test_transpose_in_registers(kind, lanes):
    w = kernel()
    size, wide = 4 if kind == "f32" else 8, vector(kind, lanes)
    places = [w.at("%scratch", str(i * lanes * size)) for i in range(lanes)]
    rows = [w.let(f"load {wide}, ptr {place}, align {size}") for place in places]
    for place, value in zip(places, transpose(w, kind, lanes, rows), strict=True):
        w.do(f"store {wide} {value}, ptr {place}, align {size}")
    function = CALL(jit.address(module([w.text()], current().function_attributes(host_cpu()))))
    values = np.arange(lanes * lanes, dtype="f4" if kind == "f32" else "f8").reshape(lanes, lanes)
    expected = values.T.copy()
    function(None, 0, 0, values.ctypes.data)
    assert (values == expected).all()
