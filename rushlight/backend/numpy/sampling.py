"""Random fills: what each of PyTorch's CPU sampling kernels makes of the MT19937 stream.

Every function returns a new C-ordered array of a given shape and uses up exactly the words that PyTorch's kernel
would, so the same seed gives the same numbers and leaves the stream at the same place. `dtype` is anything with a name
("float32", np.float32, rushlight.float32); float16 and bfloat16 come back as float32 arrays holding already rounded
values, the type the reference computes in. Filling a tensor with gaps or permuted strides takes the same samples, in
the order of its memory; only `normal` needs to know.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.backend.numpy.fused import fma32, fma64, libm, log32, sincos32
from rushlight.backend.numpy.mt19937 import MASK53, Engine, in_blocks
from rushlight.errors import explain_error

# What `random_()` without bounds draws below: the largest value of an integer type, the last exact integer of a float.
FULL_RANGE = {
    "bool": 2, "uint8": 2**8, "int8": 2**7, "int16": 2**15, "int32": 2**31, "int64": 2**63,
    "uint16": 2**16, "uint32": 2**32, "float16": 2**11 + 1, "bfloat16": 2**8 + 1, "float32": 2**24 + 1, "float64": 2**53 + 1,
}  # fmt: skip
_GROUPS = 1 << 15  # samples that `normal` transforms at a time: its arrays stay in cache
DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def _name(dtype: Any) -> str:
    return dtype if isinstance(dtype, str) else getattr(dtype, "name", None) or np.dtype(dtype).name


def _count(shape: int | tuple[int, ...]) -> int:
    return shape if isinstance(shape, int) else math.prod(shape)


def _require(condition: bool, op: str, got: str, expected: str, fix: str) -> None:
    if not condition:
        raise RuntimeError(explain_error(op, got=got, expected=expected, fix=fix))


def round_to(values: np.ndarray, dtype: Any) -> np.ndarray:
    """Values cast as PyTorch casts them: to the halves through float32, returned as float32."""
    name = _name(dtype)
    if name == "float16":
        with np.errstate(over="ignore"):
            return values.astype(np.float32).astype(np.float16).astype(np.float32)
    if name == "bfloat16":
        bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
        bits = bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
        return bits.view(np.float32)
    return values.astype(name, copy=False)


def uniform(engine: Engine, shape: Any, low: float = 0.0, high: float = 1.0, dtype: Any = "float32") -> np.ndarray:
    """u * (high - low) + low, fused; 53 bits of u for float64 and 24 for the rest. A result rounded up to high is low.

    >>> uniform(Engine(0), (2,)).tolist()
    [0.49625658988952637, 0.7682217955589294]
    """
    name = _name(dtype)
    if name.startswith("complex"):
        return _complex(name, lambda real: uniform(engine, (_count(shape), 2), low, high, real)).reshape(shape)
    got = f"low={low}, high={high}"
    _require(low <= high, "uniform_", got, "low <= high, a range [low, high)", "swap the two bounds")
    n = _count(shape)
    if name == "float64":
        out, bounds = engine.doubles(n), np.array([low, high])
        step = high - low
    else:
        out, bounds = engine.singles(n), np.array([low, high], np.float32)
        step = float(bounds[1] - bounds[0])
    if (low, high) != (0.0, 1.0):
        out = (fma64 if name == "float64" else fma32)(out, step, float(bounds[0]))
    if (low, high) != (0.0, 1.0) or name in ("float16", "bfloat16"):
        out, bounds = round_to(out, name), round_to(bounds, name)
        out[out == bounds[1]] = bounds[0]
    return out.reshape(shape)


def _complex(name: str, draw: Callable[[str], np.ndarray]) -> np.ndarray:
    """Pairs of reals read as one complex number each."""
    if name == "complex32":  # the halves come as float32
        return draw("float16").view("complex64")
    return draw("float32" if name == "complex64" else "float64").view(name)


def normal(
    engine: Engine, shape: Any, mean: float = 0.0, std: float = 1.0, dtype: Any = "float32", contiguous: bool = True
) -> np.ndarray:
    """Normal samples. From 16 elements on (and if the tensor filled is contiguous) PyTorch works on groups of 16:
    the first 8 uniforms of a group give the radii, the last 8 the angles, and an incomplete last group is replaced by
    16 new samples that overlap the one before. Otherwise samples come one at a time from `Engine.normals`.

    >>> normal(Engine(0), (2,)).tolist()
    [1.5409960746765137, -0.293428897857666]
    """
    name = _name(dtype)
    _require(std >= 0, "normal_", f"std={std}", "std >= 0", "pass a standard deviation, not a shift")
    if name.startswith("complex"):
        part = std / math.sqrt(2)
        z = _complex(name, lambda real: normal(engine, (_count(shape), 2), 0.0, part, real, contiguous))
        return (z + mean if mean else z).reshape(shape)
    n = _count(shape)
    if n < 16 or not contiguous:
        return round_to(fma64(engine.normals(n), std, mean), name).reshape(shape)
    whole = n - n % 16
    groups = _groups64 if name == "float64" else _groups32
    draw = engine.doubles if name == "float64" else engine.singles
    # The halves draw group by group; the others fill the whole tensor with uniforms first.
    u = draw(whole if name in ("float16", "bfloat16") else n)
    out = np.empty(n, u.dtype)
    for start in range(0, whole, _GROUPS):
        stop = min(start + _GROUPS, whole)
        out[start:stop] = groups(u[start:stop], mean, std)
    if whole < n:
        out[-16:] = groups(draw(16), mean, std)
    return round_to(out, name).reshape(shape)


def _groups32(u: np.ndarray, mean: float, std: float) -> np.ndarray:
    pairs = u.reshape(-1, 2, 8)
    radius = np.sqrt(np.float32(-2) * log32(np.float32(1) - pairs[:, 0]))
    sin, cos = sincos32(np.float32(2 * math.pi) * pairs[:, 1])
    out = np.stack([radius * cos, radius * sin], axis=1).ravel()
    return out if (mean, std) == (0.0, 1.0) else fma32(out, float(np.float32(std)), float(np.float32(mean)))


def _groups64(u: np.ndarray, mean: float, std: float) -> np.ndarray:
    pairs = u.reshape(-1, 2, 8)
    radius = np.sqrt(-2.0 * libm(math.log, 1.0 - pairs[:, 0]))
    turn = np.exp(1j * (2.0 * math.pi * pairs[:, 1]))
    return fma64(np.stack([radius * turn.real, radius * turn.imag], axis=1).ravel(), std, mean)


def normal_like(engine: Engine, mean: Any, std: Any, dtype: Any = "float32") -> np.ndarray:
    """`torch.normal` with an array for mean, std or both: standard samples, scaled and shifted in two roundings."""
    mean, std = np.asarray(mean), np.asarray(std)
    got = f"std with least element {std.min() if std.size else 0}"
    _require(not (std < 0).any(), "normal", got, "all elements >= 0", "pass standard deviations, such as x.abs()")
    name = _name(dtype)
    sample = normal(engine, np.broadcast_shapes(mean.shape, std.shape), dtype=name)
    return round_to(round_to(sample * std.astype(sample.dtype), name) + mean.astype(sample.dtype), name)


def log_normal(engine: Engine, shape: Any, mean: float = 1.0, std: float = 2.0, dtype: Any = "float32") -> np.ndarray:
    """exp of one-at-a-time normal samples, in float64."""
    _require(std > 0, "log_normal_", f"std={std}", "std > 0", "pass a positive standard deviation")
    values = fma64(engine.normals(_count(shape)), std, mean)
    return round_to(_double(math.exp, np.exp, values, dtype), dtype).reshape(shape)


def _double(exact: Callable[[float], float], fast: Callable, values: np.ndarray, dtype: Any) -> np.ndarray:
    """A float64 function that will be rounded to dtype: only a float64 result shows the last bit of NumPy's own."""
    return libm(exact, values) if _name(dtype) == "float64" else fast(values)


