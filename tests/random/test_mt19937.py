"""The MT19937 engine and every fill against PyTorch's CPU generator, bit for bit."""

from __future__ import annotations

import copy
import math
import pickle
import time

import numpy as np
import pytest

from rushlight.backend.numpy import sampling as S
from rushlight.backend.numpy.fused import fma64
from rushlight.backend.numpy.mt19937 import Engine

torch = pytest.importorskip("torch")

SIZES = (1, 5, 15, 16, 17, 31, 100, 1000, 100003)
# Without AVX2 PyTorch itself rounds differently: no fused multiply-add, and the C library's float32 functions.
EXACT = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
FLOATS = ("float32", "float64", "float16", "bfloat16")


def empty(n, name):
    return torch.empty(n, dtype=getattr(torch, name))


def values(tensor):
    return (tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor).numpy()


def aligned(engine):
    """Both streams stand at the same place, cached normal included."""
    return np.array_equal(engine.get_state(), torch.get_rng_state().numpy())


def agree(got, want):
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    if EXACT or got.dtype.kind not in "fc":
        np.testing.assert_array_equal(got, want)
    else:
        np.testing.assert_allclose(got, want, rtol=1e-2, atol=1e-5)


def check(ours, theirs, seed=7):
    engine = Engine(seed)
    torch.manual_seed(seed)
    for _ in range(2):  # the second call starts where the first one left the stream
        agree(ours(engine), values(theirs()))
    assert aligned(engine)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", FLOATS)
def test_floating_fills(name, n):
    check(lambda e: S.uniform(e, n, dtype=name), lambda: torch.rand(n, dtype=getattr(torch, name)))
    check(lambda e: S.uniform(e, n, -0.37, 1.111, name), lambda: empty(n, name).uniform_(-0.37, 1.111))
    check(lambda e: S.normal(e, n, dtype=name), lambda: torch.randn(n, dtype=getattr(torch, name)))
    check(lambda e: S.normal(e, n, 0.3, 1.7, name), lambda: empty(n, name).normal_(0.3, 1.7))
    if n < 10**5 or name == "float32":
        check(lambda e: S.normal(e, n, 0.3, 1.7, name, False), lambda: empty(2 * n, name)[::2].normal_(0.3, 1.7))
        check(lambda e: S.exponential(e, n, 2.5, name), lambda: empty(n, name).exponential_(2.5))
        check(lambda e: S.log_normal(e, n, 1.0, 0.25, name), lambda: empty(n, name).log_normal_(1.0, 0.25))
        check(lambda e: S.geometric(e, n, 0.3, name), lambda: empty(n, name).geometric_(0.3))
        check(lambda e: S.cauchy(e, n, 0.3, 1.7, name), lambda: empty(n, name).cauchy_(0.3, 1.7))


@pytest.mark.parametrize("n", SIZES)
def test_integer_fills(n):
    for low, high in ((0, 10), (-100, 155), (0, 2**28 - 1), (0, 2**28), (-5, 2**32), (-(2**63), 2**63 - 1)):
        check(lambda e: S.random_from_to(e, n, low, high), lambda: torch.randint(low, high, (n,)))  # noqa: B023
    check(lambda e: S.random_from_to(e, n, -(2**63), None), lambda: empty(n, "int64").random_(-(2**63), None))
    check(lambda e: S.randperm(e, n), lambda: torch.randperm(n))
    check(lambda e: S.randperm(e, n, "float32"), lambda: torch.randperm(n, dtype=torch.float32))
    for name in S.FULL_RANGE.keys() - {"uint16", "uint32", "uint64"}:  # which PyTorch refuses to draw
        check(lambda e: S.random_full(e, n, name), lambda: empty(n, name).random_())  # noqa: B023


@pytest.mark.filterwarnings("ignore:.*out of bounds")
@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16", "float64", "int8", "int32"])
def test_bounds_rounded_into_the_dtype(name):
    for low, high in ((0, 100), (-100, 127), (0, 2**26), (-(2**27) - 1, 2**27 + 3)):
        if high < 2**20 or name in ("float32", "float64", "int32"):
            check(
                lambda e: S.random_from_to(e, 1000, low, high, name),  # noqa: B023
                lambda: empty(1000, name).random_(low, high),  # noqa: B023
            )


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_bernoulli_and_dropout(n, p):
    check(lambda e: S.bernoulli(e, n, p), lambda: empty(n, "bool").bernoulli_(p))
    ones = torch.ones(n)
    if 0 < p < 1:  # dropout draws nothing for 0 and 1
        check(lambda e: S.bernoulli(e, n, 1 - p), lambda: torch.nn.functional.dropout(ones, p) != 0)
    for name in FLOATS:
        probability = torch.full((n,), p, dtype=getattr(torch, name))
        check(
            lambda e: S.bernoulli_like(e, values(probability)),  # noqa: B023
            lambda: torch.bernoulli(probability).bool(),  # noqa: B023
        )


