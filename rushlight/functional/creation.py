"""Creating tensors: from data, filled, counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight import device as devices
from rushlight import dtype as dtypes
from rushlight.dtype import dtype as DType
from rushlight.errors import explain_error
from rushlight.functional.registry import as_ints, public
from rushlight.ir.layout import format_name
from rushlight.ir.meta import Meta, meta
from rushlight.ir.op import TABLE
from rushlight.layout import LAYOUTS, check_strided
from rushlight.lazy import record as recorder
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record
from rushlight.lazy.step import realise
from rushlight.ops.rules import dense_stride

_new: Any = object.__new__


def wrap(array: np.ndarray, dtype: DType | None = None, *, requires_grad: bool = False, shared: Any = None) -> Any:
    """A tensor over a NumPy buffer (storage dtype), which it owns unless `shared`."""
    from rushlight.tensor import Tensor

    kind = dtype or dtypes.from_numpy(array.dtype)
    stride = None
    if not array.flags.c_contiguous:
        stride = tuple(s // array.itemsize for s in array.strides)
    t = object.__new__(Tensor)
    t._slot = -1
    t._trace = None
    t._array = array
    t._meta = meta(array.shape, kind, stride=stride, requires_grad=requires_grad, leaf=requires_grad)
    if shared is not None:
        t._shared = shared
    return t


def wants_grad(t: Any, requires_grad: bool) -> Any:
    return t.requires_grad_() if requires_grad else t


def _moved(t: Any, device: Any) -> Any:
    place = devices.resolve(device)
    return t if place is devices.cpu else t.to(place)


def _to_array(data: Any, kind: DType | None) -> tuple[np.ndarray, DType]:
    """Nested Python data as a buffer, with PyTorch's dtype inference."""
    if isinstance(data, (np.ndarray, np.generic)):
        found = dtypes.from_numpy(data.dtype)
        return np.asarray(data), kind or found
    if isinstance(data, (bool, int, float, complex)):
        found = kind or dtypes.of_python(data if type(data) in (bool, int, float, complex) else float(data))
        if kind is None and found is dtypes.int64 and not -(2**63) <= data < 2**63:
            raise ValueError(_too_large(data))
        return _fill_array(np.asarray(data), found), found
    if isinstance(data, (str, bytes, dict, set)) or not hasattr(data, "__len__"):
        raise (TypeError if isinstance(data, (str, bytes)) else RuntimeError)(
            explain_error(
                "torch.tensor",
                got=f"{type(data).__name__} {data!r}",
                expected="numbers, nested lists of numbers, or an array",
            )
        )
    data = _plain(data)
    try:
        array = np.array(data)
    except (ValueError, OverflowError) as error:
        if isinstance(error, OverflowError):
            raise ValueError(_too_large(error)) from None
        mixed = isinstance(data[0], (int, float)) and any(isinstance(item, (list, tuple)) for item in data)
        raise (TypeError if mixed else ValueError)(_ragged(data)) from None
    if array.dtype == np.float64 and array.size and array.max() >= 2.0**63:
        array = _whole(data, array)
    if array.dtype == object or array.dtype.kind not in "biufc":
        _refuse_item(data)
    if array.size == 0 and not isinstance(data, np.ndarray):
        found = kind or dtypes.get_default_dtype()
    elif kind is None:
        kinds = {
            "b": dtypes.bool_,
            "i": dtypes.int64,
            "f": dtypes.get_default_dtype(),
            "c": dtypes.of_category(dtypes.COMPLEX),
        }
        found = kinds.get(array.dtype.kind)
        if any(isinstance(leaf, np.generic) for leaf in _leaves(data)):
            found = dtypes.from_numpy(next(v for v in _leaves(data) if isinstance(v, np.generic)).dtype)
        elif found is None:
            raise ValueError(_too_large(int(array.max())))
    else:
        found = kind
    return _fill_array(array, found), found


def _whole(data: Any, array: np.ndarray) -> np.ndarray:
    """NumPy makes floats of small and large integers side by side: these are integers still."""
    exact = np.array(data, object)
    if not all(isinstance(value, int) for value in exact.flat):
        return array
    if not -(2**64) < min(exact.flat) or max(exact.flat) >= 2**64:
        raise ValueError(_too_large(max(exact.flat)))
    return (exact % 2**64).astype(np.uint64)


