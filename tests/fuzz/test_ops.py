"""Single ops on random operands: native code against the reference (R8, R9).

A sample is an op with operands of random dtype, shape, strides and class of values (small, large, whole, denormal, special). What
IEEE arithmetic rounds in one way only must have the reference's bits. Anything else is compared with the reference computed in
float64: its error, in units in the last place of the result, may be three (four in float64), or twice what the reference makes of it in the
operands' own dtype. `python tests/fuzz/test_ops.py 200000` prints the figures.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight
from rushlight import config
from rushlight.backend.numpy.half import convert, to_compute, to_storage
from rushlight.compile.exact import exact
from rushlight.dtype import BY_NAME, from_numpy
from rushlight.ir.meta import WEAK, meta
from rushlight.ir.op import TABLE, Op
from rushlight.lazy.record import record
from rushlight.lazy.step import flush, realise

COMMIT, NIGHTLY = 3000, 200_000
ELSEWHERE = (
    "airy_ai",
)  # the phase of large arguments is ill-conditioned; tests/ops/test_special_functions.py measures it
OPS = sorted(
    name
    for name, op in TABLE.items()
    if op.lower is not None and op.pointwise and op.samples and not op.inplace and name not in ELSEWHERE
)
DTYPES = ("float32",) * 4 + ("float64",) * 2 + ("float16", "bfloat16", "int64", "int32", "int8", "uint8", "bool")
SIZES = (0, 1, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 65)
EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 2.0**24 + 1, -956238.0, 1e-40, -1e-310, 3e38, 1e300, np.inf, -np.inf, np.nan]
# Ops that take few values or shapes: theirs are those of their samples.
NARROW = ("class_index_part", "binary_cross_entropy_part", "rrelu_with_noise_op")
# What is a difference of larger numbers near its zeros: its error is measured in units of the largest operand, or of 1.
_BESSEL = tuple(name for name in OPS if "bessel" in name)
CANCELLING = (
    "sinc",
    "lgamma",
    "digamma",
    "logaddexp",
    "logaddexp2",
    "gelu_op",
    "mish_op",
    "polygamma_op",
    "zeta",
    *_BESSEL,
)
# Series in float64: so many units.
_SERIES = (
    "lgamma",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "erfcx",
    "ndtr",
    "ndtri",
    "log_ndtr",
    "digamma",
    "polygamma_op",
    "zeta",
    *_BESSEL,
)
SERIES = dict.fromkeys(_SERIES, 32.0)


class Difference(AssertionError):
    """Native code does not give what it should."""


class Sample:
    """One op with operands, drawn from a seed."""

    def __init__(self, seed: int, names: list[str] = OPS):
        self.random, self.numbers = random.Random(seed), np.random.default_rng(seed)
        self.op: Op = TABLE[self.random.choice(names)]
        self.dtype = self.random.choice(DTYPES)
        args, kwargs = self.random.choice(self.op.samples())
        given = dict(zip((p.name for p in self.op.params), args, strict=False))
        self.arguments = {p.name: given.get(p.name, kwargs.get(p.name, p.default)) for p in self.op.params}
        self.shape = tuple(self.random.choice(SIZES) for _ in range(self.random.choice((0, 1, 1, 2, 2, 3))))
        self.slots = [self.operand(self.arguments[p.name]) for p in self.op.slots]
        self.static = {name: self.arguments[name] for name in self.op.statics}

    def operand(self, value: Any) -> Any:
        """The sample's operand with other values, or as it is where it is no array of floats."""
        if not isinstance(value, np.ndarray) or self.op.name in NARROW:
            return value
        shape = tuple(1 if self.random.random() < 0.15 else n for n in self.shape)
        shape = shape[self.random.choice((0, 0, 0, 1)) :] if shape else shape
        if value.dtype == bool:
            return self.laid_out(np.asarray(self.numbers.random(shape) < 0.5))
        return self.laid_out(self.values(shape))

    def values(self, shape: tuple[int, ...]) -> np.ndarray:
        kind, x = BY_NAME[self.dtype].storage, self.numbers.standard_normal(shape)
        choice = self.random.choice(("small", "large", "whole", "tiny", "edges", "positive"))
        with np.errstate(all="ignore"):
            if self.dtype == "bool":
                return np.asarray(x > 0)
            if kind.kind in "iu" and self.dtype != "bfloat16":
                limits = np.iinfo(kind)
                span = 7 if choice != "large" else 2**62
                return np.asarray(np.clip(np.rint(x * span), limits.min, limits.max / 2)).astype(kind)
            x = np.asarray({
                "small": x, "large": x * 10.0 ** self.numbers.integers(-20, 20, shape), "whole": np.rint(x * 4),
                "tiny": x * 1e-39, "edges": self.numbers.choice(EDGES, shape), "positive": np.abs(x) * 30,
            }[choice])  # fmt: skip
            return np.asarray(to_compute(to_storage(x, BY_NAME[self.dtype]), BY_NAME[self.dtype]))

    def laid_out(self, array: np.ndarray) -> np.ndarray:
        """The same values with other strides."""
        way = self.random.choice(("rows", "rows", "columns", "gaps", "one for all"))
        if way == "columns" and array.ndim > 1:
            return np.ascontiguousarray(array.T).T
        if way == "gaps" and array.ndim:
            return np.repeat(array, 2, axis=-1)[..., ::2]
        if way == "one for all" and array.ndim and array.shape[0]:
            return np.broadcast_to(array[:1], array.shape)
        return array

    def __str__(self) -> str:
        shown = ", ".join(
            f"{v.dtype}{list(v.shape)}/{v.strides}" if isinstance(v, np.ndarray) else repr(v) for v in self.slots
        )
        return f"{self.op.name}({shown}, {self.static}) in {self.dtype}"

    # -- the two results ---------------------------------------------------------------------------------------------

    def natively(self) -> tuple[Any, bool, Any]:
        """The result of native code as an array in compute dtype, whether it is to be exact, and its meta; or the error."""
        inputs = [self.tensor(v) for v in self.slots]
        flush()
        result = record(self.op, inputs, tuple(self.static.values()))
        found = realise(result)
        program = rushlight.explain().program
        return to_compute(found, result.dtype), exact(program.graph), result._meta

    def tensor(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        made = rushlight.from_numpy(value)
        return made.to(rushlight.bfloat16) if self.dtype == "bfloat16" and value.dtype == np.float32 else made

    def reference(self, meta: Any, metas: list[Any], wide: bool) -> np.ndarray:
        """What the definition gives, rounded to the result's dtype unless computed in float64."""
        kind = self.op.promote(*metas, **self.static) if self.op.promote is not None else None
        slots = [v if v is None else np.asarray(v) for v in self.slots]
        if kind is not None:
            slots = [v if v is None else to_compute(to_storage(convert_to(v, kind), kind), kind) for v in slots]
        if wide:
            slots = [v.astype(np.float64) if v is not None and v.dtype.kind == "f" else v for v in slots]
        with np.errstate(all="ignore"):
            found = np.asarray(self.op.reference(*slots, **self.static))
        return found if wide else to_compute(to_storage(found, meta.dtype), meta.dtype)


def convert_to(value: np.ndarray, kind: Any) -> np.ndarray:
    """As the cast before an op does it."""
    return value if kind.name == "bfloat16" else convert(value, kind.storage)


def check(sample: Sample) -> str:
    """'exact', 'close', 'refused' or 'raised'; Difference where native code is wrong."""
    metas = [
        None if v is None else WEAK[type(v)] if not isinstance(v, np.ndarray)
        else meta(v.shape, BY_NAME["bfloat16"] if sample.dtype == "bfloat16" and v.dtype == np.float32 else from_numpy(v.dtype))
        for v in sample.slots
    ]  # fmt: skip
    try:
        promised = sample.op.infer(*metas, **sample.static)
    except (RuntimeError, NotImplementedError, TypeError):
        return "refused"
    try:
        expected = sample.reference(promised, metas, wide=False)
    except (RuntimeError, ValueError, IndexError) as error:
        try:
            sample.natively()
        except type(error):
            return "raised"
        except Exception as other:
            raise Difference(f"{sample}\nraised {other!r} natively; the reference: {error!r}") from None
        raise Difference(f"{sample}\nraised nothing natively; the reference: {error!r}") from None
    try:
        found, to_bits, result = sample.natively()
    except Exception as error:
        raise Difference(f"{sample}\nraised {error!r}") from error
    if found.shape != expected.shape or found.dtype != expected.dtype:
        raise Difference(f"{sample}\n{found.dtype}{found.shape} for {expected.dtype}{expected.shape}")
    if to_bits or expected.dtype.kind != "f":
        same = (found == expected) | ((found != found) & (expected != expected))
        if not same.all():
            at = tuple(np.argwhere(~same)[0])
            raise Difference(f"{sample}\nat {at}: {found[at]!r}, expected {expected[at]!r}")
        return "exact"
    compare(sample, found, expected, sample.reference(promised, metas, wide=True), result.dtype)
    return "close"


def compare(sample: Sample, found: np.ndarray, narrow: np.ndarray, wide: np.ndarray, dtype: Any) -> None:
    """Errors in units in the last place of the result's dtype, against the wide result."""
    with np.errstate(all="ignore"):
        info = np.finfo(np.float32 if dtype.name == "bfloat16" else found.dtype)
        step = 2.0**-7 if dtype.name == "bfloat16" else info.eps
        rounded = wide.astype(found.dtype).astype(np.float64)
        unit = small = np.maximum(np.abs(rounded), float(info.tiny)) * step
        ours, theirs = np.abs(found.astype(np.float64) - wide) / unit, np.abs(narrow.astype(np.float64) - wide) / unit
        if sample.op.name in CANCELLING:
            largest = [np.abs(np.asarray(v, np.float64)) for v in sample.slots if v is not None]
            unit = np.maximum(unit, step * np.maximum(1.0, sum(largest)))
            ours, theirs = ours * small / unit, theirs * small / unit
        least = 3.0 if found.dtype != np.float64 else SERIES.get(sample.op.name, 4.0)
        allowed = np.fmax(least, 2 * theirs)
        fine = (ours <= allowed) | (found == narrow) | (found == rounded) | ((found != found) & (narrow != narrow))
    if not fine.all():
        at = tuple(np.argwhere(~fine)[0])
        values = [np.broadcast_to(v, found.shape)[at] if isinstance(v, np.ndarray) else v for v in sample.slots]
        raise Difference(
            f"{sample}\nat {at} of operands {values}: {found[at]!r}, reference {narrow[at]!r}, in float64 {wide[at]!r}: "
            f"{ours[at]:.3g} units, the reference {theirs[at]:.3g}"
        )


def run(first: int, count: int) -> Iterator[tuple[str, str | None]]:
    for seed in range(first, first + count):
        sample = Sample(seed)
        try:
            yield check(sample), None
        except Difference as error:
            yield "wrong", f"seed {seed}: {error}"


@pytest.fixture
def compiled(monkeypatch):
    monkeypatch.setattr(config, "reference_runs", 0)


@pytest.mark.parametrize("part", range(4))
def test_ops_on_random_operands(part, compiled):
    kinds: Counter[str] = Counter()
    for kind, error in run(part * COMMIT // 4, COMMIT // 4):
        assert error is None, error
        kinds[kind] += 1
    assert kinds["exact"] + kinds["close"] > COMMIT // 8


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(20))
def test_ops_on_many_random_operands(part, compiled):
    for _, error in run(part * NIGHTLY // 20, NIGHTLY // 20):
        assert error is None, error


if __name__ == "__main__":
    config.reference_runs = 0
    seen: Counter[str] = Counter()
    by_op: Counter[str] = Counter()
    for kind, error in run(0, int(sys.argv[1]) if len(sys.argv) > 1 else NIGHTLY):
        seen[kind] += 1
        if error:
            by_op[error.split()[2].partition("(")[0]] += 1
            if by_op[error.split()[2].partition("(")[0]] < 3:
                print(error, flush=True)
    print(dict(seen), dict(by_op))