@pytest.mark.parametrize("n", [1, 7, 8, 9, 50])
@pytest.mark.parametrize("name", ["complex64", "complex128"])
def test_complex(n, name):
    dtype = getattr(torch, name)
    check(lambda e: S.uniform(e, n, dtype=name), lambda: torch.rand(n, dtype=dtype))
    check(lambda e: S.normal(e, n, dtype=name), lambda: torch.randn(n, dtype=dtype))


def test_normal_with_arrays():
    mean, std = torch.linspace(-3, 3, 100), torch.linspace(0.1, 2, 100)
    check(lambda e: S.normal_like(e, mean.numpy(), std.numpy()), lambda: torch.normal(mean, std))
    check(lambda e: S.normal_like(e, mean.numpy(), 1.3), lambda: torch.normal(mean, 1.3))
    check(lambda e: S.normal_like(e, 0.7, std.numpy()), lambda: torch.normal(0.7, std))
    check(
        lambda e: S.normal_like(e, mean[:5, None].numpy(), std[:4].numpy()),
        lambda: torch.normal(mean[:5, None], std[:4]),
    )
    check(
        lambda e: S.normal_like(e, mean.double().numpy(), std.double().numpy(), "float64"),
        lambda: torch.normal(mean.double(), std.double()),
    )


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("size", [3, 10, 200])
def test_multinomial(name, size):
    weights = torch.from_numpy(np.random.default_rng(size).random(size) + 0.01).to(getattr(torch, name))
    w = values(weights)
    for count, replacement in ((1, False), (1, True), (2, True), (5000, True)):
        check(
            lambda e: S.multinomial(e, w, count, replacement, name),  # noqa: B023
            lambda: torch.multinomial(weights, count, replacement),  # noqa: B023
        )
    if name in ("float32", "float64"):  # the halves have ties, whose order PyTorch leaves open
        check(lambda e: S.multinomial(e, w, size - 1), lambda: torch.multinomial(weights, size - 1))
        rows, r = weights.repeat(4, 1), np.tile(w, (4, 1))
        check(lambda e: S.multinomial(e, r, 9, True), lambda: torch.multinomial(rows, 9, True))
        check(lambda e: S.multinomial(e, r, 2), lambda: torch.multinomial(rows, 2))
        check(lambda e: S.multinomial(e, r, 1), lambda: torch.multinomial(rows, 1))


def test_multinomial_skips_zero_weights():
    w = np.array([0, 0.5, 0, 1.5], np.float32)
    assert set(S.multinomial(Engine(1), w, 1000, True).tolist()) == {1, 3}


@pytest.mark.parametrize("name", FLOATS)
def test_poisson(name):
    rate = torch.tensor([[0.0, 0.3, 3.0], [9.99, 10.0, 250.0]], dtype=getattr(torch, name)).repeat(50, 1)
    check(lambda e: S.poisson(e, values(rate), name), lambda: torch.poisson(rate))


def test_shapes_and_dtype_spellings():
    assert S.uniform(Engine(0), (2, 0, 3)).shape == (2, 0, 3)
    assert S.normal(Engine(0), ()).shape == ()
    assert S.normal(Engine(0), (4, 5), dtype=np.float64).dtype == np.float64
    torch.manual_seed(0)
    assert np.array_equal(S.uniform(Engine(0), (3, 4), dtype=np.dtype("float32")), torch.rand(3, 4).numpy())


def test_mixed_sequence_stays_in_step():
    engine = Engine(3)
    torch.manual_seed(3)
    draw = np.random.default_rng(5)
    steps = [
        (lambda n: S.normal(engine, n), lambda n: torch.randn(n)),
        (lambda n: S.normal(engine, n, 1.5, 0.5, "float64"), lambda n: empty(n, "float64").normal_(1.5, 0.5)),
        (lambda n: S.uniform(engine, n), lambda n: torch.rand(n)),
        (lambda n: S.random_from_to(engine, n, 0, 7), lambda n: torch.randint(0, 7, (n,))),
        (lambda n: S.randperm(engine, n), lambda n: torch.randperm(n)),
        (lambda n: S.bernoulli(engine, n, 0.3), lambda n: empty(n, "bool").bernoulli_(0.3)),
        (lambda n: S.log_normal(engine, n), lambda n: torch.empty(n).log_normal_()),
        (lambda n: S.normal(engine, n, dtype="bfloat16"), lambda n: torch.randn(n, dtype=torch.bfloat16)),
    ]
    for _ in range(300):
        ours, theirs = steps[draw.integers(len(steps))]
        n = int(draw.integers(0, 40))
        agree(ours(n), values(theirs(n)))
        assert aligned(engine)