def exponential(engine: Engine, shape: Any, rate: float = 1.0, dtype: Any = "float32") -> np.ndarray:
    """-log(1 - u) / rate in float64, rounded."""
    _require(rate > 0, "exponential_", f"lambd={rate}", "lambd > 0", "pass a positive rate")
    values = _double(math.log1p, np.log1p, -engine.doubles(_count(shape)), dtype)
    return round_to(values * (-1.0 / rate), dtype).reshape(shape)


def cauchy(engine: Engine, shape: Any, median: float = 0.0, sigma: float = 1.0, dtype: Any = "float32") -> np.ndarray:
    """median + sigma * tan(pi * (u - 1/2)) in float64, rounded."""
    _require(sigma > 0, "cauchy_", f"sigma={sigma}", "sigma > 0", "pass a positive scale")
    angles = math.pi * (engine.doubles(_count(shape)) - 0.5)
    return round_to(fma64(_double(math.tan, np.tan, angles, dtype), sigma, median), dtype).reshape(shape)


def geometric(engine: Engine, shape: Any, p: float, dtype: Any = "float32") -> np.ndarray:
    """Trials up to the first success: ceil(log(u) / log(1 - p))."""
    _require(0 < p < 1, "geometric_", f"p={p}", "0 < p < 1", "pass a probability")
    with np.errstate(divide="ignore"):
        values = np.ceil(np.log(engine.doubles(_count(shape))) / math.log1p(-p))
    return round_to(values, dtype).reshape(shape)


