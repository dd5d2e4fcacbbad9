"""Tensors that a Module owns: `Parameter` (learned), `Buffer` (state), and their forms whose shape is not known yet."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.functional import pickling
from rushlight.functional.overriding import disabled_torch_function

_NO_SHAPE = explain_error(
    "an uninitialized parameter or buffer",
    got="a use of its shape or its values, which it does not have yet",
    fix="run one batch through the lazy module, so that its shapes become known",
)


class _ParameterType(type(rushlight.Tensor)):
    """`isinstance(x, Parameter)`: also for a tensor of another class that was made a parameter, which keeps its class."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        return cls is Parameter and isinstance(instance, rushlight.Tensor) and getattr(instance, "_is_param", False)


class Parameter(rushlight.Tensor, metaclass=_ParameterType):
    """A tensor that a Module lists in `parameters()`: assigning one to a Module attribute registers it.

    >>> import rushlight as torch
    >>> torch.nn.Parameter(torch.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    __torch_function__ = classmethod(disabled_torch_function)

    def __new__(cls, data: rushlight.Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = rushlight.empty(0)
        if not isinstance(data, rushlight.Tensor):
            raise TypeError(
                explain_error(
                    "Parameter",
                    got=f"{type(data).__name__}",
                    expected="a Tensor",
                    fix="wrap the values: Parameter(torch.tensor(values))",
                )
            )
        if requires_grad and not (data.dtype.is_floating_point or data.dtype.is_complex):
            raise RuntimeError(
                explain_error(
                    "Parameter",
                    got=f"data of {data.dtype} with requires_grad=True",
                    expected="a floating point or complex dtype",
                    fix="convert with .float(), or pass requires_grad=False",
                )
            )
        if type(data) is not rushlight.Tensor and not issubclass(type(data), Parameter):  # a class of its own
            made = rushlight.Tensor._make_subclass(type(data), data, requires_grad)
            made._is_param = True
            return made
        return rushlight.Tensor._make_subclass(cls, data, requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple:
        state = pickling.state_of(self)
        pickling.warn_if_has_hooks(self)
        return (_rebuild, (self.data, self.requires_grad), *((state,) if state else ()))

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    __str__ = __repr__


def _rebuild(data: rushlight.Tensor, requires_grad: bool) -> Parameter:
    """The parameter of a pickle: of no class of its own, as in PyTorch."""
    return Parameter(data, requires_grad)


class _BufferType(type(rushlight.Tensor)):
    """`isinstance(x, Buffer)` asks for the mark that `Buffer(...)` leaves: a buffer is an ordinary Tensor."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is Buffer:
            return isinstance(instance, rushlight.Tensor) and getattr(instance, "_is_buffer", False)
        return super().__instancecheck__(instance)


class Buffer(rushlight.Tensor, metaclass=_BufferType):
    """State that a Module saves but does not learn: assigning one to a Module attribute registers it.

    >>> import rushlight as torch
    >>> m = torch.nn.Module()
    >>> m.mean = torch.nn.Buffer(torch.zeros(2))
    >>> list(m.state_dict())
    ['mean']
    """

    __torch_function__ = classmethod(disabled_torch_function)

    def __new__(cls, data: rushlight.Tensor | None = None, *, persistent: bool = True) -> rushlight.Tensor:
        if data is None:
            data = rushlight.empty(0)
        buffer = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer


class UninitializedTensorMixin:
    """What the two uninitialized forms share: no shape, and `materialize` to become the real thing."""

    cls_to_become: type

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Take `shape` (values undefined) and turn into an ordinary parameter or buffer, in place."""
        device = self.data.device if device is None else device
        dtype = self.data.dtype if dtype is None else dtype
        self.__class__ = self.cls_to_become  # first: an ordinary tensor has a shape to compare
        self.data = rushlight.empty(shape, device=device, dtype=dtype)

    @property
    def shape(self) -> Any:
        raise RuntimeError(_NO_SHAPE)

    def size(self, *dim: Any) -> Any:
        raise RuntimeError(_NO_SHAPE)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A Parameter whose shape is inferred from the first batch; lazy modules hold them."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> UninitializedParameter:
        data = rushlight.empty(0, device=device, dtype=dtype)
        return rushlight.Tensor._make_subclass(cls, data, requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedParameter:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return type(self), (self.requires_grad, self.data.device, self.data.dtype)


class UninitializedBuffer(UninitializedTensorMixin, rushlight.Tensor):
    """A buffer whose shape is inferred from the first batch."""

    cls_to_become = rushlight.Tensor
    _is_buffer = True
    __torch_function__ = classmethod(disabled_torch_function)

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> UninitializedBuffer:
        buffer = rushlight.Tensor._make_subclass(cls, rushlight.empty(0, device=device, dtype=dtype), requires_grad)
        buffer.persistent = persistent
        return buffer

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedBuffer:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.data.device, self.data.dtype, self.persistent)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return type(self), (self.requires_grad, self.data.device, self.data.dtype, self.persistent)


def is_lazy(param: Any) -> bool:
    """True for a parameter or buffer whose shape is still unknown."""
    return isinstance(param, UninitializedTensorMixin)
