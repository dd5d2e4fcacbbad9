"""`torch.sparse_coo_tensor`, and tensors of zeros in a sparse layout."""

from __future__ import annotations

import functools
import threading
from typing import Any

import numpy as np

from rushlight.dtype import get_default_dtype, int64
from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS
from rushlight.sparse import structure
from rushlight.sparse.coo import CooTensor, coo, empty
from rushlight.sparse.dispatch import handles
from rushlight.sparse.tensor import refusal
from rushlight.tensor import Tensor


class _Switch(threading.local):
    on = False


_switch = _Switch()


class check_sparse_tensor_invariants:
    """Whether sparse tensors are checked when they are made: `with check_sparse_tensor_invariants():`, or as a decorator.

    >>> import rushlight as torch
    >>> with torch.sparse.check_sparse_tensor_invariants():
    ...     torch.sparse_coo_tensor([[5]], [1.0], (2,))
    Traceback (most recent call last):
        ...
    RuntimeError: sparse_coo_tensor: got index 5 in dimension 0 of size 2; expected indices from 0 to the size less one.
    """

    def __init__(self, enable: bool = True) -> None:
        self.state, self.before = enable, []

    @staticmethod
    def is_enabled() -> bool:
        """Whether checks are on."""
        return _switch.on

    @staticmethod
    def enable() -> None:
        """Check from now on."""
        _switch.on = True

    @staticmethod
    def disable() -> None:
        """Check no longer."""
        _switch.on = False

    def __enter__(self) -> None:
        self.before.append(_switch.on)
        _switch.on = self.state

    def __exit__(self, *error: Any) -> None:
        _switch.on = self.before.pop()

    def __call__(self, function: Any) -> Any:
        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.state):
                return function(*args, **kwargs)

        return checked


def wants_checks(given: bool | None) -> bool:
    """Whether a tensor is to be checked when it is made."""
    return _switch.on if given is None else given


def index_tensor(indices: Any) -> Any:
    """Indices as a tensor of int64."""
    found = indices if isinstance(indices, Tensor) else FUNCTIONS["tensor"](indices)
    return found.detach().to(int64)


def value_tensor(values: Any, dtype: Any, device: Any) -> Any:
    """Values as a tensor, of the dtype if one is given."""
    if isinstance(values, Tensor):
        return values.to(dtype=dtype, device=device) if dtype is not None or device is not None else values
    return FUNCTIONS["tensor"](values, dtype=dtype, device=device)


def finish(made: Any, requires_grad: bool) -> Any:
    """A leaf of its own where a gradient is asked for; else gradients flow to the values that were given."""
    if requires_grad:
        made._made_by = None
        made._values_part = made._values_part.detach()
        return made.requires_grad_()
    if not made.requires_grad:
        made._made_by = None
    return made


def sparse_coo_tensor(
    *args: Any, indices: Any = None, values: Any = None, size: Any = None, dtype: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, check_invariants: bool | None = None, is_coalesced: bool | None = None,
) -> CooTensor:  # fmt: skip
    """A tensor that is zero except at the columns of `indices` (sparse dimensions, nnz), where `values` (nnz, *) are.

    Without a size the smallest one that holds the indices is taken. Values of equal places add up. With
    `check_invariants=True` indices outside the size are a RuntimeError at once; otherwise where they are used.

    >>> import rushlight as torch
    >>> torch.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3))
    tensor(indices=tensor([[0, 1],
                           [2, 0]]),
           values=tensor([3., 4.]),
           size=(2, 3), nnz=2, layout=torch.sparse_coo)
    """
    name = "sparse_coo_tensor"
    if len(args) == 1 and indices is None and values is None:
        size, args = args[0], ()
    given = dict(zip(("indices", "values", "size"), args, strict=False))
    indices, values, size = given.get("indices", indices), given.get("values", values), given.get("size", size)
    if indices is None and values is None and size is not None:
        made = empty(size, len(tuple(size)), dtype or get_default_dtype())
        return finish(made, requires_grad)
    if indices is None or values is None:
        raise TypeError(
            explain_error(
                name, got="no indices or no values", expected="(indices, values, size), (indices, values) or (size)"
            )
        )
    index, value = index_tensor(indices), value_tensor(values, dtype, device)
    if index.ndim != 2:
        if not index.numel() and index.ndim == 1 and size is not None:
            index = index.reshape(len(size), 0)
        else:
            raise RuntimeError(
                explain_error(name, got=f"indices of shape {list(index.shape)}", expected="(sparse dimensions, nnz)")
            )
    if not value.ndim:
        value = value.reshape(1).expand(index.shape[1])
    if value.shape[0] != index.shape[1]:
        raise RuntimeError(
            explain_error(
                name, got=f"{index.shape[1]} columns of indices and {value.shape[0]} values", expected="the same nnz"
            )
        )
    if size is None:
        size = _inferred(name, index, value)
    shape = tuple(int(n) for n in size)
    if len(shape) != index.shape[0] + value.ndim - 1:
        raise RuntimeError(
            explain_error(
                name, got=f"size {list(shape)} for {index.shape[0]} sparse and {value.ndim - 1} dense dimensions",
                expected="a number for each of them", fix="give indices of shape (sparse dimensions, nnz)",
            )
        )  # fmt: skip
    if tuple(value.shape[1:]) != shape[index.shape[0] :]:
        raise RuntimeError(
            explain_error(
                name,
                got=f"values of shape {list(value.shape)}",
                expected=f"(nnz, {', '.join(map(str, shape[index.shape[0] :]))})",
            )
        )
    if wants_checks(check_invariants):
        _check(name, index, shape, bool(is_coalesced))
    made = coo(index, value, shape, bool(is_coalesced), "SparseCooTensorWithDimsAndTensorsBackward0")
    return finish(made, requires_grad)


