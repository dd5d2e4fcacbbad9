"""Native samplers against the reference: the same numbers, and the same engine afterwards."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import rushlight
from rushlight import config
from rushlight.backend.llvm import jit, samplers
from rushlight.backend.llvm import random as native
from rushlight.backend.llvm.target import TARGETS, by_name, current
from rushlight.backend.numpy import sampling
from rushlight.backend.numpy.half import to_storage
from rushlight.backend.numpy.mt19937 import Engine
from rushlight.ir.loop import MEMORY_KIND

ALL = {"float32", "float64", "float16", "bfloat16", "bool", "uint8", "int8", "int16", "int32", "int64"}
FLOATS = {"float32", "float64", "float16", "bfloat16"}
NARROW = FLOATS - {"float64"}
# Around vectors, blocks of the stream (624 words), and chunks (1024 numbers).
SIZES = [0, 1, 2, 15, 16, 17, 31, 32, 33, 47, 311, 312, 313, 623, 624, 625, 640, 1023, 1024, 1025, 1248, 2049, 5003]
SKIPS = [0, 1, 2, 311, 607, 623, 624, 625]
CPU = {"avx512": "x86-64-v4", "avx2": "x86-64-v3", "sse": "x86-64", "neon": "generic"}


def fill_of(name, kind):
    return native._FILLS[name](MEMORY_KIND[kind.name], kind)


# name: (dtypes, operands, reference(engine, n, operands, dtype))
CASES = {
    "uniform": (FLOATS, (0.0, 1.0), lambda e, n, o, d: sampling.uniform(e, n, *o, d)),
    "uniform scaled": (FLOATS, (-1.5, 2.7), lambda e, n, o, d: sampling.uniform(e, n, *o, d)),
    "uniform rounded": (FLOATS, (1.0, 1.001), lambda e, n, o, d: sampling.uniform(e, n, *o, d)),
    "uniform empty": (FLOATS, (0.3, 0.3), lambda e, n, o, d: sampling.uniform(e, n, *o, d)),
    "uniform huge": (FLOATS, (-1e300, 1e30), lambda e, n, o, d: sampling.uniform(e, n, *o, d)),
    "bernoulli": (ALL, (0.3,), lambda e, n, o, d: sampling.bernoulli(e, n, *o)),
    "bernoulli never": ({"float32"}, (0.0,), lambda e, n, o, d: sampling.bernoulli(e, n, *o)),
    "bernoulli always": ({"float32"}, (1.0,), lambda e, n, o, d: sampling.bernoulli(e, n, *o)),
    "randint": (ALL, (-7, 99), lambda e, n, o, d: sampling.random_from_to(e, n, o[0], o[1] + 1, d)),
    "randint one": (ALL, (5, 5), lambda e, n, o, d: sampling.random_from_to(e, n, o[0], o[1] + 1, d)),
    "randint most": (ALL, (-3, 2**28 - 5), lambda e, n, o, d: sampling.random_from_to(e, n, o[0], o[1] + 1, d)),
    "randint wide": (ALL, (-(2**40), 2**62 + 9), lambda e, n, o, d: sampling.random_from_to(e, n, o[0], o[1] + 1, d)),
    "randint all": (ALL, (-(2**63), 2**63 - 1), lambda e, n, o, d: sampling.random_from_to(e, n, 0, None, d)),
    "random_full": (ALL, (), lambda e, n, o, d: sampling.random_full(e, n, d)),
    "normal": (NARROW, (0.0, 1.0), lambda e, n, o, d: sampling.normal(e, n, *o, d)),
    "normal scaled": (NARROW, (0.3, 1.7), lambda e, n, o, d: sampling.normal(e, n, *o, d)),
    "exponential": (NARROW, (0.7,), lambda e, n, o, d: sampling.exponential(e, n, *o, d)),
}  # fmt: skip
TABLE = [(name, dtype) for name, (dtypes, *_) in CASES.items() for dtype in sorted(dtypes)]


def both(name, dtype, n, skip):
    """The samples of both sides, each from an engine of its own that has drawn some words already."""
    _, numbers, reference = CASES[name]
    kind = getattr(rushlight, dtype)
    ours, theirs = Engine(n), Engine(n)
    for engine in (ours, theirs):
        engine.words(skip)
    out = np.full(n, 77, kind.storage)
    with np.errstate(all="ignore"):
        drawn = fill_of(name.split()[0], kind)(ours, numbers, out)
        wanted = to_storage(np.asarray(reference(theirs, n, numbers, dtype)), kind)
    if not drawn:
        assert name.startswith("normal") and n < 16  # which is the reference's business
        return
    np.testing.assert_array_equal(out, wanted, strict=True)
    np.testing.assert_array_equal(ours.get_state(), theirs.get_state())


@pytest.mark.parametrize("name,dtype", TABLE)
def test_samples_and_state(name, dtype):
    for n in SIZES:
        both(name, dtype, n, SKIPS[n % len(SKIPS)])


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("name", ["uniform", "bernoulli", "normal"])
def test_anywhere_in_a_block(name, skip):
    for n in SIZES:
        both(name, "float32", n, skip)


@pytest.mark.parametrize("dtype", sorted(ALL))
@pytest.mark.parametrize("n", [0, 1, 2, 3, 100, 2000])
def test_permutations(dtype, n):
    kind = getattr(rushlight, dtype)
    ours, theirs = Engine(3), Engine(3)
    out = np.full(n, 77, kind.storage)
    assert native._randperm(MEMORY_KIND[dtype], kind)(ours, (), out)
    np.testing.assert_array_equal(out, to_storage(sampling.randperm(theirs, n, np.int64), kind))
    np.testing.assert_array_equal(ours.get_state(), theirs.get_state())


@pytest.mark.parametrize("p_dtype", ["float32", "float64"])
@pytest.mark.parametrize("single", [False, True])
def test_a_probability_for_each(p_dtype, single):
    for n in SIZES[1:]:
        p = np.random.default_rng(n).random(1 if single else n).astype(p_dtype)
        p[0] = n % 2
        ours, theirs = Engine(n), Engine(n)
        out = np.full(n, 77, np.int32)
        assert native._bernoulli_each("i32", rushlight.int32, None)(ours, (p,), out)
        np.testing.assert_array_equal(out, sampling.bernoulli_like(theirs, np.broadcast_to(p, n)))
        np.testing.assert_array_equal(ours.get_state(), theirs.get_state())


def test_an_engine_that_both_draw_from():
    ours, theirs = Engine(9), Engine(9)
    for n in (3, 700, 17, 1300, 1, 624):
        for name in ("uniform", "bernoulli", "normal", "randint"):
            _, numbers, reference = CASES[name]
            out = np.empty(n, np.float32)
            if fill_of(name, rushlight.float32)(ours, numbers, out):
                np.testing.assert_array_equal(out, reference(theirs, n, numbers, "float32"))
            else:
                reference(ours, n, numbers, "float32"), reference(theirs, n, numbers, "float32")
            np.testing.assert_array_equal(ours.words(n), theirs.words(n))
            np.testing.assert_array_equal(ours.doubles(n), theirs.doubles(n))
        state = ours.get_state()
        np.testing.assert_array_equal(state, theirs.get_state())
        ours = Engine(1)
        ours.set_state(state)
    assert ours.normals(3).tolist() == theirs.normals(3).tolist()  # a held second normal stays held
    out = np.empty(5, np.float32)
    fill_of("uniform", rushlight.float32)(ours, (0.0, 1.0), out)
    np.testing.assert_array_equal(out, theirs.singles(5))
    assert ours.normals(1).tolist() == theirs.normals(1).tolist()


def test_nothing_drawn_is_nothing_spent():
    engine, fresh = Engine(5), Engine(5)
    fill_of("uniform", rushlight.float32)(engine, (0.0, 1.0), np.empty(0, np.float32))
    np.testing.assert_array_equal(engine.get_state(), fresh.get_state())


@pytest.mark.parametrize(
    "name,numbers",
    [("uniform", (2.0, 1.0)), ("uniform", (np.nan, 1.0)), ("bernoulli", (1.5,)), ("bernoulli", (np.nan,)),
     ("normal", (0.0, -1.0)), ("exponential", (0.0,)), ("randint", (3, 2))],
)  # fmt: skip
def test_bad_numbers_are_left_to_the_reference(name, numbers):
    engine, fresh = Engine(5), Engine(5)
    assert not fill_of(name, rushlight.float32)(engine, numbers, np.empty(20, np.float32))
    np.testing.assert_array_equal(engine.get_state(), fresh.get_state())


def test_threads_share_an_engine():
    """Draws of several threads interleave, but none sees half a state: together they are the serial stream."""
    engine, fill = Engine(7), fill_of("uniform", rushlight.float32)
    outs = [np.empty(1000, np.float32) for _ in range(80)]

    def work(part):
        for out in outs[part::4]:
            fill(engine, (0.0, 1.0), out)

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(np.sort(np.concatenate(outs)), np.sort(Engine(7).singles(80_000)))


# -- other processors ------------------------------------------------------------------------------------------------


@pytest.fixture
def as_target(monkeypatch):
    """Texts are kept for the target of this machine only."""
    texts = [f for f in vars(samplers).values() if hasattr(f, "cache_clear")]

    def choose(name):
        monkeypatch.setattr(config, "target", name)
        for f in texts:
            f.cache_clear()

    yield choose
    for f in texts:
        f.cache_clear()


@pytest.mark.parametrize("name", ["avx2", "sse"])
def test_other_targets_draw_the_same(as_target, name):
    if by_name(name).arch != current().arch:
        pytest.skip("the code of another processor")
    as_target(name)
    for case in ("uniform", "uniform scaled", "bernoulli", "randint", "randint wide", "normal", "normal scaled"):
        for dtype in ("float32", "float16"):
            if dtype in CASES[case][0]:
                both(case, dtype, 1300, 5)


@pytest.mark.parametrize("name", [t.name for t in TARGETS])
def test_texts_compile_everywhere(as_target, name):
    as_target(name)
    for text in (
        samplers.uniform_text("bf16", True), samplers.uniform_text("f64", True), samplers.bernoulli_text("f32"),
        samplers.bernoulli_each_text("f32", "f64", False), samplers.integers_text("u8", "word"),
        samplers.integers_text("i64", "wide"), samplers.normal_text("f16", True), samplers.exponential_text("f32"),
        samplers.permutation_text("i64"),
    ):  # fmt: skip
        assert jit.object_for(text, by_name(name), CPU[name])


# -- through tensors -------------------------------------------------------------------------------------------------


@pytest.fixture
def compiled(monkeypatch):
    """Every step is compiled, and what the references of random ops would be asked for is counted."""
    calls = []
    monkeypatch.setattr(config, "reference_runs", 0)
    for name in ("uniform", "bernoulli", "bernoulli_like", "random_from_to", "random_full", "normal", "randperm"):
        original = getattr(sampling, name)
        monkeypatch.setattr(sampling, name, lambda *a, f=original, n=name, **k: calls.append(n) or f(*a, **k))
    return calls


def drawn(make, seed=4):
    """The tensor's memory order is kept by `numpy()`; the generator goes on from where it ended."""
    rushlight.manual_seed(seed)
    return make(rushlight).numpy(), rushlight.rand(3).numpy()


