"""Filling tensors with starting values, in place and without gradients. Each function returns its tensor.

fan_in is the number of inputs that reach one output (columns × receptive field), fan_out the other way round.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import rushlight
from rushlight.errors import explain_error

Tensor = rushlight.Tensor

_GAIN_ONE = (
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance through a nonlinearity: 1 for linear, 5/3 for tanh, √2 for relu, ...

    >>> import rushlight as torch
    >>> torch.nn.init.calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity in _GAIN_ONE:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "selu":
        return 3.0 / 4
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float))):
            raise ValueError(explain_error("calculate_gain", got=f"param={param!r}", expected="the negative slope"))
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1 + slope**2))
    known = (*_GAIN_ONE, "tanh", "relu", "leaky_relu", "selu")
    raise ValueError(
        explain_error("calculate_gain", got=f"nonlinearity={nonlinearity!r}", expected=f"one of {', '.join(known)}")
    )


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Values from the uniform distribution on [a, b).

    >>> import rushlight as torch
    >>> w = torch.nn.init.uniform_(torch.empty(100), 2.0, 3.0)
    >>> bool(((w >= 2) & (w < 3)).all())
    True
    """
    with rushlight.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Values from the normal distribution.

    >>> import rushlight as torch
    >>> torch.nn.init.normal_(torch.empty(2, 3), std=0.02).shape
    torch.Size([2, 3])
    """
    with rushlight.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> Tensor:
    """Values from the normal distribution, only those in [a, b]; a and b are absolute, not in units of std.

    >>> import rushlight as torch
    >>> bool((torch.nn.init.trunc_normal_(torch.empty(100)).abs() <= 2).all())
    True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            f"trunc_normal_: mean={mean} lies more than two std={std} outside [{a}, {b}]; the values may be "
            "distributed "
            f"wrongly.",
            stacklevel=2,
        )

    if not a < b:
        raise ValueError(explain_error("trunc_normal_", got=f"a={a}, b={b}", expected="a < b"))

    def below(x: float) -> float:  # the normal distribution function
        return (1.0 + math.erf((x - mean) / (std * math.sqrt(2.0)))) / 2.0

    # Draw whole tensors and keep what is accepted, normal values where enough of them fall inside, else uniform ones.
    propose = _propose_normal if below(b) - below(a) > 0.3 else _propose_uniform
    with rushlight.no_grad():
        values, accepted = propose(tensor, mean, std, a, b, generator)
        while not accepted.all():
            more, good = propose(tensor, mean, std, a, b, generator)
            values, accepted = rushlight.where(accepted, values, more), accepted | good
        return tensor.copy_(values)


def _propose_normal(like: Tensor, mean: float, std: float, a: float, b: float, generator: Any) -> tuple[Tensor, Tensor]:
    values = rushlight.empty_like(like, requires_grad=False).normal_(mean, std, generator=generator)
    return values, (values >= a) & (values <= b)