@pytest.mark.parametrize("seed", [0, 1, 123, 2**32 - 1, 2**32, 2**40 + 3, 2**63, 2**64 - 1, -1, -5])
def test_seeds(seed):
    engine = Engine(seed)
    torch.manual_seed(seed)
    assert engine.initial_seed == torch.initial_seed()
    assert aligned(engine)
    assert np.array_equal(S.uniform(engine, 5), torch.rand(5).numpy())


@pytest.mark.parametrize("drawn", [0, 1, 3, 623, 624, 625, 2000])
def test_state_travels_both_ways(drawn):
    torch.manual_seed(11)
    torch.rand(drawn)
    torch.randn(3)  # leaves a cached normal
    engine = Engine(0)
    engine.set_state(torch.get_rng_state().numpy())
    assert engine.initial_seed == 11
    assert aligned(engine)
    agree(S.normal(engine, 4), torch.randn(4).numpy())

    engine = Engine(12)
    engine.words(drawn)
    S.normal(engine, 1)
    torch.set_rng_state(torch.from_numpy(engine.get_state()))
    assert torch.initial_seed() == 12
    agree(S.normal(engine, 4), torch.randn(4).numpy())
    assert aligned(engine)


def test_clone_is_independent():
    for copied in (Engine.clone, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))):
        engine = Engine(5)
        S.normal(engine, 3)
        twin = copied(engine)
        first = S.normal(engine, 3)
        assert np.array_equal(first, S.normal(twin, 3))
        assert not np.array_equal(first, S.normal(engine, 3))


def test_seeding_again_forgets_the_cached_normal():
    engine = Engine(5)
    first = S.normal(engine, 1)
    engine.seed(5)
    assert np.array_equal(first, S.normal(engine, 1))


@pytest.mark.parametrize(
    "bad", [np.zeros(5056, np.uint8), np.zeros(5, np.uint8), np.zeros(5056, np.int8), np.zeros(632, np.int64)]
)
def test_bad_state(bad):
    with pytest.raises(RuntimeError, match="set_rng_state: got"):
        Engine(0).set_state(bad)


@pytest.mark.parametrize(
    "call",
    [
        lambda e: S.uniform(e, 3, 2.0, 1.0),
        lambda e: S.normal(e, 3, 0.0, -1.0),
        lambda e: S.normal_like(e, 0.0, np.array([1.0, -1.0])),
        lambda e: S.log_normal(e, 3, 0.0, 0.0),
        lambda e: S.exponential(e, 3, 0.0),
        lambda e: S.cauchy(e, 3, 0.0, 0.0),
        lambda e: S.geometric(e, 3, 1.0),
        lambda e: S.bernoulli(e, 3, 1.5),
        lambda e: S.bernoulli_like(e, np.array([0.5, math.nan])),
        lambda e: S.random_from_to(e, 3, 5, 5),
        lambda e: S.poisson(e, np.array([-1.0])),
        lambda e: S.multinomial(e, np.ones(3), 4),
        lambda e: S.multinomial(e, np.ones(3), 0),
        lambda e: S.multinomial(e, np.ones((2, 2, 2)), 1),
        lambda e: S.multinomial(e, np.zeros(3), 1),
        lambda e: S.multinomial(e, np.array([1.0, -1.0]), 1),
        lambda e: S.multinomial(e, np.array([1.0, math.inf]), 1),
    ],
)
def test_bad_parameters_draw_nothing(call):
    engine = Engine(0)
    with pytest.raises(RuntimeError, match=r"got .*Fix: "):
        call(engine)
    assert np.array_equal(engine.get_state(), Engine(0).get_state())


def test_fma64_rounds_once():
    from fractions import Fraction

    a = Engine(2).doubles(3000)
    b, c = 1.4810000000000001, -0.37
    want = [float(Fraction(x) * Fraction(b) + Fraction(c)) for x in a.tolist()]
    assert fma64(a, b, c).tolist() == want


def test_a_million_words_are_quick():
    engine = Engine(0)
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        engine.words(10**6)
        best = min(best, time.perf_counter() - start)
    assert best < 0.1  # about 4 ms on an idle core
