"""Pooling functions, PyTorch's signatures: max_pool1d … lp_pool3d."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.nn_conv import spread
from rushlight.functional.registry import as_ints, public
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record

_SPACE = "input (batch, channels, *space), or without the batch dimension."


def _checked(op: str, input: Any, n: int) -> None:
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            explain_error(
                op,
                got=f"an input of shape {list(input.shape)}",
                expected=f"{n + 1}D (channels, *space) or {n + 2}D (batch, channels, *space)",
            )
        )


def _max_pool(n: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    name, op, one = f"max_pool{n}d", TABLE["max_pool_op"], (1,) * n

    def with_indices(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        _checked(name, input, n)
        if not input._meta.numel and 0 in input.shape[-n - 1 :]:
            raise RuntimeError(
                explain_error(
                    name, got=f"an input of shape {list(input.shape)}", expected="elements: only the batch may be empty"
                )
            )
        kernel = spread(name, "kernel_size", kernel_size, n)
        step = kernel if stride is None or stride == [] else spread(name, "stride", stride, n)
        static = (
            kernel, step, spread(name, "padding", padding, n), one if dilation == 1 else spread(name, "dilation", dilation, n), bool(ceil_mode),
        )  # fmt: skip
        return record(op, (input,), static)

    def max_pool(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        found = with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
        return found if return_indices else found[0]

    def values_only(
        input: Any, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
    ) -> Any:
        return with_indices(input, kernel_size, None if stride == () else stride, padding, dilation, ceil_mode)[0]

    max_pool.__name__ = max_pool.__qualname__ = values_only.__name__ = name
    max_pool.__doc__ = f"The largest value of each window; with return_indices also where it was, in the flattened input.\n\n{_SPACE} Margins count as -inf."
    with_indices.__name__ = with_indices.__qualname__ = f"{name}_with_indices"
    with_indices.__doc__ = f"`{name}` with return_indices=True."
    values_only.__doc__ = max_pool.__doc__
    public(name)(values_only)
    return max_pool, with_indices


max_pool1d, max_pool1d_with_indices = _max_pool(1)
max_pool2d, max_pool2d_with_indices = _max_pool(2)
max_pool3d, max_pool3d_with_indices = _max_pool(3)
public("max_pool1d_with_indices")(max_pool1d_with_indices)


def _max_unpool(n: int) -> Callable[..., Any]:
    name = f"max_unpool{n}d"

    def max_unpool(
        input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
    ) -> Any:
        _checked(name, input, n)
        kernel = spread(name, "kernel_size", kernel_size, n)
        step = kernel if stride is None else spread(name, "stride", stride, n)
        margin = spread(name, "padding", padding, n)
        plain = tuple(
            (c - 1) * s + k - 2 * p for c, s, k, p in zip(input.shape[-n:], step, kernel, margin, strict=True)
        )
        size = plain if output_size is None else as_ints(tuple(output_size))[-n:]
        if len(size) != n or any(abs(a - b) >= s for a, b, s in zip(size, plain, step, strict=True)):
            raise ValueError(
                explain_error(
                    name,
                    got=f"output_size={list(output_size)}",
                    expected=f"sizes that pool to the input: {list(plain)}, each less than its stride away",
                )
            )
        return record(TABLE["pool_scatter_part"], (input, indices), (size, False))

    max_unpool.__name__ = max_unpool.__qualname__ = name
    max_unpool.__doc__ = f"The partial inverse of max_pool{n}d: each value back at its index, zeros elsewhere."
    return max_unpool


max_unpool1d, max_unpool2d, max_unpool3d = (_max_unpool(n) for n in (1, 2, 3))


def _average(
    name: str,
    n: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: Any,
) -> Any:
    _checked(name, input, n)
    kernel = spread(name, "kernel_size", kernel_size, n)
    step = kernel if stride is None or stride == () or stride == [] else spread(name, "stride", stride, n)
    static = (kernel, step, spread(name, "padding", padding, n), bool(ceil_mode), bool(count_include_pad), divisor)
    return record(TABLE["avg_pool_op"], (input,), static)


@public()
def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window of the last dimension; input (batch, channels, length) or (channels, length).

    >>> import rushlight as torch
    >>> torch.avg_pool1d(torch.tensor([[[1.0, 3.0, 5.0, 7.0]]]), 2)
    tensor([[[2., 6.]]])
    """
    return _average("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def _avg_pool(n: int) -> Callable[..., Any]:
    name = f"avg_pool{n}d"

    def avg_pool(
        input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Any:  # fmt: skip
        return _average(name, n, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

    avg_pool.__name__ = avg_pool.__qualname__ = name
    avg_pool.__doc__ = f"The mean of each window of the last {n} dimensions; {_SPACE}"
    return avg_pool


avg_pool2d, avg_pool3d = _avg_pool(2), _avg_pool(3)

# --- adaptive -----------------------------------------------------------------------------------------------------


def _output_size(op: str, input: Any, output_size: Any, n: int) -> tuple[int, ...]:
    if n > 1 and not isinstance(output_size, int) and input.ndim <= len(output_size):
        raise ValueError(
            explain_error(op, got=f"an input of shape {list(input.shape)}", expected=f"at least {n + 1} dimensions")
        )
    _checked(op, input, n)
    given = (output_size,) * n if isinstance(output_size, int) else tuple(output_size)
    if len(given) == 1:
        given *= n
    if len(given) != n:
        raise RuntimeError(f"{op}: output_size must have {n} values; got {output_size}.")
    return as_ints(tuple(s if o is None else o for o, s in zip(given, input.shape[-n:], strict=True)))


def _adaptive_avg(n: int) -> Callable[..., Any]:
    name = f"adaptive_avg_pool{n}d"

    def adaptive_avg_pool(input: Any, output_size: Any) -> Any:
        size = _output_size(name, input, output_size, n)
        space = tuple(input.shape[-n:])
        if 0 not in size and 0 not in space and all(s % o == 0 for s, o in zip(space, size, strict=True)):
            kernel = tuple(s // o for s, o in zip(space, size, strict=True))
            if kernel == space:
                return input.mean(tuple(range(-n, 0)), True)
            return record(TABLE["avg_pool_op"], (input,), (kernel, kernel, (0,) * n, False, True, None))
        return record(TABLE["resample_op"], (input,), (size, "area", False, (None,) * n))

    adaptive_avg_pool.__name__ = adaptive_avg_pool.__qualname__ = name
    adaptive_avg_pool.__doc__ = f"Means of output_size nearly equal regions; None keeps a dimension's size. {_SPACE}"
    return adaptive_avg_pool


adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = (_adaptive_avg(n) for n in (1, 2, 3))
public()(adaptive_avg_pool1d)


def _adaptive_max(n: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    name = f"adaptive_max_pool{n}d"

    def with_indices(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        size = _output_size(name, input, output_size, n)
        space = tuple(input.shape[-n:])
        if 0 not in size and 0 not in space and all(s % o == 0 for s, o in zip(space, size, strict=True)):
            kernel = tuple(s // o for s, o in zip(space, size, strict=True))
            return record(TABLE["max_pool_op"], (input,), (kernel, kernel, (0,) * n, (1,) * n, False))
        return record(TABLE["adaptive_max_pool_op"], (input,), (size,))

    def adaptive_max_pool(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        found = with_indices(input, output_size)
        return found if return_indices else found[0]

    adaptive_max_pool.__name__ = adaptive_max_pool.__qualname__ = name
    adaptive_max_pool.__doc__ = (
        f"Maxima of output_size nearly equal regions, and with return_indices where they were. {_SPACE}"
    )
    with_indices.__name__ = with_indices.__qualname__ = f"{name}_with_indices"
    with_indices.__doc__ = f"`{name}` with return_indices=True."
    return adaptive_max_pool, with_indices


adaptive_max_pool1d, adaptive_max_pool1d_with_indices = _adaptive_max(1)
adaptive_max_pool2d, adaptive_max_pool2d_with_indices = _adaptive_max(2)
adaptive_max_pool3d, adaptive_max_pool3d_with_indices = _adaptive_max(3)
public("adaptive_max_pool1d")(adaptive_max_pool1d_with_indices)

# --- fractional and power-mean ------------------------------------------------------------------------------------


def _fractional(n: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    name = f"fractional_max_pool{n}d"

    def with_indices(
        input: Any,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> Any:
        _checked(name, input, n)
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"{name} requires specifying either an output_size or an output_ratio; got {'neither' if output_size is None else 'both'}."
            )
        kernel = spread(name, "kernel_size", kernel_size, n)
        if output_size is None:
            ratio = (output_ratio,) * n if isinstance(output_ratio, float) else tuple(output_ratio)
            output_size = tuple(int(s * r) for s, r in zip(input.shape[-n:], ratio, strict=True))
        if _random_samples is None:
            import rushlight

            batch = input.shape[0] if input.ndim == n + 2 else 1
            _random_samples = rushlight.rand(batch, input.shape[-n - 1], n, dtype=input.dtype)
        return record(
            TABLE["fractional_max_pool_op"],
            (input, _random_samples),
            (kernel, spread(name, "output_size", output_size, n)),
        )

    def fractional_max_pool(
        input: Any,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> Any:
        found = with_indices(input, kernel_size, output_size, output_ratio, return_indices, _random_samples)
        return found if return_indices else found[0]

    fractional_max_pool.__name__ = fractional_max_pool.__qualname__ = name
    fractional_max_pool.__doc__ = (
        f"Maxima of windows whose places are drawn at random so that `output_size` of them fill the input. {_SPACE}"
    )
    with_indices.__name__ = with_indices.__qualname__ = f"{name}_with_indices"
    with_indices.__doc__ = f"`{name}` with return_indices=True."
    return fractional_max_pool, with_indices


fractional_max_pool2d, fractional_max_pool2d_with_indices = _fractional(2)
fractional_max_pool3d, fractional_max_pool3d_with_indices = _fractional(3)


def _lp_pool(n: int) -> Callable[..., Any]:
    name = f"lp_pool{n}d"

    def lp_pool(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
        if not norm_type:
            raise ValueError(explain_error(name, got="norm_type=0", expected="a power other than 0"))
        kernel = spread(name, "kernel_size", kernel_size, n)
        count = 1
        for k in kernel:
            count *= k
        mean = _average(name, n, input.pow(norm_type), kernel, stride, 0, ceil_mode, True, None)
        return (mean.sign() * mean.abs().relu() * count).pow(1.0 / norm_type)

    lp_pool.__name__ = lp_pool.__qualname__ = name
    lp_pool.__doc__ = f"(Σ xᵖ)^(1/p) over each window, p = norm_type. {_SPACE}"
    return lp_pool


lp_pool1d, lp_pool2d, lp_pool3d = (_lp_pool(n) for n in (1, 2, 3))