def _propose_uniform(
    like: Tensor, mean: float, std: float, a: float, b: float, generator: Any
) -> tuple[Tensor, Tensor]:
    low, high = (a - mean) / std, (b - mean) / std
    values = rushlight.empty_like(like, requires_grad=False).uniform_(low, high, generator=generator)
    peak = 0.0 if low <= 0 <= high else min(low * low, high * high)  # the density is highest nearest to 0
    chance = rushlight.empty_like(values).uniform_(generator=generator)
    return values * std + mean, chance <= rushlight.exp((peak - values * values) / 2)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every value `val`.

    >>> import rushlight as torch
    >>> torch.nn.init.constant_(torch.empty(2), 0.5)
    tensor([0.5000, 0.5000])
    """
    with rushlight.no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Every value 1.

    >>> import rushlight as torch
    >>> torch.nn.init.ones_(torch.empty(2))
    tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Every value 0.

    >>> import rushlight as torch
    >>> torch.nn.init.zeros_(torch.empty(2))
    tensor([0., 0.])
    """
    with rushlight.no_grad():
        return tensor.zero_()


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix (2-D only).

    >>> import rushlight as torch
    >>> torch.nn.init.eye_(torch.empty(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    if tensor.dim() != 2:
        raise ValueError(explain_error("eye_", got=f"a shape of {tuple(tensor.shape)}", expected="2 dimensions"))
    rows, columns = tensor.shape
    with rushlight.no_grad():
        return tensor.copy_(rushlight.eye(rows, columns, dtype=tensor.dtype, device=tensor.device))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution weight that passes its input channels through unchanged (3-D to 5-D)."""
    if tensor.dim() not in (3, 4, 5):
        raise ValueError(explain_error("dirac_", got=f"a shape of {tuple(tensor.shape)}", expected="3 to 5 dimensions"))
    if groups < 1 or tensor.shape[0] % groups != 0:
        raise ValueError(
            explain_error(
                "dirac_", got=f"{tensor.shape[0]} output channels with groups={groups}", expected="a multiple"
            )
        )
    per_group = tensor.shape[0] // groups
    middle = tuple(size // 2 for size in tensor.shape[2:])
    with rushlight.no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(per_group, tensor.shape[1])):
                tensor[(group * per_group + channel, channel, *middle)] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    if tensor.dim() < 2:
        raise ValueError(
            explain_error(
                "fan_in and fan_out",
                got=f"a tensor of shape {tuple(tensor.shape)}",
                expected="at least 2 dimensions",
                fix="use this on weights only; give biases zeros_ or constant_",
            )
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(explain_error("init", got=f"mode={mode!r}", expected="'fan_in' or 'fan_out'"))
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Uniform in ±gain·√(6 / (fan_in + fan_out)).

    >>> import rushlight as torch
    >>> w = torch.nn.init.xavier_uniform_(torch.empty(3, 5))
    >>> bool(w.abs().max() <= (6 / 8) ** 0.5)
    True
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / max(1.0, float(fan_in + fan_out)))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Normal with std = gain·√(2 / (fan_in + fan_out)).

    >>> import rushlight as torch
    >>> torch.nn.init.xavier_normal_(torch.empty(3, 5), gain=2.0).shape
    torch.Size([3, 5])
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / max(1.0, float(fan_in + fan_out)))
    return normal_(tensor, 0.0, std, generator)


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Tensor:
    """Uniform in ±gain·√(3 / fan); `a` is the slope of a leaky_relu.

    >>> import rushlight as torch
    >>> torch.nn.init.kaiming_uniform_(torch.empty(3, 5), a=5**0.5).shape
    torch.Size([3, 5])
    """
    if _is_empty(tensor):
        return tensor
    fan = _calculate_correct_fan(tensor, mode)
    std = calculate_gain(nonlinearity, a) / math.sqrt(fan)
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Tensor:
    """Normal with std = gain / √fan; `a` is the slope of a leaky_relu.

    >>> import rushlight as torch
    >>> torch.nn.init.kaiming_normal_(torch.empty(3, 5), nonlinearity="relu").shape
    torch.Size([3, 5])
    """
    if _is_empty(tensor):
        return tensor
    fan = _calculate_correct_fan(tensor, mode)
    std = calculate_gain(nonlinearity, a) / math.sqrt(fan)
    return normal_(tensor, 0.0, std, generator)


def _is_empty(tensor: Tensor) -> bool:
    if 0 in tensor.shape:
        warnings.warn(f"init: a tensor of shape {tuple(tensor.shape)} has no values to set.", UserWarning, stacklevel=3)
        return True
    return False


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """A (semi-)orthogonal matrix times gain; dimensions after the first count as columns.

    >>> import rushlight as torch
    >>> w = torch.nn.init.orthogonal_(torch.empty(2, 2))
    >>> torch.allclose(w @ w.T, torch.eye(2), atol=1e-6)
    True
    """
    if tensor.dim() < 2:
        raise ValueError(
            explain_error("orthogonal_", got=f"shape {tuple(tensor.shape)}", expected="2 or more dimensions")
        )
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    with rushlight.no_grad():
        flat = rushlight.empty((rows, columns), dtype=tensor.dtype, device=tensor.device)
        flat.normal_(0, 1, generator=generator)
        q, r = rushlight.linalg.qr(flat.t() if rows < columns else flat)
        q = q * rushlight.diag(r, 0).sign()  # makes the decomposition unique, so that Q is uniformly distributed
        if rows < columns:
            q = q.t()
        tensor.copy_(q.reshape(tensor.shape))
        return tensor.mul_(gain)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Normal values, with the fraction `sparsity` of each column set to 0 (2-D only)."""
    if tensor.dim() != 2:
        raise ValueError(explain_error("sparse_", got=f"a shape of {tuple(tensor.shape)}", expected="2 dimensions"))
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with rushlight.no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[rushlight.randperm(rows)[:zeros], column] = 0
    return tensor


def _deprecated(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The old name without the underscore."""
    new = function.__name__
    old = new[:-1]

    @functools.wraps(function)
    def renamed(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(f"nn.init.{old} is deprecated. Fix: call nn.init.{new}.", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    renamed.__name__ = renamed.__qualname__ = old
    renamed.__doc__ = f"Old name of `{new}`."
    return renamed


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