def _inferred(name: str, index: Any, value: Any) -> tuple[int, ...]:
    array = structure.host(index)
    if array.size and int(array.min()) < 0:
        raise RuntimeError(explain_error(name, got=f"the index {int(array.min())}", expected="indices from 0"))
    if not array.shape[1]:
        return (*[0] * array.shape[0], *value.shape[1:])
    return (*(int(n) + 1 for n in array.max(1)), *value.shape[1:])


def _check(name: str, index: Any, shape: tuple[int, ...], coalesced: bool) -> None:
    array = structure.host(index)
    problem = structure.outside(array, shape[: array.shape[0]])
    if problem:
        raise RuntimeError(explain_error(name, got=problem, expected="indices from 0 to the size less one"))
    if coalesced:
        numbers = structure.keys(name, array, shape[: array.shape[0]])
        if not (np.diff(numbers) > 0).all():
            raise RuntimeError(explain_error(name, got="is_coalesced=True for indices out of order or with repeats", expected="sorted and distinct ones", fix="leave it out, and call .coalesce()"))  # fmt: skip


def no_values(name: str, size: Any, dtype: Any, layout: Any, requires_grad: bool = False) -> Any:
    """`zeros` and `empty` of a sparse layout."""
    shape = tuple(size)
    kind = dtype or get_default_dtype()
    if layout.name == "sparse_coo":
        return finish(empty(shape, len(shape), kind), requires_grad)
    from rushlight.sparse.compressed import no_values_compressed

    return finish(no_values_compressed(name, shape, kind, layout), requires_grad)


def _like(name: str) -> Any:
    def make(
        input: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, **_: Any
    ) -> Any:
        if layout is not None and layout.name == "strided":
            return FUNCTIONS[name.removesuffix("_like")](
                tuple(input.shape), dtype=dtype or input.dtype, requires_grad=requires_grad
            )
        if input.is_sparse:
            return finish(empty(input.shape, input.sparse_dim(), dtype or input.dtype), requires_grad)
        return no_values(name, input.shape, dtype or input.dtype, input.layout, requires_grad)

    make.__name__ = name
    make.__doc__ = "A tensor of the same size and layout without values."
    return make


for _name in ("zeros_like", "empty_like"):
    handles(_name)(_like(_name))


def _refusing(name: str) -> Any:
    def refuse(input: Any, *args: Any, **kwargs: Any) -> Any:
        if (layout := kwargs.pop("layout", None)) is not None and layout.name == "strided" and name.endswith("_like"):
            return FUNCTIONS[name](FUNCTIONS["empty"](tuple(input.shape), dtype=input.dtype), *args, **kwargs)
        raise refusal(name, input, "say layout=torch.strided" if name.endswith("_like") else "create a dense tensor")

    refuse.__name__ = name
    refuse.__doc__ = "Refused: a sparse tensor with a value at every place is none."
    return refuse


for _name in ("ones_like", "full_like", "rand_like", "randn_like", "randint_like", "new_ones", "new_full"):
    handles(_name)(_refusing(_name))


def _new(name: str) -> Any:
    def make(self: Any, *size: Any, dtype: Any = None, **options: Any) -> Any:
        shape = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
        return no_values(name, shape, dtype or self.dtype, self.layout, options.get("requires_grad", False))

    make.__name__ = name
    make.__doc__ = "A tensor of another size, of the same dtype and layout, without values."
    return make


for _name in ("new_zeros", "new_empty"):
    handles(_name)(_new(_name))


@handles("sparse_resize_")
def sparse_resize_(input: Any, size: Any, sparse_dim: int, dense_dim: int) -> Any:
    """Another size in place, for a tensor without values; or a larger one of as many dimensions."""
    shape = tuple(size)
    if len(shape) != sparse_dim + dense_dim:
        raise RuntimeError(
            explain_error("sparse_resize_", got=f"size {list(shape)}", expected=f"{sparse_dim + dense_dim} numbers")
        )
    if not input._nnz():
        return input._become(empty(shape, sparse_dim, input.dtype))
    shrinks = any(n < m for n, m in zip(shape, input.shape, strict=False))
    if (
        (sparse_dim, dense_dim) != (input.sparse_dim(), input.dense_dim())
        or shrinks
        or shape[sparse_dim:] != tuple(input.shape[sparse_dim:])
    ):
        raise RuntimeError(explain_error("sparse_resize_", got=f"size {list(shape)} for {input._nnz()} values in {list(input.shape)}", expected="as many dimensions, and no smaller sparse ones", fix="sparse_resize_and_clear_"))  # fmt: skip
    return input._become(coo(input._indices_part, input._values_part, shape, input._coalesced))


@handles("sparse_resize_and_clear_")
def sparse_resize_and_clear_(input: Any, size: Any, sparse_dim: int, dense_dim: int) -> Any:
    """Another size in place, without values."""
    return input._become(empty(tuple(size), sparse_dim, input.dtype))


@handles("resize_as_sparse_")
def resize_as_sparse_(input: Any, the_template: Any) -> Any:
    """The size of another sparse tensor, in place."""
    return sparse_resize_(input, the_template.shape, the_template.sparse_dim(), the_template.dense_dim())