def bernoulli(engine: Engine, shape: Any, p: float) -> np.ndarray:
    """Booleans, true with probability p: the 53-bit uniform u < p, compared as integers. Dropout masks are these."""
    _require(0 <= p <= 1, "bernoulli_", f"p={p}", "0 <= p <= 1", "pass a probability")
    bound = np.uint64(math.ceil(p * 2.0**53))
    return in_blocks(_count(shape), np.bool_, lambda k: (engine.words64(k) & MASK53) < bound).reshape(shape)


def bernoulli_like(engine: Engine, p: np.ndarray) -> np.ndarray:
    """Booleans with one probability an element: 53 bits of u against a float64 array, 24 against any other float."""
    if p.size and not (p.min() >= 0 and p.max() <= 1):
        got, fix = f"values from {p.min()} to {p.max()}", "pass probabilities, such as logits.sigmoid()"
        raise RuntimeError(explain_error("bernoulli", got=got, expected="every p in [0, 1]", fix=fix))
    u = engine.doubles(p.size) if p.dtype == np.float64 else engine.singles(p.size)
    return u.reshape(p.shape) < p


def random_from_to(engine: Engine, shape: Any, low: int, high: int | None, dtype: Any = "int64") -> np.ndarray:
    """Integers in [low, high): a word modulo the span, two words if it is 2**28 or more. high=None: all 64 bits.

    >>> random_from_to(Engine(0), (3,), 0, 10).tolist()
    [4, 9, 3]
    """
    name, n = _name(dtype), _count(shape)
    if high is None:
        return round_to(engine.words64(n).view(np.int64), name).reshape(shape)
    low, high = int(low), int(high)
    _require(low < high, "random_", f"low={low}, high={high}", "low < high", "high itself is never drawn; raise it")
    if name in DIGITS:
        low, high = representable(low, high, name)
    values = _modulo(engine, n, high - low, wide=high - low >= 2**28)
    values += np.uint64(low % 2**64)
    return round_to(values.view(np.int64), name).reshape(shape)


def _modulo(engine: Engine, n: int, span: int, wide: bool) -> np.ndarray:
    draw = engine.words64 if wide else engine.words
    return in_blocks(n, np.uint64, lambda k: draw(k) % np.uint64(span))


def representable(low: int, high: int, name: str) -> tuple[int, int]:
    """Bounds moved inwards where rounding to a float type would step outside them."""
    digits = DIGITS[name]
    if float(round_to(np.array([low]).astype(np.float64), name)[0]) < low:
        low += 1 << max(abs(low).bit_length() - digits, 0)
    if float(round_to(np.array([high - 1]).astype(np.float64), name)[0]) >= high:
        high -= 1 << max(abs(high - 1).bit_length() - digits, 0)
    return low, high


def random_full(engine: Engine, shape: Any, dtype: Any) -> np.ndarray:
    """`random_()` without bounds: every non-negative value of an integer type, every exact integer of a float type."""
    name = _name(dtype)
    if name == "uint64":
        return engine.words64(_count(shape)).reshape(shape)
    values = _modulo(engine, _count(shape), FULL_RANGE[name], wide=name in ("int64", "float64"))
    return round_to(values, name).reshape(shape)


def randperm(engine: Engine, n: int, dtype: Any = "int64") -> np.ndarray:
    """Fisher-Yates from the front: place i swaps with i + (word modulo the places left); n - 1 words.

    >>> randperm(Engine(0), 5).tolist()
    [4, 0, 1, 3, 2]
    """
    place = np.arange(n)
    target = place.copy()
    if n > 1:
        target[:-1] += (engine.words(n - 1) % np.arange(n, 1, -1, dtype=np.uint64)).view(np.int64)
    return round_to(_swapped(place, target), dtype)


