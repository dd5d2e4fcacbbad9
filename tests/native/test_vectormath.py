"""The functions of the scalar IR as machine code: accuracy, special values, and that no target needs a library."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from rushlight import config
from rushlight.backend.llvm import jit, target, text
from rushlight.backend.llvm.target import TARGETS, Target
from rushlight.backend.llvm.vectormath import FUNCTIONS
from rushlight.backend.numpy import special
from rushlight.ir.scalar import BINARY, UNARY

STORAGE = {"f32": np.float32, "f64": np.float64}
WIDE = np.finfo(np.longdouble).nmant > 52  # the reference of float64
NAMES = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "atan2": "arctan2", "pow": "power",
}  # fmt: skip
SPECIAL = ("erf", "erfc", "erfinv", "lgamma", "digamma")  # NumPy has none of them
EXACT = ("sqrt", "floor", "ceil", "trunc", "rint", "abs", "fmod", "copysign")
CPUS = {"avx512": "x86-64-v4", "avx2": "x86-64-v3", "sse": "x86-64", "neon": "generic"}
SPECIALS = [0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 1e-45, 1e-40, 2.0**-126, 2.0**-1022, 5e-324, 2.0**24 - 1, 2.0**24 + 1]
SPECIALS += [88.72283, 88.72284, 103.97, 104.0, 709.78, 709.79, 745.13, 745.14, 3.4028235e38, 1e300, math.inf]
SPECIALS += [-value for value in SPECIALS] + [math.nan]


def _runs_here(to: Target) -> bool:
    features = jit._host_features().split(",")
    return all(f"+{feature}" in features for feature in to.needs)


HERE = [to.name for to in TARGETS if to.arch == target.current().arch and _runs_here(to)]


@pytest.fixture(params=HERE)
def on(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    """Every target that this processor can run."""
    monkeypatch.setattr(config, "target", request.param)
    yield target.current()


def kernel_text(name: str, kind: str, lanes: int) -> str:
    """A kernel that applies a function to arrays, so many elements a unit."""
    to = target.current()
    wide, element, size = text.vector(kind, lanes), text.REGISTER[kind], int(kind[1:]) // 8
    w = text.kernel()
    *sources, out = [w.argument(i, "ptr") for i in range(3 if name in BINARY else 2)]
    with w.loop("%begin", "%end") as loop:
        at = w.mul(loop.index, lanes)
        values = [w.let(f"load {wide}, ptr {w.at(source, at, element)}, align {size}") for source in sources]
        found = FUNCTIONS[name](w, kind, lanes, *values)
        w.do(f"store {wide} {found}, ptr {w.at(out, at, element)}, align {size}")
    return text.module([w.text()], to.function_attributes(CPUS[to.name]))


def run(name: str, kind: str, *values: np.ndarray, lanes: int = 0) -> np.ndarray:
    """A function of arrays, through the current target's machine code."""
    lanes = lanes or target.current().lanes // (2 if kind == "f64" else 1)
    size = values[0].size
    padded = [np.concatenate([value, np.ones(-size % lanes)]).astype(STORAGE[kind]) for value in values]
    out = np.empty_like(padded[0])
    arguments = np.array([a.ctypes.data for a in (*padded, out)], np.int64)
    entry = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
    entry(jit.address(kernel_text(name, kind, lanes)))(arguments.ctypes.data, 0, out.size // lanes, None)
    return out[:size]


def _special(name: str) -> Callable[[np.ndarray], np.ndarray]:
    exact = {"erf": math.erf, "erfc": math.erfc}.get(name)
    return np.vectorize(exact, otypes=[float]) if exact else getattr(special, name)


def reference(name: str, kind: str, *values: np.ndarray) -> np.ndarray:
    """NumPy's answer, in more digits than the kind has."""
    with np.errstate(all="ignore"):
        if name in SPECIAL:
            return _special(name)(*[value.astype(np.float64) for value in values])
        wider = np.float64 if kind == "f32" and name not in ("pow", "hypot") else np.longdouble
        return getattr(np, NAMES.get(name, name))(*[value.astype(wider) for value in values])


def ulps(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Distances in units of the last place of what was expected; infinite where just one of the two is finite."""
    kind = found.dtype
    with np.errstate(all="ignore"):
        rounded = expected.astype(kind)
        unit = np.spacing(np.maximum(np.abs(rounded), np.finfo(kind).tiny)).astype(expected.dtype)
        far = np.abs(found.astype(expected.dtype) - expected) / unit
        # The largest float and infinity are neighbours, whose distance is no number.
        largest = np.finfo(kind).max
        edge = (np.isinf(rounded) & (np.abs(found) == largest)) | (np.isinf(found) & (np.abs(rounded) == largest))
    same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
    return np.where(same | edge, np.where(np.isfinite(far), far, 0.0), np.where(np.isfinite(far), far, np.inf))


def samples(kind: str, count: int = 64) -> np.ndarray:
    """Every sign and exponent with the lowest, the highest and random mantissas; numbers near 1; special values."""
    mantissa, width = (23, 32) if kind == "f32" else (52, 64)
    rng = np.random.default_rng(0)
    heads = np.arange(2 ** (width - mantissa), dtype=np.uint64) << np.uint64(mantissa)
    tails = rng.integers(0, 2**mantissa, (heads.size, count), dtype=np.uint64)
    tails[:, :4] = 0, 1, 2**mantissa - 1, 2 ** (mantissa - 1)
    bits = (heads[:, None] | tails).astype(f"u{width // 8}")
    near = [rng.uniform(-4, 4, 20000), 1 + rng.normal(size=4000) * 1e-3, rng.uniform(-110, 110, 20000)]
    with np.errstate(all="ignore"):
        everything = np.concatenate([bits.view(STORAGE[kind]).ravel().astype(np.float64), *near, SPECIALS])
        return everything.astype(STORAGE[kind])


def pairs(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of special values, then random ones of all sizes, and of sizes that people use."""
    rng = np.random.default_rng(1)
    every, count = samples(kind, 8), 20000
    left = [np.repeat(SPECIALS, len(SPECIALS)), rng.choice(every, count), rng.uniform(0, 4, count)]
    right = [np.tile(SPECIALS, len(SPECIALS)), rng.choice(every, count), rng.uniform(-30, 30, count)]
    left += [rng.uniform(0.9, 1.1, count), rng.normal(size=count) * 20]
    right += [rng.normal(size=count) * 900, rng.normal(size=count) * 3]
    with np.errstate(all="ignore"):
        return np.concatenate(left).astype(STORAGE[kind]), np.concatenate(right).astype(STORAGE[kind])


def worst(name: str, kind: str, *values: np.ndarray) -> tuple[float, str]:
    """The largest error in ulp, and where it is."""
    found, expected = run(name, kind, *values), reference(name, kind, *values)
    far = ulps(found, expected)
    at = int(np.argmax(far))
    return float(far[at]), f"{name}{tuple(v[at] for v in values)}: got {found[at]!r}, expected {expected[at]!r}"


def test_the_table_is_complete() -> None:
    assert sorted(FUNCTIONS) == sorted((*UNARY, *BINARY))


@pytest.mark.parametrize("name", UNARY)
def test_float32_is_within_two_ulp(name: str, on: Target) -> None:
    far, message = worst(name, "f32", samples("f32"))
    assert far <= (0.5 if name in EXACT else 2.0), message


@pytest.mark.skipif(not WIDE, reason="no wider float to compare with")
@pytest.mark.parametrize("name", [name for name in UNARY if name not in SPECIAL])
def test_float64_is_within_four_ulp(name: str, on: Target) -> None:
    far, message = worst(name, "f64", samples("f64", 12))
    assert far <= (0.5001 if name in EXACT else 4.0), message


@pytest.mark.skipif(not WIDE, reason="no wider float to compare with")
@pytest.mark.parametrize("kind", ("f32", "f64"))
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_arguments(name: str, kind: str, on: Target) -> None:
    far, message = worst(name, kind, *pairs(kind))
    assert far <= (0.0 if name in EXACT else 2.0 if kind == "f32" else 4.0), message


_DOMAIN = {"erf": (-6, 6), "erfc": (-6, 27), "erfinv": (-1, 1), "lgamma": (0, 40), "digamma": (0, 40)}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_functions_in_float64(name: str, on: Target) -> None:
    mpmath = pytest.importorskip("mpmath")
    exact = {"lgamma": mpmath.loggamma}.get(name) or getattr(mpmath, name)
    x = np.random.default_rng(2).uniform(*_DOMAIN[name], 150)
    found = run(name, "f64", x)
    with mpmath.workdps(40):
        for at, value in zip(x, found, strict=True):
            expected = exact(mpmath.mpf(float(at)))
            far = float(abs(mpmath.mpf(float(value)) - expected)) / np.spacing(abs(float(expected)))
            assert far <= 5.0, f"{name}({at!r}): got {value!r}, expected {float(expected)!r}"


@pytest.mark.parametrize("name", ("lgamma", "digamma"))
def test_gamma_functions_of_negative_numbers(name: str, on: Target) -> None:
    mpmath = pytest.importorskip("mpmath")
    exact = {"lgamma": lambda v: mpmath.log(abs(mpmath.gamma(v))), "digamma": mpmath.digamma}[name]
    x = -np.random.default_rng(3).uniform(0, 30, 150)
    expected = np.array([float(exact(mpmath.mpf(float(v)))) for v in x])
    # They cross zero between the poles, where no error relative to them can be small.
    np.testing.assert_allclose(run(name, "f64", x), expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("kind", ("f32", "f64"))
@pytest.mark.parametrize("name", UNARY)
def test_special_values(name: str, kind: str, on: Target) -> None:
    with np.errstate(all="ignore"):
        x = np.array(SPECIALS, STORAGE[kind])
        found, expected = run(name, kind, x), reference(name, kind, x).astype(x.dtype)
    if name == "erfinv":  # odd, which its reference forgets at zero
        expected = np.copysign(expected, x)
    odd = ~np.isfinite(expected) | (expected == 0) | ~np.isfinite(x)
    np.testing.assert_array_equal(found[odd], expected[odd])
    signed = (expected == 0) & (found == 0)
    np.testing.assert_array_equal(np.signbit(found[signed]), np.signbit(expected[signed]))


@pytest.mark.parametrize("kind", ("f32", "f64"))
@pytest.mark.parametrize("name", BINARY)
def test_signs_of_zeros_of_two_arguments(name: str, kind: str, on: Target) -> None:
    x, y = pairs(kind)
    with np.errstate(over="ignore"):
        found, expected = run(name, kind, x, y), reference(name, kind, x, y).astype(x.dtype)
    zero = (found == 0) & (expected == 0)
    np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize("kind", ("f32", "f64"))
@pytest.mark.parametrize("name", (*UNARY, *BINARY))
def test_the_number_of_lanes_changes_nothing(name: str, kind: str) -> None:
    values = pairs(kind) if name in BINARY else (samples(kind, 4),)
    found = [run(name, kind, *values, lanes=lanes) for lanes in (1, 4, 16, 32)]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


@pytest.mark.parametrize("to", TARGETS, ids=lambda to: to.name)
@pytest.mark.parametrize("kind", ("f32", "f64"))
def test_nothing_is_called(kind: str, to: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "target", to.name)
    for name in FUNCTIONS:
        for lanes in (1, to.lanes):
            code = jit.assembly_for(kernel_text(name, kind, lanes), to, CPUS[to.name])
            calls = [line for line in code.splitlines() if line.split()[:1] in (["callq"], ["call"], ["bl"], ["jmpq"])]
            assert not calls, f"{name} {kind} {lanes} lanes: {calls}"
