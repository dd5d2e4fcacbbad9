"""Constructors and in-place operations that PyTorch has beside the common ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.creation import empty_strided, size_of, tensor
from rushlight.functional.norms import matrix_norm, vector_norm
from rushlight.functional.registry import FUNCTIONS, METHODS, as_ints, public
from rushlight.functional.shaping import transpose
from rushlight.ir.meta import contiguous_stride
from rushlight.layout import check_strided
from rushlight.ops.rules import wrap_dim


@public()
def scalar_tensor(s: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, **options: Any) -> Any:
    """A number as a tensor without dimensions, of the default dtype unless another is given.

    >>> import rushlight as torch
    >>> torch.scalar_tensor(3)
    tensor(3.)
    """
    check_strided("scalar_tensor", layout)
    return FUNCTIONS["full"]((), s, dtype=dtype or FUNCTIONS["zeros"](()).dtype, device=device, **options)


@public()
def empty_permuted(size: Any, physical_layout: Any, **options: Any) -> Any:
    """A tensor whose dimensions lie in memory in the order of `physical_layout`, the outermost first.

    >>> import rushlight as torch
    >>> torch.empty_permuted((2, 3), (1, 0)).stride()
    (1, 2)
    """
    size, order = size_of((size,)), size_of((physical_layout,))
    if sorted(order) != list(range(len(size))):
        raise RuntimeError(
            explain_error(
                "empty_permuted", got=f"physical_layout={list(order)}", expected=f"each dimension of {list(size)} once, from 0"
            )
        )  # fmt: skip
    steps = contiguous_stride([size[d] for d in order])
    stride = [0] * len(size)
    for d, step in zip(order, steps, strict=True):
        stride[d] = step
    return empty_strided(size, tuple(stride), **options)


@public(method=True, function=False)
def new_empty_strided(input: Any, size: Any, stride: Any, dtype: Any = None, device: Any = None, **options: Any) -> Any:
    """`empty_strided` with this tensor's dtype and device."""
    size, stride = size_of((size,)), size_of((stride,))
    return empty_strided(size, stride, dtype=dtype or input.dtype, device=device or input.device, **options)


@public(method=True)
def resize_as_(input: Any, the_template: Any, *, memory_format: Any = None) -> Any:
    """`resize_` to another tensor's size."""
    return input.resize_(tuple(the_template.shape))


@public(method=True)
def nan_to_num_(input: Any, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Any:
    """In-place `nan_to_num`."""
    return input.copy_(FUNCTIONS["nan_to_num"](input, nan, posinf, neginf))


@public(method=True, function=False)
def float_power_(input: Any, exponent: Any) -> Any:
    """In-place `float_power`; RuntimeError unless the tensor is of the double precision that the result has."""
    found = FUNCTIONS["float_power"](input, exponent)
    if found.dtype is not input.dtype:
        raise RuntimeError(
            explain_error(
                "float_power_", got=f"a tensor of {input.dtype}", expected=f"{found.dtype}", fix="use float_power"
            )
        )
    return input.copy_(found)


@public(method=True, function=False)
def fill_diagonal_(input: Any, fill_value: Any, wrap: bool = False) -> Any:
    """The diagonal set to a number; of more than two dimensions, which must be equally long, the elements [i, i, ..., i].

    wrap: below the bottom of a tall matrix the diagonal begins anew, one row further down.

    >>> import rushlight as torch
    >>> torch.zeros(2, 2).fill_diagonal_(5)
    tensor([[5., 0.],
            [0., 5.]])
    """
    if input.ndim < 2 or input.ndim > 2 and len(set(input.shape)) > 1:
        raise RuntimeError(
            explain_error(
                "fill_diagonal_", got=f"shape {list(input.shape)}", expected="a matrix, or more dimensions of equal length"
            )
        )  # fmt: skip
    if input.ndim > 2:
        place = FUNCTIONS["arange"](input.shape[0])
        input[(place,) * input.ndim] = fill_value
        return input
    rows, columns = input.shape
    for first in range(0, rows if wrap else min(rows, 1), columns + 1):
        input[first : first + columns].diagonal().fill_(fill_value)
    return input


@public(method=True, function=False)
def apply_(input: Any, callable: Callable[[Any], Any]) -> Any:
    """Each element replaced by what a Python function makes of it; slow.

    >>> import rushlight as torch
    >>> torch.tensor([1.0, 2.0]).apply_(lambda v: v * 10)
    tensor([10., 20.])
    """
    return _mapped(input, (), callable)


@public(method=True, function=False)
def map_(input: Any, tensor: Any, callable: Callable[[Any, Any], Any]) -> Any:
    """Each element replaced by what a Python function makes of it and the element of `tensor` beside it; slow."""
    return _mapped(input, (tensor,), callable)


@public(method=True, function=False)
def map2_(input: Any, x: Any, y: Any, callable: Callable[[Any, Any, Any], Any]) -> Any:
    """`map_` with two tensors beside."""
    return _mapped(input, (x, y), callable)


def _mapped(input: Any, others: Sequence[Any], function: Callable[..., Any]) -> Any:
    if input.requires_grad:
        raise RuntimeError(
            explain_error(
                "apply_, map_", got="a tensor that requires grad", expected="one that does not", fix="use .detach()"
            )
        )
    columns = [x.expand(input.shape).reshape(-1).tolist() for x in (input, *others)]
    values = [function(*row) for row in zip(*columns, strict=True)]
    return input.copy_(tensor(values, dtype=input.dtype).reshape(input.shape))


METHODS["__rdiv__"] = lambda self, other: self.reciprocal() * other


@public(method=True)
def adjoint(input: Any) -> Any:
    """The last two dimensions exchanged, and conjugated."""
    return transpose(input, -2, -1).conj()


@public(method=True, function=False)
def dim_order(input: Any) -> tuple[int, ...]:
    """The dimensions in the order of memory, the outermost first.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3).t().dim_order()
    (1, 0)
    """
    return tuple(sorted(range(input.ndim), key=lambda d: -input.stride(d)))


# --- norms --------------------------------------------------------------------------------------------------------------


@public()
def frobenius_norm(input: Any, dim: Any, keepdim: bool = False, *, out: Any = None) -> Any:
    """The root of the sum of squares over dim."""
    return vector_norm(input, 2, as_ints(dim) or None, keepdim, out=out)


@public()
def nuclear_norm(input: Any, *args: Any, dim: Any = None, keepdim: bool = False, out: Any = None) -> Any:
    """The sum of the singular values: nuclear_norm(input, keepdim=False), nuclear_norm(input, dim, keepdim=False).

    >>> import rushlight as torch
    >>> torch.nuclear_norm(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(7.)
    """
    if args and isinstance(args[0], (tuple, list)):
        dim, args = args[0], args[1:]
    return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, args[0] if args else keepdim, out=out)


@public()
def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """The p-norms over all dimensions but `dim`, which stay with size 1; one number for dim = -1."""
    if dim == -1:
        return vector_norm(v, pow)
    others = tuple(d for d in range(v.ndim) if d != wrap_dim(dim, v.ndim, "norm_except_dim"))
    return vector_norm(v, pow, others, True) if others else v.abs()


@public(method=True)
def unsafe_split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> tuple:
    """`split_with_sizes`."""
    return FUNCTIONS["split_with_sizes"](input, split_sizes, dim)


@public("detach_")
def detach_(input: Any) -> Any:
    """Take the tensor off its gradient history, in place."""
    return input.detach_()