def _too_large(value: Any) -> str:
    return explain_error(
        "torch.tensor",
        got=f"an overflow when unpacking long: {value}",
        expected="numbers below 2**63",
        fix="dtype=torch.uint64",
    )


def _leaves(data: Any) -> Any:
    """The first leaf only: enough to see NumPy scalars."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return (data,)


def _plain(data: Any) -> Any:
    """Lists with the tensors inside replaced by arrays or numbers."""
    if isinstance(data, Handle):
        return realise(data) if data._meta.ndim else data.item()
    if (
        isinstance(data, (list, tuple))
        and data
        and (isinstance(data[0], (Handle, list, tuple)) or any(isinstance(d, Handle) for d in data))
    ):
        return [_plain(item) for item in data]
    return data


def _ragged(data: Any, path: str = "") -> str:
    """Say where nested lists stop agreeing in length."""
    lengths = [len(item) if hasattr(item, "__len__") else None for item in data]
    for index, length in enumerate(lengths):
        if length != lengths[0]:
            return (
                f"torch.tensor: expected sequence of length {lengths[0]} at dim {path.count('[') + 1} (got {length}) at "
                f"index {path}[{index}]. Fix: make the rows equally long, or pad them."
            )
    for index, item in enumerate(data):
        try:
            np.array(item)
        except ValueError:
            return _ragged(item, f"{path}[{index}]")
    return "torch.tensor: the nested lists are ragged. Fix: make the rows equally long."


def _refuse_item(data: Any) -> None:
    if isinstance(data, (list, tuple)):
        for item in data:
            _refuse_item(item)
    elif (
        isinstance(data, (str, bytes))
        or data is None
        or not isinstance(data, (int, float, complex, np.number, np.ndarray))
    ):
        # PyTorch's classes: text is a wrong nesting to it, anything else has no dtype
        kind = ValueError if isinstance(data, (str, bytes)) else RuntimeError
        raise kind(
            explain_error("torch.tensor", got=f"{type(data).__name__} {data!r} among the data", expected="numbers only")
        )


def _fill_array(array: np.ndarray, kind: DType) -> np.ndarray:
    from rushlight.backend.numpy.half import to_storage

    if kind.category == dtypes.INTEGER and array.dtype.kind in "iu" and array.size:
        info = np.iinfo(kind.storage)
        low, high = int(array.min()), int(array.max())
        least = info.min if kind.is_signed else -info.max  # a negative number stands for its two's complement
        if low < least or high > info.max:
            raise RuntimeError(
                f"value cannot be converted to type {kind.storage} without overflow: got {low if low < least else high}"
            )
    return np.array(to_storage(array, kind), order="K", copy=True)


@public()
def tensor(
    data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Any:
    """A new tensor holding a copy of `data` (numbers, nested lists, an array, a tensor).

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]), torch.tensor([1.5, 2])
    (tensor([[1, 2],
            [3, 4]]), tensor([1.5000, 2.0000]))
    """
    if isinstance(data, Handle):
        import warnings

        warnings.warn(
            "torch.tensor(tensor) copies. Write t.detach().clone(), or t.detach().clone().requires_grad_(True).",
            UserWarning, stacklevel=2,
        )  # fmt: skip
        return wants_grad(data.detach().clone().to(dtype or data.dtype), requires_grad)  # type: ignore[attr-defined]
    array, kind = _to_array(data, dtype)
    if isinstance(data, (np.ndarray, np.generic)):
        array = _fill_array(array, kind)
    if requires_grad:
        check_differentiable(kind)
    return _moved(wrap(array, kind, requires_grad=requires_grad), device)


def check_differentiable(kind: DType) -> None:
    """Only floating and complex tensors can require gradients."""
    if kind.category < dtypes.FLOATING:
        raise RuntimeError(
            f"Only Tensors of floating point and complex dtype can require gradients; got {kind}. Fix: pass dtype=torch.float32."
        )


@public()
def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Any:
    """`data` as a tensor, without a copy where that is possible (tensors, and arrays of the right dtype).

    >>> import rushlight as torch
    >>> torch.as_tensor([1, 2]), torch.as_tensor(3.0)
    (tensor([1, 2]), tensor(3.))
    """
    if isinstance(data, Handle):
        return data.to(dtype=dtype or data.dtype, device=device)  # type: ignore[attr-defined]
    if isinstance(data, np.ndarray) and (dtype is None or dtypes.from_numpy(data.dtype) is dtype):
        return _moved(from_numpy(data), device)
    return tensor(data, dtype=dtype, device=device)


FROM_DATA = public("asarray")(lambda obj, *, dtype=None, device=None, copy=None, requires_grad=False: wants_grad(
    tensor(obj.numpy() if isinstance(obj, Handle) else obj, dtype=dtype, device=device) if copy else as_tensor(obj, dtype, device), requires_grad
))  # fmt: skip


@public()
def from_numpy(ndarray: np.ndarray) -> Any:
    """A tensor over the array's own memory: a change of one is seen in the other.

    >>> import numpy as np, rushlight as torch
    >>> a = np.ones(3); t = torch.from_numpy(a); a[0] = 5; t.add_(1); a
    tensor([6., 2., 2.], dtype=torch.float64)
    array([6., 2., 2.])
    """
    if ndarray.__class__ is np.ndarray:
        known = _layouts.get((ndarray.dtype, ndarray.shape, ndarray.strides))
        if known is not None:
            made = _new(recorder._result_class)  # as new_handle does
            made._trace = None
            made._slot = -1
            made._meta = known
            made._array = ndarray
            made._shared = True
            return made
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(
            f"from_numpy: expected np.ndarray (got {type(ndarray).__name__}). Fix: torch.tensor(...) copies other data."
        )
    if any(s < 0 for s in ndarray.strides):
        raise ValueError(
            "from_numpy: At least one stride in the given numpy array is negative. Fix: pass array.copy()."
        )
    if ndarray.dtype.byteorder not in "=|" and ndarray.dtype.newbyteorder("=") != ndarray.dtype:
        raise ValueError(
            "from_numpy: given numpy array has byte order different from the native byte order. Fix: array.astype(array.dtype.newbyteorder('='))."
        )
    made = wrap(ndarray, shared=True)
    if len(_layouts) > 4096:
        _layouts.clear()
    _layouts[ndarray.dtype, ndarray.shape, ndarray.strides] = made._meta
    return made


_layouts: dict[
    tuple, Meta
] = {}  # what `from_numpy` found out about arrays: reading a data set, it sees one layout over and over


@public()
def frombuffer(buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Any:
    """A 1-d tensor over the memory of an object with the buffer protocol."""
    return wants_grad(wrap(np.frombuffer(buffer, dtype.storage, count, offset), dtype, shared=True), requires_grad)


def size_of(size: Sequence[Any]) -> tuple[int, ...]:
    """`zeros(2, 3)` or `zeros((2, 3))`."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = size[0]
    found = as_ints(tuple(size))
    return found if isinstance(found, tuple) else (found,)


