"""Random ops. They draw when they run, from the generator with index `generator` in the trace.

`layout` says in which order a tensor's memory holds its dimensions (outermost first); None: row-major. PyTorch draws in
the order of memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.backend.numpy import sampling
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta, contiguous_stride, meta
from rushlight.ir.op import declare
from rushlight.ops.creation import check_size
from rushlight.ops.reduce import dtype_name
from rushlight.ops.rules import broadcast_shapes, like, written
from rushlight.ops.tensor_code import T

Layout = Any


def _drawn(draw: Callable[[Any], np.ndarray], shape: tuple[int, ...], layout: Layout) -> np.ndarray:
    """`draw(shape)`, taken in memory order."""
    if layout is None:
        return draw(shape)
    return draw(tuple(shape[d] for d in layout)).transpose(np.argsort(layout))


def layout_of(m: Meta) -> Layout:
    """The order of dimensions in memory, None if row-major."""
    return None if m.contiguous else tuple(sorted(range(m.ndim), key=lambda d: -m.stride[d]))


def _stride(size: tuple[int, ...], layout: Layout) -> tuple[int, ...] | None:
    if layout is None:
        return None
    dense = contiguous_stride([size[d] for d in layout])
    return tuple(dense[layout.index(d)] for d in range(len(size)))


def _needs(name: str, kinds: tuple[int, ...], error: type[Exception], kernel: str) -> Callable[[Any], None]:
    def check(kind: Any) -> None:
        if kind.category not in kinds:
            got = f"a tensor of {kind}"
            text = explain_error(
                name, got=got, expected="a floating-point dtype", fix="use dtype=torch.float32, or .float()"
            )
            raise error(f"\"{kernel}\" not implemented for '{dtype_name(kind)}'. {text}")

    return check


def _any_dtype(kind: Any) -> None:
    if kind.category == dtypes.COMPLEX:
        raise NotImplementedError(explain_error("random fill", got=f"a tensor of {kind}", expected="a real dtype"))


_FLOAT = (dtypes.FLOATING,)
_CONTINUOUS = (dtypes.FLOATING, dtypes.COMPLEX)


def _randint(e: Any, shape: Any, low: Any, last: Any, dtype: Any) -> np.ndarray:
    low, last = int(low), int(last)
    everything = (low, last) == (-(2**63), 2**63 - 1)
    return sampling.random_from_to(e, shape, low, None if everything else last + 1, dtype)


# name: (numbers, draw(engine, shape, *numbers, dtype), check of the dtype, made fresh too)
_FILLS: dict[str, tuple] = {
    "uniform": (
        ("low", "high"), lambda e, shape, low, high, dtype: sampling.uniform(e, shape, float(low), float(high), dtype),
        _needs("uniform_", _CONTINUOUS, NotImplementedError, "check_uniform_bounds"), True,
    ),
    "normal": (
        ("mean", "std"), None, _needs("normal_", _CONTINUOUS, NotImplementedError, "normal_kernel_cpu"), True,
    ),
    "randint": (("low", "last"), _randint, _any_dtype, True),
    "random_full": ((), lambda e, shape, dtype: sampling.random_full(e, shape, dtype), _any_dtype, False),
    "bernoulli": (("p",), lambda e, shape, p, dtype: sampling.bernoulli(e, shape, float(p)), _any_dtype, True),
    "exponential": (
        ("lambd",), lambda e, shape, rate, dtype: sampling.exponential(e, shape, float(rate), dtype),
        _needs("exponential_", _FLOAT, RuntimeError, "exponential_"), False,
    ),
    "log_normal": (
        ("mean", "std"), lambda e, shape, mean, std,
        dtype: sampling.log_normal(e, shape, float(mean), float(std), dtype),
        _needs("log_normal_", _FLOAT, NotImplementedError, "log_normal_cpu"), False,
    ),
    "cauchy": (
        ("median", "sigma"), lambda e, shape, m, s, dtype: sampling.cauchy(e, shape, float(m), float(s), dtype),
        _needs("cauchy_", _FLOAT, RuntimeError, "cauchy_"), False,
    ),
    "geometric": (
        ("p",), lambda e, shape, p, dtype: sampling.geometric(e, shape, float(p), dtype), _any_dtype, False,
    ),
}  # fmt: skip


def _declare_fill(name: str, numbers: tuple[str, ...], draw: Any, check: Any, fresh: bool) -> None:
    """`NAME_fill_op_` overwrites a tensor; `NAME_op` makes a new one."""
    given = "".join(f"Number {n}, " for n in numbers)

    def sample(engine: Any, shape: Any, values: tuple, layout: Layout, dtype: Any) -> np.ndarray:
        if draw is None:  # normal samples also depend on whether the memory is contiguous
            mean, std = map(float, values)
            return _drawn(lambda s: sampling.normal(engine, s, mean, std, dtype, layout is None), shape, layout)
        return _drawn(lambda s: draw(engine, s, *values, dtype), shape, layout)

    def fill_infer(x: Meta, *_: Meta, layout: Layout, dtype: Any, generator: int) -> Meta:
        check(dtype)
        return written(x)

    declare(
        f"{name}_fill_op(Tensor input, {given}any layout, dtype dtype, int generator)", infer=fill_infer,
        reference=lambda e, x, *values, layout, dtype: sample(e, x.shape, values, layout, dtype),
        vjp=(lambda g, out, *_, **__: g * 0, *(None for _ in numbers)), random=True, inplace=True,
        grad_name=f"{name.title().replace('_', '')}Backward0", doc=f"overwrite with {name} samples",
    )  # fmt: skip
    if not fresh:
        return

    def infer(*_: Meta, size: Any, layout: Layout, dtype: Any, device: Any, generator: int) -> Meta:
        check_size(name, size)
        check(dtype)
        return meta(size, dtype, device, _stride(size, layout))

    declare(
        f"{name}_op({given}int[] size, any layout, dtype dtype, any device, int generator)", infer=infer,
        reference=lambda e, *values, size, layout, dtype, device: sample(e, size, values, layout, dtype),
        random=True, doc=f"a new tensor of {name} samples",
    )  # fmt: skip


for _name, _facts in _FILLS.items():
    _declare_fill(_name, *_facts)


def _randperm_infer(n: int, dtype: Any, device: Any, generator: int) -> Meta:
    check_size("randperm", (n,))
    if n > 0 and n - 1 > largest(dtype):
        raise RuntimeError(
            f"randperm: value cannot be converted to type {dtype} without overflow: got n={n}. Fix: use torch.int64."
        )
    return meta((n,), dtype, device)


def largest(kind: Any) -> int:
    """The largest integer up to which a dtype holds every integer."""
    if kind.category == dtypes.INTEGER:
        return int(np.iinfo(kind.storage).max)
    return 1 if kind.category == dtypes.BOOL else 2 ** {"float16": 11, "bfloat16": 8, "float32": 24}.get(kind.name, 53)


declare(
    "randperm_op(int n, dtype dtype, any device, int generator)", infer=_randperm_infer, random=True,
    reference=lambda e, n, dtype, device: sampling.randperm(e, n, dtype), doc="the integers below n in random order",
)  # fmt: skip


def _chances_infer(x: Meta, p: Meta, layout: Layout, generator: int) -> Meta:
    if p.dtype.category != dtypes.FLOATING:
        got = f"probabilities of {p.dtype}"
        raise NotImplementedError(
            explain_error("bernoulli", got=got, expected="a floating-point dtype", fix="p.float()")
        )
    if broadcast_shapes("bernoulli", x.shape, p.shape) != tuple(x.shape):
        raise RuntimeError(
            explain_error(
                "bernoulli_", got=f"p of shape {list(p.shape)}", expected=f"a shape that expands to {list(x.shape)}"
            )
        )
    return like(x, stride=None if layout is None else x.stride)


def _chances(e: Any, x: np.ndarray, p: np.ndarray, layout: Layout) -> np.ndarray:
    p = np.broadcast_to(p, x.shape)
    if layout is None:
        return sampling.bernoulli_like(e, p)
    return sampling.bernoulli_like(e, p.transpose(layout)).transpose(np.argsort(layout))


declare(
    "bernoulli_each_op(Tensor input, Tensor p, any layout, int generator)", infer=_chances_infer, reference=_chances,
    vjp=(lambda g, out, x, p, layout, generator: g * 0, lambda g, out, x, p, layout, generator: g * 0), random=True,
    inplace=True, grad_name="BernoulliBackward0", doc="zeros and ones, one with probability p of each element",
)  # fmt: skip


def _normal_like_infer(mean: Meta, std: Meta, generator: int) -> Meta:
    shape = broadcast_shapes("normal", mean.shape, std.shape)
    kind = std.dtype if mean.weak else mean.dtype
    if kind.category != dtypes.FLOATING:
        raise NotImplementedError(
            explain_error("normal", got=f"{kind}", expected="floating-point mean and std", fix="mean.float()")
        )
    return meta(shape, kind, std.device if mean.weak else mean.device)


# The dtype by which the samples are drawn is that of the result; a reference sees 16-bit floats as float32.
declare(
    "normal_each_op(Operand mean, Operand std, dtype dtype, int generator)",
    infer=lambda mean, std, dtype, generator: _normal_like_infer(mean, std, generator),
    reference=lambda e, mean, std, dtype: sampling.normal_like(e, mean, std, dtype),
    vjp=(
        lambda g, out, m, s, dtype, generator: T.zeros_like(m),
        lambda g, out, m, s, dtype, generator: T.zeros_like(s),
    ),
    random=True, grad_name="NormalBackward3", doc="normal samples with a mean and a deviation for each element",
)  # fmt: skip


def _multinomial_infer(weights: Meta, num_samples: int, replacement: bool, dtype: Any, generator: int) -> Meta:
    def refuse(got: str, expected: str, fix: str) -> None:
        raise RuntimeError(explain_error("multinomial", got=got, expected=expected, fix=fix))

    if weights.dtype.category != dtypes.FLOATING:
        refuse(f"weights of {weights.dtype}", "a floating-point dtype", "weights.float()")
    if weights.ndim not in (1, 2):
        refuse(
            f"weights of shape {list(weights.shape)}", "one or two dimensions", "weights.reshape(-1, weights.shape[-1])"
        )
    if num_samples <= 0:
        refuse(f"num_samples={num_samples}", "num_samples > 0", "ask for at least one sample")
    if not replacement and num_samples > weights.shape[-1]:
        refuse(
            f"num_samples={num_samples} from {weights.shape[-1]} weights", "no more samples than weights",
            "draw fewer, or pass replacement=True",
        )  # fmt: skip
    return like(weights, shape=(*weights.shape[:-1], num_samples), dtype=dtypes.int64)


declare(
    "multinomial_op(Tensor input, int num_samples, bool replacement, dtype dtype, int generator)",
    infer=_multinomial_infer,
    reference=lambda e, weights, num_samples, replacement,
    dtype: sampling.multinomial(e, weights, num_samples, replacement, dtype),
    random=True, doc="indices drawn by weight",
)  # fmt: skip


def _slopes(e: Any, x: np.ndarray, lower: Any, upper: Any) -> np.ndarray:
    """Drawn in double precision, for the elements that are not positive only."""
    low = x <= 0
    noise = np.ones_like(x)
    noise[low] = sampling.uniform(e, (int(low.sum()),), float(lower), float(upper), dtypes.float64)
    return noise


declare(
    "rrelu_noise_op(Tensor input, Number lower, Number upper, int generator)", random=True,
    infer=lambda x, lower, upper, generator: like(x), reference=_slopes, doc="a uniform sample where input is not positive, 1 elsewhere",
)  # fmt: skip


def _poisson_infer(rate: Meta, dtype: Any, generator: int) -> Meta:
    _needs("poisson", _FLOAT, NotImplementedError, "poisson_cpu")(rate.dtype)
    return like(rate)


declare(
    "poisson_op(Tensor input, dtype dtype, int generator)", infer=_poisson_infer, random=True,
    reference=lambda e, rate, dtype: sampling.poisson(e, rate, dtype), vjp=(lambda g, out, x, dtype, generator: g * 0,),
    grad_name="PoissonBackward0", doc="Poisson counts with a rate for each element",
)  # fmt: skip