def _swapped(place: np.ndarray, target: np.ndarray) -> np.ndarray:
    """range(n) after swapping each place i, in turn, with target[i] >= i; without a loop over i.

    Step i puts into place i what stands at target[i]: that index itself, unless an earlier step had the same target;
    then it is what stood at that earlier step's own place, `origin`, which the last step aiming there had put there.
    """
    origin = place.copy()
    moved = target != place
    origin[target[moved]] = place[moved]  # of repeated targets the last one stays
    while not np.array_equal(further := origin[origin], origin):
        origin = further
    ordered = np.sort(target << 32 | place)
    step = ordered & 0xFFFFFFFF
    again = np.diff(ordered >> 32) == 0
    out = target.copy()
    out[step[1:][again]] = origin[step[:-1][again]]
    return out


def multinomial(
    engine: Engine, weights: np.ndarray, num_samples: int, replacement: bool = False, dtype: Any = None
) -> np.ndarray:
    """int64 indices drawn by weight, from one row of weights or from each row of a matrix.

    With replacement: inverse of the running sum at one float64 uniform a sample. Without (and for a single sample):
    the largest of weight / exponential, which is the order in which rival Poisson clocks ring.
    """
    name = _name(dtype or weights.dtype)
    _check_weights(weights, num_samples, replacement)
    if num_samples == 1 or not replacement:
        rivals = round_to(weights / exponential(engine, weights.shape, dtype=name), name)
        if num_samples == 1:
            return np.argmax(rivals, axis=-1, keepdims=True)
        return np.argsort(-rivals, axis=-1, kind="stable")[..., :num_samples]
    rows = weights.reshape(-1, weights.shape[-1])
    sums = np.add.accumulate(rows, axis=1)
    sums /= sums[:, -1:]
    picks = [np.searchsorted(row.astype(np.float64), engine.doubles(num_samples)) for row in sums]
    return np.array(picks, np.int64).reshape(weights.shape[:-1] + (num_samples,))


def _check_weights(weights: np.ndarray, num_samples: int, replacement: bool) -> None:
    size = weights.shape[-1] if weights.ndim else 0
    got = f"weights of shape {weights.shape}"
    _require(weights.ndim in (1, 2) and size > 0, "multinomial", got, "one or two dimensions", "weights.reshape(1, -1)")
    got, fix = f"num_samples={num_samples} from {size} weights", "draw fewer, or pass replacement=True"
    _require(num_samples > 0, "multinomial", got, "num_samples > 0", "ask for at least one sample")
    _require(replacement or num_samples <= size, "multinomial", got, "no more samples than weights", fix)
    fix = "weights need not sum to one, but pass probabilities, such as logits.softmax(-1)"
    finite = bool(np.isfinite(weights).all()) and not (weights < 0).any()
    _require(finite, "multinomial", "a weight that is negative, inf or nan", "finite weights >= 0", fix)
    _require(bool((weights.sum(-1) > 0).all()), "multinomial", "a row of weights that sums to 0", "a sum > 0", fix)


def poisson(engine: Engine, rate: np.ndarray, dtype: Any = None) -> np.ndarray:
    """Poisson counts, an element at a time: products of uniforms below a rate of 10, Hormann's PTRS from there on."""
    got = f"rates down to {rate.min() if rate.size else 0}"
    _require(not (rate < 0).any(), "poisson", got, "rates >= 0", "pass a rate such as x.exp()")
    counts = [_poisson(engine, lam) for lam in rate.ravel().tolist()]
    return round_to(np.array(counts, np.float64), dtype or rate.dtype).reshape(rate.shape)


def _poisson(engine: Engine, lam: float) -> int:
    if lam == 0:
        return 0
    if lam < 10:
        limit, product, count = math.exp(-lam), float(engine.doubles(1)[0]), 0
        while product > limit:
            product *= float(engine.doubles(1)[0])
            count += 1
        return count
    b = 0.931 + 2.53 * math.sqrt(lam)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    while True:
        u, v = engine.doubles(2).tolist()
        u -= 0.5
        us = 0.5 - abs(u)
        count = math.floor((2 * a / us + b) * u + lam + 0.43)
        if us >= 0.07 and v <= 0.9277 - 3.6224 / (b - 2):
            return count
        if count < 0 or (us < 0.013 and v > us):
            continue
        score = math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b)
        if score <= -lam + count * math.log(lam) - math.lgamma(count + 1.0):
            return count