def _full(value: Any, size: tuple[int, ...], dtype: DType | None, device: Any, requires_grad: bool) -> Any:
    kind = dtype or dtypes.get_default_dtype()
    if requires_grad:
        check_differentiable(kind)
    return wants_grad(record(TABLE["full_op"], (value,), (size, kind, devices.resolve(device))), requires_grad)


_SPARSE = [kind for name, kind in LAYOUTS.items() if name.startswith("sparse")]


def _without_values(name: str, size: Sequence[int], dtype: DType | None, layout: Any, requires_grad: bool) -> Any:
    """Zeros in a sparse layout, which holds none of them."""
    from rushlight.sparse.create import no_values

    return no_values(name, size, dtype, layout, requires_grad)


def _filled(name: str, value: float) -> Any:
    def make(
        *size: Any,
        out: Any = None,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        pin_memory: bool = False,
        requires_grad: bool = False,
        **named: Any,
    ) -> Any:
        if "size" in named:
            size = (named.pop("size"),)
        if layout in _SPARSE and value == 0:
            return _without_values(name, size_of(size), dtype, layout, requires_grad)
        check_strided(name, layout)
        if named and set(named) - {"memory_format", "names"}:
            raise TypeError(f"{name}() got an unexpected keyword argument {next(iter(named))!r}")
        result = _full(value, size_of(size), dtype, device, requires_grad)
        format = format_name(name, named.get("memory_format")).removesuffix("_format")
        if format.startswith("channels_last"):
            result = record(TABLE["clone"], (result.detach(),), (format,)).requires_grad_(requires_grad)
        return result if out is None else out.resize_(result.shape).copy_(result)

    make.__name__ = name
    make.__doc__ = (
        f"A tensor of the given size with every element {value:g}."
        if name != "empty"
        else "A tensor of the given size; its elements are 0 here, and unspecified by contract."
    )
    return public(name)(make)


