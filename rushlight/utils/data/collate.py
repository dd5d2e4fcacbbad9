"""From a list of samples to one batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

import rushlight
from rushlight.lessons import say

_NOT_NUMBERS = "SUOMmV"  # numpy kinds that no tensor can hold: text, objects, dates, records


class UnequalSamples(RuntimeError):
    """Samples that cannot be stacked. `path` leads to the field, `position` to the sample that differs from the first.

    The fetcher, which knows the dataset's indices, words it again with them.
    """

    def __init__(self, what: str, first: Any, other: Any, position: int) -> None:
        super().__init__()
        self.what, self.first, self.other, self.position = what, first, other, position
        self.path: list[Any] = []

    def __str__(self) -> str:
        return self.describe(0, self.position, None)

    def describe(self, first_index: Any, other_index: Any, transform: Any, cause: str | None = None) -> str:
        """The message, with dataset indices in place of positions in the batch, and the transform that is to blame."""
        field = say("samples-differ/sample")
        if self.path:
            path = repr(self.path[0]) + "".join(f"[{key!r}]" for key in self.path[1:])
            field = say("samples-differ/field", path=path)
        fix = say("samples-differ/resize")
        if transform is not None:
            text, cause = " ".join(str(transform).split()), cause or say("samples-differ/end")
            fix = say("samples-differ/transform", cause=cause, transform=text)
        facts = {"what": self.what, "other": self.other, "first": self.first}
        return say("samples-differ", index=other_index, first_index=first_index, field=field, fix=fix, **facts)


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack samples along a new first dimension, field by field.

    Tensors and arrays are stacked; ints, floats (as float64) and bools become one tensor; strings stay a list; tuples,
    lists, named tuples and mappings keep their structure (a tuple of fields comes back as a list).
    RuntimeError when sizes differ, TypeError for any other type.

    >>> import rushlight as torch
    >>> torch.utils.data.default_collate([(1, "a"), (2, "b")])
    [tensor([1, 2]), ('a', 'b')]
    """
    first = batch[0]
    kind = type(first)
    if isinstance(first, rushlight.Tensor):
        return _stack_tensors(batch)
    if kind is int or kind is bool:
        return _whole_numbers(batch)
    if isinstance(first, float) and not isinstance(first, np.generic):
        return rushlight.from_numpy(np.array(batch, dtype=np.float64))
    if isinstance(first, np.ndarray):
        return _stack_arrays(batch)
    if isinstance(first, (np.number, np.bool_)):
        return rushlight.from_numpy(np.array(batch, dtype=first.dtype))
    if isinstance(first, int):
        return rushlight.tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        fields = {key: _collate_field([sample[key] for sample in batch], key) for key in first}
        return _like_mapping(first, fields)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*map(_collate_field, _columns(batch), first._fields))
    if isinstance(first, Sequence):
        columns = [_collate_field(column, position) for position, column in enumerate(_columns(batch))]
        return columns if kind is tuple or kind is list else _like_sequence(first, columns)
    raise TypeError(_unsupported(first))


def default_convert(data: Any) -> Any:
    """Turn the NumPy arrays and numbers inside `data` into tensors and keep everything else (no batch dimension).

    >>> import rushlight as torch
    >>> torch.utils.data.default_convert([torch.ones(1).numpy(), "text"])
    [tensor([1.]), 'text']
    """
    if isinstance(data, np.ndarray) and data.dtype.kind not in _NOT_NUMBERS:
        return rushlight.as_tensor(data)
    if isinstance(data, (np.number, np.bool_)):
        return rushlight.as_tensor(data)
    return map_items(default_convert, data)


def map_items(function: Callable[[Any], Any], data: Any) -> Any:
    """`data` with `function` applied to the items of the container that it is; anything else comes back unchanged."""
    if isinstance(data, (str, bytes, np.ndarray, rushlight.Tensor)):
        return data
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: function(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(function, data))
    if isinstance(data, Sequence):
        items = [function(item) for item in data]
        return items if isinstance(data, tuple) else _like_sequence(data, items)
    return data


def _collate_field(column: Sequence[Any], key: Any) -> Any:
    try:
        return default_collate(column)
    except UnequalSamples as error:
        error.path.insert(0, key)
        raise


def _columns(batch: Sequence[Any]) -> list[tuple[Any, ...]]:
    """One tuple for each field, over all samples."""
    try:
        return list(zip(*batch, strict=True))
    except ValueError:
        _check_equal("length", [len(sample) for sample in batch])
        raise


def _check_equal(what: str, values: Sequence[Any]) -> None:
    for position, value in enumerate(values):
        if value != values[0]:
            raise UnequalSamples(what, values[0], value, position) from None


def _stack_tensors(batch: Sequence[Any]) -> Any:
    first = batch[0]
    if first._trace is None and all([_is_at_rest(tensor, first.dtype) for tensor in batch]):
        return _stack_arrays([tensor._compute_array() for tensor in batch])
    try:
        return rushlight.stack(batch)
    except RuntimeError:
        _check_equal("shape", [tuple(tensor.shape) for tensor in batch])
        raise


def _is_at_rest(value: Any, kind: Any) -> bool:
    """Whether it is a tensor of that dtype that nothing needs to be computed for, and that NumPy can stack."""
    if not isinstance(value, rushlight.Tensor) or value.dtype is not kind or kind is rushlight.bfloat16:
        return False
    owner = value if value._base is None else value._base
    return owner._trace is None and owner._array is not None and value.is_cpu and not value.requires_grad


def _stack_arrays(batch: Sequence[Any]) -> Any:
    first = batch[0]
    if first.dtype.kind in _NOT_NUMBERS:
        raise TypeError(_unsupported(first))
    if any(array.dtype != first.dtype for array in batch):
        return _stack_tensors([rushlight.as_tensor(array) for array in batch])
    shape = first.shape
    if any(array.shape != shape for array in batch):
        _check_equal("shape", [np.shape(array) for array in batch])
    if not shape:
        return rushlight.from_numpy(np.array(batch))
    # One call, and rows in order: `np.stack` takes a call for each array, and keeps the order that the arrays lie in.
    made = np.empty((len(batch) * shape[0], *shape[1:]), first.dtype)
    return rushlight.from_numpy(np.concatenate(batch, out=made).reshape(len(batch), *shape))


def _whole_numbers(batch: Sequence[Any]) -> Any:
    array = np.array(batch)
    # A list that turns out to be mixed (1, 2.5) follows the rules of `tensor`.
    return rushlight.from_numpy(array) if array.dtype in (np.int64, np.bool_) else rushlight.tensor(batch)


def _like_mapping(original: Mapping, fields: dict) -> Any:
    if type(original) is dict:
        return fields
    try:
        if isinstance(original, MutableMapping):
            result = copy.copy(original)  # keeps a subclass's other attributes
            result.update(fields)
            return result
        return type(original)(fields)  # type: ignore[call-arg]
    except TypeError:
        return fields


def _like_sequence(original: Sequence, items: list) -> Any:
    if type(original) is list or isinstance(original, range):
        return items
    try:
        if isinstance(original, MutableSequence):
            result = copy.copy(original)
            for position, item in enumerate(items):
                result[position] = item
            return result
        return type(original)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def _unsupported(value: Any) -> str:
    kind = type(value)
    found = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    fix = "convert"
    if kind.__module__.startswith("PIL."):
        fix = "picture"
    elif value is None:
        fix = "none"
    elif isinstance(value, np.ndarray):
        found, fix = say("cannot-collate/array", dtype=value.dtype), "text"
    return say("cannot-collate", found=found, fix=say(f"cannot-collate/{fix}"))