TENSORS = [
    lambda m: m.rand(37, 5),
    lambda m: m.rand(700, dtype=m.float64),
    lambda m: m.rand(7, 9).half(),
    lambda m: m.randn(37, 5) * 2,
    lambda m: m.randint(0, 10, (50,)),
    lambda m: m.randperm(70),
    lambda m: m.empty(33, 3).random_(),
    lambda m: m.empty(33, 3).t().uniform_(1, 2),
    lambda m: m.zeros(12, 40)[:, ::2].bernoulli_(0.4),
    lambda m: m.zeros(12, 40)[::3, ::2].t().uniform_(),
    lambda m: m.zeros(2, 3, 4, 5).permute(0, 2, 3, 1).uniform_(),
    lambda m: m.bernoulli(m.full((20, 30), 0.4)),
    lambda m: m.bernoulli(m.linspace(0, 1, 30, dtype=m.float64)),
    lambda m: m.bernoulli(m.full((5, 3), 0.3).t()),
    lambda m: m.zeros(20, 30).bernoulli_(m.linspace(0, 1, 30)),
    lambda m: m.zeros(30, 20).t().bernoulli_(m.linspace(0, 1, 30)),
    lambda m: m.zeros(30, 20).bernoulli_(m.tensor(0.25)),
    lambda m: m.nn.functional.dropout(m.ones(50, 40), 0.3),
]


@pytest.mark.parametrize("make", TENSORS)
def test_tensors(make, compiled, monkeypatch):
    got, following = drawn(make)
    assert not compiled
    monkeypatch.setattr(native, "_fill_for", lambda *_: None)
    monkeypatch.setattr(config, "reference_runs", 10**9)
    wanted, then = drawn(lambda m: make(m) + 0)
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(following, then)
    assert compiled


def test_wrong_probabilities_name_themselves(compiled):
    rushlight.manual_seed(4)
    state = rushlight.get_rng_state().numpy()
    with pytest.raises(RuntimeError, match="every p in"):
        rushlight.bernoulli(rushlight.full((20,), 1.5)).numpy()
    np.testing.assert_array_equal(rushlight.get_rng_state().numpy(), state)