zeros, ones, empty = _filled("zeros", 0), _filled("ones", 1), _filled("empty", 0)


@public()
def full(
    size: Any,
    fill_value: Any,
    *,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """A tensor of the given size with every element `fill_value`; its type says the dtype.

    The dtype is that of the value unless given. RuntimeError for a negative size.

    >>> import rushlight as torch
    >>> torch.full((2, 2), 7)
    tensor([[7, 7],
            [7, 7]])
    """
    check_strided("full", layout)
    if isinstance(fill_value, Handle):
        dtype = dtype or fill_value._meta.dtype
        fill_value = fill_value.item()  # type: ignore[attr-defined]
    result = _full(fill_value, size_of((size,)), dtype or dtypes.of_python(fill_value), device, requires_grad)
    return result if out is None else out.resize_(result.shape).copy_(result)


def _full_as(value: Any, like: Meta, kind: DType, device: Any, requires_grad: bool, memory_format: Any) -> Any:
    """A filled tensor of another's shape, and in its order of memory unless `memory_format` names one."""
    shape, name = tuple(like.shape), format_name("full_like", memory_format)
    if name == "preserve_format" and like.contiguous or name == "contiguous_format":
        return _full(value, shape, kind, device, requires_grad)
    if requires_grad:
        check_differentiable(kind)
    if name == "preserve_format":
        stride = dense_stride(shape, (like,))
        order = sorted(range(len(shape)), key=lambda d: -stride[d])
        made = _full(value, tuple(shape[d] for d in order), kind, device, False)
        made = record(TABLE["clone"], (made.permute([order.index(d) for d in range(len(shape))]),), (None,))
    else:
        made = record(TABLE["clone"], (_full(value, shape, kind, device, False),), (name,))
    return wants_grad(made, requires_grad)


def _like(name: str, value: float) -> Any:
    def make(
        input: Any,
        *,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        memory_format: Any = None,
        pin_memory: bool = False,
    ) -> Any:
        if layout in _SPARSE and value == 0:
            return _without_values(name, input.shape, dtype or input.dtype, layout, requires_grad)
        check_strided(name, layout)
        if not isinstance(input, Handle):
            raise TypeError(explain_error(name, got=f"a {type(input).__name__}", expected="a tensor"))
        m = input._meta
        return _full_as(value, m, dtype or m.dtype, device or m.device, requires_grad, memory_format)

    make.__name__ = name
    return public(name)(make)


zeros_like, ones_like, empty_like = _like("zeros_like", 0), _like("ones_like", 1), _like("empty_like", 0)


@public()
def full_like(
    input: Any,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Any:
    """`full` with the size, dtype and device of `input`.

    >>> import rushlight as torch
    >>> torch.full_like(torch.tensor([1.0, 2.0]), 7)
    tensor([7., 7.])
    """
    check_strided("full_like", layout)
    m = input._meta
    value = fill_value.item() if isinstance(fill_value, Handle) else fill_value  # type: ignore[attr-defined]
    return _full_as(value, m, dtype or m.dtype, device or m.device, requires_grad, memory_format)


@public()
def empty_strided(size: Any, stride: Any, **options: Any) -> Any:
    """A tensor with the given strides."""
    check_strided("empty_strided", options.pop("layout", None))
    numel = 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if 0 not in tuple(size) else 0
    return empty(numel, **options).as_strided(size, stride)


def constant(value: Any, like: Any) -> Any:
    """A 0-d tensor of a Python number, in the dtype it would compute in beside `like`."""
    return record(TABLE["full_op"], (value,), ((), like.dtype, devices.cpu))
