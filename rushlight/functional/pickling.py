"""`copy.copy`, `copy.deepcopy` and pickling of tensors.

As in PyTorch a view is copied with its whole storage. Within one deepcopy tensors that shared memory share it afterwards;
two tensors of one pickle do not (in a file of `torch.save` they do). A pickle holds no gradient and no hooks.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.errors import explain_error, warn_user
from rushlight.functional.creation import wrap
from rushlight.functional.registry import FUNCTIONS
from rushlight.ir.op import TABLE
from rushlight.lazy import record
from rushlight.lazy.handle import base_of
from rushlight.lazy.step import realise
from rushlight.lazy.views import record_view


def own_fields(tensor: Any) -> dict[str, Any]:
    """What the user has set on a tensor; all that Rushlight sets has a default in the class, but for these."""
    ours = record._result_class
    return {n: v for n, v in tensor.__dict__.items() if not hasattr(ours, n) and n not in ("_meta", "_depth")}


def shallow(tensor: Any) -> Any:
    """`copy.copy`: the same memory, the same attributes, no gradient."""
    plain = record_view(TABLE["detach"], tensor, ())
    made = _of_class(type(tensor), plain, tensor._meta.requires_grad)
    made.__dict__.update(own_fields(tensor))
    return made


def deep(tensor: Any, memo: dict) -> Any:
    """`copy.deepcopy`: memory of its own, shared with those that shared it before; the gradient and attributes are copied too."""
    if id(tensor) in memo:
        return memo[id(tensor)]
    if tensor._meta.requires_grad and not tensor._meta.leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment. "
            "Fix: deepcopy(tensor.detach())."
        )
    made = _of_class(type(tensor), _copied_memory(tensor, memo), tensor._meta.requires_grad)
    memo[id(tensor)] = made
    if tensor._grad is not None:
        made._grad = copy.deepcopy(tensor._grad, memo)
    for name, value in own_fields(tensor).items():
        made.__dict__[name] = copy.deepcopy(value, memo)
    return made


def _copied_memory(tensor: Any, memo: dict) -> Any:
    """The tensor's window in a copy of its storage, which is made once for each deepcopy."""
    meta, base = tensor._meta, base_of(tensor)
    if meta.device.type == "meta":
        return FUNCTIONS["empty_strided"](meta.shape, meta.stride, dtype=meta.dtype, device="meta")
    key = ("storage", id(base))
    owner = memo.get(key)
    if owner is None and tensor is base:
        array = realise(tensor)
        if base.untyped_storage().nbytes() == array.nbytes:  # dense: a tensor of its own, and no view
            made = memo[key] = wrap(np.array(array, order="K"), meta.dtype)
            return made
    if owner is None:
        owner = memo[key] = wrap(base.untyped_storage().array().view(base._meta.dtype.storage).copy(), base._meta.dtype)
    return _window(owner, meta.dtype, meta.offset, meta.shape, meta.stride)


def _window(owner: Any, dtype: Any, offset: int, shape: Any, stride: Any) -> Any:
    whole = owner.detach()
    if owner._meta.dtype is not dtype:
        whole = whole.reshape(-1).view(dtype)
    return FUNCTIONS["as_strided"](whole, shape, stride, offset)


def _of_class(cls: type, plain: Any, requires_grad: bool) -> Any:
    if cls is not type(plain):
        return cls._make_subclass(cls, plain, requires_grad)  # type: ignore[attr-defined]
    return plain.requires_grad_(True) if requires_grad else plain


def reduce(tensor: Any) -> tuple:
    """`Tensor.__reduce_ex__`: the class, the storage and the window, and the attributes as the state."""
    warn_if_has_hooks(tensor)
    meta = tensor._meta
    memory: Any = None
    if meta.device.type != "meta":
        memory = np.array(base_of(tensor).untyped_storage().array())
    made = rebuild, (type(tensor), memory, meta.dtype.name, meta.offset, tuple(meta.shape), tuple(meta.stride), meta.requires_grad)  # fmt: skip
    state = state_of(tensor)
    return (*made, state) if state else made


def state_of(tensor: Any) -> Any:
    """What is pickled beside the values: what a `__getstate__` of the class says, or the attributes."""
    getstate = getattr(type(tensor), "__getstate__", None)
    return own_fields(tensor) if getstate is getattr(object, "__getstate__", None) else tensor.__getstate__()


def rebuild(cls: type, memory: Any, dtype: str, offset: int, shape: tuple, stride: tuple, requires_grad: bool) -> Any:
    """The tensor of a pickle."""
    kind = dtypes.BY_NAME[dtype]
    if memory is None:
        plain = FUNCTIONS["empty_strided"](shape, stride, dtype=kind, device="meta")
        return _of_class(cls, plain, requires_grad)
    array = (memory if memory.flags.writeable else memory.copy()).view(kind.storage)
    whole = array.reshape(shape) if offset == 0 and array.size == math.prod(shape) else None
    if whole is not None and whole.strides == tuple(step * kind.itemsize for step in stride):
        plain = wrap(whole, kind)  # a tensor of its own, and no view
    else:
        plain = _window(wrap(array, kind), kind, offset, shape, stride)
    return _of_class(cls, plain, requires_grad)


def warn_if_has_hooks(tensor: Any) -> None:
    """Warn about hooks that a pickle leaves behind, but for those marked with `torch.utils.hooks.unserializable_hook`."""
    for hook in (tensor._backward_hooks or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            text = explain_error(
                "pickle",
                got=f"a tensor with the backward hook {hook!r}, which is not saved",
                fix="mark the hook with @torch.utils.hooks.unserializable_hook if that is as it should be",
            )
            warn_user(text)
